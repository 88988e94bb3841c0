"""Two engines, and a client that knows both by context."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dockproof.collect import compose
from dockproof.collect.sidecar import image_for
from tests.scale.second import SecondDaemon, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.collect.compose import Manifest
    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns


class TwoEngines(NamedTuple):
    """Both engines as contexts `one` and `two`.

    Attributes:
        second: the daemon behind `two`.
        environment: of a client that knows them, with neither chosen.
    """

    second: SecondDaemon
    environment: dict[str, str]

    def choosing(self, context: str, builder: str = "") -> dict[str, str]:
        """Return the environment of a client that probes one engine and builds with a builder."""
        chosen = {"DOCKER_CONTEXT": context, **({"BUILDX_BUILDER": builder} if builder else {})}
        return {**self.environment, **chosen}

    def docker(self, context: str, *arguments: str) -> str:
        """Run the client on one of them."""
        argv = ["docker", "--context", context, *arguments]
        done = subprocess.run(
            argv, capture_output=True, text=True, env=self.environment, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def client(folder: Path, **contexts: str) -> dict[str, str]:
    """Return the environment of a client with settings of its own below a folder, and contexts by name and host."""
    known = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    settings = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
    kept = {key: settings[key] for key in ("cliPluginsExtraDirs",) if key in settings}
    (folder / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    unset = ("DOCKER_HOST", "DOCKER_CONTEXT", "BUILDX_BUILDER")
    env = {key: value for key, value in os.environ.items() if key not in unset}
    env["DOCKER_CONFIG"] = str(folder)
    for name, host in contexts.items():
        argv = ["docker", "context", "create", name, "--docker", f"host={host}"]
        subprocess.run(argv, check=True, capture_output=True, env=env)
    return env


@pytest.fixture(scope="module")
def two(
    engine: Engine, stand_ins: StandIns, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoEngines]:
    """The engine of the environment as `one`, and a second daemon, which has the sidecar's image, as `two`."""
    if reason := why_not():
        pytest.skip(reason)
    image = image_for(stand_ins)
    with SecondDaemon(engine, image) as second:
        both = TwoEngines(second, client(tmp_path_factory.mktemp("docker"), one=engine.host, two=second.host))
        carry(both, image)
        yield both


def carry(two: TwoEngines, image: str) -> None:
    """Bring an image from the first engine to the second."""
    save = ["docker", "--context", "one", "save", image]
    with subprocess.Popen(save, stdout=subprocess.PIPE, env=two.environment) as saving:
        load = ["docker", "--context", "two", "load", "--quiet"]
        subprocess.run(load, stdin=saving.stdout, env=two.environment, check=True, stdout=subprocess.DEVNULL)
    assert saving.returncode == 0


@pytest.fixture
def stack() -> Manifest:
    """The small manifest of tests/collect/stack."""
    return compose.load(Path(__file__).parents[1] / "collect" / "stack" / "compose.yaml")

"""The engine that the scripts decide on, and the images that compose.yaml's references come to on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.provision import engine, host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment that leads a client to the engine; skips, or fails where one is required."""
    try:
        return engine.up().applied(os.environ)
    except host.ProvisionError as error:
        if request.config.getoption("--require-engine", default=False):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def images(engine_environment: dict[str, str]) -> dict[str, str]:
    """Return {repository: image} of compose.yaml: the stand-in where there is one, else the reference itself."""
    command = [str(REPOSITORY / "scripts" / "stand-ins"), "ensure", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=engine_environment)
    stand_ins = json.loads(done.stdout)["stand_ins"]
    if not stand_ins:
        pytest.skip("a registry is reachable: nothing stands in")
    return {entry["for"].partition(":")[0]: entry["image"] for entry in stand_ins}


@pytest.fixture
def docker(engine_environment: dict[str, str]) -> Callable[..., str]:
    """Return a function that runs the docker client and gives its stdout."""

    def run(*arguments: str) -> str:
        command = ["docker", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=engine_environment, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def start(docker: Callable[..., str]) -> Iterator[Callable[..., str]]:
    """Return a function that starts a container and gives its id; it is removed with its volumes at the end."""
    label = f"dockproof.test={uuid.uuid4().hex}"

    def run(*arguments: str) -> str:
        return docker("run", "--detach", "--label", label, *arguments)

    yield run
    if left := docker("ps", "--all", "--quiet", "--filter", f"label={label}").split():
        docker("rm", "--force", "--volumes", *left)

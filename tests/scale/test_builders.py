"""Builders that are no engine's own, and engines whose image store is containerd's; with a second daemon that is both.

Its embedded BuildKit is offered on a socket as buildx's `remote` driver wants it, which builds and loads as the drivers
`docker-container` and `kubernetes` do: those two need an image from a registry, which tests cannot count on.
"""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dockproof.collect import build
from dockproof.collect.engine import Engine
from dockproof.collect.sidecar import image_for
from tests.collect.test_look import static_program
from tests.forwarding import forward
from tests.scale.conftest import TwoEngines, carry, client
from tests.scale.second import SecondDaemon, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockproof.collect.standins import StandIns

pytestmark = pytest.mark.engine

UPGRADE = (
    b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
)
ASKED = "exec-form,hardened-run,no-setuid,non-root"


class _Upgraded(socketserver.BaseRequestHandler):
    """Hands a connection on to the BuildKit that a daemon has inside."""

    def handle(self) -> None:
        """Carry both directions until the builder's client has gone."""
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.connect(self.server.daemon)  # type: ignore[attr-defined]
            daemon.sendall(UPGRADE)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += daemon.recv(1)
            back = threading.Thread(target=forward, args=(daemon, self.request), daemon=True)
            back.start()
            forward(self.request, daemon)
            back.join()


class _BuildKit(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: Path, daemon: str) -> None:
        self.daemon = daemon.removeprefix("unix://")
        super().__init__(str(path), _Upgraded)


@contextmanager
def buildkit(second: SecondDaemon) -> Iterator[str]:
    """Offer the BuildKit of a daemon on a unix socket; return its address."""
    path = second.folder / "buildkit.sock"
    with _BuildKit(path, second.socket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


@pytest.fixture(scope="module")
def two(
    engine: Engine, stand_ins: StandIns, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoEngines]:
    """The usual engine as `one`, one with containerd's image store as `two`, and its BuildKit as builder `far`."""
    if reason := why_not():
        pytest.skip(reason)
    folder, image = tmp_path_factory.mktemp("docker"), image_for(stand_ins)
    settings = folder / "daemon.json"
    settings.write_text(json.dumps({"features": {"containerd-snapshotter": True}}), encoding="utf-8")
    with SecondDaemon(engine, image, options=("--config-file", str(settings))) as second:
        both = TwoEngines(second, client(folder, one=engine.host, two=second.host))
        carry(both, image)
        with buildkit(second) as address:
            both.docker("one", "buildx", "create", "--name", "far", "--driver", "remote", address)
            yield both


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Path:
    """A project whose image needs no base: one static program."""
    program = tmp_path / "pause"
    program.write_bytes(static_program(183 if engine.architecture == "arm64" else 62))
    program.chmod(0o755)
    lines = ["FROM scratch", "COPY pause /pause", "USER 4711:4711", 'CMD ["/pause"]']
    (tmp_path / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "compose.yaml").write_text("services: {web: {build: .}}\n", encoding="utf-8")
    return tmp_path


def verify(project: Path, env: dict[str, str]) -> tuple[dict[str, Any], str]:
    """Run the gate; it must be clean. Return its results and what it said meanwhile."""
    argv = [sys.executable, "-m", "dockproof", "verify", "--no-hadolint", "--select", ASKED]
    done = subprocess.run(
        argv, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results: dict[str, Any] = json.loads((project / "build/verify/results.json").read_text(encoding="utf-8"))
    (service,) = results["services"]
    verdicts = {(cell["policy"], cell["probe"]): cell["verdict"] for cell in service["verdicts"]}
    assert verdicts["non-root", "image"] == verdicts["hardened-run", "runtime"] == "passed"
    return results, done.stderr


def test_image_of_a_remote_builder_is_loaded_into_the_engine_that_is_probed(
    two: TwoEngines, project: Path
) -> None:
    """Whoever reads the run or its evidence is told who built."""
    results, said = verify(project, two.choosing("one", builder="far"))
    assert "images are built by builder far (remote) and loaded into the engine one" in said
    assert results["tools"]["builder"] == "far (remote)"
    assert two.docker(
        "one", "image", "inspect", "--format", "{{.Config.User}}", results["services"][0]["image"]
    )


def test_what_is_built_on_an_image_is_built_where_that_image_is(
    two: TwoEngines, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants of images and structure tests do not ask the selected builder, which has never seen the image."""
    results, _ = verify(project, two.choosing("one", builder="far"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in two.choosing("one", builder="far").items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    with Engine.connect() as probed:
        worse = build.build_on(probed, results["services"][0]["image"], "USER 0", name="worse")
        assert probed.inspect_image(worse)["Config"]["User"] == "0"


def test_engine_that_names_images_by_their_manifests(two: TwoEngines, project: Path) -> None:
    """Built there by itself, and brought there from an engine that knows the image by another id."""
    for builder, words in (("", ""), ("one", "built by the engine one and come to two by docker save")):
        results, said = verify(project, two.choosing("two", builder))
        assert words in said
        assert ("images are built" in said) is bool(words)
        identity = results["services"][0]["image"]
        assert two.docker("two", "image", "inspect", "--format", "{{.Id}}", identity) == identity

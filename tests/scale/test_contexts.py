"""Which engine is meant, and what is said of one that cannot be had; with Docker's own client."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from dockproof.collect.engine import Engine
from dockproof.errors import NotLookedError
from tests.scale.conftest import client

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engine

DEAD = "tcp://127.0.0.1:9"
"""Nobody listens on the port of the discard protocol here."""


@pytest.fixture
def contexts(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make this process's client know two contexts alone, `alive` and `dead`; return the address of the first."""
    host = engine.host
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", client(tmp_path, alive=host, dead=DEAD)["DOCKER_CONFIG"])
    return host


def test_context_that_is_named_is_the_one_that_is_probed(
    contexts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DOCKER_CONTEXT leads to the engine; its address is known for tools without contexts."""
    monkeypatch.setenv("DOCKER_CONTEXT", "alive")
    found = Engine.connect()
    assert (found.context, found.host) == ("alive", contexts)
    assert found.builder.words("alive") == ""


@pytest.mark.usefixtures("contexts")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody", r"no such context in context nobody \(DOCKER_CONTEXT\).*docker context ls"),
        ("dead", rf"answers in context dead \(DOCKER_CONTEXT\): .*{DEAD}"),
    ],
)
def test_context_that_leads_nowhere_is_named(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command ends with 4, and at once; nothing else is probed in its place."""
    (tmp_path / "compose.yaml").write_text("services: {web: {build: .}}\n", encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONTEXT", name)
    began = time.monotonic()
    with pytest.raises(NotLookedError, match=words):
        Engine.connect()
    argv = [sys.executable, "-m", "dockproof", "verify"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 4
    assert name in done.stderr
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("contexts")
def test_current_context_of_the_client_is_named_too() -> None:
    """`docker context use` chooses as well, without any variable."""
    subprocess.run(["docker", "context", "use", "dead"], check=True, capture_output=True)
    with pytest.raises(NotLookedError, match=r"in context dead \(docker context use\)"):
        Engine.connect()


@pytest.mark.parametrize("scheme", ["tcp", "ssh"])
def test_host_that_never_answers_is_bounded(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that accepts and says nothing costs the limit, no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_HOST", address)
        began = time.monotonic()
        with pytest.raises(NotLookedError, match=f"answers at {address} .DOCKER_HOST.: .* within 1 s"):
            Engine.connect(timeout=1)
    assert time.monotonic() - began < 6


def test_two_engines_named_at_once_are_told(contexts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's client takes DOCKER_HOST and says nothing of the context."""
    monkeypatch.setenv("DOCKER_HOST", contexts)
    monkeypatch.setenv("DOCKER_CONTEXT", "dead")
    found = Engine.connect()
    assert found.context == "default"
    assert any("does not look at DOCKER_CONTEXT=dead" in sentence for sentence in found.lacks)


@pytest.mark.parametrize(("version", "word"), [("1.12", "too old"), ("9.99", "too new")])
def test_api_version_that_the_engine_does_not_speak_is_told(
    version: str, word: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own words, and the variable that is to blame."""
    assert engine.version
    monkeypatch.setenv("DOCKER_API_VERSION", version)
    with pytest.raises(NotLookedError, match=rf"{word}.*unset DOCKER_API_VERSION \(it is {version}\)"):
        Engine.connect()


@pytest.mark.parametrize(
    ("kept", "words"),
    [("buildx", "`docker compose` is missing: install"), ("compose", "`docker buildx` is missing: install")],
)
def test_client_without_a_plugin_names_it(kept: str, words: str, engine: Engine, tmp_path: Path) -> None:
    """The run ends with 4 and says what to install."""
    env = client(tmp_path, one=engine.host)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    if (
        subprocess.run(["docker", "buildx", "version"], capture_output=True, env=env, check=False).returncode
        == 0
    ):
        pytest.skip("this machine's client finds its plugins in a system folder")
    (tmp_path / "cli-plugins").mkdir()
    plugin = subprocess.run(
        ["docker", "info", "--format", "{{range .ClientInfo.Plugins}}{{.Name}} {{.Path}}\n{{end}}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = dict(line.split(" ", 1) for line in plugin.splitlines() if line)
    (tmp_path / "cli-plugins" / f"docker-{kept}").symlink_to(paths[kept])
    (tmp_path / "compose.yaml").write_text("services: {web: {build: .}}\n", encoding="utf-8")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY compose.yaml /\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "dockproof", "verify", "--no-hadolint"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**env, "DOCKER_CONTEXT": "one"},
    )
    assert done.returncode == 4, done.stdout
    assert words in done.stdout + done.stderr

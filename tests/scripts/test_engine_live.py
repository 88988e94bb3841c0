from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.provision import engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.engine

REPOSITORY = Path(__file__).resolve().parents[2]
ENGINE = str(REPOSITORY / "scripts" / "engine")


def test_run_gives_command_an_engine_that_answers(engine_environment: dict[str, str]) -> None:
    """One line of a Makefile is enough, and the command's own exit code comes through."""
    del engine_environment
    done = subprocess.run([ENGINE, "run", "--", "docker", "info"], capture_output=True, check=False)
    assert done.returncode == 0
    assert subprocess.run([ENGINE, "run", "--", "sh", "-c", "exit 7"], check=False).returncode == 7


def test_env_leads_shell_to_engine(engine_environment: dict[str, str]) -> None:
    """The lines of `env` work in a real shell, client plugins included."""
    del engine_environment
    script = f'eval "$({ENGINE} env)" && docker buildx version && docker compose version && docker version'
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 0


def test_up_is_quick_where_an_engine_answers(engine_environment: dict[str, str]) -> None:
    """Each recipe of the Makefile asks, so asking may cost next to nothing."""
    del engine_environment
    times = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([ENGINE, "up"], check=True, capture_output=True)
        times.append(time.monotonic() - began)
    assert min(times) < 1


def test_containers_of_one_network_reach_each_other(
    images: dict[str, str], docker: Callable[..., str], start: Callable[..., str]
) -> None:
    """Names resolve on a network of one's own."""
    name = f"dockproof-test-{os.getpid()}"
    docker("network", "create", "--label", "dockproof.test=network", name)
    try:
        server = start(
            "--network", name, "--name", name, images["python"], "python3", "-m", "http.server", "8000"
        )
        program = f"import urllib.request as u; print(u.urlopen('http://{name}:8000', timeout=5).status)"
        assert _eventually(
            lambda: docker("run", "--rm", "--network", name, images["python"], "python3", "-c", program)
        )
        docker("rm", "--force", server)
    finally:
        docker("network", "rm", name)


def _eventually(action: Callable[[], str], seconds: float = 20) -> str:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def test_sidecar_sees_process_of_hardened_container(
    images: dict[str, str], docker: Callable[..., str], start: Callable[..., str]
) -> None:
    """It shares the namespaces and reads what the target itself may not show."""
    hardened = (
        "--read-only",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--user",
        "12345:12345",
    )
    target = start(*hardened, "--init", images["python"], "sleep", "1000")
    shared = ("--pid", f"container:{target}", "--network", f"container:{target}", "--cap-add", "SYS_PTRACE")
    status = docker(
        "run", "--rm", *shared, images["python"], "sh", "-c", "ls /proc/1/root/ && cat /proc/1/status"
    )
    assert "Uid:\t12345" in status
    assert "NoNewPrivs:\t1" in status
    assert "usr" in status.splitlines()


def test_start_interval_makes_container_healthy_at_once(
    images: dict[str, str], docker: Callable[..., str], start: Callable[..., str]
) -> None:
    """The engine is new enough to probe often while a service starts."""
    times = ("--health-interval", "60s", "--health-start-period", "60s", "--health-start-interval", "500ms")
    container = start("--health-cmd", "true", *times, images["python"], "sleep", "1000")

    def healthy() -> str:
        state = docker("inspect", "--format", "{{.State.Health.Status}}", container)
        assert state == "healthy"
        return state

    assert _eventually(healthy, seconds=10)


@pytest.fixture
def own_cache(images: dict[str, str], docker: Callable[..., str]) -> Iterator[Path]:
    """Give a cache folder with the unpacked engine's programs (as hard links) and an image's archive."""
    ours = engine.private_engine()
    if os.geteuid() != 0 or not ours.dockerd.is_file():
        pytest.skip("this machine uses the user's own engine: there is no private one to live through")
    # On the same file system as the links' targets, and short enough for sockets.
    cache = ours.folder.parent / f"life-{os.getpid()}"
    shutil.copytree(ours.root, cache / "dockproof/engine/root", copy_function=os.link, symlinks=True)
    docker("save", "--output", str(cache / "image.tar"), images["python"])
    yield cache
    shutil.rmtree(cache)


@pytest.mark.slow
def test_life_of_private_engine_leaves_nothing(own_cache: Path) -> None:
    """Started, killed, started again by several at once, killed and cleaned: the machine is as it was before."""
    program = [sys.executable, "-m", "tests.scripts.isolated_life", str(REPOSITORY), str(own_cache)]
    command = ["unshare", "--net", "--mount", *program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["up"][0] == 0
    assert "engine: private Docker" in seen["up"][1]
    assert "docker0" in seen["running"]["interfaces"]
    assert seen["running"]["processes"]
    assert any("9000" in rule for rule in seen["running"]["rules"])
    assert seen["dead"] == 4
    assert seen["again"][0] == 0
    assert "started again" in seen["again"][1]
    assert seen["again"][2] == "exited"
    assert seen["many"] == 0
    assert sorted(seen["networks"].split()) == ["bridge", "host", "none", "own"]
    assert seen["volumes"] == ""
    assert "dockproof.localhost/" not in seen["images"]
    assert seen["race"] == [0, 0, 0]
    assert seen["clean"] == 0
    assert seen["after"] == seen["before"]
    assert seen["left"] == ["engine.lock", "stand-ins.lock"]

"""The engine is found or the way out is said; whatever a run creates can be told and removed by the next."""

import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from dockproof.collect import engine as engines
from dockproof.collect import measure
from dockproof.collect.engine import Engine, Lease
from dockproof.errors import Exit, NotLookedError

SOURCES = str(Path(__file__).parents[2] / "policies")


def fake_docker(folder: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `docker` first on PATH that answers with a script."""
    tool = folder / "docker"
    tool.write_text(f"#!/bin/sh\n{answer}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def version(number: str) -> str:
    """Return a script that answers as an engine of that version."""
    return f"""echo '{{"Client": {{"Context": "x"}}, "Server": {{"Version": "{number}", "Os": "linux"}}}}'"""


def test_no_client_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a docker command nothing can be looked at: exit 4, and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotLookedError, match=r"cannot start docker.*Install Docker") as caught:
        Engine.connect()
    assert caught.value.exit == Exit.NOT_LOOKED


def test_no_server_says_so_with_the_clients_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client alone answers, and is no engine."""
    client = "echo '{}'; echo 'WARNING: x' >&2; echo 'Cannot connect to the Docker daemon' >&2; exit 1"
    fake_docker(tmp_path, client, monkeypatch)
    with pytest.raises(NotLookedError, match=r"no container engine answers.*: Cannot connect") as caught:
        Engine.connect()
    assert caught.value.log == "WARNING: x"


def test_engine_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that accepts and says nothing costs the time limit, no more."""
    fake_docker(tmp_path, "sleep 60", monkeypatch)
    began = time.monotonic()
    with pytest.raises(NotLookedError, match=r"did not end within 0\.3 s"):
        Engine.connect(timeout=0.3)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("number", "lacks"), [("23.0.1", True), ("24.0.9", True), ("25.0.0", False), ("29.1.0", False)]
)
def test_engine_says_what_it_cannot_do(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lacks: bool
) -> None:
    """An older engine is used, and what that costs is told."""
    fake_docker(tmp_path, version(number), monkeypatch)
    sentences = Engine.connect().lacks
    assert bool(sentences) is lacks
    assert all(number in each and "no start interval" in each for each in sentences)


def test_engine_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker 20.10 has no BuildKit of its own; the version that is needed is named."""
    fake_docker(tmp_path, version("20.10.24+dfsg1"), monkeypatch)
    with pytest.raises(NotLookedError, match=r"Docker 20\.10\.24\+dfsg1; 23\.0 or newer is needed"):
        Engine.connect()


def test_version_is_compared_as_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """28.2 is newer than 23.0, whatever the text says."""
    fake_docker(tmp_path, version("100.0.1-rc.1"), monkeypatch)
    assert Engine.connect().number == (100, 0)


def test_read_only_home_gets_a_temporary_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that cannot be made is no reason to fail."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no-such-folder")
    assert engines.cache_folder("images").is_dir()


def test_lease_is_held_by_a_living_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a run that lives cannot be taken; released, or killed with the process, it can."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lease = Lease()
    path = tmp_path / "dockproof" / "runs" / f"{lease.id}.lock"
    taken = (
        f"from dockproof.collect import engine; print(engine._lock(engine._path('{lease.id}')) is not None)"
    )
    ask = [sys.executable, "-c", taken]
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    first = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True).stdout
    lease.release()
    second = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True).stdout
    assert (first.strip(), second.strip()) == ("False", "True")
    assert path.exists()  # the question itself made it again


def test_labels_name_run_and_machine() -> None:
    """Two runs differ, and a run of another machine or user is not ours to judge."""
    one, other = Lease(), Lease()
    assert one.labels[engines.LABEL_RUN] != other.labels[engines.LABEL_RUN]
    assert one.labels[engines.LABEL_HOST] == other.labels[engines.LABEL_HOST]
    assert engines.tag(one, "Api & more") == f"dockproof.localhost/{engines.host_name()}/api-more:{one.id}"
    one.release()
    other.release()


KILLED = """
    import os, signal
    from pathlib import Path
    from dockproof.collect import compose, standins
    from dockproof.collect.engine import Engine
    from dockproof.collect.run import Project
    engine = Engine.connect()
    engine.docker("tag", {image!r}, __import__("dockproof.collect.engine", fromlist=["tag"]).tag(engine.lease, "left"))
    project = Project(engine, compose.load(Path({stack!r})), {{"web": {image!r}}}, standins.load())
    project.start(["web"])
    project.sidecar("web").start()
    Path({lease!r}).write_text(engine.lease.id)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.engine
def test_next_run_removes_what_a_killed_one_left(engine: Engine, web: str, tmp_path: Path) -> None:
    """After kill -9 the next start removes containers, networks, volumes, tags and tools that were left."""
    lease = tmp_path / "lease"
    stack = str(Path(__file__).parent / "stack" / "compose.yaml")
    program = textwrap.dedent(KILLED).format(image=web, stack=stack, lease=str(lease))
    child = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": SOURCES}, check=False
    )
    assert child.returncode == -9
    run = lease.read_text()
    assert all(left(engine, run).values())
    with Engine.connect() as following:
        assert following.lease.id != run
    assert not any(left(engine, run).values())
    deadline = time.monotonic() + 10
    while tools(run):
        assert time.monotonic() < deadline, tools(run)
        time.sleep(0.2)


def tools(run: str) -> list[str]:
    """Return the processes that a run started and that are still there."""
    listing = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if run in line and line.startswith("docker")]


@pytest.mark.engine
def test_start_leaves_living_runs_alone(engine: Engine) -> None:
    """What a run that still lives has created stays; the other goes with its own end."""
    with Engine.connect() as living:
        living.docker("volume", "create", *living.lease.arguments)
        with Engine.connect() as following:
            assert following.lease.id != living.lease.id
        assert left(engine, living.lease.id)["volumes"]
        run = living.lease.id
    assert not any(left(engine, run).values())


def left(engine: Engine, run: str) -> dict[str, str]:
    """Return what is on the engine of a run, by kind."""
    label = ["--quiet", "--filter", f"label=dockproof.run={run}"]
    return {
        "containers": engine.docker("ps", "--all", *label).stdout,
        "networks": engine.docker("network", "ls", *label).stdout,
        "volumes": engine.docker("volume", "ls", *label).stdout,
        "tags": engine.docker(
            "image", "ls", "--quiet", "--filter", f"reference=dockproof.localhost/*/*:{run}"
        ).stdout,
    }


@pytest.mark.engine
def test_last_image_goes_with_its_folder(engine: Engine, web: str, tmp_path: Path) -> None:
    """An image is kept for its folder's next build, and dropped by a start that finds the folder gone."""
    folder = tmp_path / f"project-{time.time_ns()}"
    folder.mkdir()
    tag = engines.last_tag(folder, "web")
    engine.docker("tag", web, tag)
    with Engine.connect() as first:
        assert first.lease.id
    assert engine.has_image(tag)
    folder.rmdir()
    with Engine.connect() as second:
        assert second.lease.id
    assert not engine.has_image(tag)


def test_address_of_the_engine_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that know no contexts get DOCKER_HOST."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert Engine({"Server": {"Version": "26.1.5"}}).host == "tcp://elsewhere:2375"


def test_silent_socket_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client on a socket that accepts and never answers ends at the limit too."""
    if not any(Path(folder, "docker").exists() for folder in os.environ["PATH"].split(":")):
        fake_docker(tmp_path, "sleep 60", monkeypatch)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 's'}")
        with pytest.raises(NotLookedError, match="no container engine answers"):
            Engine.connect(timeout=1)


@pytest.mark.parametrize(("nanoseconds", "seconds"), [(0, None), (2_500_000_000, 2.5)])
def test_engine_that_counts_no_cpu_time_says_no_cost(
    nanoseconds: int, seconds: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rootless engine without control groups answers 0; that is no measure, and no cheap health check."""
    stats = f'{{"cpu_stats": {{"cpu_usage": {{"total_usage": {nanoseconds}}}}}}}'
    fake_docker(tmp_path, f"printf 'HTTP/1.1 200 OK\\r\\n\\r\\n{stats}'", monkeypatch)
    used, why = measure.cpu_seconds(Engine({"Server": {"Version": "26.1.5"}}), "container")
    assert used == seconds
    assert ("does not count the CPU time" in why) is (seconds is None)

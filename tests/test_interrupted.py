"""`dockproof verify` ended by a signal, at each of its phases: what was found is written, and nothing is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockproof.collect.engine import LABEL_HOST, REPOSITORY, host_name
from tests import small_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from dockproof.collect.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]

# The finding that each interrupted run must have kept: a probe may take longer than the pause between two.
DOCKERFILE = small_service.DOCKERFILE.replace("--timeout=2s", "--timeout=3s")
FOUND = "bounded"
VOLUMES = "volumes: {data: {}}\n"
MANIFEST = f"services: {{web: {{build: ., volumes: ['data:/data']}}}}\n{VOLUMES}"
DEAF = MANIFEST.replace("build: .", "build: ., stop_signal: SIGWINCH, stop_grace_period: 4s")
COMMAND = [sys.executable, "-m", "dockproof", "verify", "--no-hadolint"]
# Without a word on its output, which takes none before the end.
SILENT = ["-pno:terminal", "-pno:cacheprovider", "--basetemp=basetemp"]
PYTEST = [sys.executable, "-m", "pytest", "--require-engine", *SILENT, "compose.yaml"]
ASKED = [f"--select={policy}" for policy in ("graceful-stop", "healthcheck", "non-root")]
BEGIN_SECONDS = 120
END_SECONDS = 30

AT = {
    "facts": "source web",
    "build": "build web",
    "inspect": "image facts web",
    "start": "start ",
    "experiments": "signal 19",
    "stop": "signal 28",
    "report": "",
}
"""Phase to what tells that it has begun: a word of the progress, or what the engine sends to the container."""


class Gate:
    """A `dockproof verify`, or another command, that runs, with a cache and a folder for temporary files of its own."""

    def __init__(self, folder: Path, *asked: str, command: Sequence[str] = COMMAND) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "TMPDIR": str(folder / "tmp"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        for name in ("tmp", "cache"):
            (folder / name).mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*command, *asked],
            cwd=folder,
            env=self.environment,
            stdout=self._full_pipe(),
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(self._writer)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _full_pipe(self) -> int:
        """Return a pipe that takes nothing until it is read, so that whoever prints the report waits."""
        self._stdout, self._writer = os.pipe()
        os.write(self._writer, b"\n" * fcntl.fcntl(self._writer, fcntl.F_GETPIPE_SZ))
        return self._writer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._reader.join()
        self.process.wait()
        os.close(self._stdout)
        if self.process.stderr:
            self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def until(self, phase: str) -> None:
        """Wait until a phase has begun."""
        deadline = time.monotonic() + BEGIN_SECONDS
        with self._events() as events:
            while not self._is_at(phase, events):
                assert self.process.poll() is None, "".join(self.said)
                assert time.monotonic() < deadline, "".join(self.said)
                time.sleep(0.02)
        if phase == "build":
            time.sleep(1)  # the build sleeps, and the source is read meanwhile

    def _is_at(self, phase: str, events: list[str]) -> bool:
        if phase == "report":
            return (self.folder / "build/verify/junit.xml").exists()
        if AT[phase].startswith("signal"):
            return AT[phase].split()[1] in events
        return any(AT[phase] in line for line in list(self.said))

    @contextlib.contextmanager
    def _events(self) -> Iterator[list[str]]:
        """Collect the signals that the engine sends to containers of this folder's project."""
        seen: list[str] = []
        form = "{{.Actor.Attributes.signal}}"
        where = f"label=com.docker.compose.project.working_dir={self.folder}"
        command = ["docker", "events", "--filter", "event=kill", "--filter", where, "--format", form]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout is not None
            stdout = listener.stdout
            threading.Thread(target=lambda: seen.extend(map(str.strip, stdout)), daemon=True).start()
            try:
                yield seen
            finally:
                listener.terminate()

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.wait(), time.monotonic() - began

    def wait(self) -> int:
        """Read the report to its end and return the exit code."""
        while os.read(self._stdout, 65536):
            pass
        code = self.process.wait(END_SECONDS)
        self._reader.join(1)
        return code

    def results(self) -> dict[str, Any]:
        """Return the evidence."""
        found: dict[str, Any] = json.loads((self.folder / "build/verify/results.json").read_text("utf-8"))
        return found


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Iterator[Path]:
    """A folder with one service that is looked at within seconds."""
    small_service.write(tmp_path, DOCKERFILE)
    (tmp_path / "compose.yaml").write_text(MANIFEST)
    (tmp_path / ".dockerignore").write_text("*\n!*.py\n")
    yield tmp_path
    # The image of a folder is kept for its next build; with its cache goes the note that tells the next run of it.
    listing = ["image", "ls", "--filter", f"reference={REPOSITORY}/{host_of(tmp_path)}/*"]
    for tag in engine.docker(*listing, "--format", "{{.Repository}}:{{.Tag}}").stdout.split():
        engine.docker("image", "rm", tag, check=False)


def host_of(folder: Path) -> str:
    """Return the name by which runs of a folder mark what is theirs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return host_name()


def left(engine: Engine, folder: Path) -> dict[str, list[str]]:
    """Return what runs of a folder have left: on the engine, in the system, and in folders."""
    mine = ["--quiet", "--filter", f"label={LABEL_HOST}={host_of(folder)}"]
    found = {"processes": tools(folder)}
    for kind, listing in {
        "containers": ["ps", "--all"],
        "networks": ["network", "ls"],
        "volumes": ["volume", "ls"],
    }.items():
        found[kind] = engine.docker(*listing, *mine).stdout.split()
    for name in ("tmp", "cache/dockproof/runs"):
        found[name] = sorted(path.name for path in (folder / name).iterdir())
    return {kind: names for kind, names in found.items() if names}


def tools(folder: Path) -> list[str]:
    """Return the command lines of processes that were started with a folder's cache."""
    mark, found = f"XDG_CACHE_HOME={folder / 'cache'}".encode(), list[str]()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (path / "environ").read_bytes().split(b"\0"):
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in found if line]


@pytest.mark.parametrize(
    ("phase", "number"),
    [*((phase, signal.SIGINT) for phase in AT), ("build", signal.SIGTERM), ("experiments", signal.SIGTERM)],
)
def test_interrupted_run_keeps_what_was_found_and_leaves_nothing(
    engine: Engine, project: Path, phase: str, number: signal.Signals
) -> None:
    """Exit 130 in bounded time, the evidence so far, and no container, network, volume, process or file."""
    if phase == "build":
        (project / "Dockerfile").write_text(f"{DOCKERFILE}RUN sleep 60 # {time.time()}\n")
    if phase == "stop":
        (project / "compose.yaml").write_text(DEAF)
    with Gate(project, *ASKED) as gate:
        gate.until(phase)
        code, seconds = gate.end(number)
    assert code == 130, "".join(gate.said)
    assert seconds < END_SECONDS
    assert "Traceback" not in "".join(gate.said)
    assert left(engine, project) == {}
    results = gate.results()
    (web,) = results["services"]
    if phase != "report":  # there everything had been looked at
        assert (results["exit"], results["interrupted"]) == (130, True)
        assert any("interrupted" in one["reason"] or "given up" in one["reason"] for one in web["not_looked"])
    if phase != "facts":
        assert FOUND in {finding["clause"] for finding in web["findings"]}


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGTERM, ("-n0",)), (signal.SIGINT, ("-n0",)), (signal.SIGTERM, ("-n2",))]
)
def test_interrupted_pytest_leaves_nothing(
    engine: Engine, project: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    """The plugin's containers go as the gate's do, whoever ends pytest, and in pytest-xdist's processes too."""
    with Gate(project, *options, command=PYTEST) as gate:
        gate.until("experiments")
        code, seconds = gate.end(number)
    assert code == pytest.ExitCode.INTERRUPTED, "".join(gate.said)
    assert seconds < END_SECONDS
    assert left(engine, project) == {}


@pytest.mark.parametrize("phase", ["build", "experiments"])
def test_next_run_removes_what_a_killed_one_left(engine: Engine, project: Path, phase: str) -> None:
    """After kill -9 of the gate its tools, containers, networks, volumes and folders go with the next start."""
    if phase == "build":
        (project / "Dockerfile").write_text(f"{DOCKERFILE}RUN sleep 60 # {time.time()}\n")
    with Gate(project, *ASKED) as gate:
        gate.until(phase)
        gate.process.kill()
        gate.process.wait()
    before = left(engine, project)
    assert before["cache/dockproof/runs"]
    expected = {"processes"} if phase == "build" else {"containers", "networks", "volumes"}
    assert expected <= before.keys()
    (project / "Dockerfile").write_text(DOCKERFILE)
    with Gate(project, "--select=non-root") as following:
        assert following.wait() == 0, "".join(following.said)
    assert left(engine, project) == {}

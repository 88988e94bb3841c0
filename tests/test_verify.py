"""`dockproof verify` on small stacks, good and bad, as a user runs it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from dockproof.collect.engine import LABEL_HOST, cache_folder, host_name
from tests import small_service
from tests.forwarding import forward
from tests.small_service import BASE, DOCKERFILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockproof.collect.engine import Engine

ONE = "services: {web: {build: .}}\n"
AMONG_OTHERS = """
services: {web: {build: ., image: own}, again: {image: own}, cache: {image: "example.org/cache:8"}}
"""
TWO = "services: {web: {build: .}, other: {build: {context: ., dockerfile: Dockerfile.other}}}\n"


class Answer(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str
    results: dict[str, object]


@pytest.fixture
def verify(tmp_path: Path) -> Callable[..., Answer]:
    """Return a function that writes a project and runs `dockproof verify` in it."""
    small_service.write(tmp_path)

    def run(*arguments: str, env: dict[str, str] | None = None, **files: str) -> Answer:
        for name, text in {"Dockerfile": DOCKERFILE, "compose__yaml": ONE, **files}.items():
            (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
        argv = [sys.executable, "-m", "dockproof", "verify", "--no-hadolint", *arguments]
        answer = subprocess.run(
            argv,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={**os.environ, **(env or {})},
        )
        path = tmp_path / "build/verify/results.json"
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return Answer(answer.returncode, answer.stdout, answer.stderr, results)

    return run


def _runs(engine: Engine) -> set[str]:
    """Return the ids of the runs that have a container, network or volume on the engine, not those of other caches."""
    form = '{{.Label "dockproof.run"}}'
    listings = (["ps", "--all"], ["network", "ls"], ["volume", "ls"])
    flags = ["--filter", f"label={LABEL_HOST}={host_name()}", "--format", form]
    return {run for listing in listings for run in engine.docker(*listing, *flags).stdout.split()}


def _is_live(run: str) -> bool:
    """Whether a living process holds the run's lock: another test run beside this one."""
    with (cache_folder("runs") / f"{run}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


@pytest.fixture
def started(engine: Engine) -> Callable[[], set[str]]:
    """Return a function that tells which runs have something on the engine that had not when the test began."""
    before = _runs(engine)
    return lambda: _runs(engine) - before


@pytest.fixture
def leftovers(started: Callable[[], set[str]]) -> Callable[[], set[str]]:
    """Return a function that tells which runs ended since the test began and left something."""
    return lambda: {run for run in started() if not _is_live(run)}


def test_without_an_engine_exit_is_4_with_what_to_do(verify: Callable[..., Answer]) -> None:
    """Nothing could be looked at, and the message says what to install."""
    answer = verify(env={"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
    assert answer.code == 4
    assert "Install Docker" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("arguments", "files", "words"),
    [
        (["--compose", "missing.yaml"], {}, "missing.yaml"),
        ([], {"compose__yaml": "services: [\n"}, "compose.yaml"),
        (["webb"], {}, "'webb'"),
        ([], {"compose__yaml": "services: {web: {build: ., x-dockproof: {profil: x}}}\n"}, "profile"),
    ],
)
@pytest.mark.engine
def test_wrong_manifest_or_service_is_exit_2(
    engine: Engine, verify: Callable[..., Answer], arguments: list[str], files: dict[str, str], words: str
) -> None:
    """A mistake of the user's is told in one line that names the file, the service or the key."""
    assert engine.version
    answer = verify(*arguments, **files)
    assert answer.code == 2, answer.err
    assert words in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.engine
def test_manifest_that_builds_nothing_is_exit_3(engine: Engine, verify: Callable[..., Answer]) -> None:
    """A run that looked at nothing is never clean."""
    assert engine.version
    answer = verify(compose__yaml="services: {web: {image: alpine}}\n")
    assert answer.code == 3
    assert "nothing to verify" in answer.err


@pytest.mark.engine
def test_good_stack_passes_and_leaves_evidence(
    verify: Callable[..., Answer], leftovers: Callable[[], set[str]]
) -> None:
    """The table and results.json say the same, what was not asked about too, and nothing is left running."""
    answer = verify(compose__yaml=AMONG_OTHERS)
    assert answer.code == 0, answer.out + answer.err
    assert "PASSED" in answer.out
    assert "not asked about: cache (example.org/cache:8): built elsewhere" in answer.out
    assert answer.results["exit"] == 0
    assert answer.results["not_asked"] == {"cache": "example.org/cache:8"}
    assert leftovers() == set()


@pytest.mark.engine
def test_second_build_is_made_and_compared_where_it_is_asked_for(verify: Callable[..., Answer]) -> None:
    """A COPY takes the files' own dates along, and a second checkout has others; that is a warning."""
    answer = verify("--reproducible", "--select", "reproducible")
    assert answer.code == 0, answer.out + answer.err
    assert "files differ in time alone after a second, clean build: /srv" in answer.out


@pytest.mark.engine
def test_failed_build_names_file_line_step_and_the_rest_is_still_reported(
    engine: Engine, verify: Callable[..., Answer], tmp_path: Path
) -> None:
    """One bad build is exit 4; the other image is verified all the same."""
    assert engine.version
    other = f"FROM {BASE}\nRUN echo the last words && exit 3\n"
    answer = verify(compose__yaml=TWO, Dockerfile__other=other)
    assert answer.code == 4
    assert "Dockerfile.other:2" in answer.out
    assert "the last words" in answer.out
    verdicts = {s["service"]: {v["verdict"] for v in s["verdicts"]} for s in answer.results["services"]}  # type: ignore[attr-defined]
    assert "not looked at" not in verdicts["web"]
    assert "not looked at" in verdicts["other"]
    suites = ET.parse(tmp_path / "build/verify/junit.xml").getroot()  # noqa: S314 - our own file
    assert {s.get("name"): int(s.get("errors", "0")) > 0 for s in suites} == {"web": False, "other": True}


@pytest.mark.engine
def test_parts_of_two_machines_are_one_verdict(verify: Callable[..., Answer], tmp_path: Path) -> None:
    """Each part looks at one image; `merge` says what one run would have said."""
    files = {"compose__yaml": TWO, "Dockerfile__other": DOCKERFILE}
    parts = [verify(f"--shard={number}/2", f"--output=part-{number}", **files) for number in (1, 2)]
    assert [answer.code for answer in parts] == [0, 0], parts
    argv = [sys.executable, "-m", "dockproof", "merge", "part-1", "part-2"]
    merged = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert merged.returncode == 0, merged.stderr
    assert "2 images" in merged.stdout
    results = json.loads((tmp_path / "build/verify/results.json").read_text(encoding="utf-8"))
    assert [service["service"] for service in results["services"]] == ["other", "web"]


@pytest.mark.engine
def test_file_that_does_not_parse_is_found_and_never_built(
    engine: Engine, verify: Callable[..., Answer]
) -> None:
    """A Dockerfile of ARG alone makes some engines panic; it gets its finding, and the engine never sees it."""
    answer = verify(Dockerfile="ARG A=1\n")
    assert answer.code == 4
    assert "valid-dockerfile" in answer.out
    assert "not built" in answer.out
    assert engine.alive()


@pytest.mark.engine
def test_service_that_exits_at_once_is_exit_4_with_its_last_words(
    verify: Callable[..., Answer], leftovers: Callable[[], set[str]]
) -> None:
    """A dead container proves nothing, so it is never a pass; its log says why it died."""
    dead = DOCKERFILE.replace(
        'CMD ["python3", "/srv/server.py"]', 'CMD ["python3", "-c", "raise SystemExit(\'no settings\')"]'
    )
    answer = verify(Dockerfile=dead)
    assert answer.code == 4
    assert "no settings" in answer.out
    assert leftovers() == set()


@pytest.mark.engine
def test_service_that_never_becomes_healthy_fails_in_bounded_time(
    engine: Engine, verify: Callable[..., Answer]
) -> None:
    """The wait ends with the check's own terms, and the finding shows what the probe said."""
    assert engine.version
    sick = DOCKERFILE.replace("/srv/probe.py", "/srv/nothing.py").replace(
        "start-period=20s", "start-period=1s"
    )
    answer = verify(Dockerfile=sick)
    assert answer.code == 1, answer.out + answer.err
    assert "healthcheck/healthy" in answer.out
    assert "nothing.py" in answer.out


@pytest.mark.engine
def test_root_at_run_time_contradicts_a_good_dockerfile(
    engine: Engine, verify: Callable[..., Answer]
) -> None:
    """A Dockerfile that says USER and a process that runs as uid 0 are never both green."""
    assert engine.version
    answer = verify(compose__yaml='services: {web: {build: ., user: "0:0"}}\n')
    assert answer.code == 1
    assert "contradiction/non-root" in answer.out


@pytest.mark.engine
def test_engine_that_goes_away_midway_is_exit_4(
    engine: Engine,
    verify: Callable[..., Answer],
    leftovers: Callable[[], set[str]],
    started: Callable[[], set[str]],
    tmp_path: Path,
) -> None:
    """What was found is reported, what was not is said, and the next run removes what was left."""
    proxy = _Proxy(engine.host.removeprefix("unix://"), tmp_path / "engine.sock")
    watch = threading.Thread(target=proxy.close_when, args=(lambda: bool(started()),), daemon=True)
    watch.start()
    answer = verify(env={"DOCKER_HOST": f"unix://{tmp_path / 'engine.sock'}"})
    assert answer.code == 4, answer.out + answer.err
    assert "Traceback" not in answer.err
    assert "NOT LOOKED AT" in answer.out + answer.err or "error" in answer.err
    again = verify()  # any later run sweeps first
    assert again.code == 0, again.out + again.err
    assert leftovers() == set()


class _Proxy:
    """A unix socket that passes everything on to the engine, until it is closed with all its connections."""

    def __init__(self, target: str, path: Path) -> None:
        self.target, self.open, self.connections = target, True, list[socket.socket]()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.server = threading.Thread(target=self._serve, daemon=True)
        self.server.start()

    def _serve(self) -> None:
        while self.open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.connections += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=forward, args=pair, daemon=True).start()

    def close_when(self, condition: Callable[[], bool]) -> None:
        """Go away as soon as a condition holds, or after two minutes."""
        deadline = time.monotonic() + 120
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.open = False
        self._end(self.listener)
        self.server.join(10)  # a connection that it is just taking up is among them then
        for each in self.connections:
            self._end(each)

    @staticmethod
    def _end(each: socket.socket) -> None:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

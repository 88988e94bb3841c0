"""What the facts cost, as ratios to BuildKit's parser and to hadolint over the same files in the same minute.

Run it with `python -m bench.facts` from the repository's root. The parts add up: `all` is everything that a source
policy may ask of a file. Figures are processor time, so that other work on the machine does not count; each is the
best of several rounds, in which the parts and the yardstick take turns.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dockerfile as buildkit

from bench import corpus
from dockproof.facts.dockerfile import Dockerfile, parse
from dockproof.facts.downloads import added, downloads
from dockproof.facts.mounts import mounts
from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROUNDS = 5
_REACH_BUILDKIT = 3.0
_REACH_HADOLINT = 0.1
_REACH_IMPORT_MS = 40.0
_SHELL_KEYWORDS = frozenset({"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"})


def split(text: str) -> Dockerfile:
    """Instructions alone."""
    return parse(text)


def settle(file: Dockerfile) -> None:
    """Problems, stages, values and effective settings."""
    _ = (file.problems, file.externals, file.needed())
    for stage in file.stages:
        _ = (stage.user, stage.workdir, stage.shell, stage.command, stage.entrypoint, stage.healthcheck)
        _ = (stage.environment, stage.labels, stage.ports, stage.volumes, stage.stop_signal)


def read_shell(file: Dockerfile) -> None:
    """Commands, package calls, downloads and mounts of every instruction."""
    for stage in file.stages:
        for instruction in stage.instructions:
            if instruction.keyword in _SHELL_KEYWORDS:
                found = script(instruction, stage.shell_at(instruction))
                _ = (package_calls(found), downloads(found), mounts(instruction))
            elif instruction.keyword == "ADD":
                added(instruction)


def _split_and_settle(text: str) -> None:
    settle(split(text))


def _all(text: str) -> None:
    file = split(text)
    settle(file)
    read_shell(file)


def _milliseconds(action: Callable[[str], object], texts: Sequence[str]) -> float:
    began = time.process_time()
    for text in texts:
        action(text)
    return (time.process_time() - began) * 1000 / len(texts)


def best_of(
    actions: dict[str, Callable[[str], object]], texts: Sequence[str], rounds: int = ROUNDS
) -> dict[str, float]:
    """Milliseconds a file of each action; the actions take turns, so that a busy machine hits all alike."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            best[name] = min(best[name], _milliseconds(action, texts))
    return best


def _children_milliseconds(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[float, bytes]:
    """Processor time of one child process, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent * 1000, done.stdout


def hadolint(texts: Sequence[str]) -> float:
    """Milliseconds a file of one hadolint run over all of them.

    Raises:
        RuntimeError: it printed no report.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{index}.Dockerfile") for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        program = str(Path(sys.executable).with_name("hadolint"))
        spent, report = _children_milliseconds([program, "--no-fail", "--format", "json", *map(str, paths)])
    if not report.startswith(b"[{"):
        raise RuntimeError(f"hadolint printed no report: {report[:200]!r}")
    return spent / len(texts)


def import_milliseconds(module: str, rounds: int = 7) -> float:
    """What an import adds to the start of the interpreter, bytecode at hand; the best of several."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": os.pathsep.join(sys.path)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        best = dict.fromkeys(("pass", f"import {module}"), float("inf"))
        for _ in range(rounds):
            for code, spent in best.items():
                best[code] = min(spent, _children_milliseconds([sys.executable, "-c", code], environment)[0])
    bare, imported = best.values()
    return imported - bare


def growth(texts: Sequence[str]) -> list[tuple[int, float]]:
    """Kilobytes of one ever longer file, and microseconds a kilobyte for all its facts."""
    gc.collect()
    found = []
    for count in (10, 40, 160):
        text = "\n".join(texts[:count])
        size = len(text) / 1024
        found.append((round(size), min(_milliseconds(_all, [text]) for _ in range(3)) * 1000 / size))
    return found


def main() -> int:
    """Print the figures; 1 where one is beyond its reach."""
    texts = corpus.dockerfiles()
    gc.collect()
    gc.freeze()  # as `dockproof check` has it, so that the collector does not walk what only the program holds
    size, lines = sum(map(len, texts)), sum(text.count("\n") for text in texts)
    say(
        f"{len(texts)} Dockerfiles of {size / len(texts) / 1024:.1f} KB and {lines / len(texts):.0f} lines on average"
    )
    best = best_of(
        {
            "BuildKit's parser": buildkit.parse_string,
            "split": split,
            "split, stages, problems": _split_and_settle,
            "all": _all,
        },
        texts,
    )
    yardstick = best["BuildKit's parser"]
    linter = hadolint(texts)
    for name, spent in [*best.items(), ("hadolint, one run", linter)]:
        say(
            f"  {name:24} {spent:7.3f} ms a file  {spent / yardstick:7.2f} x BuildKit  {spent / linter:7.4f} x hadolint"
        )
    for kilobytes, spent in growth(texts):
        say(f"  all facts of one file of {kilobytes:4} KB: {spent:6.0f} microseconds a KB")
    imported = import_milliseconds("dockproof.facts.dockerfile")
    say(f"  import of dockproof.facts.dockerfile: {imported:.0f} ms")
    reached = (
        best["all"] < _REACH_BUILDKIT * yardstick
        and best["all"] < _REACH_HADOLINT * linter
        and imported < _REACH_IMPORT_MS
    )
    say(
        "within reach"
        if reached
        else "BEYOND REACH: all < 3 x BuildKit, all < 0.1 x hadolint, import < 40 ms"
    )
    return 0 if reached else 1


def say(line: str) -> None:
    """Print a line of the report."""
    print(line, flush=True)  # a command's output


if __name__ == "__main__":
    sys.exit(main())

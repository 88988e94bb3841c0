"""`dockproof check` against hadolint over the corpus: time with and without it, nothing changed, one file, memory.

Everything is wall time of whole commands on a warm file system with compiled bytecode, as a user starts them, in one
run. The machine should have nothing else to do; where it has, both sides wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.corpus import dockerfiles
from dockproof.collect import hadolint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILES = 1_000
FEW = 100
"""Files of the smaller run that memory is compared with."""
ROUNDS = 7
"""Starts on one file, of which the best counts."""
_OURS = (sys.executable, "-m", "dockproof", "check")
_PROGRAM = str(Path(sys.executable).with_name("dockproof"))


class Run(NamedTuple):
    """What one command took: seconds of wall time, and bytes of the largest of its processes."""

    seconds: float
    memory: int


class Bar(NamedTuple):
    """A promise: a figure, in words, and whether it holds."""

    promise: str
    figure: str
    holds: bool


# Between us and the command, because a process counts the memory of the one that it was forked from as its own.
_MEASURED = """
import resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(code, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(argv: Sequence[str], environment: Mapping[str, str], folder: str) -> Run:
    """Run a command to its end; findings are no failure.

    Raises:
        RuntimeError: it could not look at everything.
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURED, *argv],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, kilobytes = done.stdout.split()
    if code not in {"0", "1"}:
        raise RuntimeError(f"{argv[:4]} ended with {code}: {done.stderr}")
    return Run(float(seconds), int(kilobytes) * 1024)


def write(folder: Path, count: int) -> list[str]:
    """Write files of the corpus, each into a folder of its own, as repositories have them; return their names."""
    names = []
    for index, text in enumerate(dockerfiles(count)):
        path = folder / f"{index:04}" / "Dockerfile"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        names.append(str(path.relative_to(folder)))
    return names


class _Bench:
    """The corpus in a folder, with a cache folder that is empty at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        self.names = write(self.folder, FILES)
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.binary = hadolint.binary() or ""
        if not self.binary:
            raise RuntimeError("hadolint is not installed")
        self.ours(self.names[0])  # writes the bytecode
        self.ours(*self.names[:FEW], "--no-cache")

    def ours(self, *arguments: str) -> Run:
        """Run our check with our probes alone."""
        return run([*_OURS, *arguments, "--no-hadolint"], self.environment, str(self.folder))

    def whole(self) -> Run:
        """Run our check with hadolint over everything."""
        return run([*_OURS, "."], self.environment, str(self.folder))

    def theirs(self, *names: str) -> Run:
        """Run hadolint alone, in one process as its users do, its run-time system on one processor if faster.

        We give it a process a processor, so our whole check may take less than this.
        """
        argv = [self.binary, "--no-fail", "--format", "json", *names]
        environments = ({}, {"GHCRTS": "-N1"})
        return min(run(argv, {**self.environment, **extra}, str(self.folder)) for extra in environments)

    # ---------------------------------------------------------------------------------------------------- bars

    def corpus(self) -> list[Bar]:
        """Compare runs over all files."""
        alone = self.theirs(*self.names)
        ours = min(self.ours(".", "--no-cache") for _ in range(3))
        cold, warm = self.whole(), min(self.whole() for _ in range(3))
        print(
            f"  {FILES} files: hadolint {alone.seconds:.2f} s; we {ours.seconds:.2f} s without it, "
            f"{cold.seconds:.2f} s with it, {warm.seconds:.2f} s when nothing changed",
            flush=True,
        )
        return [
            _ratio("our probes, times as fast as hadolint", alone.seconds / ours.seconds, least=10),
            _ratio("the whole check against hadolint alone", cold.seconds / alone.seconds, most=1.1),
            _ratio("the same when nothing changed", warm.seconds / alone.seconds, most=0.1),
        ]

    def one(self) -> list[Bar]:
        """Compare starts on one file: one of middle size, and the largest."""
        by_size = sorted(self.names, key=lambda name: (self.folder / name).stat().st_size)
        return [
            self._start(name, words)
            for name, words in ((by_size[FILES // 2], "of middle size"), (by_size[-1], "the largest"))
        ]

    def _start(self, name: str, words: str) -> Bar:
        command = [_PROGRAM, "check", name, "--no-hadolint", "--no-cache"]
        ours = min(run(command, self.environment, str(self.folder)).seconds for _ in range(ROUNDS))
        theirs = min(self.theirs(name).seconds for _ in range(ROUNDS))
        lines = (self.folder / name).read_text().count("\n")
        figure = f"{ours * 1000:.0f} ms, hadolint {theirs * 1000:.0f} ms"
        return Bar(f"one file {words} ({lines} lines), no slower than hadolint", figure, ours <= theirs)

    def memory(self) -> list[Bar]:
        """Compare the memory of few and many files, and show what one large file takes."""
        few = max(self.ours(*self.names[:FEW], "--no-cache").memory for _ in range(2))
        many = max(self.ours(".", "--no-cache").memory for _ in range(2))
        large = self.folder.parent / "Dockerfile.large"
        large.write_text((self.folder / self.names[0]).read_text() * 50)
        alone = self.ours(str(large), "--no-cache").memory
        figure = f"{_mib(few)} for {FEW} files, {_mib(many)} for {FILES}, {_mib(alone)} for one of "
        figure += f"{large.stat().st_size >> 10} KiB"
        return [Bar("memory by the largest file, not their number", figure, many < few * 1.25)]


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _ratio(promise: str, found: float, *, least: float = 0, most: float = float("inf")) -> Bar:
    wanted = f"at least {least:g}" if least else f"at most {most:g}"
    return Bar(promise, f"{found:.2f}, wanted {wanted}", least <= found <= most)


def main() -> int:
    """Print every promise with its figure; 1 where one does not hold."""
    with tempfile.TemporaryDirectory(prefix="dockproof-bench-") as folder:
        bench = _Bench(Path(folder))
        bars = [*bench.corpus(), *bench.one(), *bench.memory()]
    print(f"  load of the machine: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} processors")
    for bar in bars:
        print(f"  {'ok' if bar.holds else 'missed':6}  {bar.promise}: {bar.figure}", flush=True)
    return 0 if all(bar.holds for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())

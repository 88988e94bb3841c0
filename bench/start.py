"""What the start of the command line costs: `check` of one file, as a ratio to `import argparse, yaml`.

Both read compiled bytecode, and no answer of an earlier start is used. The figure is processor time, so that other
work on the machine does not count; each is the best of several rounds, in which all take turns. The files are our own
and, as large as that, one of each language of the corpus.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.corpus import dockerfiles

ROUNDS = 15
_REACH = 2.0
_PROGRAM = str(Path(sys.executable).with_name("dockproof"))
_YARDSTICK = "import argparse, yaml"
_OWN = "dockerfiles/backend/Dockerfile"
_LANGUAGES = ("Python", "Node", "Go", "Java", "Rust")
_LINES = 60
"""Lines of a file of the corpus that is about as large as our own."""


def milliseconds(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    """User and system time of one start of the interpreter; findings are no failure.

    Raises:
        RuntimeError: it could not do its work.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, check=False, timeout=60
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the yardstick and the checks by their names; the files of the corpus are written to a folder."""
    texts = dockerfiles()
    found = {_YARDSTICK: ("-c", _YARDSTICK), _OWN: (_PROGRAM, "check", _OWN, "--no-hadolint")}
    for index, language in enumerate(_LANGUAGES):
        path = folder / language / "Dockerfile"
        path.parent.mkdir()
        path.write_text(min(texts[index :: len(_LANGUAGES)], key=lambda text: abs(text.count("\n") - _LINES)))
        name = f"the corpus's {language}, {path.read_text().count(chr(10))} lines"
        found[name] = (_PROGRAM, "check", str(path), "--no-hadolint")
    return found


def best_of(rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds of each command by its name; a round before the first writes the bytecode."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
        asked = commands(Path(folder))
        best = dict.fromkeys(asked, float("inf"))
        for counted in (False, *[True] * rounds):
            for name, arguments in asked.items():
                spent = milliseconds(arguments, environment)
                best[name] = min(best[name], spent) if counted else best[name]
    return best


def main() -> int:
    """Print the figures; 1 where a ratio is beyond its reach."""
    best = best_of()
    yardstick = best.pop(_YARDSTICK)
    print(f"  {yardstick:6.1f} ms of processor time: {_YARDSTICK}", flush=True)
    for name, spent in best.items():
        ratio = spent / yardstick
        verdict = "ok" if ratio < _REACH else "missed"
        print(
            f"  {spent:6.1f} ms, {ratio:.2f} times that, wanted below {_REACH:g}: {verdict}: {name}",
            flush=True,
        )
    return 0 if max(best.values()) < yardstick * _REACH else 1


if __name__ == "__main__":
    sys.exit(main())

"""What the start of the command line costs: `check` of one file, as a ratio to `import argparse, yaml`.

Both read compiled bytecode. The figure is processor time, so that other work on the machine does not count; each is
the best of several rounds, in which the two take turns.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 15
_REACH = 2.0
_PROGRAM = str(Path(sys.executable).with_name("dockproof"))
_COMMANDS = {
    "import argparse, yaml": ("-c", "import argparse, yaml"),
    "dockproof check": (_PROGRAM, "check", "dockerfiles/backend/Dockerfile", "--no-hadolint"),
}


def milliseconds(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    """User and system time of one start of the interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def best_of(rounds: int = ROUNDS) -> dict[str, float]:
    """Milliseconds of each command by its name; a round before the first writes the bytecode."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        best = dict.fromkeys(_COMMANDS, float("inf"))
        for counted in (False, *[True] * rounds):
            for name, arguments in _COMMANDS.items():
                spent = milliseconds(arguments, environment)
                best[name] = min(best[name], spent) if counted else best[name]
    return best


def main() -> int:
    """Print the figures; 1 where the ratio is beyond its reach."""
    best = best_of()
    for name, spent in best.items():
        print(f"  {name:24} {spent:6.1f} ms of processor time", flush=True)  # a command's output
    yardstick, ours = best.values()
    ratio = ours / yardstick
    print(f"  ratio {ratio:.2f}, wanted below {_REACH}", flush=True)  # a command's output
    return 0 if ratio < _REACH else 1


if __name__ == "__main__":
    sys.exit(main())

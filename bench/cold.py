"""How long a machine with nothing needs: a fresh clone, an empty cache folder, then `make verify` part by part.

An engine that answers is used as it is, as always. The private one of this user must not run meanwhile: it would be a
second daemon in one network, which scripts/engine refuses. What is made here is removed at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ASKED_FOR = True
"""Not run unless it is named."""

REPOSITORY = Path(__file__).resolve().parents[1]
COLD_SECONDS = 600.0
WARM_SECONDS = 90.0
PARTS = {
    "requirements": ("make", "setup"),
    "engine": ("scripts/engine", "up"),
    "base images": ("make", "engine"),
    "gate": ("make", "verify"),
}


def main() -> int:
    """Print the time of each part; 1 where one failed or all took too long."""
    with tempfile.TemporaryDirectory(prefix="dockproof-cold-") as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
        environment = _environment(Path(folder, "cache"))
        try:
            return _measure(clone, environment)
        finally:
            subprocess.run(["scripts/engine", "clean"], cwd=clone, env=environment, check=False)


def _environment(cache: Path) -> dict[str, str]:
    """Return the user's environment without what the Makefile exports, and with an empty cache folder."""
    dropped = {"DOCKPROOF_STAND_INS", "MAKEFLAGS", "MAKELEVEL", "VIRTUAL_ENV"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "XDG_CACHE_HOME": str(cache)}


def _measure(clone: Path, environment: dict[str, str]) -> int:
    seconds = {}
    for name, command in PARTS.items():
        seconds[name] = _timed(name, command, clone, environment)
    cold = sum(seconds.values())
    warm = _timed("again, nothing changed", PARTS["gate"], clone, environment)
    print(
        f"  cold in all {cold:.0f} s, wanted within {COLD_SECONDS:.0f}; again {warm:.0f} s, within {WARM_SECONDS:.0f}"
    )
    return 0 if cold <= COLD_SECONDS and warm <= WARM_SECONDS else 1


def _timed(name: str, command: tuple[str, ...], clone: Path, environment: dict[str, str]) -> float:
    """Run a part to its end and return its seconds; infinity, with its last lines, where it failed."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    print(f"  {name:24} {seconds:6.1f} s  {' '.join(command)}", flush=True)
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-15:]), flush=True)
        return float("inf")
    return seconds


if __name__ == "__main__":
    sys.exit(main())

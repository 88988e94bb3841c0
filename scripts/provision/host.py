"""Facts of this machine: its distribution, its mirrors, its cache folder; and how a script speaks and fails."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

UPDATE_URI = re.compile(r"'(?P<mirror>[^']+)/dists/(?P<suite>[^']+)/InRelease'")
GRACE_SECONDS = 20.0
POCKETS = ("", "-updates", "-security")


class ProvisionError(Exception):
    """Something could not be made ready. The message says what, where and what to do; `log` is the tool's own tail.

    The scripts end with exit code 4 on it, as the gate does for whatever could not be looked at.
    """

    def __init__(self, message: str, log: str = "") -> None:
        """Keep the sentence for the user and the last lines that explain it."""
        super().__init__(message)
        self.log = log


@dataclass(frozen=True)
class Release:
    """A distribution's release as /etc/os-release names it, such as ("debian", "bookworm", (12,))."""

    distribution: str
    codename: str
    version: tuple[int, ...]


def say(who: str, message: str) -> None:
    """Print one line for the user on stderr; stdout belongs to what a program reads."""
    print(f"{who}: {message}", file=sys.stderr, flush=True)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that holds all that these scripts make (XDG base directories)."""
    base = environ.get("XDG_CACHE_HOME", "")
    # The specification has a relative path ignored.
    folder = Path(base) if base.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".cache"
    return folder / "dockproof"


def parse_os_release(text: str) -> Release:
    """Read a release from the text of /etc/os-release; fields that it lacks are empty."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    fields = {key: value.strip("\"'") for key, _, value in pairs}
    version = tuple(int(part) for part in fields.get("VERSION_ID", "").split(".") if part.isdigit())
    return Release(fields.get("ID", ""), fields.get("VERSION_CODENAME", ""), version)


def this_release() -> Release:
    """Return this machine's release; on a system without os-release, its kernel's name alone."""
    try:
        return parse_os_release(Path("/etc/os-release").read_text(encoding="utf-8"))
    except OSError:
        return Release(platform.system().lower(), "", ())


def parse_mirrors(print_uris: str, codename: str) -> dict[str, str]:
    """Return {pocket: mirror} of one release from what `apt-get update --print-uris` says.

    Pockets are "", "-updates" and "-security"; sources of other makers have other suite names and fall out.
    """
    found = {match["suite"]: match["mirror"] for match in UPDATE_URI.finditer(print_uris)}
    return {pocket: found[codename + pocket] for pocket in POCKETS if codename + pocket in found}


def mirrors(codename: str) -> dict[str, str]:
    """Read the mirrors of `codename` off apt's own configuration, without touching its lists."""
    said = run(["apt-get", "update", "--print-uris"], "read apt's sources")
    found = parse_mirrors(said, codename)
    if "" not in found:
        raise ProvisionError(
            f"apt has no source for {codename}: add the distribution's own to /etc/apt/sources.list"
        )
    return found


def tail(text: str, lines: int = 15) -> str:
    """Return the last lines of a log."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def run(
    command: Sequence[str | Path],
    purpose: str,
    *,
    timeout: float = 300,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and return its stdout.

    Raises:
        ProvisionError: it is missing, failed, or took longer than `timeout` seconds; carries its last lines.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise ProvisionError(f"cannot {purpose}: there is no program {error.filename}") from error
    with process:
        out, err = _finish(process, purpose, timeout)
    if process.returncode != 0:
        raise ProvisionError(f"cannot {purpose}: {command[0]} ended with {process.returncode}", tail(err))
    return out


def _finish(process: subprocess.Popen[str], purpose: str, timeout: float) -> tuple[str, str]:
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        process.terminate()  # a build takes its mounts away when it is asked to end, and cannot when it is killed
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=GRACE_SECONDS)
        process.kill()
        raise ProvisionError(f"cannot {purpose}: no end within {timeout:.1f} s") from error


@contextlib.contextmanager
def lock(path: Path, who: str, patience: float = 600) -> Iterator[None]:
    """Hold a lock file, so that two runs at once do not build the same thing; waits `patience` seconds at most."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        _acquire(handle.fileno(), path, who, time.monotonic() + patience)
        yield


def _acquire(descriptor: int, path: Path, who: str, deadline: float) -> None:
    waited = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ProvisionError(f"another run holds {path} for too long") from None
            if not waited:
                say(who, f"waiting for another run that holds {path}")
            waited = True
            time.sleep(0.2)
        else:
            return


def megabytes(folder: Path) -> float:
    """Return the size of the files below a folder in MB (10^6 bytes), a hard link counted once."""
    seen: dict[tuple[int, int], int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # a file may go away while it is counted
                status = os.lstat(os.path.join(root, name))  # noqa: PTH118 - a Path per file is slow
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values()) / 1e6


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder, the deepest first: a removal may not reach into /proc or /dev."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    points = [line.split()[1] for line in mounts]
    for point in sorted((point for point in points if point.startswith(f"{folder}{os.sep}")), reverse=True):
        run(["umount", "--lazy", point], f"unmount {point}")


def remove(folder: Path) -> None:
    """Remove a folder of ours, whatever an interrupted build left in it; none is fine."""
    if folder.is_dir():
        unmount_below(folder)
        shutil.rmtree(folder)

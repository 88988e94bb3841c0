"""Find what a user of the target may write, by trying: `writable.py UID GID GROUPS LIMIT SKIPPED…`.

Becomes that user, groups and all, walks the target's root (below /proc/1/root, its own file system alone) and asks
the kernel of each file and folder. What it may write is then really opened for writing, a folder by a file that is
made in it and removed; nothing is written, so nothing stays. Prints a JSON list of [path, type, mode].
"""

# Plain calls of the kernel, on many paths: pathlib would be slower by far.
# ruff: noqa: PTH108, PTH116, PTH118, PTH208

from __future__ import annotations

import json
import os
import stat
import sys

ROOT = "/proc/1/root"


def become(uid: int, gid: int, groups: list[int]) -> None:
    """Give up this process's own user for good."""
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def opens(path: str, *, folder: bool) -> bool:
    """Open for writing, and leave no more than that."""
    probe = f"{path}/.dockproof-{os.getpid()}" if folder else path
    try:
        flags = os.O_WRONLY | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if folder else 0)
        os.close(os.open(probe, flags, 0o600))
        if folder:
            os.unlink(probe)
    except OSError:
        return False
    return True


def writable(skipped: frozenset[str], limit: int) -> list[tuple[str, str, int]]:
    """Walk the target's root and return what could be opened, at most so many."""
    found: list[tuple[str, str, int]] = []
    device = os.stat(f"{ROOT}/").st_dev
    for folder, folders, files in os.walk(f"{ROOT}/", followlinks=False):
        here = folder.removeprefix(ROOT).rstrip("/") or "/"
        if here in skipped or os.lstat(folder).st_dev != device:
            folders.clear()
            continue
        for name in ["", *files]:
            path = os.path.join(folder, name) if name else folder
            mode = os.lstat(path).st_mode
            is_folder = stat.S_ISDIR(mode)
            if not (is_folder or stat.S_ISREG(mode)) or not os.access(path, os.W_OK):
                continue
            if opens(path, folder=is_folder):
                shown = path.removeprefix(ROOT) if name else here
                found.append((shown, "dir" if is_folder else "file", stat.S_IMODE(mode)))
                if len(found) >= limit:
                    return found
    return found


if __name__ == "__main__":
    user, group, others, most, *rest = sys.argv[1:]
    become(int(user), int(group), [int(each) for each in others.split(",") if each])
    os.listdir(f"{ROOT}/")  # fails where the kernel keeps the target's files from this user
    sys.stdout.write(json.dumps(writable(frozenset(rest), int(most))))

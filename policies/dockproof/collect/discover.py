"""Find the Dockerfiles that the user means: a file, a folder that is searched, or standard input.

A folder is searched in the order of names, without following links to folders, and without what git ignores
(.gitignore at every level, .git/info/exclude). A file that is named is taken as it is, ignored or not.
"""

from __future__ import annotations

import os
import stat

from dockproof.errors import NothingToCheckError
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pathspec import GitIgnoreSpec

STDIN = "-"
_USUAL = 64 * 1024
LIMIT = 16 * 1024 * 1024
"""Bytes of the largest file that is taken for a Dockerfile; BuildKit's own limit is a line of 64 KiB."""

_TOO_LARGE = f"it is larger than {LIMIT // 1024**2} MiB, so it is no Dockerfile"

NAMES = "Dockerfile, Dockerfile.*, *.Dockerfile, *.dockerfile, Containerfile*"


class Found(NamedTuple):
    """One file to look at, or why it cannot be.

    Attributes:
        path: as the user named it, or below the folder that was named; `-` for standard input.
        error: why it cannot be looked at, "" where nothing speaks against it.
    """

    path: str
    error: str = ""


class _Ignore(NamedTuple):
    """The patterns of one folder, for the paths below it."""

    folder: str
    spec: GitIgnoreSpec


def is_dockerfile(name: str) -> bool:
    """Whether a file's name says that it is a Dockerfile."""
    if name.endswith(".dockerignore"):
        return False
    return (
        name == "Dockerfile"
        or name.startswith(("Dockerfile.", "Containerfile"))
        or name.endswith((".Dockerfile", ".dockerfile"))
    )


def discover(paths: Sequence[str]) -> list[Found]:
    """Return the files that the paths mean, each once, in the order of the paths.

    Raises:
        NothingToCheckError: there is none.
    """
    found: dict[str, Found] = {}
    ignored: list[str] = []
    for path in paths:
        for one in _below(path, ignored) if os.path.isdir(path) else [Found(path)]:  # noqa: PTH112 - fast start
            found.setdefault(os.path.abspath(one.path) if one.path != STDIN else STDIN, one)  # noqa: PTH100 - as above
    if not found:
        raise NothingToCheckError(_nothing(paths, ignored))
    return list(found.values())


def _nothing(paths: Iterable[str], ignored: Sequence[str]) -> str:
    folders = ", ".join(path if path in {".", ".."} else os.path.join(path, "") for path in paths)  # noqa: PTH118 - text
    message = f"no Dockerfile in {folders}; searched for {NAMES}"
    if not ignored:
        return message
    return f"{message}; git ignores {len(ignored)} of them, as {ignored[0]}: name the file to check it"


def _below(root: str, ignored: list[str]) -> Iterator[Found]:
    """Search one folder; what git ignores is added to `ignored`."""
    outer = _outer_ignores(os.path.abspath(root))  # noqa: PTH100 - fast start
    if _is_ignored(os.path.abspath(root), outer, folder=True):  # noqa: PTH100 - as above
        outer = []  # the user named it all the same
    yield from _search(root, outer, ignored)


def _search(folder: str, ignores: list[_Ignore], ignored: list[str]) -> Iterator[Found]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, f"the folder cannot be searched: {error.strerror}")
        return
    ignores = ignores + _ignores_of(folder)
    for entry in entries:
        path = entry.name if folder == os.curdir else entry.path
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name == ".git" or not (is_folder or is_dockerfile(entry.name)):
            continue
        if _is_ignored(os.path.abspath(path), ignores, folder=is_folder):  # noqa: PTH100 - fast start
            ignored += [] if is_folder else [path]
        elif is_folder:
            yield from _search(path, ignores, ignored)
        elif not os.path.isdir(path):  # noqa: PTH112 - `entry.is_dir` raises on a link to itself
            yield Found(path, "" if _is_regular(path) else "it is no regular file, or a link to nothing")


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - fast start
    except OSError:
        return False


def _is_ignored(path: str, ignores: Sequence[_Ignore], *, folder: bool) -> bool:
    """Whether git ignores a path: the innermost .gitignore that says something about it decides."""
    path = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # as the patterns are read
    for ignore in reversed(ignores):
        relative = os.path.relpath(path, ignore.folder).replace(os.sep, "/")
        verdict = ignore.spec.check_file(relative + "/" if folder else relative).include
        if verdict is not None:
            return verdict
    return False


def _outer_ignores(folder: str) -> list[_Ignore]:
    """Return the patterns of the folders above, from the root of the git repository inward."""
    above: list[str] = []
    while not os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118 - fast start
        parent = os.path.dirname(folder)  # noqa: PTH120 - fast start
        if parent == folder:
            return []
        folder = parent
        above.insert(0, folder)
    excludes = _read(os.path.join(folder, ".git", "info", "exclude"), folder)  # noqa: PTH118 - fast start
    return excludes + [ignore for one in above for ignore in _ignores_of(one)]


def _ignores_of(folder: str) -> list[_Ignore]:
    return _read(os.path.join(folder, ".gitignore"), os.path.abspath(folder))  # noqa: PTH100, PTH118 - fast start


def _read(path: str, folder: str) -> list[_Ignore]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - fast start
            lines = file.read().splitlines()
    except OSError:
        return []
    import pathspec  # noqa: PLC0415 - costs 15 ms, and a single file needs none

    folder = folder.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return [_Ignore(folder, pathspec.GitIgnoreSpec.from_lines(lines))]


def read(path: str) -> bytes:
    """Return a file's content.

    Raises:
        OSError: it cannot be read, would have to be waited for, or is too large to be a Dockerfile.
    """
    refuse_endless(path)
    with open(path, "rb") as file:  # noqa: PTH123 - fast start
        content = file.read(_USUAL)  # Python makes room for all that is asked for
        if len(content) == _USUAL:
            content += file.read(LIMIT + 1 - _USUAL)
    if len(content) > LIMIT:
        raise OSError(0, _TOO_LARGE)
    return content


def refuse_endless(path: str) -> None:
    """Refuse what cannot be read in bounded time and memory, by us or by a tool that is given its name.

    Raises:
        OSError: it is a pipe, a device or a socket, or too large to be a Dockerfile; or it is not there.
    """
    at = os.stat(path)  # noqa: PTH116 - fast start
    if not (stat.S_ISREG(at.st_mode) or stat.S_ISDIR(at.st_mode)):
        raise OSError(0, "it is no regular file; `dockproof check -` reads standard input")
    if at.st_size > LIMIT:
        raise OSError(0, _TOO_LARGE)

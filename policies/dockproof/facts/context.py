"""The build context: what a COPY would take from it, under its ignore file.

Only names are read, never a file's content but the ignore file's. Folders that are ignored whole are not walked, links
are not followed out of the context, and a walk ends after `MAX_ENTRIES` names.

Example:
    >>> context = BuildContext.open(".", "Dockerfile")
    >>> "pyproject.toml" in context.taken_by(["/*.toml"])
    True
"""

from __future__ import annotations

import os
import posixpath
import re

from dockproof.facts.ignore import (
    IgnoreFile,
    IgnoreProblem,
    PatternError,
    Rule,
    State,
    clean,
    compile_pattern,
    parse,
)
from dockproof.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

__all__ = ["MAX_ENTRIES", "BuildContext", "IgnoreFile", "IgnoreProblem", "Rule", "parse"]

MAX_ENTRIES = 200_000
"""Names that one context reads before it stops; `truncated` says that it did."""
MAX_LINKS = 40
"""Links that are followed for one source, as the kernel does."""
_WILD = pattern(r"[*?\[\\]")
_NO_RULES = IgnoreFile((), ())


class BuildContext:
    """A folder that is given to a build.

    Attributes:
        root: the folder.
        ignore_path: the ignore file in force, None without one.
        ignore_file: its rules, None without one.
        ignore_data: its bytes, empty without one.
        looks: what was looked at, as kind of look and path.
        errors: what could not be read, as "path: reason".
        truncated: there was too much to look at; what was found is not all.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        ignore_path: str | None = None,
        ignore_file: IgnoreFile | None = None,
    ) -> None:
        self.root = os.fspath(root)
        self.ignore_path = ignore_path
        self.ignore_data = b""
        self.ignore_file = ignore_file
        self.errors: list[str] = []
        self.truncated = False
        self._entries = 0
        self._shown: dict[tuple[str, str], Any] = {}
        self._rules = ignore_file or _NO_RULES

    @classmethod
    def open(cls, root: str | os.PathLike[str], dockerfile: str | os.PathLike[str]) -> BuildContext:
        """Open a context with the ignore file that Docker takes: `<Dockerfile>.dockerignore`, else .dockerignore."""
        own = f"{os.fspath(dockerfile)}.dockerignore"
        for path in (own, os.path.join(root, ".dockerignore")):  # noqa: PTH118  # pathlib costs the start 3 ms
            try:
                data = _read(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                context = cls(root)
                context.errors.append(f"{path}: {error.strerror}")
                return context
            found = cls(root, path, parse(data))
            found.ignore_data = data
            return found
        return cls(root)

    def without_ignore_file(self) -> BuildContext:
        """Return the same folder as if it had no ignore file; what is looked at there counts as looked at here."""
        bare = BuildContext(self.root)
        bare._shown, bare.errors = self._shown, self.errors  # one of our own
        return bare

    @property
    def looks(self) -> Iterable[tuple[str, str]]:
        """What was looked at."""
        return self._shown

    def look(self, what: str, path: str) -> Any:
        """Look at one thing of the folder, once: `link`, `folder`, `exists` or `list`."""
        if (what, path) not in self._shown:
            self._shown[what, path] = _LOOKS[what](self, path)
        return self._shown[what, path]

    def ignores(self, path: str) -> bool:
        """Tell whether the ignore file keeps a path, relative to the root, out of the context."""
        return self._rules.ignores(path)

    def taken_by(
        self, sources: Sequence[str], *, exclude: Sequence[str] = (), parents: bool = False
    ) -> Iterator[str]:
        """Give the files that a COPY takes, relative to the root, in order, each once.

        Args:
            sources: as written in COPY, expanded: folders, files, patterns; a leading slash is the root.
            exclude: the patterns of COPY's --exclude.
            parents: COPY has --parents, so that `**` in a source reaches through folders.
        """
        excluded = parse("\n".join(exclude)) if exclude else _NO_RULES
        seen: set[str] = set()
        for source in sources:
            for start in self._resolve(source, parents=parents):
                for path in self._walk(start):
                    # --exclude's patterns are seen from the source; for a file that is its name.
                    name = posixpath.basename(path) if path == start else path[len(start) :].lstrip("/")
                    if path not in seen and not excluded.ignores(name):
                        seen.add(path)
                        yield path

    def matches(self, source: str) -> bool:
        """Tell whether a COPY's source is there, and is not ignored."""
        return next(self.taken_by([source]), None) is not None or any(
            not self.ignores(path) for path in self._resolve(source) if self.look("folder", path)
        )

    # ---- sources

    def _resolve(self, source: str, *, parents: bool = False) -> Iterator[str]:
        """Find the paths that a source names; "" is the root."""
        path = clean(posixpath.join("/", source.replace("/./", "/") if parents else source))[1:]
        parts = path.split("/") if path else []
        fixed = next((at for at, part in enumerate(parts) if _WILD.search(part)), len(parts))
        start = self._follow("/".join(parts[:fixed]))
        if start is None:
            return
        if fixed == len(parts):
            yield start
            return
        try:
            tests = [_part(part, parents=parents) for part in parts[fixed:]]
        except PatternError:
            return
        yield from self._match(start, tests)

    def _match(self, start: str, tests: list[Callable[[str], bool] | None]) -> Iterator[str]:
        """Match the parts of a pattern below a folder; None among them stands for any number of folders."""
        waiting = [(start, 0)]
        seen = set(waiting)
        while waiting:
            folder, at = waiting.pop()
            test, last = tests[at], at + 1 == len(tests)
            found: list[tuple[str, int]] = [(folder, at + 1)] if test is None and not last else []
            for name, is_folder in self.look("list", folder):
                path = f"{folder}/{name}" if folder else name
                if test is None:
                    found += [(path, at)] if is_folder else []
                    if last:
                        yield path
                elif test(name):
                    if last:
                        yield path
                    elif is_folder:
                        found.append((path, at + 1))
            new = [one for one in found if one not in seen]
            seen.update(new)
            waiting += reversed(new)

    def _follow(self, path: str) -> str | None:
        """Resolve links in a path as if the root were the file system's; None where it leads nowhere."""
        done: list[str] = []
        waiting = path.split("/")[::-1] if path else []
        links = 0
        while waiting:
            name = waiting.pop()
            if name in ("", "."):
                continue
            if name == "..":
                del done[-1:]
                continue
            here = "/".join([*done, name])
            target = self.look("link", here)
            if target is None:
                done.append(name)
                continue
            links += 1
            if links > MAX_LINKS:
                return None
            done = [] if target.startswith("/") else done
            waiting += target.split("/")[::-1]
        return "/".join(done)

    def _link(self, path: str) -> str | None:
        try:
            return os.readlink(self._real(path))  # noqa: PTH115  # keeps the text as it is
        except (OSError, ValueError):
            return None

    def _real(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root

    def _is_folder(self, path: str) -> bool:
        try:
            return os.path.isdir(self._real(path))  # noqa: PTH112 - fast start
        except ValueError:
            return False

    # ---- walking

    def _walk(self, start: str) -> Iterator[str]:
        """Give the files at and below a path that are not ignored, in order."""
        state = self._state(start)
        if not self.look("folder", start):
            if start and not state.ignored and self.look("exists", start):
                yield start
            return
        if start and self._rules.hides(start, state):
            return
        waiting: list[tuple[str, bool, State]] = [(start, True, state)]
        while waiting:
            path, is_folder, state = waiting.pop()
            if not is_folder:
                yield path
                continue
            waiting += reversed(self._below(path, state))

    def _below(self, folder: str, above: State) -> list[tuple[str, bool, State]]:
        """List what is to be looked at in a folder."""
        found = []
        for name, is_folder in self.look("list", folder):
            path = f"{folder}/{name}" if folder else name
            state = self._rules.enter(path, above)
            if not (self._rules.hides(path, state) if is_folder else state.ignored):
                found.append((path, is_folder, state))
        return found

    def _state(self, path: str) -> State:
        state, at = self._rules.root, ""
        for name in path.split("/") if path else ():
            at = f"{at}/{name}" if at else name
            state = self._rules.enter(at, state)
        return state

    def _exists(self, path: str) -> bool:
        try:
            return os.path.lexists(self._real(path))
        except ValueError:
            return False

    def _list(self, folder: str) -> list[tuple[str, bool]]:
        """Give the sorted names in a folder and whether each is one; links are not followed."""
        if self.truncated:
            return []
        names = []
        try:
            with os.scandir(self._real(folder)) as entries:
                for entry in entries:
                    self._entries += 1
                    if self._entries > MAX_ENTRIES:
                        self.truncated = True
                        break
                    names.append((entry.name, entry.is_dir(follow_symlinks=False)))
        except (NotADirectoryError, FileNotFoundError, ValueError):
            return []
        except OSError as error:
            self.errors.append(f"{folder or '.'}: {error.strerror}")
        return sorted(names)


_LOOKS: dict[str, Callable[[BuildContext, str], object]] = {
    "link": BuildContext._link,  # noqa: SLF001  # the class's own, as the next ones
    "folder": BuildContext._is_folder,  # noqa: SLF001
    "exists": BuildContext._exists,  # noqa: SLF001
    "list": BuildContext._list,  # noqa: SLF001
}


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  # as above
        return file.read()


def _part(part: str, *, parents: bool) -> Callable[[str], bool] | None:
    """Compile one part of a source's pattern; `**` is `*` unless --parents gives it its own meaning."""
    if part == "**" and parents:
        return None
    return compile_pattern(re.sub(r"\*\*+", "*", part))

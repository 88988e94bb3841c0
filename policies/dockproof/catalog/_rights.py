"""What a stage's instructions put where, and whom they let change it: COPY, chown, chmod and their like, as values."""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase
from functools import lru_cache

from dockproof.catalog._environment import expanded
from dockproof.catalog._runs import Run
from dockproof.facts.lazy import kept, lazy
from dockproof.facts.mounts import mounts
from dockproof.facts.options import read_arguments, table
from dockproof.facts.shell import script
from dockproof.generic import Generic, T
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.shell_words import Command, Word
    from dockproof.facts.stages import Stage


class Step:
    """An instruction with what holds there; a WORKDIR or USER counts for itself.

    Attributes:
        stage: the stage that it is written in.
        instruction: it, or what an ONBUILD triggers.
        workdir: the working folder, "." where only the base image knows it.
        user: the USER, "" where none is set, None where its value is not known.
    """

    def __init__(self, stage: Stage, instruction: Instruction, workdir: str, user: str | None) -> None:
        """Made by `steps`."""
        self.stage, self.instruction = stage, instruction
        self.workdir, self.user = workdir, user

    def path(self, text: str) -> str:
        """Make a path absolute and clean; relative to an unknown working folder it stays relative."""
        return joined(self.workdir, text)

    @lazy
    def run(self) -> Run:
        """It as the commands of a RUN; any other instruction has none."""
        shell = self.stage.shell_at(self.instruction)
        return Run(self.stage, self.instruction, script(self.instruction, shell))


def steps(stage: Stage) -> tuple[Step, ...]:
    """Give the instructions of a stage and of all that it is built FROM, outermost first, each where it is written."""
    found: tuple[Step, ...] = ()
    for each in reversed(stage.lineage):  # the outermost first, or a long lineage would be a deep recursion
        found = _steps(each)
    return found


@kept
def _steps(stage: Stage) -> tuple[Step, ...]:
    found = list(_steps(stage.base.stage)) if stage.base.stage else []
    workdir = found[-1].workdir if found else "/" if stage.root_base.kind == "scratch" else "."
    known = found[-1].user if found else ""
    for written in stage.instructions:
        instruction = written.effective
        if instruction.keyword == "WORKDIR":
            text = stage.expand(instruction, instruction.value).text
            workdir = "." if text is None else joined(workdir, text)
        elif instruction.keyword == "USER":
            known = stage.expand(instruction, instruction.value).text
        found.append(Step(stage, instruction, workdir, known))
    return tuple(found)


@lru_cache(maxsize=1024)  # the same folders stand in many files, and several policies ask
def covers(outer: str, inner: str) -> bool:
    """Tell whether a path, which may hold the shell's patterns, is another one or a folder around it."""
    if outer in {"/", "."}:
        return inner.startswith("/") == (outer == "/")
    if _WILD.isdisjoint(outer):
        return inner == outer or inner.startswith(f"{outer}/")
    return any(fnmatchcase(path, outer) for path in _upward(inner) if path not in {"/", "."})


_WILD = frozenset("*?[")


class Tree(Generic[T]):
    """Paths with what stands there; a question costs the path's depth, a pattern the number of paths."""

    def __init__(self) -> None:
        self.at: dict[str, T] = {}
        """What stands at a path; of two at one path the first."""
        self._below: dict[str, T] = {}

    def add(self, path: str, value: T) -> None:
        """Put something at a clean path."""
        self.at.setdefault(path, value)
        for folder in _upward(path):
            self._below.setdefault(folder, value)

    def within(self, outer: str) -> T | None:
        """Give what stands at a path or below it, None for nothing; `outer` may be a pattern."""
        if _WILD.isdisjoint(outer):
            return self._below.get(outer)
        fixed = outer[: next(at for at, char in enumerate(outer) if char in _WILD)]
        return next(
            (one for path, one in self.at.items() if path.startswith(fixed) and covers(outer, path)), None
        )

    def around(self, path: str) -> T | None:
        """Give what stands at a path or at a folder around it, but for the root."""
        folders = (folder for folder in _upward(path) if folder not in {"/", "."})
        return next((self.at[folder] for folder in folders if folder in self.at), None)


def _upward(path: str) -> Iterator[str]:
    """Give a path and the folders around it, up to the root."""
    while path not in {"/", "."}:
        yield path
        above = path.rpartition("/")[0]
        path = above or ("/" if path.startswith("/") else ".")
    yield path


@lru_cache(maxsize=1024)  # the same paths stand in many files, and in several places of each
def joined(folder: str, path: str) -> str:
    """Make a path absolute and clean; below an unknown folder, ".", it stays relative."""
    clean = posixpath.normpath(posixpath.join(folder, path))
    return f"/{clean.lstrip('/')}" if clean.startswith("/") else clean


# --------------------------------------------------------------------------------------------- COPY and ADD


class Copied(NamedTuple):
    """What a COPY or ADD brings.

    Attributes:
        stage: the stage that it is written in.
        instruction: it.
        target: where to, without a trailing slash.
        paths: what stands there afterwards, by name; the target itself where the names are not known.
        owner: of --chown, "" without, None where its value is not known.
        mode: of --chmod, likewise.
        is_folder: `paths` is one folder for sure.
    """

    stage: Stage
    instruction: Instruction
    target: str
    paths: tuple[str, ...]
    owner: str | None
    mode: str | None
    is_folder: bool


def copied(step: Step) -> Copied | None:
    """Read a COPY or ADD; None for any other instruction, and where the target's value is not known."""
    return _copied(step) if step.instruction.keyword in {"COPY", "ADD"} and step.instruction.words else None


@kept
def _copied(step: Step) -> Copied | None:
    instruction = step.instruction
    text = step.stage.expand(instruction, instruction.words[-1]).text
    if text is None:
        return None
    target = step.path(text)
    sources = [step.stage.expand(instruction, word).text or "" for word in instruction.words[:-1]]
    owner, mode = (
        step.stage.expand(instruction, instruction.flag(name) or "").text for name in ("chown", "chmod")
    )
    paths = _arrived(sources, text, target)
    into = text.endswith("/") or any(source.endswith("/") or source in {"", "."} for source in sources)
    return Copied(step.stage, instruction, target, paths, owner, mode, is_folder=into and paths == (target,))


def _arrived(sources: Sequence[str], text: str, target: str) -> tuple[str, ...]:
    """Name the files in the target folder; a folder's content has no names here, so the target stands for it."""
    names = [posixpath.basename(source) for source in sources]
    into = text.endswith("/") or text in {".", ".."} or len(sources) > 1
    if not into or not all("." in name.lstrip(".") and _WILD.isdisjoint(name) for name in names):
        return (target,)
    return tuple(posixpath.join(target, name) for name in names)


# ------------------------------------------------------------------------------------------- chown and chmod


class Change(NamedTuple):
    """A command that sets owner, group or mode.

    Attributes:
        command: the command.
        kind: `owner`, `group` or `mode`.
        value: `user[:group]`, the group or the mode; None where it is not known.
        paths: absolute where they can be; patterns stay.
        recursive: all below the paths too.
    """

    command: Command
    kind: str
    value: str | None
    paths: tuple[str, ...]
    recursive: bool


_KINDS = {"chown": "owner", "chgrp": "group", "chmod": "mode", "mkdir": "mode", "install": "mode"}
_TABLES = {
    "chown": table(long="from reference"),
    "chgrp": table(long="from reference"),
    "chmod": table(long="reference"),
    "mkdir": table("m", "mode"),
    "install": table("mogtS", "mode owner group target-directory suffix"),
}
_MINUS_MODE = pattern(r"-[rwxXst]+(?:,.*)?")
_OUTSIDE = ("/dev", "/proc", "/sys")


_COMMANDED = frozenset({"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"})


def changes(step: Step) -> tuple[Change, ...]:
    """Find what a RUN does to owners and modes of what stays in its layer, in order."""
    return _changes(step) if step.instruction.keyword in _COMMANDED else ()


@kept
def _changes(step: Step) -> tuple[Change, ...]:
    run, found = step.run, []
    before: Command | None = None
    for command, folder in placed(step):
        change = _change(run, folder, command, before)
        if change and change.paths:
            found.append(change)
        before = command
    return tuple(found)


def placed(step: Step) -> Iterator[tuple[Command, str]]:
    """Give each command of a RUN with the folder that WORKDIR and `cd` led to."""
    run, folder = step.run, step.workdir
    for command in run.script.commands:
        if command.name == "cd" and command.arguments:
            folder = joined(folder, expanded(run, command.arguments[0]) or ".")
        yield command, folder


def _change(run: Run, folder: str, command: Command, before: Command | None) -> Change | None:
    kind = _KINDS.get(command.name)
    if kind is None:
        return None
    # `chmod -w x` and `chmod -x x`: a mode that looks like options.
    minus = [
        word
        for word in command.words[1:]
        if kind == "mode" and word.text.startswith("-") and _MINUS_MODE.fullmatch(word.text)
    ]
    words = [word for word in command.words[1:] if word not in minus or command.name != "chmod"]
    arguments = read_arguments(words, _TABLES[command.name])
    operands = list(minus[:1] if command.name == "chmod" else []) + list(arguments.operands)
    if command.name in {"mkdir", "install"}:
        given = [option.word for option in arguments.values("-m", "--mode")]
        operands = [*given[-1:], *(operands if command.name == "mkdir" else operands[-1:])] if given else []
    elif arguments.has("--reference"):
        return None
    recursive = arguments.has("-R", "--recursive")
    return _made(run, folder, command, before, operands, recursive=recursive)


def _made(
    run: Run, folder: str, command: Command, before: Command | None, operands: list[Word], *, recursive: bool
) -> Change | None:
    if not operands:
        return None
    words, found = operands[1:], _found(command, before, operands[1:])
    paths = [joined(folder, path) for word in found or words if (path := expanded(run, word))]
    inside = (path for path in paths if not _is_outside(run, path))
    return Change(
        command, _KINDS[command.name], expanded(run, operands[0]), tuple(inside), recursive or bool(found)
    )


def _found(command: Command, before: Command | None, operands: Sequence[Word]) -> list[Word]:
    """Return where `find` starts that gives the command its files, by -exec or through xargs."""
    source = command.piped_from if "xargs" in command.wrappers else None
    if source is None and any(word.text == "{}" for word in operands):
        source = before
    if source is None or source.name != "find":
        return []
    starts: list[Word] = []
    for word in source.words[1:]:
        if word.text.startswith(("-", "(", "!")):
            break
        starts.append(word)
    return starts


def _is_outside(run: Run, path: str) -> bool:
    """Whether what is done there leaves nothing in the layer: the kernel's folders and what is mounted."""
    return any(covers(folder, path) for folder in _OUTSIDE) or any(
        mount.keeps_out(path) for mount in mounts(run.instruction)
    )


# -------------------------------------------------------------------------------------------------- modes


class Grant(NamedTuple):
    """Whom a mode lets write, and whether it sets the sticky bit."""

    group: bool
    others: bool
    sticky: bool


_OCTAL = "01234567"
_LONGEST_OCTAL = 5
_SYMBOLIC = pattern(r"(?P<who>[ugoa]*)(?P<actions>(?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = pattern(r"(?P<how>[-+=])(?P<what>[rwxXstugo]*)")


def grant(mode: str | None) -> Grant:
    """Read a mode, `777` or `a+rwX,o-w`; what cannot be read grants nothing.

    Without a letter for whom (`+w`) the umask takes the write bit of group and others away.
    """
    if mode is None:
        return Grant(group=False, others=False, sticky=False)
    if 0 < len(mode) <= _LONGEST_OCTAL and not mode.strip(_OCTAL):
        bits = int(mode, 8)
        return Grant(bool(bits & 0o020), bool(bits & 0o002), bool(bits & 0o1000))
    state = {"g": False, "o": False, "t": False}
    for part in mode.split(","):
        match = _SYMBOLIC.fullmatch(part)
        for action in _ACTION.finditer(match["actions"]) if match else ():
            _apply(state, match["who"] if match else "", action["how"], action["what"])
    return Grant(state["g"], state["o"], state["t"])


def _apply(state: dict[str, bool], who: str, how: str, what: str) -> None:
    if "t" in what and set(who) != {"g"}:
        state["t"] = how != "-"
    for letter in "go":
        if letter not in who and "a" not in who:
            continue
        if "w" in what or "u" in what:
            state[letter] = how != "-"
        elif how == "=":
            state[letter] = what in {"g", "o"} and state[what]


_NEW_USER = table(
    "bcdefgGhkKpRsuZ",
    "base-dir comment expiredate firstgid firstuid gecos gid groups home home-dir inactive ingroup key lastgid lastuid"
    " password prefix root selinux-user shell skel uid",
)


def new_user(command: Command) -> str:
    """Name the user that a useradd or adduser makes, wherever its options stand; "" for none."""
    operands = read_arguments(command.words[1:], _NEW_USER).operands
    return operands[0].text if operands else ""

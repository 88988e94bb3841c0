"""Edits that can be made to any Dockerfile: a generated good one, or a user's, which is never written to.

`edit` makes an `EditMutant` of a file's text, or says why it cannot be made there.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from dockproof.catalog._base_users import image_user
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.span import Span
    from dockproof.facts.stages import Stage
    from dockproof.policy import EditMutant, SourceTarget


class Edited(NamedTuple):
    """A file after an edit: its text, and the lines on one of which the finding must sit."""

    text: str
    lines: frozenset[int]


class CannotEditError(Exception):
    """The edit makes no sense for the file; the message says why."""


def edit(target: SourceTarget, mutant: EditMutant) -> Edited:
    """Make an edit of a file.

    Args:
        target: the file, with what is shipped of it.
        mutant: the edit.

    Raises:
        CannotEditError: it cannot be made there.
    """
    if not target.shipped:
        raise CannotEditError("the file has no stage")
    for name in mutant.requires:
        if reason := REQUIREMENTS[name](target):
            raise CannotEditError(reason)
    if mutant.insert:
        return _insert(target, mutant)
    return _substitute(target, mutant) if mutant.old else _drop(target, mutant.keyword)


# ---------------------------------------------------------------------------------------------------- insertion


def _insert(target: SourceTarget, mutant: EditMutant) -> Edited:
    stage = target.shipped[-1]
    if "RUN " in mutant.insert:
        _refuse_other_shells(stage)
    user = stage.user.value.text if stage.user and stage.user.value.text else "root"
    new = mutant.insert.replace("{user}", user).splitlines()
    lines = target.dockerfile.text.split("\n")
    at = _place(target, stage, mutant.where)
    if at and lines[at - 1].rstrip().endswith(target.dockerfile.escape):
        raise CannotEditError("the file ends in the middle of an instruction")
    return Edited("\n".join([*lines[:at], *new, *lines[at:]]), frozenset(range(at + 1, at + 1 + len(new))))


def _refuse_other_shells(stage: Stage) -> None:
    from dockproof.facts.shell import script  # noqa: PLC0415 - few edits need it

    runs = [one for one in stage.instructions if one.keyword == "RUN"]
    reason = next((found.reason for run in runs if (found := script(run, stage.shell_at(run))).reason), "")
    if (
        not reason
        and stage.root_base.is_windows
        and not (stage.shell and stage.shell.value[0].startswith("/"))
    ):
        reason = "no POSIX shell reads a RUN of its Windows image"
    if reason:
        raise CannotEditError(reason)


def _place(target: SourceTarget, stage: Stage, where: str) -> int:
    """Give the number of lines that stand before the insertion."""
    if where == "top":
        return _start(target.dockerfile.stages[0].instruction) - 1
    if where == "before":
        return _start(stage.instruction) - 1
    if where == "begin":
        return stage.instruction.span.end_line
    return (stage.instructions or (stage.instruction,))[-1].span.end_line


def _start(instruction: Instruction) -> int:
    """Give the first line of the comments directly above an instruction, else its own."""
    return min([comment.line for comment in instruction.comments] or [instruction.line])


# --------------------------------------------------------------------------------------------- substitution


def _substitute(target: SourceTarget, mutant: EditMutant) -> Edited:
    file, candidates = target.dockerfile, list(_editable(target, mutant))
    for instruction in candidates:
        found = re.search(mutant.old, file.source(instruction.span), re.DOTALL | re.MULTILINE)
        if found:
            return _replaced(target, instruction, found, mutant.new)
    if not candidates:
        raise CannotEditError(f"it has no {mutant.keyword}")
    raise CannotEditError(f"no {mutant.keyword} has what the edit takes away")


def _editable(target: SourceTarget, mutant: EditMutant) -> Iterator[Instruction]:
    """Give the instructions that count: those in force of the shipped stage, or all that it needs, its own first."""
    keyword = mutant.keyword
    if keyword in _IN_FORCE:
        setting = _IN_FORCE[keyword](target.shipped[-1])
        yield from [setting] if setting else []
        return
    own = target.shipped[-1].lineage[::-1]
    stages = [
        stage for stage in target.dockerfile.stages if stage.index in target.needed and stage not in own
    ]
    for stage in own if mutant.where == "shipped" else (*own, *stages):
        yield from (one for one in (stage.instruction, *stage.instructions) if one.keyword == keyword)


def _cmd(stage: Stage) -> Instruction | None:
    return stage.command.instruction if stage.command else None


def _entrypoint(stage: Stage) -> Instruction | None:
    return stage.entrypoint.instruction if stage.entrypoint else None


def _healthcheck(stage: Stage) -> Instruction | None:
    return stage.healthcheck.instruction if stage.healthcheck else None


def _user(stage: Stage) -> Instruction | None:
    return stage.user.instruction if stage.user else None


_IN_FORCE: Mapping[str, Callable[[Stage], Instruction | None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "HEALTHCHECK": _healthcheck,
    "USER": _user,
}


def _replaced(target: SourceTarget, instruction: Instruction, found: re.Match[str], new: str) -> Edited:
    file, span = target.dockerfile, instruction.span
    replacement = found.expand(new.replace("{shell}", _shell(instruction).replace("\\", "\\\\")))
    source = file.source(span)
    text = source[: found.start()] + replacement + source[found.end() :]
    start = _offset(file.text, span)
    whole = file.text[:start] + text + file.text[start + len(source) :]
    return Edited(whole, frozenset(range(span.line, span.line + text.count("\n") + 1)))


def _shell(instruction: Instruction) -> str:
    """Give the exec form of an instruction as a command of a shell."""
    return shlex.join(instruction.json) if instruction.json else ""


def _offset(text: str, span: Span) -> int:
    before = text.split("\n")[: span.line - 1]
    return sum(len(line) + 1 for line in before) + span.column - 1


# ------------------------------------------------------------------------------------------------ omission


def _drop(target: SourceTarget, keyword: str) -> Edited:
    """Drop an instruction from the whole lineage of the shipped stage; the finding sits on its FROM or command."""
    shipped = target.shipped[-1]
    gone = [one.span for stage in shipped.lineage for one in stage.instructions if one.keyword == keyword]
    if not gone:
        raise CannotEditError(f"it has no {keyword}")
    lines = target.dockerfile.text.split("\n")
    numbers = {number for span in gone for number in range(span.line, span.end_line + 1)}
    kept = [number for number in range(1, len(lines) + 1) if number not in numbers]
    places = (shipped.instruction, _cmd(shipped), _entrypoint(shipped))
    marked = {one.line for one in places if one}
    return Edited(
        "\n".join(lines[number - 1] for number in kept),
        frozenset(at for at, number in enumerate(kept, 1) if number in marked),
    )


# -------------------------------------------------------------------------------------------- requirements


def _ignores_git(target: SourceTarget) -> str:
    if target.context is None:
        return "there is no build context"
    return "" if target.context.ignores(".git/HEAD") else "its ignore file does not keep .git out"


def _no_ignore_file(target: SourceTarget) -> str:
    if target.context is None:
        return "there is no build context"
    return "its context has an ignore file" if target.context.ignore_file else ""


def _has_command(target: SourceTarget) -> str:
    return (
        ""
        if _cmd(target.shipped[-1]) or _entrypoint(target.shipped[-1])
        else "it has no CMD and no ENTRYPOINT"
    )


def _has_user(target: SourceTarget) -> str:
    user = target.shipped[-1].user
    if user is None or not user.value.text:
        return "its user is not known"
    return "it runs as root" if user.value.text.partition(":")[0] in {"root", "0"} else ""


def _has_no_entrypoint(target: SourceTarget) -> str:
    return "its entrypoint takes the command" if _entrypoint(target.shipped[-1]) else ""


def _base_is_root(target: SourceTarget) -> str:
    known = image_user(target.shipped[-1].root_base)
    return f"its base runs as {known} of itself" if known else ""


def _posix(target: SourceTarget) -> str:
    return "it is an image of Windows" if target.shipped[-1].root_base.is_windows else ""


def _registries(target: SourceTarget) -> str:
    return "" if target.options.get("registries") else "the configuration names no registries"


REQUIREMENTS: Mapping[str, Callable[[SourceTarget], str]] = {
    "base-is-root": _base_is_root,
    "command": _has_command,
    "ignores-git": _ignores_git,
    "no-ignore-file": _no_ignore_file,
    "no-entrypoint": _has_no_entrypoint,
    "posix": _posix,
    "registries": _registries,
    "user": _has_user,
}
"""What an edit can require of a file: the reason why it does not hold there, "" where it does."""

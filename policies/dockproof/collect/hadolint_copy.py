"""A Dockerfile in words that hadolint can parse, where it refuses those that Docker builds.

hadolint 2.15 ends at a here-document that no empty line follows, and at a time as `500ms` or `1m30s` of a HEALTHCHECK.
A copy with the empty line, and with blanks for the flag, says the same of all else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockproof.facts.dockerfile import parse
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.dockerfile import Dockerfile, Flag

_TIMES = frozenset({"interval", "timeout", "start-period", "start-interval"})
_READ = re.compile(r"\d+(?:\.\d+)?[smh]")  # the times that hadolint reads


class Copy(NamedTuple):
    """What hadolint is shown instead of a file.

    Attributes:
        content: the copy.
        lines: for each of its lines the number of the file's.
        hidden: line and text of each flag that is left out.
    """

    content: bytes
    lines: tuple[int, ...]
    hidden: tuple[tuple[int, str], ...]


def of(content: bytes) -> Copy | None:
    """Return the copy of a file; None where there is nothing to say in other words."""
    dockerfile = parse(content, "")
    hidden = list(_unreadable(dockerfile))
    ends = {one.span.end_line for one in dockerfile.instructions if one.heredocs}
    if not hidden and not ends:
        return None
    lines = content.split(b"\n")
    for flag in hidden:
        number, start, _, end = flag.span
        lines[number - 1] = _blanked(lines[number - 1], start - 1, end - 1)
    shown: list[tuple[int, bytes]] = []
    for number, line in enumerate(lines, 1):
        if number - 1 in ends and line.strip():
            shown.append((number - 1, b""))
        shown.append((number, line))
    said = tuple((flag.span.line, f"--{flag.name}={flag.value}") for flag in hidden)
    return Copy(b"\n".join(line for _, line in shown), tuple(number for number, _ in shown), said)


def _unreadable(dockerfile: Dockerfile) -> Iterator[Flag]:
    """Find the times that hadolint cannot read; one that is written over two lines stays."""
    for instruction in dockerfile.instructions:
        if instruction.keyword == "HEALTHCHECK":
            for flag in instruction.flags:
                one_line = flag.span.line == flag.span.end_line
                if flag.name in _TIMES and one_line and not _READ.fullmatch(flag.value or ""):
                    yield flag


def _blanked(line: bytes, start: int, end: int) -> bytes:
    text = line.decode("utf-8", "surrogateescape")
    return (text[:start] + " " * (end - start) + text[end:]).encode("utf-8", "surrogateescape")

"""A file put together again from its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.facts.span import Span

if TYPE_CHECKING:
    from dockproof.facts.dockerfile import Dockerfile


def gaps(file: Dockerfile) -> list[str]:
    """What stands before, between and behind the instructions."""
    rows = file.text.split("\n")
    stops = [(one.span.line, one.span.column) for one in file.instructions] + [(len(rows), len(rows[-1]) + 1)]
    starts = [(1, 1)] + [(one.span.end_line, one.span.end_column) for one in file.instructions]
    return [file.source(Span(*start, *stop)) for start, stop in zip(starts, stops, strict=True)]


def rebuild(file: Dockerfile) -> str:
    """The text put together from the spans of the instructions and what lies between them."""
    first, *others = gaps(file)
    pairs = zip(file.instructions, others, strict=True)
    return first + "".join(file.source(one.span) + gap for one, gap in pairs)

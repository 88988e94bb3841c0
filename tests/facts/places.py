"""A file put together again from its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.facts.span import Span

if TYPE_CHECKING:
    from dockproof.facts.dockerfile import Dockerfile


def gap_spans(file: Dockerfile) -> list[Span]:
    """What stands before, between and behind the instructions."""
    rows = file.text.split("\n")
    stops = [(one.span.line, one.span.column) for one in file.instructions] + [(len(rows), len(rows[-1]) + 1)]
    starts = [(1, 1)] + [(one.span.end_line, one.span.end_column) for one in file.instructions]
    return [Span(*start, *stop) for start, stop in zip(starts, stops, strict=True)]


def all_spans(file: Dockerfile) -> list[Span]:
    """Gaps and instructions in turn: the whole file."""
    first, *others = gap_spans(file)
    pairs = zip(file.instructions, others, strict=True)
    return [first, *(span for one, gap in pairs for span in (one.span, gap))]


def gaps(file: Dockerfile) -> list[str]:
    """The texts of the gaps."""
    return [file.source(span) for span in gap_spans(file)]


def rebuild(file: Dockerfile) -> str:
    """The text put together from all spans."""
    return "".join(file.source(span) for span in all_spans(file))


def rebuild_bytes(file: Dockerfile) -> bytes:
    """The file put together from all spans."""
    return b"".join(file.source_bytes(span) for span in all_spans(file))

"""The nearest known name, for messages about unknown ones."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 40


def near(name: str, known: Iterable[str]) -> str:
    """Ask for the nearest name as `, did you mean NAME?`, or say nothing where none is near."""
    if len(name) > _LONGEST:
        return ""
    from difflib import get_close_matches  # noqa: PLC0415  # costly to load and hardly ever needed

    found = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f", did you mean {found[0]}?" if found else ""

"""Secrets that are given to a name: `NAME=value`, `name: value`, JSON, in settings and in code."""

from __future__ import annotations

from dockproof.patterns import pattern
from dockproof.secret_formats import CREDENTIAL, Hit, redact
from dockproof.secret_names import HINTS, holds_secret, judge_name
from dockproof.secret_values import could_be_password

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ASSIGNMENT = pattern(
    r"""(?imx)
    (?<![A-Za-z0-9_.]) (?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,60}) (?:"|'|\])?
    [ \t]* (?: := | => | = | :(?=[ \t"']) | ,(?=[ \t]*["']) ) [ \t]*
    (?: "(?P<double>[^"\n]{4,200})" | '(?P<single>[^'\n]{4,200})' | (?P<bare>[^\s"'#;,(){}\[\]<>]{4,200}) )
    """
)


def assignments(text: str, *, bare: bool = True, used: bool = False) -> Iterator[Hit]:
    """Find values given to variables whose names say that they hold a secret.

    Args:
        text: settings (`NAME=value`, `name: value`, JSON) or code.
        bare: whether values without quotes count.
        used: as for `find`.
    """
    for start, end in _lines_that_may_name_a_secret(text):
        yield from _assignments(text, start, end, bare=bare, used=used)


def _lines_that_may_name_a_secret(text: str) -> list[tuple[int, int]]:
    """Return where the lines stand that hold a hint; few do, and no assignment is longer than its line."""
    lower = text.lower()
    if len(lower) != len(text):  # a capital that has no single small letter: offsets would be others
        return [(0, len(text))]
    found = set()
    for hint in (*HINTS, "client_id"):
        at = lower.find(hint)
        while at >= 0:
            end = lower.find("\n", at)
            end = len(text) if end < 0 else end
            found.add((lower.rfind("\n", 0, at) + 1, end))
            at = lower.find(hint, end)
    return sorted(found)


def _assignments(text: str, position: int, end: int, *, bare: bool, used: bool) -> Iterator[Hit]:
    while match := _ASSIGNMENT.search(text, position, end):
        group = match.lastgroup or "bare"
        judged = judge_name(match["name"])
        if not judged.secret or judged.weak:
            # Its value may hold assignments of its own: "Server=db;Password=…".
            position = match.end("name")
            continue
        position = match.end()
        if (group != "bare" or bare) and _is_assigned(match["name"], match[group], used=used):
            yield Hit(
                f"value of {match['name']}", match.start(group), position, redact(match[group]), CREDENTIAL
            )


def _is_assigned(name: str, value: str, *, used: bool) -> bool:
    return (used or could_be_password(value)) and holds_secret(name, value, used=used)

"""Patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`: `*`, `?`, backslash.

BuildKit turns a pattern into a regular expression of an engine without backtracking. Python's engine
backtracks, so the stars are worked through here one literal at a time, which costs linear time.
"""

from __future__ import annotations

import re

from dockproof.patterns import pattern


class PatternError(ValueError):
    """A backslash in front of a character that it cannot escape."""


def _atoms(pattern: str) -> list[str]:
    """Cut into `*`, `?` and escaped literals, each as the piece of a regular expression that it means."""
    atoms: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "\\":
            char = pattern[at : at + 1]
            at += 1
            if char not in {"*", "?", "\\", "}", "/"}:
                raise PatternError(f"invalid escape '\\{char}' in the pattern {pattern}")
            atoms.append(re.escape(char))
        else:
            atoms.append("*" if char == "*" else "." if char == "?" else re.escape(char))
    return atoms


class Pattern:
    """A compiled pattern.

    Raises:
        PatternError: when built from a pattern with a bad escape.
    """

    __slots__ = ("_atoms",)

    def __init__(self, pattern: str) -> None:
        self._atoms = _atoms(pattern)

    def trim_start(self, text: str, *, longest: bool) -> str:
        """Drop the shortest or longest beginning that matches."""
        end = _match(_segments(self._atoms), text, 0, longest=longest)
        return text if end is None else text[end:]

    def trim_end(self, text: str, *, longest: bool) -> str:
        """Drop the shortest or longest end that matches."""
        end = _match(_segments(self._atoms[::-1]), text[::-1], 0, longest=longest)
        return text if end is None else text[: len(text) - end]

    def replace(self, text: str, replacement: str, *, everywhere: bool) -> str:
        """Put `replacement` for the first match, or for all; a match is as long as it can be."""
        if everywhere:
            replacement = _expand_template(replacement)
        if "*" not in self._atoms:
            return re.sub("".join(self._atoms), lambda _: replacement, text, count=0 if everywhere else 1)
        span = _search(_segments(self._atoms), text)
        # The last star takes all it can, so that no second match is left but of the same literals after it.
        pieces: list[str] = []
        rest = 0
        while span:
            pieces += (text[rest : span[0]], replacement)
            rest = span[1]
            span = _search(_segments(self._atoms), text, rest) if everywhere and rest < len(text) else None
        return "".join([*pieces, text[rest:]])


def _segments(atoms: list[str]) -> list[re.Pattern[str]]:
    """The parts between the stars, in order; n stars make n + 1 parts, some of them empty."""
    parts: list[list[str]] = [[]]
    for atom in atoms:
        if atom == "*":
            parts.append([])
        else:
            parts[-1].append(atom)
    return [re.compile("".join(part)) for part in parts]


def _line_end(text: str, start: int) -> int:
    """Where a star must stop: it does not cross a line end."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _match(segments: list[re.Pattern[str]], text: str, start: int, *, longest: bool) -> int | None:
    """Match from `start`; the end of the match. Taking each part as early as possible loses no match."""
    head = segments[0].match(text, start)
    if head is None:
        return None
    end = head.end()
    last = len(segments) - 1
    for index, segment in enumerate(segments[1:], 1):
        stop = _line_end(text, end)
        found = (
            _last_of(segment, text, end, stop)
            if longest and index == last
            else segment.search(text, end, stop)
        )
        if found is None:
            return None
        end = found.end()
    return end


def _last_of(segment: re.Pattern[str], text: str, start: int, stop: int) -> re.Match[str] | None:
    if not segment.pattern:
        return segment.match(text, stop)
    for at in range(stop, start - 1, -1):
        found = segment.match(text, at, stop)
        if found:
            return found
    return None


def _search(segments: list[re.Pattern[str]], text: str, start: int = 0) -> tuple[int, int] | None:
    """The leftmost match and the longest from there. If the first place of the first part fails, all do."""
    head = segments[0].search(text, start)
    if head is None:
        return None
    end = _match(segments, text, head.start(), longest=True)
    return None if end is None else (head.start(), end)


_TEMPLATE = pattern(r"\$(?:(\$)|\w+|\{\w+\})", re.ASCII)


def _expand_template(replacement: str) -> str:
    """Go reads `$1` and `$name` in the text for all matches as groups; no pattern has one, so they vanish."""
    return _TEMPLATE.sub(lambda match: match[1] or "", replacement)

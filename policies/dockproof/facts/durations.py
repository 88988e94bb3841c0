"""Durations as Go writes them: `30s`, `1m30s`, `1.5h`, `100ms`."""

from __future__ import annotations

from functools import lru_cache

from dockproof.patterns import pattern

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h)"
_DURATION = pattern(rf"[+-]?(?:0|(?:{_PART})++)")
_PARTS = pattern(r"([0-9]*\.?[0-9]*)([a-z\u00b5\u03bc]+)")
_LONGEST = 256
_SHORT = 6
_LIMIT = float(1 << 63) * 1e-9


@lru_cache(maxsize=256)
def parse_duration(text: str) -> float | None:
    """The seconds, None where it is no duration or more than Go can hold (292 years)."""
    number = text.rstrip("mhs")
    if number.isdigit() and number.isascii() and len(text) <= _SHORT and text[len(number) :] in _UNITS:
        return float(number) * _UNITS[text[len(number) :]]  # as nearly all are written
    if not text:
        return None
    if len(text) > _LONGEST or not _DURATION.fullmatch(text):
        return None
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text))
    if seconds >= _LIMIT:
        return None
    return -seconds if text.startswith("-") else seconds

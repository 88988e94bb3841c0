"""What the worker computes of an article's text: pure functions."""

import re
from dataclasses import dataclass

#: The mean silent reading speed of adults over 190 studies (Brysbaert, 2019).
WORDS_PER_MINUTE = 238
EXCERPT_CHARACTERS = 280
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


class NothingToReadError(ValueError):
    """The text holds no word."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Word count, reading time in whole minutes (at least one), and the text's beginning."""

    word_count: int
    reading_minutes: int
    excerpt: str


def analyse(text: str) -> Analysis:
    """Count the words of a text and cut its excerpt.

    Raises:
        NothingToReadError: The text holds no word.
    """
    words = sum(1 for _ in _WORD.finditer(text))
    if not words:
        raise NothingToReadError("the text holds no word")
    return Analysis(words, -(-words // WORDS_PER_MINUTE), excerpt_of(text))


def excerpt_of(text: str, limit: int = EXCERPT_CHARACTERS) -> str:
    """Return the text's beginning on one line, cut between words where possible, at most `limit` long."""
    line = " ".join(text[: limit * 8].split())
    if len(line) <= limit and len(text) <= limit * 8:
        return line
    cut = line.rfind(" ", 0, limit)
    return line[: cut if cut > limit // 2 else limit - 1].rstrip() + "…"

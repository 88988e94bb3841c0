import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.analysis import WORDS_PER_MINUTE, NothingToReadError, analyse, excerpt_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one", 1),
        ("It's half-past nine.", 3),
        ("  spaced\n\tout  ", 2),
        ("naïve Überraschung 東京", 3),
        ("https://example.com/a", 4),
    ],
)
def test_counts_words(text: str, words: int) -> None:
    """A word is a run of letters and digits; apostrophes and hyphens join."""
    assert analyse(text).word_count == words


@pytest.mark.parametrize(
    ("words", "minutes"),
    [(1, 1), (WORDS_PER_MINUTE, 1), (WORDS_PER_MINUTE + 1, 2), (10 * WORDS_PER_MINUTE, 10)],
)
def test_rounds_reading_time_up(words: int, minutes: int) -> None:
    """A begun minute counts whole."""
    assert analyse("word " * words).reading_minutes == minutes


@pytest.mark.parametrize("text", ["", "  ", "?!… --"])
def test_refuses_text_without_words(text: str) -> None:
    """There is nothing to compute of a text without words."""
    with pytest.raises(NothingToReadError):
        analyse(text)


def test_cuts_excerpt_between_words() -> None:
    """A long text's excerpt ends with a whole word and an ellipsis."""
    assert excerpt_of("alpha beta gamma delta", limit=17) == "alpha beta gamma…"


def test_keeps_short_text_as_excerpt() -> None:
    """A short text is its own excerpt, on one line."""
    assert excerpt_of("a\n  b") == "a b"


@given(st.text(), st.integers(2, 40))
def test_bounds_every_excerpt(text: str, limit: int) -> None:
    """No excerpt is longer than its limit or has more than one line."""
    excerpt = excerpt_of(text, limit)
    assert len(excerpt) <= limit
    assert len(excerpt.splitlines()) <= 1

"""BuildKit's shell-word lexer: quotes, escapes and every `${}` form.

The lexer knows nothing of scopes: it asks a lookup for each name. The answer tells what is known of the
variable, so that an unknown part makes the whole unknown instead of being guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dockproof.facts.glob import Pattern, PatternError
from dockproof.facts.words import SPACE
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

DEPTH_LIMIT = 100
"""`${a:-${b:-…}}` nested deeper is refused: nobody writes it, and Python's stack is finite."""

LENGTH_LIMIT = 1 << 16
"""Characters of an expanded text; what grows longer (`ENV A=$A$A` over and over) is refused."""


TOO_LONG = f"longer than {LENGTH_LIMIT} characters when expanded"


class Found(NamedTuple):
    """What a lookup knows of a name.

    Attributes:
        text: the value, None where it is unknown, also of a name that is declared but waits for its value.
        is_set: whether the variable is set, None where that is unknown too.
    """

    text: str | None
    is_set: bool | None


Lookup = Callable[[str, str], Found]
"""Asked with a name and the modifier that follows it, "" for none: `-`, `+`, `?`, `#`, `%` or `/`."""


class ExpansionError(ValueError):
    """The text is no valid word to BuildKit, or `${name:?message}` spoke."""


class Expanded:
    """The whole text and the words it falls into; None where an unknown value takes part."""

    __slots__ = ("_pieces",)

    def __init__(self, pieces: list[_Piece]) -> None:
        """Made by `Lexer.run`."""
        self._pieces = pieces

    @property
    def text(self) -> str | None:
        """All of it, as it stands."""
        return _join(self._pieces)

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words, cut at white space that no quote or escape protects."""
        return _words(self._pieces)


class Options(NamedTuple):
    """How raw the result stays; the field names are those of BuildKit's lexer, in Python's casing."""

    raw_quotes: bool = False
    raw_escapes: bool = False
    skip_unset: bool = False
    skip_quotes: bool = False


PLAIN = Options()

_SPECIAL = frozenset("@*#?-$!0")
_RUNS: dict[str, re.Pattern[str]] = {}


def _run_of_plain(stops: str) -> re.Pattern[str]:
    pattern = _RUNS.get(stops)
    if pattern is None:
        pattern = _RUNS[stops] = re.compile(f"[^{re.escape(stops)}]+")
    return pattern


class _Piece(NamedTuple):
    text: str | None
    splits: bool  # white space in it separates words


class Lexer:
    """One pass over one text. Build it, call `run` once.

    Args:
        text: what is read.
        lookup: what is known of a name.
        escape: the escape character of the file.
        options: how raw the result stays.
    """

    __slots__ = ("_at", "_depth", "_escape", "_length", "_lookup", "_options", "_raw_escapes", "_text")

    def __init__(self, text: str, lookup: Lookup, escape: str = "\\", options: Options = PLAIN) -> None:
        self._text = text
        self._lookup = lookup
        self._escape = escape
        self._options = options
        self._raw_escapes = options.raw_escapes
        self._at = 0
        self._depth = 0
        self._length = 0

    def run(self) -> Expanded:
        """Expand the text.

        Raises:
            ExpansionError: bad syntax, a failed `${name:?message}`, too deep or too long.
        """
        return Expanded(self._until(""))

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._text[self._at : self._at + 1]
        self._at += 1
        return char

    def _until(self, stop: str) -> list[_Piece]:
        """Read to `stop`, which is eaten, or to the end where `stop` is empty."""
        pieces: list[_Piece] = []
        quotes = "" if self._options.skip_quotes else "'\""
        plain = _run_of_plain(f"$<{quotes}{self._escape}{stop}")
        while char := self._peek():
            if char == stop:
                self._at += 1
                return pieces
            match = plain.match(self._text, self._at)
            if match:
                self._at = match.end()
                pieces.append(_Piece(match.group(), splits=True))
            else:
                pieces.append(self._special(char, quotes))
        if stop:
            raise ExpansionError(f"the end comes before the closing {stop}")
        return pieces

    def _special(self, char: str, quotes: str) -> _Piece:
        if char == "$":
            return _Piece(self._dollar(), splits=True)
        if char == "<":
            return _Piece(self._angle(), splits=False)
        if char in quotes:
            return _Piece(self._single() if char == "'" else self._double(), splits=False)
        self._at += 1
        return _Piece((char if self._raw_escapes else "") + self._next(), splits=False)

    def _angle(self) -> str:
        """`<<` holds on to the blanks that follow, so that `<< EOF` is one word."""
        self._at += 1
        if self._peek() != "<":
            return "<"
        start = self._at = self._at + 1
        while self._peek() in {" ", "\t", "\r"}:
            self._at += 1
        return "<<" + self._text[start : self._at]

    def _single(self) -> str:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise ExpansionError("the end comes before the closing single quote")
        start, self._at = self._at, end + 1
        return self._text[start : end + 1] if self._options.raw_quotes else self._text[start + 1 : end]

    def _double(self) -> str | None:
        quote = '"' if self._options.raw_quotes else ""
        self._at += 1
        pieces: list[_Piece] = [_Piece(quote, splits=False)]
        plain = _run_of_plain(f'$"{self._escape}')
        while (char := self._peek()) != '"':
            if not char:
                raise ExpansionError("the end comes before the closing double quote")
            match = plain.match(self._text, self._at)
            if match:
                self._at = match.end()
                pieces.append(_Piece(match.group(), splits=False))
            else:
                self._at += 1
                pieces.append(_Piece(self._inside_double(char), splits=False))
        self._at += 1
        pieces.append(_Piece(quote, splits=False))
        return _join(pieces)

    def _inside_double(self, char: str) -> str | None:
        if char == "$":
            self._at -= 1
            return self._dollar()
        raw = char if self._raw_escapes else ""
        following = self._peek()
        if not following:
            return raw
        if following in {'"', "$", self._escape}:
            self._at += 1
            return raw + following
        return raw + char

    def _dollar(self) -> str | None:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            return self._plain(name, f"${name}") if name else "$"
        self._at += 1
        if not self._peek():
            raise ExpansionError("missing '}'")
        if self._peek() in "{}:":
            raise ExpansionError("bad substitution")
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise ExpansionError(f"more than {DEPTH_LIMIT} substitutions inside each other")
        text = self._braced(self._name())
        self._depth -= 1
        return text

    def _name(self) -> str:
        start = self._at
        char = self._peek()
        if char.isdecimal():
            while self._peek().isdecimal():
                self._at += 1
        elif char in _SPECIAL and char:
            self._at += 1
        else:
            while (char := self._peek()) and (char == "_" or char.isalpha() or char.isdecimal()):
                self._at += 1
        return self._text[start : self._at]

    def _plain(self, name: str, written: str) -> str | None:
        found = self._lookup(name, "")
        if found.is_set is False and self._options.skip_unset:
            return written
        return self._measured(found.text)

    def _measured(self, text: str | None) -> str | None:
        self._length += len(text or "")
        if self._length > LENGTH_LIMIT:
            raise ExpansionError(TOO_LONG)
        return text

    def _braced(self, name: str) -> str | None:
        char = self._next()
        if char == "}":
            return self._plain(name, f"${{{name}}}")
        if char == "/":
            return self._replace(name)
        if not char:
            raise ExpansionError("missing '}'")
        colon = char == ":"
        if colon:
            char = self._next()
        elif char not in {"+", "-", "?", "#", "%"}:
            raise ExpansionError(f"unsupported modifier {char!r} in a substitution")
        return self._modified(name, char, colon=colon)

    def _raw_until(self, stop: str, *, raw: bool) -> str | None:
        """Read a part of a substitution, escapes kept or not for this part alone."""
        before, self._raw_escapes = self._raw_escapes, raw
        text = _join(self._until(stop))
        self._raw_escapes = before
        return text

    def _modified(self, name: str, char: str, *, colon: bool) -> str | None:
        word = self._raw_until("}", raw=char in {"#", "%"})
        found = self._lookup(name, char)
        if found.is_set is False and self._options.skip_unset:
            return f"${{{name}{':' if colon else ''}{char}{word}}}"
        if char in {"#", "%"}:
            return _trim(found.text, word, char)
        if char not in {"+", "-", "?"}:
            raise ExpansionError(f"unsupported modifier {':' if colon else ''}{char} in a substitution")
        return self._measured(choose(name, found, word, char, colon=colon))

    def _replace(self, name: str) -> str | None:
        everywhere = self._peek() == "/"
        self._at += everywhere
        pattern = self._raw_until("/", raw=True)
        replacement = self._raw_until("}", raw=True)
        found = self._lookup(name, "/")
        if found.is_set is False and self._options.skip_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        if pattern is None or replacement is None or found.text is None:
            return None
        try:
            return self._measured(Pattern(pattern).replace(found.text, replacement, everywhere=everywhere))
        except PatternError as error:
            raise ExpansionError(str(error)) from None


def choose(name: str, found: Found, word: str | None, char: str, *, colon: bool) -> str | None:
    """Decide what `-`, `+` and `?` give; None where it cannot be decided.

    Raises:
        ExpansionError: `?` of a name that is not set.
    """
    present = _presence(found, colon=colon)
    if char == "-":
        return None if present is None else found.text if present else word
    if char == "+":
        return None if present is None else word if present else ""
    if present is False and found.text is not None:
        raise ExpansionError(f"{name}: {word or 'must be set'}")
    return found.text


def _presence(found: Found, *, colon: bool) -> bool | None:
    """Whether the modifier sees a value: with a colon an empty one does not count."""
    if not found.is_set or not colon:
        return found.is_set
    return None if found.text is None else found.text != ""


def _trim(text: str | None, word: str | None, char: str) -> str | None:
    if text is None or word is None:
        return None
    longest = word.startswith(char)
    try:
        pattern = Pattern(word[longest:])
        return (pattern.trim_end if char == "%" else pattern.trim_start)(text, longest=longest)
    except PatternError as error:
        raise ExpansionError(str(error)) from None


def _join(pieces: list[_Piece]) -> str | None:
    texts = [piece.text for piece in pieces]
    return None if None in texts else "".join(texts)  # type: ignore[arg-type]  # no None is left


_GAPS = pattern(f"[{SPACE}]+")


def _words(pieces: list[_Piece]) -> tuple[str, ...] | None:
    """Put the pieces together into words; a quoted empty word counts for nothing, as in BuildKit."""
    words: list[str] = []
    current: list[str] = []
    for text, splits in pieces:
        if text is None:
            return None
        first, *others = _GAPS.split(text) if splits else (text,)
        current.append(first)
        for other in others:
            words.append("".join(current))
            current = [other]
    words.append("".join(current))
    return tuple(word for word in words if word)

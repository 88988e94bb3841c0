"""How BuildKit cuts an instruction's text: white space, flags, JSON arrays, quoted words.

White space is Go's, not Python's: the separators U+001C to U+001F are no white space, and the keyword and plain
arguments are cut at ASCII white space alone.
"""

from __future__ import annotations

import json
import re

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's unicode.IsSpace holds for white space."""

KEYWORDS = frozenset(
    {
        "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
        "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    }
)  # fmt: skip
"""All that BuildKit knows."""

_SEPARATORS = pattern(r"[\t\v\f\r ]+")
_FLAG_SPACE = "\t\n\v\f\r \x85\xa0"
_SPACES = pattern(f"[{_FLAG_SPACE}]*")
_PLAIN_FLAG = pattern(rf"--[^{_FLAG_SPACE}'\"\\]*(?=[{_FLAG_SPACE}]|\Z)")


class NotStringsError(ValueError):
    """A JSON array that holds something else than strings, which BuildKit refuses."""


class RawFlag(NamedTuple):
    """A flag with its quotes removed, and the offsets of where it stood."""

    text: str
    start: int
    end: int


class RawWord(NamedTuple):
    """A word with its quotes kept, and the offsets of where it stood."""

    text: str
    start: int
    end: int


def split_flags(text: str) -> tuple[list[RawFlag], int]:
    """Cut the leading `--flags` off; the offset says where the arguments begin.

    BuildKit reads flags byte by byte, so that characters beyond ASCII fall apart; so do they here.
    """
    if not text.startswith("--"):
        return [], 0
    if text.isascii():
        return _scan_flags(text)
    flags, rest = _scan_flags(text.encode("utf-8", "replace").decode("latin-1"))
    place = _byte_places(text)
    return [RawFlag(flag.text, place[flag.start], place[flag.end]) for flag in flags], place[rest]


def _byte_places(text: str) -> list[int]:
    """The character that each byte of the UTF-8 form belongs to, one past the end included."""
    places = [index for index, char in enumerate(text) for _ in char.encode("utf-8", "replace")]
    return [*places, len(text)]


def _scan_flags(text: str) -> tuple[list[RawFlag], int]:
    flags: list[RawFlag] = []
    end = 0
    while True:
        start = _SPACES.match(text, end).end()  # type: ignore[union-attr]  # the pattern matches anything
        if not text.startswith("--", start):
            return flags, start
        plain = _PLAIN_FLAG.match(text, start)
        word, end = (plain.group(), plain.end()) if plain else _unquote_flag(text, start)
        if word == "--":
            return flags, end
        flags.append(RawFlag(word, start, end))


def _unquote_flag(text: str, start: int) -> tuple[str, int]:
    """Read one flag with quotes or backslashes in it: its text without them, and where it ends."""
    pieces: list[str] = []
    quote = ""
    at = start
    while at < len(text):
        char = text[at]
        if not quote and char in _FLAG_SPACE:
            break
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == "\\":
            at += 1
            pieces.append(text[at : at + 1])
        else:
            pieces.append(char)
        at += 1
    return "".join(pieces), min(at, len(text))


def split_plain(text: str) -> list[RawWord]:
    """Cut at ASCII white space, quotes meaning nothing (FROM, EXPOSE, COPY, ADD, VOLUME in plain form)."""
    words: list[RawWord] = []
    start = 0
    for gap in _SEPARATORS.finditer(text):
        words.append(RawWord(text[start : gap.start()], start, gap.start()))
        start = gap.end()
    if text:
        words.append(RawWord(text[start:], start, len(text)))
    return words


_HEALTH = pattern(r"[^\t\n\v\f\r ]+[\t\n\v\f\r ]*")


def split_health(text: str) -> int:
    """The offset of HEALTHCHECK's command behind its type word."""
    match = _HEALTH.match(text)
    return match.end() if match else 0


def split_texts(text: str) -> tuple[str, ...]:
    """The words of `split_plain` without their places."""
    return tuple(_SEPARATORS.split(text)) if text else ()


def split_once(text: str) -> tuple[str, str, int] | None:
    """Cut at the first ASCII white space: both sides and the offset of the second; None without any."""
    gap = _SEPARATORS.search(text)
    return (text[: gap.start()], text[gap.end() :], gap.end()) if gap else None


def _word_pattern(escape: str, tail: str, space: str) -> re.Pattern[str]:
    # No group captures: inside a possessive repetition that makes Python 3.11 raise a SystemError.
    e = re.escape(escape)
    quoted = rf"'[^']*+(?:'|\Z)|\"(?:[^\"{e}]++|{e}.)*+(?:\"|{tail}\Z)"
    return pattern(rf"(?:[^{space}'\"{e}]++|{e}.|{quoted}|{tail or '(?!)'}\Z)++", re.DOTALL)


# A class of characters beyond ASCII takes ten times as long to compile, and few texts hold any.
_SPACES_WHERE_ASCII = {True: "".join(filter(str.isascii, SPACE)), False: SPACE}
_WORDS = {
    (escape, ascii_): _word_pattern(escape, re.escape(escape) + "?+", space)
    for escape in "\\`"
    for ascii_, space in _SPACES_WHERE_ASCII.items()
}
_WHOLE_WORDS = {
    (escape, ascii_): _word_pattern(escape, "", space)
    for escape in "\\`"
    for ascii_, space in _SPACES_WHERE_ASCII.items()
}
_NO_SPACE = {ascii_: pattern(f"[^{space}]+") for ascii_, space in _SPACES_WHERE_ASCII.items()}
_TELLING = pattern(r"['\"\\`]")


def split_quoted(text: str, escape: str) -> list[RawWord]:
    """Cut at white space outside quotes, quotes and escapes kept (ENV, LABEL, ARG).

    An escape that ends the text is dropped, an open quote runs to the end.
    """
    words: list[RawWord] = []
    ascii_ = text.isascii()
    if not _TELLING.search(text):
        found = _NO_SPACE[ascii_].finditer(text)
        return [RawWord(match.group(), match.start(), match.end()) for match in found]
    for match in _WORDS[escape, ascii_].finditer(text):
        word = match.group()
        whole = _WHOLE_WORDS[escape, ascii_]
        if word.endswith(escape) and match.end() == len(text) and not whole.fullmatch(word):
            word = word[:-1]
        if word:
            words.append(RawWord(word, match.start(), match.end()))
    return words


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _parse_float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(text)  # Go refuses a number that its float64 cannot hold
    return number


def _parse_int(text: str) -> float:
    return _parse_float(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_float, parse_int=_parse_int)
_LONE_SURROGATE = pattern("[\ud800-\udfff]")


def parse_json(text: str) -> tuple[str, ...] | None:
    """Read the exec form: the strings of a JSON array, None for what is no JSON array.

    Raises:
        NotStringsError: an array that holds something else than strings.
    """
    if text[:1] != "[":
        return None
    try:
        array, end = _DECODER.raw_decode(text)
    except ValueError:
        return None
    except RecursionError:
        _judge_deep(text)
        return None
    if text[end:].strip("\t\n\r "):
        return None
    return _strings(array)


def _strings(array: list[object]) -> tuple[str, ...]:
    texts = tuple(item for item in array if isinstance(item, str))
    if len(texts) != len(array):
        raise NotStringsError
    return tuple(text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text) for text in texts)


_GO_DEPTH = 10_000


def _judge_deep(text: str) -> None:
    """Judge arrays nested deeper than Python's parser goes: shell form, unless they are well formed.

    Go reads 10,000 levels. Brackets that do not pair, or more levels, are no JSON to it.
    """
    depth = deepest = 0
    for char in text:
        depth += (char == "[") - (char == "]")
        deepest = max(deepest, depth)
        if depth < 0 or deepest > _GO_DEPTH:
            return
    if depth == 0 and text.endswith("]"):
        raise NotStringsError

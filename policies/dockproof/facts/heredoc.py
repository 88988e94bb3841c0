"""Finding the here-documents that a line opens, as BuildKit's lexer finds them.

The lexer escapes with a backslash, whatever the file's escape directive says. A line that it cannot read (an open
quote, `${X^}`) opens none, and its body is read as instructions.
"""

from __future__ import annotations

from dockproof.facts.lexer import ExpansionError, Found, Lexer, Options
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

_MARK = pattern(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_RAW = Options(raw_quotes=True, raw_escapes=True, skip_unset=True)
_UNSET = Found("", is_set=False)
_FD_LIMIT = 1 << 31


def _unset(_name: str, _modifier: str) -> Found:
    return _UNSET


class Opening(NamedTuple):
    """A `<<WORD`, before its body is read; the fields are those of `Heredoc`."""

    name: str
    expand: bool
    chomp: bool
    fd: int


def _lex(text: str, options: Options) -> tuple[str, ...]:
    return Lexer(text, _unset, "\\", options).run().words or ()


def read_word(word: str) -> Opening | None:
    """Read one raw word.

    Raises:
        ExpansionError: the name behind `<<` cannot be read, which makes BuildKit refuse the file.
    """
    mark = _MARK.match(word)
    if mark is None or not mark[3]:
        return None
    names = _lex(mark[3], Options(skip_unset=True))
    if len(names) != 1:
        return None
    raw = _lex(mark[3], _RAW)
    fd = min(int(mark[1][:20] or "0"), _FD_LIMIT)
    return Opening(names[0], expand=names[0] == raw[0], chomp=mark[2] == "-", fd=fd)


def openings(line: str) -> list[Opening]:
    """The here-documents that a joined line opens, in order.

    Raises:
        ExpansionError: as for `read_word`.
    """
    try:
        words = _lex(line, _RAW)
    except ExpansionError:
        return []
    return [opening for word in words if "<<" in word and (opening := read_word(word))]

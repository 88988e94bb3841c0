"""TOML as nearly all configurations are written, read without `tomllib`, which costs a start more than all probes.

Tables and arrays of tables, keys without dots, strings without escapes, whole numbers, true and false, and arrays of
them over any number of lines. Whatever else a text holds, and every text that is no TOML, is left to `tomllib`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BARE = "-_"
_DEEPEST = 8
"""Arrays within arrays; deeper ones nobody writes."""
_LONGEST = 18
"""Digits of a whole number that is read here."""


class _NotPlainError(Exception):
    """The text holds something that is left to `tomllib`."""


def loads(text: str) -> dict[str, Any] | None:
    """Return what `tomllib.loads` returns, or None for a text that is left to it."""
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    try:
        return _Reader(text).read()
    except _NotPlainError:
        return None


class _Reader:
    """Reads one text from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text + "\n"
        self._at = 0
        self._root: dict[str, Any] = {}
        self._table = self._root
        self._declared: set[int] = set()  # tables with a header of their own, and arrays of tables

    def read(self) -> dict[str, Any]:
        self._blanks()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                self._header()
            else:
                self._pair()
            self._end_of_line()
            self._blanks()
        return self._root

    # ------------------------------------------------------------------------------------------------- spaces

    def _spaces(self) -> str:
        """Skip blanks of a line and return the character behind them."""
        while self._text[self._at] in " \t":
            self._at += 1
        return self._text[self._at]

    def _end_of_line(self) -> None:
        if self._spaces() not in "#\n":
            raise _NotPlainError
        self._at = self._text.index("\n", self._at) + 1

    def _blanks(self) -> None:
        """Skip empty lines and comments."""
        while self._at < len(self._text) and self._spaces() in "#\n":
            self._at = self._text.index("\n", self._at) + 1

    def _expect(self, mark: str) -> None:
        if not self._text.startswith(mark, self._at):
            raise _NotPlainError
        self._at += len(mark)

    # ---------------------------------------------------------------------------------------- keys and tables

    def _key(self) -> str:
        if self._spaces() in "\"'":
            key = self._string()
        else:
            start = self._at
            while self._text[self._at].isalnum() or self._text[self._at] in _BARE:
                self._at += 1
            key = self._text[start : self._at]
            if not key or not key.isascii():
                raise _NotPlainError
        self._spaces()
        return key

    def _pair(self) -> None:
        key = self._key()
        self._expect("=")
        if key in self._table:
            raise _NotPlainError
        self._table[key] = self._value(_DEEPEST)

    def _header(self) -> None:
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        path = [self._key()]
        while self._text[self._at] == ".":
            self._at += 1
            path.append(self._key())
        self._expect("]]" if many else "]")
        parent = self._root
        for key in path[:-1]:
            parent = self._inner(parent.setdefault(key, {}))
        self._table = self._appended(parent, path[-1]) if many else self._opened(parent, path[-1])

    def _inner(self, found: Any) -> dict[str, Any]:
        """Return the table that a part of a header leads to: of an array of tables the last one."""
        if isinstance(found, list) and id(found) in self._declared:
            found = found[-1]
        if not isinstance(found, dict):
            raise _NotPlainError
        return found

    def _opened(self, parent: dict[str, Any], key: str) -> dict[str, Any]:
        table = parent.setdefault(key, {})
        if not isinstance(table, dict) or id(table) in self._declared:
            raise _NotPlainError
        self._declared.add(id(table))
        return table

    def _appended(self, parent: dict[str, Any], key: str) -> dict[str, Any]:
        if key not in parent:
            parent[key] = []
            self._declared.add(id(parent[key]))
        array = parent[key]
        if not isinstance(array, list) or id(array) not in self._declared:
            raise _NotPlainError
        array.append({})
        self._declared.add(id(array[-1]))
        last: dict[str, Any] = array[-1]
        return last

    # ------------------------------------------------------------------------------------------------- values

    def _value(self, depth: int) -> Any:
        first = self._spaces()
        if first in "\"'":
            return self._string()
        if first == "[" and depth:
            return self._array(depth - 1)
        start = self._at
        while self._text[self._at] not in ",] \t\n#":
            self._at += 1
        return _word(self._text[start : self._at])

    def _string(self) -> str:
        quote = self._text[self._at]
        end = self._text.find(quote, self._at + 1)
        found = self._text[self._at + 1 : end]
        if (
            end < 0
            or "\n" in found
            or "\t" in found
            or "\\" in found
            or (not found and self._text[end + 1] == quote)
        ):
            raise _NotPlainError
        self._at = end + 1
        return found

    def _array(self, depth: int) -> list[Any]:
        self._at += 1
        found: list[Any] = []
        while self._next() != "]":
            found.append(self._value(depth))
            if self._next() != "]":
                self._expect(",")
        self._at += 1
        return found

    def _next(self) -> str:
        """Return the next character of an array, over the ends of lines."""
        self._blanks()
        if self._at == len(self._text):
            raise _NotPlainError
        return self._text[self._at]


def _word(text: str) -> bool | int:
    if text in {"true", "false"}:
        return text == "true"
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST) or (text[0] == "0" and text != "0"):
        raise _NotPlainError
    return int(text)

r"""What container-structure-test takes from Go: regular expressions, and how a file's mode is written.

Go's expressions are RE2's; Python's `re` reads some of the same texts differently (`$` before a last newline, `\Z`,
look-ahead, `\h`), so they are never given to it. Where the package `google-re2` is missing only plain texts are
answered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockproof.facts.image import FileEntry

_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_TYPES = {"dir": "d", "link": "L", "char": "Dc", "block": "D", "fifo": "p"}
_RIGHTS = "rwxrwxrwx"


class BadRegexError(ValueError):
    """Go refuses the expression; the message says why."""


class NoEngine(Exception):  # noqa: N818 - as `facts.structure.Unknown`, it is an answer
    """Nothing here reads the expression as Go does."""


def mode(entry: FileEntry) -> str:
    """Write type and permissions as Go's `FileMode.String`: `-rw-r--r--`, `drwxr-xr-x`, `urwxr-xr-x`, `Lrwxrwxrwx`."""
    flags = (("u", 0o4000), ("g", 0o2000))
    before, after = _TYPES.get(entry.type, ""), ("t" if entry.mode & 0o1000 else "")
    kind, char = before.rstrip("c"), before[1:]
    special = "".join(letter for letter, bit in flags if entry.mode & bit)
    rights = "".join(letter if entry.mode >> (8 - at) & 1 else "-" for at, letter in enumerate(_RIGHTS))
    return (kind + special + char + after or "-") + rights


def text(data: bytes) -> str:
    """Decode as Go does when it matches: each byte that is no UTF-8 is one U+FFFD."""
    import codecs  # noqa: PLC0415 - its registry is asked once

    try:
        codecs.lookup_error("dockproof-go")
    except LookupError:
        codecs.register_error("dockproof-go", _each_byte)
    return data.decode("utf-8", "dockproof-go")


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


def matches(regex: str, content: str) -> bool:
    """Tell whether Go's `regexp.MatchString` finds the expression in a text.

    Raises:
        BadRegexError: Go refuses the expression.
        NoEngine: `google-re2` is missing, and the expression is no plain text.
    """
    if _SPECIAL.isdisjoint(regex):
        return regex in content
    return compiled(regex).search(content) is not None


@lru_cache(maxsize=512)
def compiled(regex: str) -> Any:
    """Compile an expression as Go does.

    Raises:
        BadRegexError: Go refuses it.
        NoEngine: `google-re2` is missing.
    """
    try:
        import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, which few runs need
    except ImportError:
        raise NoEngine("google-re2 is not installed: `pip install dockproof[structure]`") from None
    options = re2.Options()
    options.log_errors = False
    if _has_byte_class(regex):
        raise BadRegexError("invalid escape sequence: \\C")
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0]
        raise BadRegexError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None


def _has_byte_class(regex: str) -> bool:
    r"""Tell whether it holds `\C`, which RE2 knows and Go does not."""
    escaped = False
    for letter in regex:
        if escaped and letter == "C":
            return True
        escaped = letter == "\\" and not escaped
    return False

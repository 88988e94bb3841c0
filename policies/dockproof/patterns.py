"""Regular expressions that are compiled when they are first used.

The package has hundreds, and one Dockerfile needs few of them; compiling all would cost each start of the command
line some 50 ms, which is more than everything else together. One that says what a match must hold is not even
compiled for a text that does not hold it.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AnyStr

_METHODS = ("match", "fullmatch", "search", "finditer", "findall", "sub", "subn", "split", "scanner")


class _Lazy:
    """Stands for a pattern; from the first use on its methods are the pattern's own."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copying and pickling ask for these; they need no pattern
            raise AttributeError(name)
        compiled: re.Pattern[Any] = re.compile(self._text, self._flags)
        self.__dict__.update({method: getattr(compiled, method) for method in _METHODS})
        return getattr(compiled, name)


class Guarded(_Lazy):
    """Stands for a pattern until a text holds one of the pieces without which it matches nothing.

    Attributes:
        needs: the pieces, in lower case.
    """

    def __init__(self, text: AnyStr, flags: int, needs: tuple[AnyStr, ...]) -> None:
        super().__init__(text, flags)
        self.needs: tuple[Any, ...] = needs

    def may_match(self, text: AnyStr) -> bool:
        """Whether a text holds one of the pieces in any casing; beyond ASCII casing is left to the pattern."""
        if not text.isascii():
            return True
        lower = text.lower()
        for piece in self.needs:  # noqa: SIM110 - asked a hundred times a file; `any` is three times slower
            if piece in lower:
                return True
        return False

    def match(self, text: AnyStr, *where: int) -> Any:
        """Match at the beginning, as `re.Pattern.match`."""
        return self.__getattr__("match")(text, *where) if self.may_match(text) else None

    def fullmatch(self, text: AnyStr, *where: int) -> Any:
        """Match all of the text, as `re.Pattern.fullmatch`."""
        return self.__getattr__("fullmatch")(text, *where) if self.may_match(text) else None

    def search(self, text: AnyStr, *where: int) -> Any:
        """Find the first match, as `re.Pattern.search`."""
        return self.__getattr__("search")(text, *where) if self.may_match(text) else None


def pattern(text: AnyStr, flags: int = 0, needs: tuple[AnyStr, ...] = ()) -> re.Pattern[AnyStr]:
    """Return a pattern that is compiled when it is first used; use it as one that `re.compile` gave.

    Args:
        text: the regular expression.
        flags: as for `re.compile`.
        needs: pieces in lower case, one of which each match holds, whatever its casing.
    """
    made: Any = Guarded(text, flags, needs) if needs else _Lazy(text, flags)
    stands_for: re.Pattern[AnyStr] = made
    return stands_for

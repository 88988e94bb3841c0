"""Regular expressions that are compiled when they are first used.

The package has hundreds, and one Dockerfile needs few of them; compiling all would cost each start of the command
line some 50 ms, which is more than everything else together.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

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


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern that is compiled when it is first used; use it as one that `re.compile` gave."""
    return cast("re.Pattern[AnyStr]", _Lazy(text, flags))

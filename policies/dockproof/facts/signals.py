"""Names of Linux signals, as STOPSIGNAL takes them."""

from __future__ import annotations

import re

from dockproof.patterns import pattern

_NAMES = frozenset(
    {
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
        "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "UNUSED",
        "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
    }
)  # fmt: skip
_REALTIME = pattern(r"RTMIN\+(?:[1-9]|1[0-5])|RTMAX-(?:[1-9]|1[0-4])")


def is_signal(text: str) -> bool:
    """Whether Docker knows the signal: a number other than 0, or a name in any casing with or without SIG."""
    if re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        return int(text) != 0
    name = text.upper().removeprefix("SIG")
    return name in _NAMES or _REALTIME.fullmatch(name) is not None

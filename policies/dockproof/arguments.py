"""argparse with errors of ours: one line, exit code 2, the nearest name.

A module of its own, because argparse costs a start 4 ms, and most of them are given paths and switches alone.
"""

from __future__ import annotations

import argparse
import functools

from dockproof.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

WIDTH = 100
"""Columns of help texts; asking the terminal for its own would cost every start 2 ms."""


class Parser(argparse.ArgumentParser):
    """An argument parser for one command; it raises instead of leaving the program."""

    def __init__(self, prog: str, description: str) -> None:
        """Take the command with the program's name before it, and one line that says what it does."""
        super().__init__(
            prog=prog,
            description=description,
            allow_abbrev=False,
            formatter_class=functools.partial(argparse.HelpFormatter, width=WIDTH),
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        from dockproof.strict_table import nearest  # noqa: PLC0415 - only an error pays for it

        wrong = message.partition("unrecognized arguments: ")[2].partition(" ")[0].partition("=")[0]
        hint = nearest(wrong, self._option_string_actions) if wrong else ""
        raise UsageError(f"{self.prog.partition(' ')[2]}: {message}{hint}; see `{self.prog} --help`")

"""What can go wrong, each kind with the exit code that tells it apart.

The gate fails closed: whatever it could not look at is an error of its own, never silence.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command (design.md, "Command line")."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    NOTHING = 3
    NOT_LOOKED = 4
    INTERRUPTED = 130


class DockproofError(Exception):
    """An error with a message for the user: what happened, where, and what to do next."""

    exit = Exit.NOT_LOOKED


class UsageError(DockproofError):
    """The arguments or the configuration are wrong."""

    exit = Exit.USAGE


class NothingToCheckError(DockproofError):
    """The command found no Dockerfile, service or test to look at."""

    exit = Exit.NOTHING


class NotLookedError(DockproofError):
    """Something could not be looked at: an unreadable file, no engine, a crashed tool, a dead target.

    Attributes:
        log: the last lines that the thing itself said, empty where it said nothing.
    """

    exit = Exit.NOT_LOOKED

    def __init__(self, message: str, log: str = "") -> None:
        """Keep the sentence for the user and the tail of the log that explains it."""
        super().__init__(message)
        self.log = log

"""What a signal to stop does before the program is ready for it, and how a server stops listening.

The kernel gives process 1 no default action: until the program has set its own, a SIGTERM to a container that has just
started is lost, and the container is killed ten seconds later. So this is imported before anything large.
"""

from __future__ import annotations

import array
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)

SO_ATTACH_FILTER = 26
"""socket(7); the same number on every architecture that Python images are made for."""

DROP_SYN = struct.pack("HBBI" * 4, 0x30, 0, 0, 13, 0x45, 0, 1, 0x02, 0x06, 0, 0, 0, 0x06, 0, 0, 0xFFFFFFFF)
"""Classic BPF over a TCP header: load the byte of flags; take nothing of a packet where SYN is set, else all."""


def end_at_once(unless: Callable[[], bool] = lambda: False) -> None:
    """End on a signal, since nothing is in hand that could be lost, unless the program has begun its work.

    uvicorn sets handlers of its own, and when it has ended it raises the signal that ended it once more.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        if not unless():
            sys.exit(128 + number)

    for number in SIGNALS:
        signal.signal(number, end)


def hold_back() -> None:
    """Keep signals waiting, also for the program that takes this one's place, until that lets them through."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def turn_away_callers(listener: socket.socket) -> bool:
    """Let no new connection begin, while those that have begun can still be accepted; return whether that was possible.

    To close a listening socket resets the connections that wait in its queue, and those whose handshake is not over.
    """
    program = array.array("B", DROP_SYN)
    address, length = program.buffer_info()
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", length // 8, address))
    except OSError:  # not Linux, or one in a sandbox
        return False
    return True

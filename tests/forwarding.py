"""What tests put between a client and the engine carries bytes with this."""

from __future__ import annotations

import contextlib
import socket


def forward(source: socket.socket, target: socket.socket) -> None:
    """Carry one direction of a connection until its side has said all, or either end is gone."""
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)

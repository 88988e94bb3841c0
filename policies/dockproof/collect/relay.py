"""The engine's address for tools that know DOCKER_HOST and nothing of contexts or SSH."""

from __future__ import annotations

import contextlib
import os
import re
import socketserver
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof.collect.engine import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.collect.engine import Engine

DIAL = ("docker", "system", "dial-stdio")
"""The client's own way to the engine, whatever that is: SSH, TLS, a context."""

PIECE = 65_536
"""Bytes that are handed on at once."""

GRACE = 2.0
"""Seconds that a connection has to end."""


REMOVAL = re.compile(rb"\ADELETE (\S*/containers/\w+)\??(\S*) HTTP/")
"""A request that removes a container; a client asks for the next thing only after its answer, so it begins a piece."""


@contextlib.contextmanager
def variables(engine: Engine, *, removing_volumes: bool = False) -> Iterator[Mapping[str, str]]:
    """Give the environment variables that lead such a tool to the engine, as long as the block lasts.

    A unix socket is named as it is, and so is what DOCKER_HOST itself names over TCP. Anything else is reached through
    a socket here, each of whose connections the docker client carries on.

    Args:
        engine: the engine to reach.
        removing_volumes: with each container that the tool removes, its unnamed volumes go too. They carry no label,
            so nobody could tell later whose they were.
    """
    host = engine.host
    direct = host.startswith("unix://") or (host.startswith("tcp://") and "DOCKER_HOST" in os.environ)
    if not removing_volumes and (direct or not host):
        yield {"DOCKER_HOST": host} if host else {}
        return
    with tempfile.TemporaryDirectory(prefix="dockproof-") as folder:
        path = str(Path(folder, "engine.sock"))
        with _Server(path, _Removing if removing_volumes else _Connection) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield {"DOCKER_HOST": f"unix://{path}", "DOCKER_TLS_VERIFY": "", "DOCKER_CONTEXT": ""}
            finally:
                server.shutdown()
                server.end()


class _Server(socketserver.ThreadingUnixStreamServer):
    """A socket whose connections are processes of the docker client."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(path, handler)
        self.dialled: list[subprocess.Popen[bytes]] = []
        # The variables of before: the block may set DOCKER_HOST to this very socket.
        self.environment = {**os.environ, **ENVIRONMENT}

    def end(self) -> None:
        """End the connections that are left."""
        for each in self.dialled:
            each.terminate()
        for each in self.dialled:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.wait(GRACE)
            each.kill()


class _Connection(socketserver.BaseRequestHandler):
    """Hands the connection itself to the client as its input and output."""

    server: _Server

    def handle(self) -> None:
        """Wait until the client has carried it to its end."""
        ends = {"stdin": self.request, "stdout": self.request, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(DIAL, env=self.server.environment, **ends) as client:
            self.server.dialled.append(client)


class _Removing(_Connection):
    """Hands on what the tool says, and has each container's unnamed volumes removed with it."""

    def handle(self) -> None:
        """Carry one way in pieces; the client writes the other by itself."""
        ends = {"stdin": subprocess.PIPE, "stdout": self.request, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(DIAL, env=self.server.environment, bufsize=0, **ends) as client:
            self.server.dialled.append(client)
            assert client.stdin is not None  # noqa: S101 - it is a pipe
            with contextlib.suppress(OSError):  # either end may hang up
                while piece := self.request.recv(PIECE):
                    client.stdin.write(REMOVAL.sub(rb"DELETE \1?v=1&\2 HTTP/", piece))

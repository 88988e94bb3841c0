"""Start the API: `python -m app`. It stays process 1 of its container, and reads PORT and LOG_LEVEL."""

from app import stopping

if __name__ == "__main__":
    stopping.end_at_once()  # what takes its time comes behind it

import array
import asyncio
import contextlib
import socket
import struct
import sys

import uvicorn

from app.log import configure_logging
from app.main import create_app
from app.settings import SettingsError, load_settings

#: With the outbox's two seconds this ends well within a container's ten.
GRACEFUL_SECONDS = 5
#: A caller whose connection stands has this long to send its request.
HEARING_SECONDS = 0.5

#: socket(7); the same number on every architecture that Python images are made for.
SO_ATTACH_FILTER = 26
#: Classic BPF over a TCP header: load the byte of flags; take nothing of a packet where SYN is set, else all.
DROP_SYN = struct.pack("HBBI" * 4, 0x30, 0, 0, 13, 0x45, 0, 1, 0x02, 0x06, 0, 0, 0, 0x06, 0, 0, 0xFFFFFFFF)


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


class Server(uvicorn.Server):
    """uvicorn, which resets at its end the connections whose request it has not read yet; here they are heard first.

    So an API can be replaced under load: before anything else ends new callers are turned away, and find the other.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, hear those that stand, then end."""
        for server in self.servers:
            if not all(turn_away_callers(listener) for listener in server.sockets):
                server.close()
        await asyncio.sleep(HEARING_SECONDS)
        await super().shutdown(sockets)


def main() -> int:
    """Serve until stopped; return 2 where the environment is wrong."""
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"app: {error}", file=sys.stderr)  # noqa: T201 - there is no log to write to yet
        return 2
    configure_logging(settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host="0.0.0.0",  # noqa: S104 - a container is reached from outside
        port=settings.port,
        log_config=None,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        server_header=False,
    )
    server = Server(config)
    stopping.end_at_once(unless=lambda: server.started)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A service that misbehaves as the environment's FAULT says."""

import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8000
FAULT = os.environ["FAULT"]


class Handler(BaseHTTPRequestHandler):
    """Answers `ok`, or as the fault wants it."""

    def do_GET(self) -> None:
        """Answer."""
        if FAULT == "slow":
            time.sleep(4)
        self.send_response(302 if FAULT == "redirects" else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Listens on IPv6 alone where that is the fault; does not mind a client that leaves early."""

    address_family = socket.AF_INET6 if FAULT == "six" else socket.AF_INET

    def server_bind(self) -> None:
        """Bind, to no IPv4 address by way of IPv6."""
        if FAULT == "six":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


def fork() -> None:
    """Have as many children as the engine allows; they go when this process does."""
    while True:
        try:
            if os.fork() == 0:
                while os.getppid() == 1:
                    time.sleep(0.2)
                os._exit(0)
        except OSError:
            return


def keep_forking() -> None:
    """Take every place that becomes free."""
    while True:
        fork()
        time.sleep(0.05)


def fill() -> None:
    """Write to /tmp until it is full, and die of it."""
    with open("/tmp/all", "wb", buffering=0) as file:  # noqa: PTH123 - what a careless program does
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError as error:
            sys.exit(f"cannot go on: {error.strerror}")


def flood() -> None:
    """Say 100 MB."""
    line = b"word " * 200 + b"\n"
    for _ in range(100 * 1024 * 1024 // len(line)):
        os.write(1, line)


def close(server: Server) -> None:
    """Serve for a moment, then close the port and live on."""
    time.sleep(2)
    server.shutdown()
    server.server_close()


def main() -> None:
    """Serve, badly."""
    if FAULT == "fills":
        fill()
    if FAULT == "floods":
        flood()
    if FAULT == "forks":
        threading.Thread(target=keep_forking, daemon=True).start()
        time.sleep(2)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if FAULT == "deaf" else lambda *_: sys.exit(0))
    server = Server(("", PORT), Handler)
    if FAULT == "closes":
        threading.Thread(target=close, args=(server,), daemon=True).start()
    server.serve_forever()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()

"""Answers every request; has one child process. Its log says no more than that it serves."""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers `ok`."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing: health probes come every second."""


class Server(ThreadingHTTPServer):
    """Does not mind a client that leaves early."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


if os.fork() == 0:
    while os.getppid() == 1:
        time.sleep(0.2)
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sys.stdout.write("serving\n")
sys.stdout.flush()
Server(("", 8000), Handler).serve_forever()

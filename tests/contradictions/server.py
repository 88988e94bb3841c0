"""Answers every request; has a second port open where MORE names one."""

import os
import signal
import sys
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


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sys.stdout.write("serving\n")
sys.stdout.flush()
more = Server(("", int(os.environ["MORE"])), Handler) if "MORE" in os.environ else None
Server(("", 8000), Handler).serve_forever()

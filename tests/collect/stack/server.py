"""Answers every request with the name of this container's parent and child processes' numbers; has one child."""

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


if os.fork() == 0:
    while os.getppid() == 1:
        time.sleep(0.2)
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", flush=True)
ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()

"""Serves nothing on port 8000; `check` asks whether it does."""

import os
import signal
import socket
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if sys.argv[1:] == ["check"]:
    client = socket.socket()
    client.settimeout(0.5)
    client.connect(("127.0.0.1", 8000))
    sys.exit(client.recv(2) != b"ok")
if "TOKEN" not in os.environ:
    sys.exit("TOKEN is not set")
with open("/data/file", "w"):  # noqa: PTH123 - it must start fast
    pass
server = socket.socket()
server.bind(("", 8000))
server.listen()
while True:
    with server.accept()[0] as caller:
        caller.send(b"ok")

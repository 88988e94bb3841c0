"""Exits 0 while this container answers, and while its dependency does where DEPENDENCY names one."""

import _socket
import os
import sys

HOST = os.environ.get("DEPENDENCY", "")


def answers(host: str) -> bool:
    """Tell whether a host answers on port 8000 within half a second."""
    client = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    client.settimeout(0.5)
    try:
        client.connect((_socket.getaddrinfo(host, 8000, _socket.AF_INET)[0][4][0], 8000))
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        return client.recv(15).startswith(b"HTTP/1.0 200")
    except OSError as error:
        sys.stdout.write(f"{host}: {error}\n")
        return False


sys.exit(0 if all(answers(host) for host in ("127.0.0.1", HOST) if host) else 1)

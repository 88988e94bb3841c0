"""Exits 0 while the service answers 200 at one of the loopback addresses; cheap, for it is asked twice a second."""

import _socket
import sys


def answer(family: int, host: str) -> str:
    """Return the first line that the service says, or why it says none."""
    client = _socket.socket(family, _socket.SOCK_STREAM)
    client.settimeout(2.5)
    try:
        client.connect((host, 8000))
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        return client.recv(15).decode()
    except OSError as error:
        return f"{host}: {error}"


said = [answer(_socket.AF_INET, "127.0.0.1"), answer(_socket.AF_INET6, "::1")]
sys.exit(0 if any(one.startswith("HTTP/1.0 200") for one in said) else "; ".join(said))

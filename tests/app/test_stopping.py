"""The API at its end: callers that are connected are heard, new ones are refused."""

import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.app.harness import Program, eventually, free_port

REQUEST = b"GET /health HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n"


def _alive(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").is_success
    except httpx.TransportError:
        return False


def test_standing_connection_is_heard_after_sigterm(tmp_path: Path) -> None:
    """A caller that connected before SIGTERM and sends its request after it gets its answer; later ones are refused."""
    port, nobody = free_port(), f"127.0.0.1:{free_port()}"
    settings = {
        "PORT": str(port),
        "DATABASE_URL": f"postgresql+psycopg://app@{nobody}/app",
        "RABBITMQ_URL": f"amqp://{nobody}/%2F",
        "REDIS_URL": f"redis://{nobody}/0",
    }
    with Program("app", settings, tmp_path / "api.log") as api:
        eventually(lambda: _alive(port), "the API answers")
        with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
            api.process.terminate()
            time.sleep(0.15)
            caller.sendall(REQUEST)
            assert caller.recv(12) == b"HTTP/1.1 200"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
        assert api.process.wait(10) in {0, -15}

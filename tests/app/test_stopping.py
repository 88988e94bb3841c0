"""The programs at their end: callers that are connected are heard, new ones are turned away, and no signal is lost."""

import signal
import socket
import threading
import time
from collections import Counter
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


def _settings(folder: Path) -> dict[str, str]:
    """Point the programs at nobody."""
    nobody = f"127.0.0.1:{free_port()}"
    return {
        "PORT": str(free_port()),
        "DATABASE_URL": f"postgresql+psycopg://app@{nobody}/app",
        "RABBITMQ_URL": f"amqp://{nobody}/%2F",
        "REDIS_URL": f"redis://{nobody}/0",
        "HEARTBEAT_DIR": str(folder / "heartbeats"),
        "DRAMATIQ_PROCESSES": "1",
        "DRAMATIQ_THREADS": "1",
    }


def _has_sigterm(program: Program, field: str) -> bool:
    """Whether a process catches (SigCgt) or holds back (SigBlk) SIGTERM, as the kernel has it."""
    status = Path(f"/proc/{program.process.pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in status if line.startswith(f"{field}:"))
    return bool(mask >> (signal.SIGTERM - 1) & 1)


def _until_it_has(program: Program, field: str) -> None:
    deadline = time.monotonic() + 10
    while not _has_sigterm(program, field):
        assert time.monotonic() < deadline, f"no SIGTERM in {field}"


def test_sigterm_before_the_api_is_ready_is_obeyed(tmp_path: Path) -> None:
    """By a handler of its own, which ends it at once: process 1 has no default action."""
    with Program("app", _settings(tmp_path), tmp_path / "api.log") as api:
        _until_it_has(api, "SigCgt")
        began = time.monotonic()
        assert api.stop() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 2


def test_sigterm_before_the_workers_are_ready_is_obeyed_when_they_are(tmp_path: Path) -> None:
    """It waits through the change of program, until dramatiq can hand it on."""
    with Program("app.workers", _settings(tmp_path), tmp_path / "workers.log") as workers:
        _until_it_has(workers, "SigBlk")
        assert b"app.workers\0" in Path(f"/proc/{workers.process.pid}/cmdline").read_bytes()
        assert workers.stop() == 0
    assert "Sending signal 'SIGTERM'" in (tmp_path / "workers.log").read_text()


def test_standing_connection_is_heard_after_sigterm(tmp_path: Path) -> None:
    """A caller that connected before SIGTERM and sends its request after it gets its answer; later ones are refused."""
    settings = _settings(tmp_path)
    port = int(settings["PORT"])
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


def _call_until(over: threading.Event, port: int, seen: Counter[str]) -> None:
    """Connect and ask, again and again; what counts is what becomes of a connection that stands."""
    while not over.wait(0.001):
        try:
            caller = socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            continue
        with caller:
            try:
                caller.sendall(REQUEST)
                seen[caller.recv(12).decode()] += 1
            except ConnectionError as error:
                seen[type(error).__name__] += 1


def test_no_connection_is_reset_at_the_end(tmp_path: Path) -> None:
    """Nor one that the kernel made and the API has not accepted yet: under load some always wait there."""
    settings = _settings(tmp_path)
    port, over, seen = int(settings["PORT"]), threading.Event(), Counter[str]()
    callers = [threading.Thread(target=_call_until, args=(over, port, seen)) for _ in range(16)]
    with Program("app", settings, tmp_path / "api.log") as api:
        eventually(lambda: _alive(port), "the API answers")
        for each in callers:
            each.start()
        try:
            eventually(lambda: seen.total() > 100, "the callers are at it")
            assert api.stop() in {0, -15}
        finally:
            over.set()
            for each in callers:
                each.join()
    assert set(seen) == {"HTTP/1.1 200"}, seen

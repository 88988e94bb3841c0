"""The health check of the images, run as the images run it, against real servers and processes."""

import http.server
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.harness import ROOT, free_port

SCRIPT = ROOT / "dockerfiles" / "backend" / "healthcheck.py"


def probe(kind: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the health check."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), kind],
        env=variables,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


@contextmanager
def server(status: int) -> Iterator[int]:
    """Serve /health with this status, and 200 on the place that a redirect leads to; yield the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 200)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd.server_port
        httpd.shutdown()


def test_api_is_healthy_with_200() -> None:
    """A 200 of /health is health, and there is nothing to say."""
    with server(200) as port:
        done = probe("api", PORT=str(port))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("status", [204, 301, 404, 500, 503])
def test_api_is_unhealthy_with_any_other_status(status: int) -> None:
    """No other answer will do, and no redirect is followed."""
    with server(status) as port:
        done = probe("api", PORT=str(port))
    assert done.returncode == 1
    assert str(status) in done.stdout


def test_api_is_unhealthy_when_nothing_listens() -> None:
    """A refused connection is named as such, on one line."""
    done = probe("api", PORT=str(free_port()))
    assert done.returncode == 1
    assert "refused" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_api_is_unhealthy_when_it_says_nothing() -> None:
    """A stopped server's kernel still accepts; the wait for an answer is bounded."""
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = probe("api", PORT=str(silent.getsockname()[1]))
    assert done.returncode == 1
    assert "timed out" in done.stdout
    assert time.monotonic() - begin < 3


def test_api_is_unhealthy_when_it_trickles() -> None:
    """An answer that comes byte by byte does not stretch the wait."""
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def trickle() -> None:
            connection, _ = slow.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK and so on and on":
                    time.sleep(0.25)
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        return

        threading.Thread(target=trickle, daemon=True).start()
        begin = time.monotonic()
        done = probe("api", PORT=str(slow.getsockname()[1]))
    assert done.returncode == 1
    assert time.monotonic() - begin < 3


@pytest.fixture
def master() -> Iterator[subprocess.Popen[bytes]]:
    """A living process that stands over the workers."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def workers(tmp_path: Path, master: subprocess.Popen[bytes]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two living processes with fresh heartbeats in the test's folder."""
    processes = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    for process in processes:
        beat(tmp_path, process.pid, master.pid)
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def beat(folder: Path, pid: int, parent: int, condition: str = "ok", age: float = 0.0) -> None:
    """Write a heartbeat as app/workers/heartbeat.py does."""
    line = f"{time.monotonic() - age:.1f} {parent} {condition}\n"
    (folder / str(pid)).write_text(line, encoding="utf-8")


def probe_workers(folder: Path, expected: int = 2) -> subprocess.CompletedProcess[str]:
    """Run the health check on this folder's heartbeats."""
    return probe("worker", HEARTBEAT_DIR=str(folder), DRAMATIQ_PROCESSES=str(expected))


@pytest.mark.usefixtures("workers")
def test_workers_are_healthy_with_fresh_heartbeats(tmp_path: Path) -> None:
    """As many fresh heartbeats as processes is health, and there is nothing to say."""
    done = probe_workers(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.usefixtures("workers")
def test_workers_are_unhealthy_when_one_never_came(tmp_path: Path) -> None:
    """Fewer heartbeats than processes is no health."""
    assert "2 of 3 worker processes" in probe_workers(tmp_path, expected=3).stdout


def test_workers_are_unhealthy_when_one_is_gone(
    tmp_path: Path, workers: list[subprocess.Popen[bytes]]
) -> None:
    """A fresh file does not speak for a process that has ended."""
    workers[0].kill()
    workers[0].wait()
    assert "1 of 2 worker processes" in probe_workers(tmp_path).stdout


def test_workers_are_unhealthy_when_one_is_silent(
    tmp_path: Path, workers: list[subprocess.Popen[bytes]], master: subprocess.Popen[bytes]
) -> None:
    """A living process (stopped, or waiting for a frozen broker) whose heartbeat is old is no health."""
    beat(tmp_path, workers[0].pid, master.pid, age=11)
    assert f"worker process {workers[0].pid} has given no sign of life" in probe_workers(tmp_path).stdout


def test_workers_are_unhealthy_when_one_complains(
    tmp_path: Path, workers: list[subprocess.Popen[bytes]], master: subprocess.Popen[bytes]
) -> None:
    """What the heartbeat complains of is what the health check says."""
    beat(tmp_path, workers[1].pid, master.pid, condition="no broker connection for queue articles")
    assert "no broker connection for queue articles" in probe_workers(tmp_path).stdout


@pytest.mark.usefixtures("workers")
def test_workers_are_unhealthy_when_their_master_is_stopped(
    tmp_path: Path, master: subprocess.Popen[bytes]
) -> None:
    """Workers whose master is stopped would never be told to end."""
    master.send_signal(signal.SIGSTOP)
    os.waitpid(master.pid, os.WUNTRACED)
    assert f"process {master.pid}, over the workers, is stopped" in probe_workers(tmp_path).stdout


@pytest.mark.usefixtures("workers")
def test_leftover_of_earlier_run_does_not_count(
    tmp_path: Path, workers: list[subprocess.Popen[bytes]], master: subprocess.Popen[bytes]
) -> None:
    """A container that is started again finds the files of its former life; they say nothing."""
    workers[0].kill()
    workers[0].wait()
    beat(tmp_path, workers[0].pid, master.pid, age=600)
    assert probe_workers(tmp_path, expected=1).returncode == 0


def test_workers_are_unhealthy_before_the_first(tmp_path: Path) -> None:
    """No folder yet: no worker has started."""
    done = probe_workers(tmp_path / "none")
    assert (done.returncode, "no worker has started" in done.stdout) == (1, True)


@pytest.mark.parametrize("kind", ["", "web", "--help"])
def test_refuses_unknown_check(kind: str) -> None:
    """A misspelt check is never healthy."""
    done = probe(kind)
    assert (done.returncode, "usage" in done.stdout) == (1, True)


def test_costs_little() -> None:
    """A probe's own CPU time stays near that of a bare start of Python (20 ms on the machine it was set for)."""
    with server(200) as port:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(5):
            assert probe("api", PORT=str(port)).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    spent = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5
    assert spent < 0.06, f"{spent * 1000:.0f} ms"

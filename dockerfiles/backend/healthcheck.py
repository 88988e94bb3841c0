"""The images' health check: `python -I -S healthcheck.py api|worker`. Exits 0, or 1 after one line why.

It runs every few seconds for as long as a container lives, so it costs little more than a bare start of
Python: the standard library alone, and of it only modules that are built in or small.
"""  # noqa: INP001 - a script of the images, no package

import posix
import sys
import time

LIMIT_SECONDS = 2.0
#: Workers refresh their files every two seconds (app/workers/heartbeat.py).
STALE_SECONDS = 10.0


class Unhealthy(Exception):  # noqa: N818 - a verdict, no error
    """Why."""


def _variable(name: str, default: str) -> str:
    return posix.environ.get(name.encode(), b"").decode() or default


def check_api() -> None:
    """Ask for /health on the port of this container; nothing but a 200 in time will do."""
    import _socket  # noqa: PLC0415 - the worker's check needs none

    deadline = time.monotonic() + LIMIT_SECONDS
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.settimeout(LIMIT_SECONDS)
        connection.connect(("127.0.0.1", int(_variable("PORT", "8000"))))
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        line = b""
        while b"\r\n" not in line:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            received = connection.recv(256)
            if not received:
                break
            line += received
    except OSError as error:
        raise Unhealthy(f"the API does not answer: {error}") from None
    finally:
        connection.close()
    if line.split(b" ", 2)[:2] not in ([b"HTTP/1.1", b"200"], [b"HTTP/1.0", b"200"]):
        raise Unhealthy(f"the API answers {line[:60]!r}")


def check_worker() -> None:
    """Every process that should work said so in the last ten seconds, and no master of theirs is stopped."""
    folder = _variable("HEARTBEAT_DIR", "/tmp/app-heartbeats")  # noqa: S108 - the app's own default
    expected = int(_variable("DRAMATIQ_PROCESSES", "4"))
    masters = {1}
    try:
        names = [name for name in posix.listdir(folder) if name.isdigit() and _state(name)]
    except OSError as error:
        raise Unhealthy(f"no worker has started: {error}") from None
    for name in names:
        masters.add(_read_heartbeat(folder, name))
    if len(names) < expected:
        raise Unhealthy(f"{len(names)} of {expected} worker processes are there")
    for pid in sorted(masters):
        if _state(str(pid)) in "TtZX":
            raise Unhealthy(f"process {pid}, over the workers, is stopped")


def _read_heartbeat(folder: str, pid: str) -> int:
    """Return the parent of a process whose heartbeat is fresh and good."""
    with open(f"{folder}/{pid}", encoding="utf-8") as file:  # noqa: PTH123 - pathlib alone costs more than the check
        beat, parent, condition = file.read().rstrip("\n").split(" ", 2)
    age = time.monotonic() - float(beat)
    if age > STALE_SECONDS:
        raise Unhealthy(f"worker process {pid} has given no sign of life for {age:.0f} s")
    if condition != "ok":
        raise Unhealthy(f"worker process {pid}: {condition}")
    return int(parent)


def _state(pid: str) -> str:
    """Return the letter of the process's state, or nothing where it is gone (files outlive a restart)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def main(arguments: list[str]) -> int:
    """Run the check of that name."""
    checks = {"api": check_api, "worker": check_worker}
    if len(arguments) != 1 or arguments[0] not in checks:
        print("usage: healthcheck.py api|worker")  # noqa: T201 - the answer
        return 1
    try:
        checks[arguments[0]]()
    except (Unhealthy, OSError, ValueError) as error:
        print(f"unhealthy: {error}")  # noqa: T201 - the answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Saves articles and asks for readiness until told to stop; runs in a container of the stack, on Python alone.

`python -c SOURCE PLAN`, where PLAN is JSON: targets (base URLs), prefix (of titles), savers (threads), pause, seconds
(limit in time), saves (limit in number). Each answer is one line of JSON on standard output. SIGTERM ends it after the
requests in hand.
"""

import http.client
import itertools
import json
import signal
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

TIMEOUT = 20.0
CONNECT_TIMEOUT = 1.0
"""Seconds for each address of a name: that of a container which is gone just swallows what is sent there."""

READY_PAUSE = 0.5

stopping = threading.Event()
printing = threading.Lock()


def note(**record: Any) -> None:
    """Print one record."""
    with printing:
        print(json.dumps(record), flush=True)  # noqa: T201 - its output is what it is for


def ask(base: str, method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
    """Send one request over a connection of its own; every address that the name has is tried."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=CONNECT_TIMEOUT)
    try:
        connection.connect()
        connection.sock.settimeout(TIMEOUT)
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def timed(kind: str, request: Callable[[], dict[str, Any]]) -> None:
    """Note a request's answer, or what kept it from having one."""
    begin = time.time()
    try:
        answer = request()
    except (OSError, http.client.HTTPException, ValueError) as error:
        answer = {"status": 0, "error": f"{type(error).__name__}: {error}"}
    note(kind=kind, begin=begin, end=time.time(), **answer)


def save(base: str, title: str) -> dict[str, Any]:
    """Save one article."""
    status, body = ask(base, "POST", "/articles", {"title": title, "text": "one two three"})
    return {"status": status, "id": body.get("id"), "detail": body.get("detail")}


def ready(base: str) -> dict[str, Any]:
    """Ask for readiness; `down` names what does not answer."""
    status, body = ask(base, "GET", "/health/ready")
    return {"status": status, "down": sorted(name for name, why in body["services"].items() if why != "ok")}


def main(plan: dict[str, Any]) -> None:
    """Keep at it until the time is up, the number is reached or SIGTERM comes."""
    deadline = time.monotonic() + plan["seconds"]
    numbers = itertools.count()
    targets = itertools.cycle(plan["targets"])

    def going() -> bool:
        return not stopping.is_set() and time.monotonic() < deadline

    def savers() -> None:
        while going() and (number := next(numbers)) < plan["saves"]:
            base, title = next(targets), f"{plan['prefix']}-{number}"
            timed("save", lambda base=base, title=title: save(base, title))  # type: ignore[misc]
            stopping.wait(plan["pause"])

    def watcher() -> None:
        while going():
            timed("ready", lambda: ready(plan["targets"][0]))
            stopping.wait(READY_PAUSE)

    threads = [threading.Thread(target=savers) for _ in range(plan["savers"])]
    threads.append(threading.Thread(target=watcher))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    note(kind="end")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    main(json.loads(sys.argv[1]))

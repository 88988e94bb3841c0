"""Hold HTTP requests in flight while their server is stopped: `request.py HOLD JSON`.

Each request of the JSON list is sent but for the last byte of its body; then `in hand` is printed. SIGUSR1 says that
the server has got its stop signal, and HOLD seconds later the last bytes follow. Prints a JSON text a request, "" where
the expected answer came, and ends with 1 where another came, or none.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sys
import threading
import time
from typing import Any

LIMIT = 60.0
"""Seconds for one step of a request, and for the stop signal to come."""

WORDS = 200
"""Characters of a problem that are told: the log's reader cuts long lines."""


def connect(port: int) -> http.client.HTTPConnection:
    """Connect over loopback, or to the container's own address where the server does not listen there."""
    try:
        socket.create_connection(("127.0.0.1", port), LIMIT).close()
        host = "127.0.0.1"
    except OSError:
        host = socket.gethostbyname(socket.gethostname())
    connection = http.client.HTTPConnection(host, port, timeout=LIMIT)
    connection.connect()
    return connection


def begin(request: dict[str, Any]) -> http.client.HTTPConnection:
    """Send all of a request but the last byte of its body."""
    connection = connect(request["port"])
    body = request["body"].encode()
    connection.putrequest(request["method"], request["path"])
    headers = {"Content-Length": str(len(body)), **request["headers"]}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body[:-1] or None)
    return connection


def end(connection: http.client.HTTPConnection, request: dict[str, Any]) -> str:
    """Send the rest and return what is wrong with the answer, "" where it is the expected one."""
    try:
        connection.send(request["body"].encode()[-1:])
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"was not answered: {error!r}"
    if answer.status != request["status"]:
        return (
            f"was answered {answer.status}, not {request['status']}: {text[:200].decode('utf-8', 'replace')}"
        )
    return ""


def main(hold: float, requests: list[dict[str, Any]]) -> int:
    """Hold them all at once."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # from now on one that comes is kept
    begun = [begin(request) for request in requests]
    sys.stdout.write("in hand\n")
    sys.stdout.flush()
    signal.sigtimedwait({signal.SIGUSR1}, LIMIT)
    time.sleep(hold)
    problems: dict[int, str] = {}

    def finish(number: int) -> None:
        problems[number] = end(begun[number], requests[number])

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(len(requests)):
        sys.stdout.write(json.dumps(problems[number][:WORDS]) + "\n")
    return int(any(problems.values()))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), json.loads(sys.argv[2])))

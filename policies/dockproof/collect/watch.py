"""Follow a project's containers through the engine's events, so that waits end at once and cost nothing."""

from __future__ import annotations

import contextlib
import contextvars
import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from dockproof.collect import process
from dockproof.errors import NotLookedError
from dockproof.facts.container import parse_time

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine

LIFETIME = 3600.0
"""Seconds; the listener ends by itself then, also when nobody is left to end it."""


class Watch:
    """The events of one compose project.

    Events only wake waiters up and tell times; the state itself is always read from the engine, so a listener
    that died makes waits a little coarser and nothing wrong.
    """

    def __init__(self, engine: Engine, project: str) -> None:
        self._engine = engine
        self._project = project
        self._scope = process.Scope()
        self._changed = threading.Condition()
        self._count = 0
        self._healthy: dict[str, list[float]] = {}
        self._signals: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start listening; a second call does nothing."""
        if self._thread is None:
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._listen,), daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._scope.cancel()
        if self._thread is not None:
            self._thread.join(2 * process.GRACE)

    def mark(self) -> int:
        """Return a mark; take it before reading the state, so that no event between falls through."""
        with self._changed:
            return self._count

    def wait(self, mark: int, seconds: float) -> None:
        """Wait until something happened since the mark, at most so long.

        Raises:
            Cancelled: the run was given up.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._count != mark, timeout=seconds)
        process.pause(0)

    def healthy_after(self, container: str, started_at: str) -> float | None:
        """Return the seconds from a start to the first time that it was healthy; None where none was seen."""
        started = parse_time(started_at)
        if started is None:
            return None
        with self._changed:
            times = [at for at in self._healthy.get(container, ()) if at >= started.timestamp()]
        return min(times) - started.timestamp() if times else None

    def signals(self, container: str) -> int:
        """Return how many signals the engine was seen to send to a container."""
        with self._changed:
            return self._signals[container]

    def await_signal(self, container: str, before: int, seconds: float) -> None:
        """Wait until the engine has sent a container one more signal than before.

        Raises:
            NotLookedError: none was seen in that time.
        """
        deadline = time.monotonic() + seconds
        while True:
            mark = self.mark()
            if self.signals(container) > before:
                return
            if time.monotonic() > deadline:
                raise NotLookedError(f"the engine told of no stop signal within {seconds:g} s")
            self.wait(mark, 1.0)

    def _listen(self) -> None:
        until = int(time.time() + LIFETIME)
        command = ["docker", "events", "--format", "json", "--until", str(until)]
        command += ["--filter", f"label=com.docker.compose.project={self._project}"]
        with (
            contextlib.suppress(NotLookedError),
            process.within(self._scope),
            process.stream(command, timeout=LIFETIME, what="docker events") as lines,
        ):
            for line in lines:
                self._note(line)

    def _note(self, line: bytes) -> None:
        with contextlib.suppress(ValueError, KeyError, AttributeError):
            event: dict[str, Any] = json.loads(line)
            with self._changed:
                if event["Action"] == "health_status: healthy":
                    self._healthy.setdefault(event["Actor"]["ID"], []).append(event["timeNano"] / 1e9)
                if event["Action"] == "kill":
                    self._signals[event["Actor"]["ID"]] += 1
                if not event["Action"].startswith("exec_"):
                    self._count += 1
                    self._changed.notify_all()

"""A map on all processors whose processes live for a share of the items each.

Facts hold one another in circles: a process that reads a thousand files spends a sixth of its time on finding those
that it needs no more. One that ends after some dozens has nothing to find: the operating system takes its memory back
whole.
"""

from __future__ import annotations

import gc
import os
import select
import signal
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from dockproof.generic import Generic, T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

MOST = 64
"""Items of a share, at most: all that is known of them stands in the memory of one process."""

LEAST = 8
"""Items of the last shares, so that no processor waits long for another."""

_OBJECTS = 200_000
"""Objects from which on a process searches for what it needs no more after all: some items are large."""

_LENGTH = 8
"""Bytes before an answer that say how long it is."""


def answers(action: Callable[[T], bytes], items: Sequence[T], workers: int) -> Iterator[bytes]:
    """Yield what an action answers to each item, in the items' order, from forked processes.

    What a process did not answer, because it was killed or could not be made, is asked again here; so what the action
    raises is raised here.

    Args:
        action: what is asked.
        items: what it is asked of.
        workers: processes at a time.
    """
    waiting = deque(_Share(action, items[at : at + size]) for at, size in _sizes(len(items), workers))
    begun: deque[_Share[T]] = deque()  # in order; what they answered was not yielded yet
    try:
        while waiting or begun:
            while waiting and sum(share.runs for share in begun) < workers:
                begun.append(waiting.popleft())
                begun[-1].begin()
            _read([share for share in begun if share.runs])
            while begun and not begun[0].runs:
                yield from begun.popleft().answers()
    finally:
        for share in begun:
            share.end()


def _sizes(count: int, workers: int) -> Iterator[tuple[int, int]]:
    """Where each share begins and how many items it has: small ones at the end."""
    at = 0
    while at < count:
        size = min(MOST, max(LEAST, (count - at) // (2 * workers)))
        yield at, min(size, count - at)
        at += size


def _read(shares: Sequence[_Share[T]]) -> None:
    """Wait until one of some shares has something to say, and take it."""
    poll = select.poll()
    for share in shares:
        poll.register(share.pipe, select.POLLIN)
    ready = {pipe for pipe, _ in poll.poll()} if shares else set()
    for share in shares:
        if share.pipe in ready:
            share.read()


class _Share(Generic[T]):
    """Some items, and the process that is asked of them."""

    def __init__(self, action: Callable[[T], bytes], items: Sequence[T]) -> None:
        self.action, self.items = action, items
        self.pipe = -1
        self._pid = 0
        self._received = bytearray()

    @property
    def runs(self) -> bool:
        """Whether the process may have more to say."""
        return self.pipe >= 0

    def begin(self) -> None:
        """Fork the process; where there can be none, nothing is answered."""
        try:
            reader, writer = os.pipe()
        except OSError:
            return
        try:
            self._pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            return
        if not self._pid:
            _work(self.action, self.items, writer)
        os.close(writer)
        self.pipe = reader

    def read(self) -> None:
        """Take what the process says next; nothing means that it has ended."""
        some = os.read(self.pipe, 1 << 16)
        self._received += some
        if not some:
            self._leave()

    def answers(self) -> Iterator[bytes]:
        """Yield what the process said of each item, and ask what it did not answer here."""
        at, count = 0, 0
        while at + _LENGTH <= len(self._received):
            start = at + _LENGTH
            at = start + int.from_bytes(self._received[at:start], "big")
            if at <= len(self._received):
                yield bytes(self._received[start:at])
                count += 1
        yield from map(self.action, self.items[count:])

    def end(self) -> None:
        """End the process before its time."""
        if self.runs:
            os.kill(self._pid, signal.SIGKILL)
            self._leave()

    def _leave(self) -> None:
        os.close(self.pipe)
        self.pipe = -1
        with suppress(ChildProcessError):  # where SIGCHLD is ignored, the kernel has taken it away
            os.waitpid(self._pid, 0)


def _work(action: Callable[[T], bytes], items: Sequence[T], pipe: int) -> NoReturn:
    """Answer in a process of its own, which ends without what Python and its parent would do at their end."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
        gc.set_threshold(_OBJECTS)
        with open(pipe, "wb") as file:
            for item in items:
                answer = action(item)
                file.write(len(answer).to_bytes(_LENGTH, "big") + answer)
    finally:
        os._exit(0)

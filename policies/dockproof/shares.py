"""A map over forked processes, which take what they do next from a pipe: whoever is ready takes the next items.

What the parent has loaded is theirs at once, and nothing that they are asked has to be sent to them.
"""

from __future__ import annotations

import gc
import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from dockproof.generic import Generic, T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping, Sequence
    from typing import NoReturn

_NUMBER = 4
"""Bytes of a number in a pipe: of an item, or of the length of its answer."""

_PAGE = 4096
"""Bytes that any pipe holds, however many the user has."""

_PIECE = 1 << 16
"""Bytes that are written and read at once, as many as a pipe holds where nothing limits it."""


def answers(action: Callable[[T], bytes], items: Sequence[T], workers: int) -> Iterator[bytes]:
    """Yield what an action answers to each item, in the items' order, from forked processes.

    What they did not answer, because one was killed or could not be made, is asked again here; so what the action
    raises is raised here.

    Args:
        action: what is asked.
        items: what it is asked of.
        workers: processes.
    """
    found: dict[int, bytes] = {}
    at = 0
    begun = _begin(action, items, workers)
    try:
        while running := [worker for worker in begun if worker.runs]:
            _read(running, found)
            while at in found:
                yield found.pop(at)
                at += 1
    finally:
        for worker in begun:
            worker.end()
    for number in range(at, len(items)):
        yield found.pop(number) if number in found else action(items[number])


def _begin(action: Callable[[T], bytes], items: Sequence[T], workers: int) -> list[_Worker[T]]:
    """Fork as many processes as can be had; they take the numbers of items, or of the first of some, from one pipe."""
    size = max(1, -(-len(items) * _NUMBER // _PAGE))
    try:
        tokens, end = os.pipe()
    except OSError:
        return []
    os.write(end, b"".join(map(_bytes, range(0, len(items), size))))
    os.close(end)
    begun: list[_Worker[T]] = []
    for _ in range(min(workers, len(items))):
        begun.append(_Worker(action, items, size))
        begun[-1].begin(tokens, begun)
    os.close(tokens)
    return begun


def _bytes(number: int) -> bytes:
    return number.to_bytes(_NUMBER, "big")


def _read(workers: Sequence[_Worker[T]], found: MutableMapping[int, bytes]) -> None:
    """Wait until one of some processes has something to say, and take it."""
    poll = select.poll()
    for worker in workers:
        poll.register(worker.pipe, select.POLLIN)
    ready = {pipe for pipe, _ in poll.poll()}
    for worker in workers:
        if worker.pipe in ready:
            worker.read(found)


class _Worker(Generic[T]):
    """A process that is asked of items, and the pipe that it answers through.

    Attributes:
        pipe: where its answers are read, negative where there are no more.
    """

    def __init__(self, action: Callable[[T], bytes], items: Sequence[T], size: int) -> None:
        self.action, self.items, self.size = action, items, size
        self.pipe = -1
        self._pid = 0
        self._received = bytearray()

    @property
    def runs(self) -> bool:
        """Whether the process may have more to say."""
        return self.pipe >= 0

    def begin(self, tokens: int, others: Sequence[_Worker[T]]) -> None:
        """Fork the process; where there can be none, nothing is answered.

        Args:
            tokens: the pipe that says what is next.
            others: those whose pipes the new process inherits.
        """
        try:
            self.pipe, end = os.pipe()
        except OSError:
            return
        try:
            self._pid = os.fork()
        except OSError:
            os.close(end)
            os.close(self.pipe)
            self.pipe = -1
            return
        if not self._pid:
            self._work(tokens, end, others)
        os.close(end)

    def _work(self, tokens: int, end: int, others: Sequence[_Worker[T]]) -> NoReturn:
        """Answer in a process of its own, which ends without what Python and its parent would do at their end."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
            gc.freeze()
            for other in others:
                if other.runs:  # a pipe that nobody reads any more ends its writer
                    os.close(other.pipe)
            with open(end, "wb", _PIECE) as file:  # the parent wakes at every write
                while token := os.read(tokens, _NUMBER):
                    file.writelines(self._answered(int.from_bytes(token, "big")))
        finally:
            os._exit(0)

    def _answered(self, at: int) -> Iterator[bytes]:
        """Yield the parts of the answers to the items of a number."""
        for number, item in enumerate(self.items[at : at + self.size], at):
            answer = self.action(item)
            yield _bytes(number) + _bytes(len(answer)) + answer

    def read(self, found: MutableMapping[int, bytes]) -> None:
        """Take what the process says next; nothing means that it has ended."""
        some = os.read(self.pipe, _PIECE)
        self._received += some
        if not some:
            self._leave()
        at = 0
        while (start := at + 2 * _NUMBER) <= len(self._received):
            end = start + int.from_bytes(self._received[start - _NUMBER : start], "big")
            if end > len(self._received):
                break
            found[int.from_bytes(self._received[at : at + _NUMBER], "big")] = bytes(self._received[start:end])
            at = end
        del self._received[:at]

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

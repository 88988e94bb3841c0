"""A map over forked processes: nothing is lost, whatever becomes of one of them."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest

from dockproof import shares

ITEMS = list(range(200))
MANY = list(range(3000))
WANTED = [str(item).encode() * item for item in ITEMS]


def _answer(item: int) -> bytes:
    return str(item).encode() * item


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 7, 200, 3000])
def test_every_answer_comes_in_order(workers: int, count: int) -> None:
    """Few items, none, and more than have a number of their own in the pipe that hands them out."""
    wanted = [_answer(item) for item in MANY[:count]]
    assert list(shares.answers(_answer, MANY[:count], workers)) == wanted


def test_answers_are_made_in_processes_that_end() -> None:
    """No more than were asked for, and none is left behind."""
    own = str(os.getpid()).encode()
    pids = set(shares.answers(lambda _: str(os.getpid()).encode(), ITEMS, workers=2))
    assert own not in pids
    assert len(pids) <= 2
    assert not [pid for pid in pids if Path(f"/proc/{pid.decode()}").exists()]


def test_what_a_killed_process_did_not_answer_is_done_here() -> None:
    """As the system kills the largest process when memory ends."""
    own = os.getpid()

    def answer(item: int) -> bytes:
        if item % 50 == 20 and os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return _answer(item)

    assert list(shares.answers(answer, ITEMS, workers=2)) == WANTED


def test_without_processes_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of processes costs time, no answer and no open file."""

    def refuse() -> int:
        raise OSError(errno.EAGAIN, "no more processes")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(os, "fork", refuse)
    assert list(shares.answers(_answer, ITEMS, workers=2)) == WANTED
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_without_pipes_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does the limit of open files."""

    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "pipe", refuse)
    assert list(shares.answers(_answer, ITEMS, workers=2)) == WANTED


def test_what_an_item_raises_is_raised_here_after_the_answers_before_it() -> None:
    """An error is nobody's answer."""

    def answer(item: int) -> bytes:
        if item == 120:
            raise ValueError(item)
        return _answer(item)

    got = shares.answers(answer, ITEMS, workers=2)
    assert [next(got) for _ in range(120)] == WANTED[:120]
    with pytest.raises(ValueError, match="120"):
        next(got)


def test_processes_that_the_kernel_takes_away_are_not_missed() -> None:
    """A parent that ignores SIGCHLD hands that down."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert list(shares.answers(_answer, ITEMS, workers=2)) == WANTED
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    """They find nobody who reads, though each holds what the others answer through no longer."""

    def answer(_item: int) -> bytes:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(0.02)
        return b"x" * 10_000

    parent = os.fork()
    if not parent:
        for _ in shares.answers(answer, ITEMS * 100, workers=2):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    """Whether a process is there and no corpse that nobody has taken away."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_who_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C while all processes are at work."""

    def answer(_item: int) -> bytes:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(600)
        return b""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(shares.answers(answer, ITEMS, workers=2))
    finally:
        signal.signal(signal.SIGALRM, before)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

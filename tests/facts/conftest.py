"""A guard against hangs, for texts that are made to cause one."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

LIMIT = 120
"""Seconds of this process's own CPU time after which a test counts as hung: no measure, it takes milliseconds."""


@pytest.fixture
def no_hang() -> Iterator[None]:
    """Fail a test that does not end, instead of letting it hold up all others."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"still busy after {LIMIT} seconds of CPU time")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)

"""The engine that tests share. Without one they skip with the reason, or fail where one is required."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from dockproof.collect import process, standins
from dockproof.collect.engine import Engine
from dockproof.errors import NotLookedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dockproof.collect.standins import StandIns


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start: a shell's background job is born with it ignored, and hands that on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Let SIGTERM end the run as Ctrl-C does: fixtures remove what they started."""
    with process.interruptible():
        return (yield)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of the environment; --require-engine (implied by CI=true) makes its absence a failure."""
    try:
        found = Engine.connect()
    except NotLookedError as error:
        (pytest.fail if request.config.getoption("--require-engine") else pytest.skip)(str(error))
    with found:
        yield found


@pytest.fixture(scope="session")
def stand_ins() -> StandIns:
    """The local images that stand in for pinned ones, none on a machine with a registry."""
    return standins.load()

"""What a signal to stop does before the program is ready for it.

The kernel gives process 1 no default action: until the program has set its own, a SIGTERM to a container that has just
started is lost, and the container is killed ten seconds later. So this is imported before anything large.
"""

import signal
import sys
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_at_once(unless: Callable[[], bool] = lambda: False) -> None:
    """End on a signal, since nothing is in hand that could be lost, unless the program has begun its work.

    uvicorn sets handlers of its own, and when it has ended it raises the signal that ended it once more.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        if not unless():
            sys.exit(128 + number)

    for number in SIGNALS:
        signal.signal(number, end)


def hold_back() -> None:
    """Keep signals waiting, also for the program that takes this one's place, until that lets them through."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

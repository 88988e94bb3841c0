"""How the cost of reading grows with the size of texts that are made to look quadratic.

A text of four times the size should take four times as long; 16 would be quadratic. Times are of this process alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dockproof.facts.dockerfile import parse
from tests.facts.test_fuzz_dockerfile import SIZES, SLOW_LOOKING, everything, slow_text
from tests.facts.test_fuzz_shell import BITS, read

if TYPE_CHECKING:
    from collections.abc import Callable

NOISE = 0.02
"""Seconds under which a quotient says nothing."""


def _seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def _row(name: str, small: Callable[[], object], large: Callable[[], object]) -> tuple[float, str]:
    """Return the growth, 0 where it is too quick to tell, and a line to print."""
    before, after = min(_seconds(small) for _ in range(2)), min(_seconds(large) for _ in range(2))
    growth = after / before if after > NOISE and before else 0.0
    return growth, f"{growth:6.1f}  {after * 1000:8.1f} ms  {name}"


def main() -> int:
    """Print the growth of each text, the worst first."""
    rows = [
        _row(
            name,
            lambda n=name: everything(parse(slow_text(n, SIZES[0]))),
            lambda n=name: everything(parse(slow_text(n, SIZES[1]))),
        )  # type: ignore[misc]
        for name in SLOW_LOOKING
    ]
    rows += [
        _row(f"shell {bit!r}", lambda b=bit: read(b * 10_000), lambda b=bit: read(b * 40_000))  # type: ignore[misc]
        for bit in BITS
    ]
    print(
        "growth at four times the size (4 = linear, 16 = quadratic, 0 = too quick to tell), time of the larger"
    )
    for _, line in sorted(rows, reverse=True):
        print(line)
    return 0

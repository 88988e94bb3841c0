"""Differential and robustness runs. `DOCKPROOF_FUZZ=20000` makes them long; by default they are short and fixed."""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.facts.oracle import ask, facts, outdated
from tests.facts.strategies import texts

from dockproof.facts.dockerfile import parse

EXAMPLES = int(os.environ.get("DOCKPROOF_FUZZ", "400"))
RUN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="DOCKPROOF_FUZZ" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@RUN
@given(texts())
def test_fuzz_agrees_with_buildkit(text: str) -> None:
    """What BuildKit's parser accepts has the same instructions here; what it refuses has a problem."""
    file = parse(text)
    assume(not outdated(text, file))
    answer = ask(text)
    if isinstance(answer, str):
        assert file.problems, answer
    else:
        assert facts(file) == answer

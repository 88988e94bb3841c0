"""A stack of services small enough to read at a glance."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dockproof.collect import build, compose
from dockproof.collect.compose import Manifest
from dockproof.collect.engine import Engine
from dockproof.collect.run import Project
from dockproof.collect.standins import StandIns

collect_ignore = ["stack"]  # it is an input: some of its services fail on purpose

STACK = Path(__file__).parent / "stack" / "compose.yaml"


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Manifest:
    """The manifest of tests/collect/stack; compose reads it, which comes with the engine."""
    del engine
    return compose.load(STACK)


@pytest.fixture(scope="session")
def web(engine: Engine, stack: Manifest, stand_ins: StandIns) -> str:
    """The id of the stack's one image, built."""
    return build.build(engine, stack.services["web"], stand_ins)


@pytest.fixture(scope="module")
def project(engine: Engine, stack: Manifest, stand_ins: StandIns, web: str) -> Iterator[Project]:
    """The stack's web service, running with what it depends on."""
    with Project(engine, stack, {"web": web}, stand_ins) as running:
        running.start(["web"])
        yield running

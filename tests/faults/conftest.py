"""One stack for all faults, and the table at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof.collect import build, compose
from dockproof.collect.run import Project
from tests.faults.stack import AUDIT, Stack, table

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "build" / "faults.txt"
_STACK = pytest.StashKey[Stack]()
_START = time.time()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, engine: Engine, stand_ins: StandIns) -> Iterator[Stack]:
    """The app's services as compose.yaml says them, running, with a count of results in the database."""
    manifest = compose.load(ROOT / "compose.yaml")
    images = {name: build.build(engine, manifest.services[name], stand_ins) for name in ("api", "worker")}
    with Project(engine, manifest, images, stand_ins) as project:
        project.start(["api", "worker"])
        running = Stack(engine, project, images["api"])
        for service in ("api", "worker"):
            running.wait_until_healthy(service)
        running.sql(AUDIT)
        request.config.stash[_STACK] = running
        yield running
        if running.rows:
            TABLE.parent.mkdir(exist_ok=True)
            TABLE.write_text(f"{table(running.rows)}\n", encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of faults, whichever process made it."""
    if TABLE.is_file() and TABLE.stat().st_mtime >= _START:
        terminalreporter.section("faults")
        terminalreporter.write_line(TABLE.read_text(encoding="utf-8").rstrip())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last lines of API and workers with each failure."""
    report = yield
    stack = item.config.stash.get(_STACK, None)
    if report.failed and stack is not None:
        for service in ("api", "worker"):
            report.sections.append((f"log of {service}", stack.engine.logs(stack.container(service))))
    return report

"""One stack for all faults, and the table at the end."""

from __future__ import annotations

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
_STACK = pytest.StashKey[Stack]()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, engine: Engine, stand_ins: StandIns) -> Iterator[Stack]:
    """The app's services as compose.yaml says them, running, with a count of results in the database."""
    manifest = compose.load(ROOT / "compose.yaml", engine)
    images = {name: build.build(engine, manifest.services[name], stand_ins) for name in ("api", "worker")}
    with Project(engine, manifest, images, stand_ins) as project:
        project.start(["api", "worker"])
        running = Stack(engine, project, images["api"])
        for service in ("api", "worker"):
            running.wait_until_healthy(service)
        running.sql(AUDIT)
        request.config.stash[_STACK] = running
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of faults, and leave it in build/faults.txt."""
    stack = config.stash.get(_STACK, None)
    if stack is None or not stack.rows:
        return
    text = table(stack.rows)
    terminalreporter.section("faults")
    terminalreporter.write_line(text)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "faults.txt").write_text(f"{text}\n", encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last lines of API and workers with each failure."""
    report = yield
    stack = item.config.stash.get(_STACK, None)
    if report.failed and stack is not None:
        for service in ("api", "worker"):
            report.sections.append((f"log of {service}", stack.engine.logs(stack.container(service))))
    return report

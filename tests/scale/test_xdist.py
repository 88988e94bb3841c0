"""The plugin's items over several processes: the same results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine

pytestmark = pytest.mark.engine

STACK = Path(__file__).parents[1] / "collect" / "stack"
COMPOSE = "services: {web: {build: .}, worse: {build: ., user: '0'}}\n"
ASKED = "manifest or non-root or declared-ports or unprivileged-ports or exec-form or after"


# What follows finds the machine free: the containers are gone after the last item that asks for them.
AFTER = """
from dockproof.plugin import Policies

def test_after(pytestconfig):
    for session in pytestconfig.stash[Policies.key].sessions.values():
        own = [f"--filter=label={name}={value}" for name, value in session.engine.lease.labels.items()]
        assert own
        assert not session.engine.docker("ps", "--all", "--quiet", *own).stdout.strip()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project of a user's: two services of one image, one of them run as root."""
    for name in ("Dockerfile", "server.py", "probe.py"):
        shutil.copy(STACK / name, tmp_path)
    (tmp_path / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    (tmp_path / "test_after.py").write_text(AFTER, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def command(*arguments: str) -> list[str]:
    """Return the command line of a run of pytest."""
    flags = ["-q", "-p", "no:cacheprovider", "--require-engine", "-k", ASKED, "--junitxml", "junit.xml"]
    return [sys.executable, "-m", "pytest", *flags, *arguments, "Dockerfile", "compose.yaml", "test_after.py"]


def outcomes(project: Path, *arguments: str) -> dict[str, str]:
    """Run pytest and return every item with how it ended."""
    subprocess.run(command(*arguments), cwd=project, capture_output=True, check=False, timeout=180)
    cases = ET.parse(project / "junit.xml").iter("testcase")  # noqa: S314 - pytest wrote it
    found = {f"{case.get('classname')}::{case.get('name')}": case for case in cases}
    assert found
    return {name: case[0].tag if len(case) else "passed" for name, case in found.items()}


def test_two_processes_say_what_one_says(engine: Engine, project: Path) -> None:
    """Spread over processes, each of them runs what its items need, and the items end as they do in one."""
    assert engine.version
    alone = outcomes(project, "-n", "0")
    assert {"passed", "failure"} <= {*alone.values()}
    assert alone["test_after::test_after"] == "passed"
    assert outcomes(project, "-n", "2") == alone

"""The whole gate with DOCKER_HOST=ssh://…, through a real sshd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import small_service
from tests.scale.secure_shell import SecureShell, secure_shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockproof.collect.engine import Engine

pytestmark = pytest.mark.engine

COMPOSE = "services: {web: {build: ., x-dockproof: {structure_tests: [runs.yaml]}}}\n"
RUNS = """\
schemaVersion: 2.0.0
commandTests:
  - {name: it runs, command: python3, args: [-c, "print(6 * 7)"], expectedOutput: ["42"]}
"""


@pytest.fixture
def ssh(engine: Engine, tmp_path: Path) -> Iterator[SecureShell]:
    """A way to the engine by SSH alone."""
    with secure_shell(engine, tmp_path / "ssh") as server:
        yield server


def test_gate_runs_over_ssh(ssh: SecureShell, tmp_path: Path) -> None:
    """Build, image, sidecar, and a command of a structure test, whose tool knows no SSH."""
    small_service.write(tmp_path, small_service.ASKED_RARELY)
    for name, text in {"compose.yaml": COMPOSE, "runs.yaml": RUNS}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "dockproof", "verify", "--no-hadolint"]
    asked = "declared-ports,no-setuid,non-root"
    env = {**os.environ, "PATH": ssh.path, "DOCKER_HOST": ssh.host}
    done = subprocess.run(
        [*argv, "--select", asked],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "build/verify/results.json").read_text(encoding="utf-8"))
    (service,) = results["services"]
    (command,) = service["structure"]
    assert (command["name"], command["passed"]) == ("Command Test: it runs", True)
    verdicts = {(cell["policy"], cell["probe"]): cell["verdict"] for cell in service["verdicts"]}
    assert verdicts["declared-ports", "runtime"] == verdicts["non-root", "runtime"] == "passed"
    assert ssh.sessions > 10


def test_key_that_the_machine_does_not_know_is_refused_in_words(ssh: SecureShell) -> None:
    """OpenSSH's own sentence is in the message, with the address that was asked for."""
    (ssh.folder / "user.pub").write_text("", encoding="utf-8")
    argv = [sys.executable, "-m", "dockproof", "verify"]
    env = {**os.environ, "PATH": ssh.path, "DOCKER_HOST": ssh.host}
    (ssh.folder / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    done = subprocess.run(
        argv, cwd=ssh.folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 4
    assert "answers at ssh://box (DOCKER_HOST)" in done.stderr
    assert "Permission denied (publickey" in done.stderr

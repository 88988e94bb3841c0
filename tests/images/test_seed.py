"""The first draft of the Dockerfiles: a known-bad input, and what the gate must say of it."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SEED = Path(__file__).resolve().parents[1] / "seed"
FILES = ("Dockerfile", "Dockerfile.dev", "Dockerfile.worker")


@cache
def _report() -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "dockproof", "check", str(SEED), "--no-config", "--format", "json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


def _errors(name: str) -> set[str]:
    """Return the policies that one file breaks with an error."""
    files = {Path(file["path"]).name: file for file in _report()[1]["files"]}
    return {finding["policy"] for finding in files[name]["findings"] if finding["severity"] == "error"}


def test_fails_the_first_draft() -> None:
    """The whole folder is checked, and it is not clean."""
    code, report = _report()
    assert code == 1
    assert sorted(Path(file["path"]).name for file in report["files"]) == list(FILES)
    assert {file["status"] for file in report["files"]} == {"checked"}


@pytest.mark.parametrize("name", FILES)
def test_flags_what_all_three_lack(name: str) -> None:
    """None pins its base, none has a health check, each ships what it builds with."""
    assert {"pinned-base", "healthcheck", "multi-stage"} <= _errors(name)


def test_flags_root_in_the_development_image_alone() -> None:
    """The other two have a user."""
    assert ["non-root" in _errors(name) for name in FILES] == [False, True, False]


def test_names_the_development_packages_of_the_runtime_stages() -> None:
    """Headers that only a compiler reads are no runtime dependency."""
    findings = [finding for file in _report()[1]["files"] for finding in file["findings"]]
    messages = [finding["message"] for finding in findings if finding["policy"] == "multi-stage"]
    assert sum("libpq-dev" in message for message in messages) == 3


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.worker"])
def test_flags_code_given_to_the_user_that_runs_it(name: str) -> None:
    """`chown -R` makes the code writable for whoever breaks in, and copies all of it into one more layer."""
    assert "read-only-code" in _errors(name)

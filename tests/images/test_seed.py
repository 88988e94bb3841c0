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


# What a careful reviewer writes beside the first draft, read by hand: file, line, policy.
REVIEW = [
    ("Dockerfile", 2, "current-syntax"),  # FROM and as
    ("Dockerfile", 2, "pinned-base"),
    ("Dockerfile", 5, "no-recommends"),
    ("Dockerfile", 5, "pinned-packages"),
    ("Dockerfile", 15, "cache-order"),  # requirements-dev.txt is copied for nothing
    ("Dockerfile", 18, "locked-dependencies"),  # no hashes
    ("Dockerfile", 20, "pinned-base"),
    ("Dockerfile", 20, "healthcheck"),
    ("Dockerfile", 23, "multi-stage"),  # libpq-dev where libpq5 will do
    ("Dockerfile", 23, "no-recommends"),
    ("Dockerfile", 23, "fitting-tools"),  # curl, for a health check that there is not
    ("Dockerfile", 35, "no-wasted-bytes"),  # the wheels stay in the image
    ("Dockerfile", 35, "locked-dependencies"),  # --no-deps there, none here: the index gives the rest
    ("Dockerfile", 43, "no-wasted-bytes"),  # chown -R stores the code twice
    ("Dockerfile", 43, "read-only-code"),  # and lets the service change itself
    ("Dockerfile", 45, "numeric-user"),
    ("Dockerfile", 49, "graceful-stop"),
    ("Dockerfile", 49, "streamed-logs"),
    ("Dockerfile.dev", 2, "pinned-base"),
    ("Dockerfile.dev", 2, "non-root"),
    ("Dockerfile.dev", 2, "healthcheck"),
    ("Dockerfile.dev", 5, "multi-stage"),
    ("Dockerfile.dev", 5, "no-dev-tools"),  # git
    ("Dockerfile.dev", 5, "no-recommends"),
    ("Dockerfile.dev", 16, "locked-dependencies"),
    ("Dockerfile.dev", 19, "locked-dependencies"),  # debugpy at any version
    ("Dockerfile.dev", 19, "no-dev-tools"),
    ("Dockerfile.dev", 22, "no-dev-tools"),  # the debugger's port
    ("Dockerfile.dev", 25, "no-dev-tools"),  # --reload
    ("Dockerfile.dev", 25, "graceful-stop"),
    ("Dockerfile.dev", 25, "streamed-logs"),
    ("Dockerfile.worker", 2, "pinned-base"),
    ("Dockerfile.worker", 2, "healthcheck"),
    ("Dockerfile.worker", 5, "multi-stage"),
    ("Dockerfile.worker", 5, "no-recommends"),
    ("Dockerfile.worker", 16, "multi-stage"),  # nothing is built in a stage of its own
    ("Dockerfile.worker", 16, "locked-dependencies"),
    ("Dockerfile.worker", 22, "no-wasted-bytes"),
    ("Dockerfile.worker", 22, "read-only-code"),
    ("Dockerfile.worker", 24, "numeric-user"),
    ("Dockerfile.worker", 26, "graceful-stop"),  # ten minutes for tasks in hand
    ("Dockerfile.worker", 26, "streamed-logs"),
]


def test_names_every_fault_that_a_reviewer_would() -> None:
    """The review was written from the files, not from the findings."""
    found = {
        (Path(file["path"]).name, finding["line"], finding["policy"])
        for file in _report()[1]["files"]
        for finding in file["findings"]
    }
    assert set(REVIEW) - found == set()


def test_says_nothing_that_a_reviewer_would_strike_out() -> None:
    """Beside the review there is only what makes two builds differ, and what the worker's draft repeats."""
    said = {
        (Path(file["path"]).name, finding["line"], finding["policy"])
        for file in _report()[1]["files"]
        for finding in file["findings"]
        if not finding["policy"].startswith("hadolint:")
    }
    beside = {policy for _, _, policy in said - set(REVIEW)}
    assert beside <= {"reproducible", "pinned-packages", "multi-stage"}

"""The known-bad input: the likeness of the first draft must get every finding that it earned."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEED = ROOT / "tests" / "seed"
FILES = ("Dockerfile", "Dockerfile.dev", "Dockerfile.worker")


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    """Return `policy/clause` of each finding, by file, as a stranger's command line prints them."""
    argv = [sys.executable, "-m", "dockproof", "check", str(SEED), "--no-config", "--format", "json"]
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1, answer.stderr
    files = json.loads(answer.stdout)["files"]
    return {Path(f["path"]).name: {f"{x['policy']}/{x['clause']}" for x in f["findings"]} for f in files}


@pytest.mark.parametrize("file", FILES)
def test_flags_what_is_wrong_with_each_file(found: dict[str, set[str]], file: str) -> None:
    """No file is pinned, has a health check, or keeps -dev packages out of what ships."""
    assert {"pinned-base/digest", "healthcheck/present", "multi-stage/build-tools"} <= found[file]


def test_flags_root_in_the_development_image(found: dict[str, set[str]]) -> None:
    """The development image never leaves root."""
    assert "non-root/root-user" in found["Dockerfile.dev"]


@pytest.mark.parametrize("file", ["Dockerfile.dev", "Dockerfile.worker"])
def test_flags_files_that_are_not_multi_stage(found: dict[str, set[str]], file: str) -> None:
    """Worker and development image install their dependencies where they ship them."""
    assert "multi-stage/single-stage" in found[file]


@pytest.mark.xfail(reason="read-only-code is not written yet")
@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.worker"])
def test_flags_code_given_to_the_user_that_runs_it(found: dict[str, set[str]], file: str) -> None:
    """`chown -R` lets a broken service change its own code."""
    assert any(name.startswith("read-only-code/") for name in found[file])

"""Policies of installed packages: found without a configuration, refused where they are not well formed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

POLICY = '''"""Memory is limited.

What it holds
-------------
No LABEL says `unlimited`.

Why it matters
--------------
It shows what the gate does with a policy of a package.

How to fix it
-------------
Say nothing.

References
----------
- none
"""

from dockproof.finding import Severity
from dockproof.policy import Clause, Family, Policy


class Limited(Policy):
    title = "memory is limited"
    family = Family.OPERATION
    clauses = (Clause("label", "no label says so"),)
    references = ("cis:5.11",)
    options = {"word": "unlimited"}

    def source(self, target):
        for one in target.dockerfile.instructions:
            if one.keyword == "LABEL" and target.options["word"] in one.value:
                yield self.at(one, "a label says unlimited", clause="label")
'''


def install(site: Path, package: str, *, name: str = "limited", value: str = "", text: str = POLICY) -> None:
    """Lay a package down as pip does: its module, its metadata, its entry point."""
    module = (value or f"{package}.limited").partition(".")[2]
    (site / package).mkdir(parents=True)
    (site / package / "__init__.py").touch()
    (site / package / f"{module}.py").write_text(text)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[dockproof.policies]\n{name} = {value or f'{package}.limited'}\n"
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module's program in a folder whose `site` is on Python's path."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "site"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def ids(folder: Path, *arguments: str) -> set[str]:
    """Return the ids of all policies that are known."""
    done = run(folder, "dockproof", "policies", "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    return {one["id"] for one in json.loads(done.stdout)["policies"]}


def test_policy_of_a_package_is_asked_and_reported_like_any_other(tmp_path: Path) -> None:
    """It is found by itself, has its options, its page in SARIF, and its place in the standards."""
    install(tmp_path / "site", "limits")
    (tmp_path / "Dockerfile").write_text("FROM debian:13\nLABEL memory=unlimited\n")
    done = run(tmp_path, "dockproof", "check", "--select", "limited", "--format", "sarif")
    assert done.returncode == 1, done.stderr
    (found,) = json.loads(done.stdout)["runs"]
    assert found["tool"]["driver"]["rules"][0]["fullDescription"]["text"] == "No LABEL says `unlimited`."
    assert found["results"][0]["ruleId"] == "limited"
    (tmp_path / ".dockproof.toml").write_text('[policy.limited]\nword = "other"\n')
    assert run(tmp_path, "dockproof", "check", "--select", "limited").returncode == 0
    standards = json.loads(run(tmp_path, "dockproof", "compliance", "cis", "--format", "json").stdout)
    (memory,) = [one for one in standards["standards"][0]["items"] if one["id"] == "5.11"]
    assert [check["policy"] for check in memory["checks"]] == ["limited"]


def test_policy_of_a_package_is_a_test_item(tmp_path: Path) -> None:
    """The pytest plugin asks it too."""
    install(tmp_path / "site", "limits")
    (tmp_path / "Dockerfile").write_text("FROM debian:13\nLABEL memory=unlimited\n")
    done = run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "-k", "limited")
    assert "Dockerfile::limited[source]" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def test_policies_of_packages_can_be_left_out(tmp_path: Path) -> None:
    """By the configuration, or together with it."""
    install(tmp_path / "site", "limits")
    assert "limited" in ids(tmp_path)
    assert "limited" not in ids(tmp_path, "--no-config")
    (tmp_path / ".dockproof.toml").write_text("installed = false\n")
    assert "limited" not in ids(tmp_path)


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (
            {"name": "non-root", "value": "p.non_root"},
            "entry point non-root (p.non_root) of p 1.0: non-root is a built-in policy; the package must rename",
        ),
        ({"name": "other"}, "its policy is limited; the entry point must have that name"),
        (
            {"text": "import nowhere"},
            "holds no well-formed policy: ModuleNotFoundError: No module named 'nowhere'",
        ),
        ({"text": POLICY.replace("Why it matters", "Why")}, "the docstring has no section 'Why it matters'"),
        ({"value": "p.limited:Gone"}, "holds no well-formed policy: AttributeError"),
    ],
)
def test_policy_of_a_package_that_is_not_well_formed_is_refused(
    tmp_path: Path, package: dict[str, str], expected: str
) -> None:
    """The message names the entry point and the package; the exit code is that of a wrong configuration."""
    value = package.get("value", "")
    install(tmp_path / "site", "p", **{**package, "value": value.partition(":")[0]})
    if ":" in value:
        path = tmp_path / "site" / "p-1.0.dist-info" / "entry_points.txt"
        path.write_text(f"[dockproof.policies]\nlimited = {value}\n")
    (tmp_path / "Dockerfile").write_text("FROM debian:13\n")
    done = run(tmp_path, "dockproof", "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Two packages, or a package and a file of the project: nobody could tell which one was asked."""
    install(tmp_path / "site", "first")
    install(tmp_path / "site", "second")
    done = run(tmp_path, "dockproof", "policies")
    assert done.returncode == 2
    assert "of second 1.0: limited is there already, as entry point limited (first.limited)" in done.stderr
    (tmp_path / "site" / "second-1.0.dist-info" / "entry_points.txt").unlink()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "limited.py").write_text(POLICY)
    (tmp_path / ".dockproof.toml").write_text('policies = "own"\n')
    done = run(tmp_path, "dockproof", "policies")
    assert done.returncode == 2
    assert "limited is a policy of an installed package too; rename the file" in done.stderr


def test_broken_policy_of_a_package_is_one_sentence_in_pytest(tmp_path: Path) -> None:
    """Collection says what is wrong without a traceback of ours."""
    install(tmp_path / "site", "p", text="import nowhere")
    (tmp_path / "Dockerfile").write_text("FROM debian:13\n")
    done = run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 2, done.stdout
    assert "holds no well-formed policy: ModuleNotFoundError" in done.stdout
    assert "own.py" not in done.stdout

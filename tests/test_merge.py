"""`verify --shard` and `dockproof merge`: several machines, one verdict, and no part can be forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dockproof import cli, merge
from dockproof.errors import NothingToCheckError, NotLookedError, UsageError
from dockproof.verify import Shard

if TYPE_CHECKING:
    from pathlib import Path

Results = dict[str, Any]


def part(*services: str, **changes: object) -> Results:
    """Return the results of a part of api, dev and worker, all passed."""
    verdict = {"policy": "non-root", "probe": "image", "verdict": "passed", "reason": "", "findings": []}
    empty: Results = {"findings": [], "structure": [], "contradictions": [], "not_looked": []}
    about = {"dockerfile": "Dockerfile", "profile": "production", "image": "sha256:0", "hadolint": []}
    return {
        "schema": 1,
        "created": "2026-11-22T10:00:00+00:00",
        "exit": 0,
        "fail_level": "error",
        "manifest": "compose.yaml",
        "images": ["api", "dev", "worker"],
        "shard": {"number": 1, "of": 2},
        "inputs": {"compose.yaml": "sha256:1", "Dockerfile": "sha256:2"},
        "tools": {"dockproof": "1", "engine": "26"},
        "stand_ins": [{"image": "local", "id": "sha256:3", "for": "python", "why": "no registry"}],
        "lacks": [],
        "seconds": 2.0,
        "phases": [{"name": f"run {name}", "seconds": 1.0} for name in services],
        "not_removed": [],
        "services": [{"service": name, "verdicts": [verdict], **about, **empty} for name in services],
        **changes,
    }


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", "1 / 2"])
def test_shard_must_be_a_part_of_a_number(text: str) -> None:
    """Anything else is the user's mistake, said with an example."""
    with pytest.raises(UsageError, match="as 2/3"):
        Shard.parse(text)


def test_shards_hold_every_service_once_in_any_order() -> None:
    """The split hangs on the names alone."""
    names = ["worker", "api", "dev", "migrate"]
    parts = [Shard.parse(f"{number}/3").of_names(names) for number in (1, 2, 3)]
    assert sorted(name for names_ in parts for name in names_) == sorted(names)
    assert parts == [Shard.parse(f"{number}/3").of_names(names[::-1]) for number in (1, 2, 3)]


def test_shard_without_a_service_is_no_pass() -> None:
    """A machine that looked at nothing says so."""
    with pytest.raises(NothingToCheckError, match="2 services"):
        Shard.parse("3/3").of_names(["api", "worker"])


def test_whole_has_the_services_in_the_manifests_order() -> None:
    """What both parts say is said once; the worst exit code is that of the whole."""
    whole = merge.merge({"a": part("worker", "api"), "b": part("dev", exit=1, seconds=9.0)})
    assert [service["service"] for service in whole["services"]] == ["api", "dev", "worker"]
    assert (whole["exit"], whole["seconds"], whole["shard"]) == (1, 9.0, None)
    assert len(whole["stand_ins"]) == 1
    assert len(whole["phases"]) == 3


def test_engines_of_all_parts_are_named() -> None:
    """Machines may have engines of different versions; what each lacks is told."""
    old = {"dockproof": "1", "engine": "24", "builder": "far (remote)"}
    whole = merge.merge(
        {"a": part("worker", "api"), "b": part("dev", tools=old, lacks=["no start interval"])}
    )
    assert whole["tools"] == {"dockproof": "1", "engine": "26, 24", "builder": "far (remote)"}
    assert whole["lacks"] == ["no start interval"]


def test_part_that_could_not_look_wins_over_one_that_found() -> None:
    """4 wins over 1."""
    assert merge.merge({"a": part("worker", "api", exit=4), "b": part("dev", exit=1)})["exit"] == 4


def test_missing_part_is_not_looked_at() -> None:
    """A service that no part holds is named."""
    with pytest.raises(NotLookedError, match="no part looked at dev"):
        merge.merge({"a": part("worker", "api")})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": {"compose.yaml": "sha256:1", "Dockerfile": "sha256:9"}}, "Dockerfile differs"),
        ({"fail_level": "warning"}, "fail_level differs"),
        ({"images": ["api", "dev"]}, "images differs"),
        ({"tools": {"dockproof": "2"}}, "one version"),
    ],
)
def test_parts_of_different_states_are_refused(changes: Results, words: str) -> None:
    """Results of another commit, configuration or version prove nothing of this one."""
    with pytest.raises(UsageError, match=words):
        merge.merge({"a": part("worker", "api"), "b": part("dev", **changes)})


def test_service_in_two_parts_is_refused() -> None:
    """Two verdicts on one service are one too many."""
    with pytest.raises(UsageError, match="a and b both hold api"):
        merge.merge({"a": part("worker", "api"), "b": part("dev", "api")})


def test_command_writes_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders or files; the table is that of one run."""
    for name, results in {"one": part("api", "worker"), "two": part("dev")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results), encoding="utf-8")
    output = tmp_path / "whole"
    arguments = [str(tmp_path / "one"), str(tmp_path / "two" / "results.json"), "--output", str(output)]
    assert cli.main(["merge", *arguments]) == 0
    assert "PASSED: 3 passed; 3 images" in capsys.readouterr().out
    assert merge.read(output)["shard"] is None
    assert (output / "junit.xml").read_text(encoding="utf-8").count("<testcase") == 3


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 4, "cannot be read"),
        ("{", 2, "is no results.json"),
        ("[]", 2, "is no results.json"),
        ('{"schema": 7}', 2, "another version"),
        ('{"schema": 1}', 2, "another version"),
    ],
)
def test_bad_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, code: int, words: str
) -> None:
    """A part that did not come is not clean; a file of something else is a mistake."""
    if content is not None:
        (tmp_path / "results.json").write_text(content, encoding="utf-8")
    assert cli.main(["merge", str(tmp_path / "results.json")]) == code
    assert words in capsys.readouterr().err

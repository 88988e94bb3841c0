from __future__ import annotations

from typing import Any

import pytest

from tests.catalog.asking import findings, red
from tests.catalog.running import container_of, process_of, runtime_red

POLICY = "non-root"


@pytest.mark.parametrize(
    "user", ["root", "0", "00", "+0", "-0", "0:0", "root:root", "0:10001", '"root"', "000:5"]
)
def test_flags_root_under_every_spelling(user: str) -> None:
    """Whatever the engine reads as uid 0 is root."""
    assert (2, "root-user") in red(POLICY, f"FROM alpine\nUSER {user}\n")


@pytest.mark.parametrize("user", ["10001:10001", "app:app", "app", "1:1", "nonroot"])
def test_passes_another_user(user: str) -> None:
    """A number with a group, and a name, are not root as far as the file can tell."""
    assert red(POLICY, f"FROM alpine\nUSER {user}\n") == []


def test_flags_a_final_stage_without_user_when_the_builder_sets_one() -> None:
    """A USER in a stage that is not in the shipped one's lineage says nothing."""
    text = "FROM alpine AS build\nUSER 1:1\nFROM alpine\nCOPY --from=build /a /a\n"
    assert red(POLICY, text) == [(3, "root-user")]


def test_passes_a_user_inherited_through_from() -> None:
    """A stage inherits the user of the stage it is built FROM."""
    assert red(POLICY, "FROM alpine AS base\nUSER 1:1\nFROM base\nRUN id\n") == []


def test_flags_the_last_user_in_force() -> None:
    """A later USER root undoes an earlier one, and the finding sits on it."""
    assert red(POLICY, "FROM alpine\nUSER 1:1\nUSER root\n") == [(3, "root-user")]


def test_expands_variables() -> None:
    """ARG and ENV are followed to their value."""
    assert red(POLICY, "FROM alpine\nARG U=0\nUSER $U\n") == [(3, "root-user")]
    assert red(POLICY, "FROM alpine\nENV U=1:1\nUSER ${U}\n") == []


def test_names_the_variable_without_a_value() -> None:
    """A user that hangs on an unknown value is a finding that says which value is missing."""
    (finding,) = findings(POLICY, "FROM alpine\nARG U\nUSER $U\n")
    assert finding.clause == "unknown-user"
    assert "U" in finding.message


@pytest.mark.parametrize("user", ["1000", "1000:0", "1000:root", "app:00"])
def test_flags_group_root(user: str) -> None:
    """Group 0 owns much of an image; a bare number runs with it."""
    assert red(POLICY, f"FROM alpine\nUSER {user}\n") == [(2, "root-group")]


def test_passes_group_root_where_arbitrary_uids_are_asked_for() -> None:
    """Platforms that run a random uid with group 0 need files of that group."""
    assert red(POLICY, "FROM alpine\nUSER 1000:0\n", arbitrary_uid=True) == []


def test_judges_the_named_target() -> None:
    """What compose or --target ships is judged, not the last stage."""
    text = "FROM alpine AS api\nUSER 1:1\nFROM api AS dev\nUSER root\n"
    assert red(POLICY, text, targets=("api",)) == []
    assert red(POLICY, text) == [(4, "root-user")]


@pytest.mark.parametrize(
    "run",
    [
        "useradd -u 1000 app",
        "groupadd -g 5 a && useradd --uid=1000 --gid 5 a",
        "adduser -D -u 1000 -G app app",
    ],
)
def test_passes_a_bare_number_whose_entry_the_file_makes(run: str) -> None:
    """With an entry in passwd a bare number runs with that entry's group."""
    assert red(POLICY, f"FROM alpine\nRUN {run}\nUSER 1000\n") == []


@pytest.mark.parametrize(
    "run", ["useradd -u 1001 app", "useradd -u 1000 -g root app", "adduser -u 1000 -G root app"]
)
def test_flags_a_bare_number_whose_entry_is_another_or_of_group_root(run: str) -> None:
    """Another number's entry does not count, nor does one with group root."""
    assert red(POLICY, f"FROM alpine\nRUN {run}\nUSER 1000\n") == [(3, "root-group")]


@pytest.mark.parametrize(
    ("changed", "clauses"),
    [
        ({}, []),
        ({"uid": 0}, ["root-user"]),
        ({"real_uid": 0}, ["root-user"]),
        ({"saved_uid": 0}, ["root-user"]),
        ({"gid": 0}, ["root-group"]),
        ({"saved_gid": 0}, ["root-group"]),
        ({"groups": (4, 0)}, ["root-group"]),
    ],
)
def test_runtime_looks_at_every_id_of_every_process(changed: dict[str, Any], clauses: list[str]) -> None:
    """A saved 0 lets a process become root again; a child counts like PID 1."""
    child = process_of(pid=9)._replace(**changed)
    assert runtime_red("non-root", container_of(process_of(), child)) == clauses


def test_runtime_allows_group_root_where_it_is_asked_for() -> None:
    """Platforms with random uids give group 0."""
    assert runtime_red("non-root", container_of(process_of(gid=0)), arbitrary_uid=True) == []

"""Cases of our own beside what four peers say of them: the verdicts agree, or docs/divergences.md says why not.

peers.json holds a text in each row, and the peers' rules that a clause is the same as, or covers: those that both
flag, those that the peer alone flags, and those that we alone flag (of rules that are only covered, only what the peer
flags). The peers' verdicts were taken by running them on the texts: hadolint 2.15.1, trivy 0.59.1, checkov 3.3.30, and
BuildKit's checks as tally 0.45 runs them. hadolint is at hand and is asked again.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench import corpus, peers
from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("peers.json").read_text())
DIVERGENCES = Path(__file__).parents[2] / "docs" / "divergences.md"


@cache
def _names(rule: str) -> frozenset[tuple[str, str | None]]:
    """Policies and clauses that say they are the same as a rule; where none does, those that cover it."""
    policies = catalog.load().values()
    same: set[tuple[str, str | None]] = {
        (one.id, clause.name) for one in policies for clause in one.clauses if rule in clause.same_as
    }
    same |= {(one.id, None) for one in policies if not one.clauses and rule in one.same_as}
    covering: set[tuple[str, str | None]] = {
        (one.id, clause.name) for one in policies for clause in one.clauses if rule in clause.covers
    }
    return frozenset(same or covering)


def _flagged(text: str) -> set[tuple[str, str | None]]:
    target = gate.target_of(parse(text), Profile.PRODUCTION)
    answers = gate.ask(catalog.load().values(), Probe.SOURCE, target, Config())
    assert not answers.not_looked, answers.not_looked[0].log
    return {(found.policy, found.clause) for found in answers.findings}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: repr(row["text"])[1:70])
def test_agrees_with_the_peers_as_written_down(row: dict[str, Any]) -> None:
    """What both flag we flag, what the peer alone flags we pass, what we alone flag we flag."""
    flagged = _flagged(row["text"])
    ours = {rule for kind in ("both", "peer", "us") for rule in row[kind] if _names(rule) & flagged}
    assert ours == {*row["both"], *row["us"]}


def test_every_rule_that_parts_from_us_is_explained() -> None:
    """A rule with a difference in the table has a line in docs/divergences.md."""
    parting = {rule for row in ROWS for kind in ("peer", "us") for rule in row[kind]}
    lines = [
        line.partition(" | ")[0] for line in DIVERGENCES.read_text().splitlines() if line.startswith("| ")
    ]
    why = [line for line in DIVERGENCES.read_text().splitlines() if line.startswith("| all of")]
    explained = {
        rule
        for rule in parting
        for line in (*lines, *why)
        if rule.partition(":")[0] in line and rule.partition(":")[2].removeprefix("CKV2_DOCKER") in line
    }
    assert parting - explained == set()


def test_hadolint_still_says_so() -> None:
    """The peer itself is asked again about every text."""
    said = peers.compare([row["text"] for row in ROWS])
    wrong = [
        (row["text"], rule)
        for row, verdicts in zip(ROWS, said, strict=True)
        if verdicts is not None
        for kind, expected in (("both", True), ("peer", True), ("us", False))
        for rule in row[kind]
        if rule.startswith("hadolint:") and (rule.partition(":")[2] in verdicts.theirs) != expected
    ]
    assert wrong == []


def test_every_edit_of_the_corpus_changes_something() -> None:
    """An edit that fits no file would compare nothing."""
    made = peers.variants(corpus.dockerfiles(1_000))
    assert {one.name for one in peers.EDITS} - {one.edit for one in made} == set()

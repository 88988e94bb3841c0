from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.finding import Finding, Place, Probe
from dockproof.gate import Answers, NotLooked
from dockproof.policy import SourceMutant
from dockproof.proof.matrix import edited, judge, unproven

POLICY = catalog.load()["non-root"]
MUTANT = SourceMutant("m", "USER 1:1", "USER 0", clause="root-user")


def finding(policy: str = "non-root", line: int = 2, clause: str | None = "root-user") -> Finding:
    """Return a finding of a policy on a line."""
    return Finding(policy, "sentence", Place(line, line, 1), Probe.SOURCE, clause)


def faults(*findings: Finding, mutant: SourceMutant = MUTANT, missed: tuple[NotLooked, ...] = ()) -> str:
    """Return what is held against a kill, in one text."""
    return "; ".join(judge(POLICY, mutant, Answers(findings, (), missed), frozenset({2})).faults)


def test_edit_names_the_lines_it_changed() -> None:
    """The lines of the new text are where the finding must sit."""
    text, lines = edited("FROM a\nUSER 1:1\nCMD x\n", SourceMutant("m", "USER 1:1", "ARG A\nUSER $A"))
    assert text == "FROM a\nARG A\nUSER $A\nCMD x\n"
    assert lines == {2, 3}


@pytest.mark.parametrize("text", ["FROM a\n", "FROM a\nUSER 1:1\nUSER 1:1\n"])
def test_edit_that_matches_not_once_is_stale(text: str) -> None:
    """An edit that matches nothing, or twice, proves nothing."""
    with pytest.raises(ValueError, match="stale"):
        edited(text, MUTANT)


def test_deletion_must_say_where_the_finding_sits() -> None:
    """Nothing is left on the line of a deletion."""
    with pytest.raises(ValueError, match="at"):
        edited("FROM a\nUSER 1:1\n", SourceMutant("m", "USER 1:1\n", ""))
    _, lines = edited("FROM a\nUSER 1:1\n", SourceMutant("m", "USER 1:1\n", "", at="FROM"))
    assert lines == {1}


def test_kill_has_no_faults() -> None:
    """The owner is red, with its clause, on the line, and nobody else is."""
    assert faults(finding()) == ""


def test_survivor_is_a_fault() -> None:
    """A mutant that nobody noticed is the reason for this proof."""
    assert "survived" in faults()


def test_wrong_clause_is_a_fault() -> None:
    """A policy that turns red for another reason did not see this one."""
    assert "root-group instead of root-user" in faults(finding(clause="root-group"))


def test_wrong_line_is_a_fault() -> None:
    """A finding elsewhere sends the reader elsewhere."""
    assert "misplaced" in faults(finding(line=9))


def test_undeclared_policy_is_a_fault() -> None:
    """A policy that cries at another one's mutant must be declared."""
    assert "undeclared: exec-form" in faults(finding(), finding("exec-form"))
    declared = MUTANT._replace(also=frozenset({"exec-form"}))
    assert faults(finding(), finding("exec-form"), mutant=declared) == ""
    assert "did not: exec-form" in faults(finding(), mutant=declared)


def test_crash_is_a_fault() -> None:
    """A probe that crashed on a mutant judged nothing."""
    assert "could not look" in faults(finding(), missed=(NotLooked("exec-form", "it crashed"),))


def test_every_probe_and_clause_of_the_catalogue_has_a_mutant() -> None:
    """Rule 4: a probe without a mutant of its own kind is unproven."""
    assert list(unproven(catalog.load().values())) == []

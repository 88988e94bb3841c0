from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.config import Config
from dockproof.errors import NothingToCheckError
from dockproof.finding import Finding, Place, Probe
from dockproof.gate import Answers, NotLooked
from dockproof.policy import (
    Clause,
    EditMutant,
    Family,
    ImageTarget,
    Policy,
    SourceMutant,
    SourceTarget,
)
from dockproof.proof.matrix import edited, judge, owners, unproven

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


class Half(Policy):
    """A policy with two clauses and two probes, half proven."""

    id = "half"
    title = "is proven"
    family = Family.SOUND
    clauses = (Clause("seen", "is seen"), Clause("unseen", "is not"))

    def source(self, target: SourceTarget) -> tuple[Finding, ...]:
        """Override the probe."""
        return ()

    def image(self, target: ImageTarget) -> tuple[Finding, ...]:
        """Override the probe."""
        return ()

    mutants = (
        SourceMutant("one", "a", "b", clause="seen"),
        SourceMutant("one", "a", "c", clause="seen"),
        SourceMutant("two", "a", "b", clause="sen"),
        SourceMutant("three", "a", "b"),
        EditMutant("three", "RUN x"),
    )


def test_names_everything_that_is_unproven() -> None:
    """A probe without a mutant of its kind, a clause without one, a mutant of no clause, a name that stands twice."""
    assert sorted(unproven([Half()])) == [
        "half: clause unseen has no mutant",
        "half: mutant three names no clause",
        "half: mutant two names clause sen, which the policy has not",
        "half: the image probe has no mutant",
        "half: two mutants are called one",
    ]


def test_edit_may_bring_others_along_and_need_not() -> None:
    """What an edit of any file makes red beside its owner depends on the file."""
    mutant = EditMutant("m", "USER 0", clause="root-user", also=frozenset({"exec-form"}))
    for others in ((), (finding("exec-form"),)):
        answers = Answers((finding(), *others))
        assert judge(POLICY, mutant, answers, frozenset({2}), "Dockerfile").faults == ()
    answers = Answers((finding(), finding("no-sudo")))
    assert "undeclared" in judge(POLICY, mutant, answers, frozenset({2})).faults[0]
    assert judge(POLICY, mutant, answers, frozenset({2}), alone=True).faults == ()


def test_clauses_choose_their_mutants() -> None:
    """A policy is made with the mutants of the clauses that are selected and not ignored."""
    policies = {"half": Half()}
    for select, ignore, names in (
        ({"half/seen"}, set(), ["one", "one", "three", "three"]),
        ({"half"}, {"half/seen"}, ["two", "three", "three"]),
        (set(), set(), ["one", "one", "two", "three", "three"]),
    ):
        config = Config(select=frozenset(select), ignore=frozenset(ignore))
        assert [mutant.name for mutant in owners(policies, config)["half"].mutants] == names
    with pytest.raises(NothingToCheckError, match="--select half and --ignore half leave no mutant"):
        owners(policies, Config(select=frozenset({"half"}), ignore=frozenset({"half"})))

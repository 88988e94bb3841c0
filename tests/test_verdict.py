from __future__ import annotations

from dockproof import catalog
from dockproof.finding import Finding, NotApplicable, Place, Probe, Severity, Waiver
from dockproof.gate import Answers, NotLooked
from dockproof.policy import Profile
from dockproof.verdict import Cell, Verdict, cell, contradictions, table

POLICY = catalog.load()["non-root"]
FOUND = Finding("non-root", "runs as uid 0", Place(pid=1), Probe.RUNTIME, "root-user")


def word(answers: Answers, profile: Profile = Profile.PRODUCTION) -> Verdict:
    """Return the verdict on non-root's runtime probe."""
    return cell(POLICY, Probe.RUNTIME, profile, answers, Severity.ERROR).verdict


def test_silence_of_a_probe_that_looked_is_a_pass() -> None:
    """Only a probe that ran and found nothing passes."""
    assert word(Answers()) is Verdict.PASSED


def test_finding_fails_warns_or_is_waived() -> None:
    """The severity and the waiver decide."""
    assert word(Answers((FOUND,))) is Verdict.FAILED
    assert word(Answers((FOUND._replace(severity=Severity.WARNING),))) is Verdict.WARNED
    assert word(Answers((FOUND._replace(waived=Waiver("because")),))) is Verdict.WAIVED


def test_what_was_not_looked_at_never_passes() -> None:
    """A level that failed, or a probe that crashed, is no pass."""
    assert word(Answers(not_looked=(NotLooked("runtime", "no engine"),))) is Verdict.NOT_LOOKED
    assert word(Answers(not_looked=(NotLooked("non-root", "crashed"),))) is Verdict.NOT_LOOKED
    assert word(Answers(not_looked=(NotLooked("healthcheck", "crashed"),))) is Verdict.PASSED


def test_not_applicable_carries_its_reason() -> None:
    """A question that makes no sense is told apart from a pass."""
    answers = Answers(not_applicable=(NotApplicable("non-root", Probe.RUNTIME, "why"),))
    one = cell(POLICY, Probe.RUNTIME, Profile.PRODUCTION, answers, Severity.ERROR)
    assert (one.verdict, one.reason) == (Verdict.NOT_APPLICABLE, "why")


def test_levels_that_disagree_are_a_finding() -> None:
    """A Dockerfile that says USER and a process that runs as uid 0 are never both green."""
    held = Cell("non-root", Probe.SOURCE, Verdict.PASSED)
    broken = Cell("non-root", Probe.RUNTIME, Verdict.FAILED, (FOUND,))
    (finding,) = contradictions([held, broken])
    assert (finding.policy, finding.clause, finding.severity) == ("contradiction", "non-root", Severity.ERROR)
    assert "source saw it hold, runtime did not: runs as uid 0" in finding.message


def test_levels_that_agree_are_none() -> None:
    """All red, or one not looked at, is no contradiction."""
    broken = Cell("non-root", Probe.RUNTIME, Verdict.FAILED, (FOUND,))
    unseen = Cell("non-root", Probe.SOURCE, Verdict.NOT_LOOKED)
    assert list(contradictions([broken, unseen])) == []


def test_table_has_policies_down_and_levels_across() -> None:
    """One line a policy, three words an image; what nobody looked at shows as a question mark."""
    seen = {("non-root", Probe.SOURCE): Verdict.PASSED, ("non-root", Probe.IMAGE): Verdict.FAILED}
    lines = table({"api": seen}).splitlines()
    assert lines[1].split() == ["source", "image", "runtime"]
    assert lines[2].split() == ["non-root", "ok", "FAIL", "?"]

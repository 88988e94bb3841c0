from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.finding import Finding, NotApplicable, Place, Probe, Severity, Waiver
from dockproof.gate import Answers, NotLooked
from dockproof.policy import Profile
from dockproof.verdict import Cell, Verdict, cell, contradictions, table

POLICIES = catalog.load()
POLICY = POLICIES["non-root"]
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


def told(*cells: Cell) -> list[str]:
    """Return what contradicts what, as `policy: who held, who did not`."""
    return [finding.message.rpartition(": ")[0] for finding in contradictions(cells, POLICIES)]


def seen(policy: str, *, base: bool = False, **levels: str) -> list[Cell]:
    """Return what levels say of a policy: findings of the clauses that are named, or nothing."""
    place = Place(line=1, origin="base" if base else "own")
    cells = []
    for level, clauses in levels.items():
        probe = Probe(level)
        found = tuple(Finding(policy, "wrong", place, probe, clause) for clause in clauses.split())
        cells.append(Cell(policy, probe, Verdict.FAILED if found else Verdict.PASSED, found))
    return cells


def test_levels_that_disagree_are_a_finding() -> None:
    """A Dockerfile that says USER and a process that runs as uid 0 are never both green."""
    held = Cell("non-root", Probe.SOURCE, Verdict.PASSED)
    broken = Cell("non-root", Probe.RUNTIME, Verdict.FAILED, (FOUND,))
    (finding,) = contradictions([held, broken], POLICIES)
    assert (finding.policy, finding.clause, finding.severity) == ("contradiction", "non-root", Severity.ERROR)
    assert "source saw it hold, runtime did not: runs as uid 0" in finding.message


def test_levels_that_agree_are_none() -> None:
    """All red, waived, or one not looked at, is no contradiction."""
    broken = Cell("non-root", Probe.RUNTIME, Verdict.FAILED, (FOUND,))
    waived = Cell("non-root", Probe.RUNTIME, Verdict.WAIVED, (FOUND._replace(waived=Waiver("because")),))
    unseen = Cell("non-root", Probe.SOURCE, Verdict.NOT_LOOKED)
    assert told(broken, unseen) == []
    assert told(waived, *seen("non-root", source="")) == []


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        # what one level asks alone contradicts nobody
        (seen("healthcheck", source="bounded", image="", runtime=""), []),
        (seen("healthcheck", source="", image="", runtime="truthful"), []),
        (seen("graceful-stop", source="", runtime="in-time"), []),
        # a secret of the build reaches no process, whose silence says nothing of it
        (seen("no-secrets", source="named-secret", runtime=""), []),
        # red for another reason, and silent about this one
        (
            seen("healthcheck", source="bounded", image="", runtime="present"),
            ["healthcheck/present: source and image saw it hold, runtime did not"],
        ),
        (
            seen("non-root", image="root-group", runtime="root-group root-user"),
            ["non-root/root-user: image saw it hold, runtime did not"],
        ),
        # red for the same reason under another name
        (seen("exec-form", source="shell-in-disguise", runtime="shell-form"), []),
        (seen("non-root", source="unknown-user", runtime="root-user"), []),
        (
            seen("read-only-code", image="", runtime="running"),
            ["read-only-code/running: image saw it hold, runtime did not"],
        ),
        # EXPOSE against sockets; a base of another digest
        (
            seen("declared-ports", source="", image="", runtime="silent"),
            ["declared-ports/silent: source and image saw it hold, runtime did not"],
        ),
        (
            seen("pinned-base", source="", image="other-base"),
            ["pinned-base/other-base: source saw it hold, image did not"],
        ),
        # of what the base brings, the Dockerfile says nothing
        (seen("no-dev-tools", source="", image="tools", base=True), []),
    ],
)
def test_levels_are_compared_clause_by_clause(cells: list[Cell], found: list[str]) -> None:
    """Only who claims a clause, and is silent on it, is contradicted."""
    assert told(*cells) == found


def test_policy_without_clauses_is_one_question() -> None:
    """Whoever looked claims it, but for the running container, which compose may have changed."""
    found = (FOUND._replace(policy="unprivileged-ports", clause=None),)
    held = seen("unprivileged-ports", source="", image="")
    broken = Cell("unprivileged-ports", Probe.RUNTIME, Verdict.FAILED, found)
    assert told(*held, broken) == ["unprivileged-ports: source and image saw it hold, runtime did not"]
    red = Cell("unprivileged-ports", Probe.SOURCE, Verdict.FAILED, found)
    assert told(red, *seen("unprivileged-ports", runtime="")) == []


def test_only_levels_that_ask_claim_a_clause() -> None:
    """A claim of a level without a question, or a name that is no clause, would never or always be right."""
    for policy in POLICIES.values():
        for clause in policy.clauses:
            assert set(clause.claimed_by) <= set(policy.probes) - {Probe.RUNTIME}, (policy.id, clause.name)
            assert clause.question in {"", *(one.name for one in policy.clauses)}, (policy.id, clause.name)


def test_table_has_policies_down_and_levels_across() -> None:
    """One line a policy, three words an image; what nobody looked at shows as a question mark."""
    seen = {("non-root", Probe.SOURCE): Verdict.PASSED, ("non-root", Probe.IMAGE): Verdict.FAILED}
    lines = table({"api": seen}).splitlines()
    assert lines[1].split() == ["source", "image", "runtime"]
    assert lines[2].split() == ["non-root", "ok", "FAIL", "?"]

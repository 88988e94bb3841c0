"""Verdicts: what one policy's probe said of one image, in one word, and where the levels contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from dockproof.finding import BASE, Finding, Place, Probe, Severity
from dockproof.gate import Answers, NotLooked, is_red
from dockproof.levels import CONTRADICTION
from dockproof.policy import BY_BUILD, Clause
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockproof.policy import Policy, Profile


class Verdict(StrEnum):
    """One word for a policy at a level; only `passed` says that the property was seen to hold."""

    PASSED = "passed"
    FAILED = "failed"
    WARNED = "warned"
    WAIVED = "waived"
    NOT_APPLICABLE = "not applicable"
    NOT_LOOKED = "not looked at"
    NOT_ASKED = "not asked"


class Cell(NamedTuple):
    """One policy at one level of one image.

    Attributes:
        policy: the policy's id.
        probe: the level.
        verdict: the word.
        findings: what was found, waived ones too.
        reason: why it is not applicable, not looked at or not asked; "" otherwise.
    """

    policy: str
    probe: Probe
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    reason: str = ""


def cell(policy: Policy, probe: Probe, profile: Profile, answers: Answers, fail_level: Severity) -> Cell:
    """Say in one word what a policy's probe said.

    Args:
        policy: the policy.
        probe: the level.
        profile: the profile in force.
        answers: everything that was said at this level of this image.
        fail_level: the lowest severity that fails.
    """
    if probe not in policy.probes:
        return Cell(policy.id, probe, Verdict.NOT_ASKED, reason="this policy has no question for this level")
    if policy.severity(profile) is None:
        return Cell(policy.id, probe, Verdict.NOT_ASKED, reason=f"off for {profile} images")
    findings = tuple(f for f in answers.findings if f.policy == policy.id)
    missed = [n for n in answers.not_looked if n.fatal and n.what in {policy.id, probe.value}]
    skipped = [n.reason for n in answers.not_applicable if n.policy == policy.id]
    verdict = _word(findings, missed, skipped, fail_level)
    reason = "; ".join(n.reason for n in missed) or "; ".join(dict.fromkeys(skipped))
    return Cell(policy.id, probe, verdict, findings, reason)


def _word(
    findings: tuple[Finding, ...], missed: list[NotLooked], skipped: list[str], fail_level: Severity
) -> Verdict:
    if any(is_red(finding, fail_level) for finding in findings):
        return Verdict.FAILED
    if missed:
        return Verdict.NOT_LOOKED
    if any(finding.waived is None for finding in findings):
        return Verdict.WARNED
    if findings:
        return Verdict.WAIVED
    return Verdict.NOT_APPLICABLE if skipped else Verdict.PASSED


def contradictions(cells: Iterable[Cell], policies: Mapping[str, Policy]) -> Iterator[Finding]:
    """Yield a finding for every clause that one level claims and another saw broken.

    A level claims what its silence says, clause by clause (`Clause.claimed_by`): a clause that one level asks alone,
    or that a later level cannot see any more, contradicts nobody. When they disagree, one of the three levels is not
    what it claims to be.

    Args:
        cells: every policy at every level of one image.
        policies: all policies by id.
    """
    by_policy: dict[str, list[Cell]] = {}
    for one in cells:
        by_policy.setdefault(one.policy, []).append(one)
    for name, levels in by_policy.items():
        clauses = {clause.name: clause for clause in policies[name].clauses}
        for broken in levels:
            for finding in _firsts(broken):
                clause = clauses.get(finding.clause or "", _ANY)
                held = [one.probe for one in levels if _claims(one, clause, clauses, finding)]
                if held:
                    yield _contradiction(held, finding)


_ANY = Clause("", "", claimed_by=BY_BUILD)
"""The one meaning of a policy without clauses: who looks claims it."""

_LOOKED = frozenset({Verdict.PASSED, Verdict.WARNED, Verdict.FAILED})


def _firsts(cell: Cell) -> Iterator[Finding]:
    """Yield the first finding of each clause that nobody waived."""
    if cell.verdict in _LOOKED:
        yield from {f.clause: f for f in reversed(cell.findings) if f.waived is None}.values()


def _claims(cell: Cell, clause: Clause, clauses: Mapping[str, Clause], finding: Finding) -> bool:
    """Whether a level looked and is silent on a clause, whatever it said of others."""
    if cell.probe not in clause.claimed_by or cell.verdict not in _LOOKED:
        return False
    if cell.probe is Probe.SOURCE and finding.place.origin == BASE:
        return False  # of what the base brings the Dockerfile says nothing
    said = {clauses.get(one.clause or "", _ANY) for one in cell.findings}
    return not {one.question or one.name for one in said} & {clause.question or clause.name}


def _contradiction(held: list[Probe], finding: Finding) -> Finding:
    name = finding.policy if finding.clause is None else f"{finding.policy}/{finding.clause}"
    message = f"{name}: {' and '.join(held)} saw it hold, {finding.probe} did not: {finding.message}"
    place = finding.place if finding.probe is not Probe.SOURCE else Place(line=finding.place.line)
    return Finding(CONTRADICTION, message, place, finding.probe, finding.policy, severity=Severity.ERROR)


Column = Mapping[tuple[str, Probe], Verdict]
"""One image of the table: the verdict by policy and level."""


def table(columns: Mapping[str, Column]) -> str:
    """Draw policies down and source, image, runtime across for each image; what nobody asked has no line.

    Args:
        columns: by the image's name.
    """
    asked = {
        p for column in columns.values() for (p, _), verdict in column.items() if verdict != Verdict.NOT_ASKED
    }
    policies = [p for p in dict.fromkeys(p for column in columns.values() for p, _ in column) if p in asked]
    width = max(map(len, policies), default=0)
    group = sum(len(probe) + 2 for probe in Probe)
    lines = [
        " " * width + "  " + "  ".join(f"{name:<{group}}" for name in columns),
        " " * width
        + "  "
        + "  ".join("".join(f"{probe:<{len(probe) + 2}}" for probe in Probe) for _ in columns),
    ]
    for policy in policies:
        row = (
            "".join(_mark(column.get((policy, probe)), probe) for probe in Probe)
            for column in columns.values()
        )
        lines.append(f"{policy:<{width}}  " + "  ".join(row))
    return "\n".join(line.rstrip() for line in lines)


MARKS: Mapping[Verdict, str] = {
    Verdict.PASSED: "ok",
    Verdict.FAILED: "FAIL",
    Verdict.WARNED: "warn",
    Verdict.WAIVED: "waived",
    Verdict.NOT_APPLICABLE: "n/a",
    Verdict.NOT_LOOKED: "?",
    Verdict.NOT_ASKED: "-",
}


def _mark(verdict: Verdict | None, probe: Probe) -> str:
    mark = MARKS[verdict] if verdict else "?"
    return f"{mark:<{len(probe) + 2}}"

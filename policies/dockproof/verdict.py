"""Verdicts: what one policy's probe said of one image, in one word, and where the levels contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from dockproof.finding import Finding, Place, Probe, Severity
from dockproof.gate import Answers, NotLooked, is_red
from dockproof.levels import CONTRADICTION
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


def contradictions(cells: Iterable[Cell]) -> Iterator[Finding]:
    """Yield a finding for every policy that one level saw hold and another saw broken.

    Each level looked at the same property; when they disagree, one of the three is not what it claims to be.
    """
    by_policy: dict[str, list[Cell]] = {}
    for one in cells:
        by_policy.setdefault(one.policy, []).append(one)
    for policy, levels in by_policy.items():
        held = [one.probe for one in levels if one.verdict is Verdict.PASSED]
        for broken in levels:
            if held and broken.verdict in {Verdict.FAILED, Verdict.WARNED}:
                yield _contradiction(policy, held, broken)


def _contradiction(policy: str, held: list[Probe], broken: Cell) -> Finding:
    finding = next(f for f in broken.findings if f.waived is None)
    sides = " and ".join(held)
    message = f"{policy}: {sides} saw it hold, {broken.probe} did not: {finding.message}"
    place = finding.place if finding.probe is not Probe.SOURCE else Place(line=finding.place.line)
    return Finding(CONTRADICTION, message, place, broken.probe, clause=policy, severity=Severity.ERROR)


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

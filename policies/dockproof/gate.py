"""The gate on Dockerfiles: files to facts, facts to probes, findings to waivers and severities.

What a probe could not look at is kept beside what it found, in the types, the reports and the exit code.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

from dockproof import waiver
from dockproof.errors import Exit
from dockproof.finding import Answer, Finding, NotApplicable, Probe, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from dockproof.config import Config
    from dockproof.facts.dockerfile import Dockerfile
    from dockproof.policy import Policy, Profile, SourceTarget
    from dockproof.waiver import Exemption


class NotLooked(NamedTuple):
    """Something that should have been looked at and was not: the gate fails closed.

    Attributes:
        what: the policy, tool or part.
        reason: one sentence.
        log: the last lines that the thing itself said.
        fatal: whether it makes the exit code 4; hadolint refusing a file that Docker builds does not.
    """

    what: str
    reason: str
    log: str = ""
    fatal: bool = True


class Answers(NamedTuple):
    """All that the probes of one level said of one target."""

    findings: tuple[Finding, ...] = ()
    not_applicable: tuple[NotApplicable, ...] = ()
    not_looked: tuple[NotLooked, ...] = ()


class FileReport(NamedTuple):
    """One file of `check`.

    Attributes:
        path: as the user named it, or below the folder that was named.
        profile: the profile it was held to.
        error: why it could not be read, None where it was.
        answers: what was said of it, waivers and severities stamped, in the order of the lines.
        lines: its text, for reports that show it.
    """

    path: str
    profile: Profile
    error: str | None
    answers: Answers
    lines: Sequence[str] = ()


class Summary(NamedTuple):
    """Counts over all files; waived findings count only as waived."""

    files: int
    errors: int
    warnings: int
    infos: int
    waived: int


class CheckReport(NamedTuple):
    """What `check` says; `not_looked` is what belongs to no single file."""

    files: tuple[FileReport, ...]
    not_looked: tuple[NotLooked, ...] = ()

    @property
    def summary(self) -> Summary:
        """Count the findings."""
        findings = [f for report in self.files for f in report.answers.findings]
        live = [f.severity for f in findings if f.waived is None]
        counts = (live.count(s) for s in (Severity.ERROR, Severity.WARNING, Severity.INFO))
        return Summary(len(self.files), *counts, waived=len(findings) - len(live))

    def exit(self, fail_level: Severity) -> Exit:
        """Return the exit code: 4 wins over 1, so that what was not seen is never taken for clean."""
        reports = [report.answers for report in self.files]
        missed = [n for n in (*self.not_looked, *(n for a in reports for n in a.not_looked)) if n.fatal]
        if missed or any(report.error for report in self.files):
            return Exit.NOT_LOOKED
        red = any(is_red(f, fail_level) for answers in reports for f in answers.findings)
        return Exit.FINDINGS if red else Exit.CLEAN


def is_red(finding: Finding, fail_level: Severity) -> bool:
    """Whether a finding fails the gate: not waived, and at or above the level."""
    return finding.waived is None and finding.severity.rank >= fail_level.rank


def asked(policies: Mapping[str, Policy], config: Config, profile: Profile, probe: Probe) -> list[Policy]:
    """Return the policies that are selected, on in the profile, and ask at this level."""
    chosen = config.select or policies.keys()
    return [
        policy
        for policy in policies.values()
        if policy.id in chosen
        and policy.id not in config.ignore
        and probe in policy.probes
        and policy.severity(profile) is not None
    ]


def ask(policies: Iterable[Policy], probe: Probe, target: Any, config: Config) -> Answers:
    """Ask every policy at one level; a probe that crashes loses neither its own findings nor the others'."""
    findings: list[Finding] = []
    skipped: list[NotApplicable] = []
    missed: list[NotLooked] = []
    for policy in policies:
        options = {**policy.options, **config.options.get(policy.id, {})}
        method: Callable[[Any], Iterable[Answer]] = getattr(policy, probe.value)
        try:
            for answer in method(target._replace(options=options)):
                if isinstance(answer, NotApplicable):
                    skipped.append(answer)
                else:
                    findings.append(_stamped(answer, policy, target))
        except Exception as error:  # noqa: BLE001 - whatever a probe raises, the gate goes on and fails closed
            missed.append(NotLooked(policy.id, f"the {probe} probe crashed: {error!r}", _where(error)))
    return Answers(tuple(findings), tuple(skipped), tuple(missed))


def _stamped(finding: Finding, policy: Policy, target: Any) -> Finding:
    """Give the finding the profile's severity; no more than a warning in a stage that nothing shipped needs."""
    severity = policy.severity(target.profile)
    if severity is None:
        raise ValueError(f"{policy.id} is off under {target.profile}")
    if finding.probe is Probe.SOURCE and severity is Severity.ERROR and _is_aside(finding.place.line, target):
        severity = Severity.WARNING
    return finding._replace(severity=severity)


def _is_aside(line: int, target: SourceTarget) -> bool:
    """Whether a line belongs to a stage that no shipped stage needs."""
    before = [stage.index for stage in target.dockerfile.stages if stage.instruction.span.line <= line]
    return bool(before) and before[-1] not in target.needed


def _where(error: Exception) -> str:
    import traceback  # noqa: PLC0415 - only a crash pays for it

    return "".join(traceback.format_exception(error))


def check_source(
    target: SourceTarget,
    policies: Mapping[str, Policy],
    config: Config,
    waivers: Sequence[Exemption] = (),
    extra: Iterable[Finding] = (),
) -> Answers:
    """Ask every source probe about one Dockerfile and apply its waivers.

    Args:
        target: the file's facts and what is shipped of it.
        policies: all policies by id.
        config: selection and options.
        waivers: the configuration's waivers for this file.
        extra: findings of other tools (hadolint) on it.
    """
    chosen = asked(policies, config, target.profile, Probe.SOURCE)
    answers = ask(chosen, Probe.SOURCE, target, config)
    findings = waiver.apply(
        [*answers.findings, *_unshared(extra, answers.findings, policies)],
        [*waivers, *waiver.of_comments(target.dockerfile)],
        datetime.datetime.now(tz=datetime.UTC).date(),
        asked=frozenset(policy.id for policy in chosen),
        known=frozenset(policies),
    )
    return answers._replace(findings=tuple(sorted(findings, key=_order)))


def _order(finding: Finding) -> tuple[int, int, str, str, str]:
    place = finding.place
    return place.line, place.column, finding.policy, finding.clause or "", finding.message


def _unshared(
    extra: Iterable[Finding], ours: Sequence[Finding], policies: Mapping[str, Policy]
) -> list[Finding]:
    """Drop another tool's finding where one of ours says the same on its line: it is shown once, under ours."""
    lines: dict[str, set[int]] = {}
    for finding in ours:
        for peer in _peers(policies[finding.policy], finding.clause):
            place = finding.place
            lines.setdefault(peer, set()).update(range(place.line, place.end_line + 1))
    return [finding for finding in extra if finding.place.line not in lines.get(finding.policy, ())]


def _peers(policy: Policy, clause: str | None) -> tuple[str, ...]:
    for known in policy.clauses:
        if known.name == clause:
            return (*known.same_as, *known.covers)
    return (*policy.same_as, *policy.covers)


def target_of(
    dockerfile: Dockerfile,
    profile: Profile,
    targets: Sequence[str] = (),
    context: Any = None,
) -> SourceTarget:
    """Put together what source probes are asked about.

    Raises:
        KeyError: a named target is no stage of the file.
    """
    from dockproof.policy import SourceTarget as Target  # noqa: PLC0415 - policy.py is loaded with the catalogue

    shipped, needed = dockerfile.shipped(targets), dockerfile.needed(targets)
    return Target(dockerfile, shipped, needed, context, {}, profile)

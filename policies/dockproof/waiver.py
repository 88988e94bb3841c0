"""Waivers: findings that a person accepts, with a reason and an end.

Written above the instruction that the finding sits on::

    # dockproof: ignore=non-root reason="the base drops privileges itself" until=2027-01-31
    USER root

or for a whole file or image in the configuration. A waiver without a reason, past its date, or without a finding
to waive is itself a finding of `waiver`: a gate must not collect dead exceptions.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, NamedTuple

from dockproof.finding import Finding, Place, Probe, Severity, Waiver

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockproof.facts.dockerfile import Dockerfile, Instruction

ID = "waiver"

_PRAGMA = re.compile(r"dockproof:\s*(?P<rest>.*)")
_FIELD = re.compile(r"""\s*(?P<key>[a-z]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))""")


class Exemption(NamedTuple):
    """One waiver as it was written.

    Attributes:
        policies: ids, or `id/clause`, that it waives.
        waiver: the reason and the end.
        line: line of the comment in the Dockerfile, 0 for one of the configuration.
        first: first line that it holds for; 0 with `last` 0 = the whole file.
        last: last line that it holds for, inclusive.
        problem: what is wrong with its text, "" for none.
        origin: the file of the configuration that holds it, "" for a comment.
    """

    policies: tuple[str, ...]
    waiver: Waiver
    line: int = 0
    first: int = 0
    last: int = 0
    problem: str = ""
    origin: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether it waives this finding, its date aside."""
        names = {finding.policy, f"{finding.policy}/{finding.clause}"}
        if self.problem or not names & set(self.policies):
            return False
        return not self.last or self.first <= finding.place.line <= self.last

    def expired(self, today: datetime.date) -> bool:
        """Whether its end lies before today; it holds through its last day."""
        return self.waiver.until is not None and datetime.date.fromisoformat(self.waiver.until) < today


def of_comments(dockerfile: Dockerfile) -> list[Exemption]:
    """Return the waivers in the comments above the file's instructions."""
    found = []
    for instruction in dockerfile.instructions:
        for comment in instruction.comments:
            match = _PRAGMA.match(comment.text)
            if match:
                found.append(_parse(match["rest"], comment.line, instruction))
    return found


def _parse(text: str, line: int, instruction: Instruction) -> Exemption:
    fields = {m["key"]: m["quoted"] if m["quoted"] is not None else m["plain"] for m in _FIELD.finditer(text)}
    policies = tuple(name for name in fields.pop("ignore", "").split(",") if name)
    waiver = Waiver(fields.pop("reason", "").strip(), fields.pop("until", None))
    rest = _FIELD.sub("", text).strip()
    problem = problem_of(policies, waiver) or _odd(fields, rest)
    return Exemption(policies, waiver, line, instruction.span.line, instruction.span.end_line, problem)


def problem_of(policies: Sequence[str], waiver: Waiver) -> str:
    """Say what is wrong with a waiver's parts; "" when all is well."""
    if not policies:
        return "it names no policy: write ignore=ID"
    if not waiver.reason:
        return 'it gives no reason: write reason="…"'
    if waiver.until is not None and not _is_date(waiver.until):
        return f"until={waiver.until} is no date: write YYYY-MM-DD"
    return ""


def _odd(fields: dict[str, str], rest: str) -> str:
    if fields:
        return f"unknown field {next(iter(fields))}=: ignore=, reason= and until= are known"
    return f"cannot read {rest!r}: quote the reason" if rest else ""


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2027-01-31")


def apply(
    findings: Iterable[Finding],
    exemptions: Sequence[Exemption],
    today: datetime.date,
    *,
    asked: frozenset[str],
    known: frozenset[str],
) -> list[Finding]:
    """Stamp the waivers on the findings they cover, and add a finding for each waiver that is no good.

    Args:
        findings: what the probes found.
        exemptions: the waivers that hold for this file or image.
        today: the day that dates are compared with.
        asked: ids of the policies that were asked in this run; an unused waiver of another one says nothing.
        known: ids of all policies; a waiver of any other id is wrong.
    """
    used: set[Exemption] = set()
    stamped = [_stamp(finding, exemptions, today, used) for finding in findings]
    for exemption in exemptions:
        problem = _complaint(exemption, today, used, asked, known)
        if problem:
            stamped.append(_finding(exemption, *problem))
    return stamped


def _stamp(
    finding: Finding, exemptions: Sequence[Exemption], today: datetime.date, used: set[Exemption]
) -> Finding:
    for exemption in exemptions:
        if exemption.covers(finding):
            used.add(exemption)
            if not exemption.expired(today):
                return finding._replace(waived=exemption.waiver)
    return finding


def _complaint(
    exemption: Exemption,
    today: datetime.date,
    used: set[Exemption],
    asked: frozenset[str],
    known: frozenset[str],
) -> tuple[str, str] | None:
    """Return the clause and the sentence for a waiver that is no good, None for a good one."""
    if exemption.problem:
        return "malformed", f"a waiver cannot be used: {exemption.problem}"
    ids = {name.partition("/")[0] for name in exemption.policies}
    unknown = sorted(name for name in ids - known if not name.startswith("hadolint:"))
    if unknown:
        return (
            "malformed",
            f"a waiver names {unknown[0]}, which is no policy; `dockproof policies` lists them",
        )
    if exemption.expired(today):
        return "expired", f"the waiver of {', '.join(exemption.policies)} ended on {exemption.waiver.until}"
    if exemption not in used and ids <= asked:
        return "unused", f"the waiver of {', '.join(exemption.policies)} waives nothing here; remove it"
    return None


def _finding(exemption: Exemption, clause: str, message: str) -> Finding:
    origin = f" ({exemption.origin})" if exemption.origin else ""
    line = exemption.line or 1
    severity = Severity.WARNING if clause == "unused" else Severity.ERROR
    return Finding(ID, message + origin, Place(line, line, 1), Probe.SOURCE, clause, severity=severity)


def stamp(findings: Iterable[Finding], exemptions: Sequence[Exemption]) -> list[Finding]:
    """Stamp waivers of the configuration on findings of an image or container; expired ones do not hold."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return [_stamp(finding, exemptions, today, set()) for finding in findings]

"""Waivers: findings that a person accepts, with a reason and an end.

Written above the instruction that the finding sits on, or on a comment line inside it::

    # dockproof: ignore=non-root reason="the base drops privileges itself" until=2027-01-31
    USER root

or for a whole file or image in the configuration. `ignore=non-root/root-group` waives one clause. A waiver without a
reason, past its date, or without a finding to waive is itself a finding of `waiver`: a gate must not collect dead
exceptions.
"""

from __future__ import annotations

from dockproof.finding import Finding, Place, Probe, Severity, Waiver
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from dockproof.facts.dockerfile import Comment, Dockerfile, Instruction

ID = "waiver"
TITLE = "every waiver has a reason, holds today and waives something"

_PRAGMA = pattern(r"dockproof:\s*(?P<rest>.*)", needs=("dockproof:",))
_FIELD = pattern(r"""\s*(?P<key>[a-z]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))""")


class Exemption(NamedTuple):
    """One waiver as it was written.

    Attributes:
        policies: ids, or `id/clause`, that it waives.
        waiver: the reason and the end.
        line: line of the comment in the Dockerfile, 0 for one of the configuration.
        first: first line that it holds for; 0 with `last` 0 = the whole file.
        last: last line that it holds for, inclusive.
        problem: what is wrong with its text, "" for none.
        origin: where the configuration holds it, "" for a comment.
        shared: it may hold for more than this file or level, so that one of them alone cannot show it to be unused.
    """

    policies: tuple[str, ...]
    waiver: Waiver
    line: int = 0
    first: int = 0
    last: int = 0
    problem: str = ""
    origin: str = ""
    shared: bool = False

    def covers(self, finding: Finding) -> bool:
        """Whether it waives this finding, its date aside."""
        if self.problem or finding.policy == ID:
            return False
        if finding.policy not in self.policies and f"{finding.policy}/{finding.clause}" not in self.policies:
            return False
        return not self.last or self.first <= finding.place.line <= self.last

    def expired(self, today: str) -> bool:
        """Whether its end lies before today (ISO date); it holds through its last day."""
        return self.waiver.until is not None and self.waiver.until < today


def today() -> str:
    """Return the day that waivers are held against, as an ISO date in UTC: the same on every machine."""
    import time  # noqa: PLC0415 - datetime would cost every start 1.5 ms

    return time.strftime("%Y-%m-%d", time.gmtime())


def of_comments(dockerfile: Dockerfile) -> list[Exemption]:
    """Return the waivers in the file's comments, those that stand at no instruction as malformed ones."""
    if "dockproof:" not in dockerfile.text:
        return []
    placed = {c.line: i for i in dockerfile.instructions for c in (*i.comments, *i.inner_comments)}
    return [
        _parse(match["rest"], comment, placed.get(comment.line))
        for comment in dockerfile.comments
        if (match := _PRAGMA.match(comment.text))
    ]


def _parse(text: str, comment: Comment, instruction: Instruction | None) -> Exemption:
    fields, problem = _fields(text)
    policies = tuple(name for name in fields.get("ignore", "").split(",") if name)
    waiver = Waiver(fields.get("reason", "").strip(), fields.get("until"))
    if instruction is None:
        problem = "it stands above no instruction: put it on the line above the one it is for"
        return Exemption(policies, waiver, comment.line, comment.line, comment.line, problem)
    span = instruction.span
    problem = problem or problem_of(policies, waiver)
    return Exemption(policies, waiver, comment.line, span.line, span.end_line, problem)


def _fields(text: str) -> tuple[dict[str, str], str]:
    """Return the fields of a waiver's text, and what is wrong with them."""
    found = [(m["key"], m["plain"] if m["quoted"] is None else m["quoted"]) for m in _FIELD.finditer(text)]
    fields = dict(found)
    rest = _FIELD.sub("", text).strip()
    odd = [key for key in fields if key not in {"ignore", "reason", "until"}]
    if rest:
        return fields, f"cannot read {rest!r}: quote the reason, and separate policies by commas alone"
    if odd:
        return fields, f"unknown field {odd[0]}=: ignore=, reason= and until= are known"
    return fields, "a field is there twice" if len(found) > len(fields) else ""


def problem_of(policies: Collection[str], waiver: Waiver) -> str:
    """Say what is wrong with a waiver's parts; "" when all is well."""
    if not policies:
        return "it names no policy: write ignore=ID"
    if not waiver.reason:
        return 'it gives no reason: write reason="…"'
    if waiver.until is not None and not is_date(waiver.until):
        return f"until={waiver.until} is no date: write YYYY-MM-DD"
    return ""


def is_date(text: str) -> bool:
    """Whether a text is a day as 2027-01-31."""
    import datetime  # noqa: PLC0415 - few waivers have an end

    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2027-01-31")


def stamp(
    findings: Iterable[Finding], exemptions: Sequence[Exemption], day: str | None = None
) -> Iterator[Finding]:
    """Yield the findings, with the first waiver that covers each and has not ended.

    Args:
        findings: what the probes found.
        exemptions: the waivers that hold for this file or image.
        day: the day that dates are compared with; None = today.
    """
    valid = [e for e in exemptions if not e.expired(day or today())]
    for finding in findings:
        found = next((e for e in valid if e.covers(finding)), None)
        yield (
            finding._replace(waived=found.waiver._replace(origin=found.origin or None)) if found else finding
        )


def apply(
    findings: Sequence[Finding],
    exemptions: Sequence[Exemption],
    *,
    asked: Collection[str],
    known: Collection[str],
    day: str | None = None,
) -> list[Finding]:
    """Stamp the waivers on the findings they cover, and add a finding for each waiver that is no good.

    Args:
        findings: what the probes found.
        exemptions: the waivers that hold for this file or image.
        asked: ids of the policies that were asked in this run; an unused waiver of another one says nothing.
        known: ids of all policies, and `id/clause` of all clauses; a waiver of anything else is wrong.
        day: the day that dates are compared with; None = today.
    """
    day = day or today()
    stamped = list(stamp(findings, exemptions, day))
    complaints = ((e, _complaint(e, findings, day, asked, known)) for e in exemptions)
    return stamped + [_finding(exemption, *said) for exemption, said in complaints if said]


def _complaint(
    exemption: Exemption,
    findings: Sequence[Finding],
    day: str,
    asked: Collection[str],
    known: Collection[str],
) -> tuple[str, str] | None:
    """Return the clause and the sentence for a waiver that is no good, None for a good one."""
    if exemption.problem:
        return "malformed", f"a waiver cannot be used: {exemption.problem}"
    unknown = [name for name in exemption.policies if name not in known and not name.startswith("hadolint:")]
    if unknown:
        return (
            "malformed",
            f"a waiver names {unknown[0]}, which is no policy; `dockproof policies` lists them",
        )
    if exemption.expired(day):
        return "expired", f"the waiver of {', '.join(exemption.policies)} ended on {exemption.waiver.until}"
    if not exemption.shared and is_unused(exemption, findings, asked):
        return "unused", _unused(exemption)
    return None


def is_unused(exemption: Exemption, findings: Iterable[Finding], asked: Collection[str]) -> bool:
    """Whether a waiver waives nothing although all its policies were asked."""
    if any(name.partition("/")[0] not in asked for name in exemption.policies):
        return False
    return not any(exemption.covers(finding) for finding in findings)


def unused(
    exemptions: Iterable[Exemption], findings: Sequence[Finding], asked: Collection[str]
) -> list[Finding]:
    """Return a finding for each waiver that waives none of all the findings that it could have waived."""
    return [_finding(e, "unused", _unused(e)) for e in exemptions if is_unused(e, findings, asked)]


def _unused(exemption: Exemption) -> str:
    ours = ", ".join(_shown_as(exemption.policies))
    mend = f"what {ours} finds too is shown as that: waive it, or remove this" if ours else "remove it"
    return f"the waiver of {', '.join(exemption.policies)} waives nothing here; {mend}"


def _shown_as(names: Iterable[str]) -> list[str]:
    """Name our policies and clauses under which findings of another tool's rules are shown."""
    rules = {name for name in names if name.startswith("hadolint:")}
    if not rules:
        return []
    from dockproof import catalog  # noqa: PLC0415 - few waivers are of another tool's rules

    found: dict[str, None] = {}
    for policy in catalog.load().values():
        if rules & {*policy.same_as, *policy.covers}:
            found[policy.id] = None
        for clause in policy.clauses:
            if rules & {*clause.same_as, *clause.covers}:
                found[f"{policy.id}/{clause.name}"] = None
    return list(found)


def _finding(exemption: Exemption, clause: str, message: str) -> Finding:
    origin = f" ({exemption.origin})" if exemption.origin else ""
    line = exemption.line or 1
    severity = Severity.WARNING if clause == "unused" else Severity.ERROR
    return Finding(ID, message + origin, Place(line, line, 1), Probe.SOURCE, clause, severity=severity)

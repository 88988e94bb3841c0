"""SARIF 2.1.0, for code scanning: rules with their help, regions, fingerprints and suppressions.

A finding that is waived is a result with a suppression, so that the service shows it as dismissed and does not open it
again. A finding that `dockproof fix` can mend carries the change. What was not looked at is a notification of a run
that did not succeed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dockproof
from dockproof import catalog, waiver
from dockproof.finding import Probe, Severity
from dockproof.report.view import View, first_sentence, link_of, marked, uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockproof.facts.span import Edit, Span
    from dockproof.finding import Finding, Waiver
    from dockproof.gate import CheckReport, FileReport, NotLooked
    from dockproof.policy import Policy

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "dockproof/v1"
ROOT = "SRCROOT"

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def render(report: CheckReport, view: View) -> Iterator[str]:
    """Yield the report as one JSON document."""
    rules = _rules(report, view)
    indexes = {rule["id"]: number for number, rule in enumerate(rules)}
    run = {
        "tool": {"driver": {"name": "dockproof", "semanticVersion": dockproof.__version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "the folder that dockproof was started in"}}},
        "invocations": [_invocation(report, view)],
        "results": [
            _result(file, n, indexes) for file in report.files for n in range(len(file.answers.findings))
        ],
    }
    yield (
        json.dumps({"$schema": SCHEMA, "version": VERSION, "runs": [run]}, ensure_ascii=False, indent=2)
        + "\n"
    )


def _rules(report: CheckReport, view: View) -> list[dict[str, Any]]:
    """Return a rule for every policy that found something, in the order of their ids."""
    found = {f.policy: f for file in report.counted() for f in file.answers.findings}
    return [_rule(found[name], view.policies.get(name)) for name in sorted(found)]


def _rule(finding: Finding, policy: Policy | None) -> dict[str, Any]:
    if policy is None:
        return _foreign_rule(finding)
    page = catalog.page(policy)
    parts = [f"{title}\n{page[title]}" for title in ("What it holds", "Why it matters", "How to fix it")]
    markdown = [
        f"## {title}\n{page[title]}" for title in ("What it holds", "Why it matters", "How to fix it")
    ]
    return {
        "id": policy.id,
        "shortDescription": {"text": policy.title},
        "fullDescription": {"text": first_sentence(page["What it holds"])},
        "help": {"text": "\n\n".join(parts), "markdown": "\n\n".join(markdown)},
        "defaultConfiguration": {"level": _LEVELS[policy.production] if policy.production else "none"},
        "properties": {"tags": ["docker", policy.family.value], "references": list(policy.references)},
    }


def _foreign_rule(finding: Finding) -> dict[str, Any]:
    """Return a rule of hadolint, or the one of waivers."""
    if finding.policy == waiver.ID:
        text = waiver.__doc__ or waiver.TITLE
        return {
            "id": waiver.ID,
            "name": "Waiver",
            "shortDescription": {"text": waiver.TITLE},
            "help": {"text": text},
        }
    rule = {
        "id": finding.policy,
        "name": finding.policy.partition(":")[2],
        "shortDescription": {"text": finding.message},
    }
    link = link_of(finding)
    return {**rule, "helpUri": link, "help": {"text": link}} if link else rule


def _result(file: FileReport, number: int, indexes: dict[str, int]) -> dict[str, Any]:
    finding = file.answers.findings[number]
    message = f"{finding.clause}: {finding.message}" if finding.clause else finding.message
    result: dict[str, Any] = {
        "ruleId": finding.policy,
        "ruleIndex": indexes[finding.policy],
        "level": _LEVELS[finding.severity],
        "message": {"text": message + (f"\n{finding.help}" if finding.help else "")},
        "locations": [_location(file, finding)],
        "properties": {"clause": finding.clause, "stage": finding.stage, "profile": file.profile.value},
    }
    if file.fingerprints:
        result["partialFingerprints"] = {FINGERPRINT: file.fingerprints[number]}
    result["suppressions"] = [_suppression(finding.waived)] if finding.waived else []
    if finding.edits and not finding.waived:
        result["fixes"] = [_fix(file.path, finding.edits)]
    return result


def _fix(path: str, edits: Sequence[Edit]) -> dict[str, Any]:
    """Return what `dockproof fix` would change, in the order of the file."""
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.new}} for edit in sorted(edits)
    ]
    return {
        "description": {"text": "what `dockproof fix` changes"},
        "artifactChanges": [{"artifactLocation": _artifact(path), "replacements": replacements}],
    }


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _location(file: FileReport, finding: Finding) -> dict[str, Any]:
    place = finding.place
    path, line = marked(file, finding)
    region: dict[str, int] = {"startLine": line}
    if place.column:
        region["startColumn"] = place.column
    if place.end_line > place.line:
        region["endLine"] = place.end_line
    if place.end_column:
        region["endColumn"] = place.end_column
    return {"physicalLocation": {"artifactLocation": _artifact(path), "region": region}, **_logical(finding)}


def _logical(finding: Finding) -> dict[str, Any]:
    """Say where in an image a finding sits, for which SARIF has no physical place."""
    words = str(finding.place) if finding.probe is not Probe.SOURCE else ""
    return {"logicalLocations": [{"fullyQualifiedName": words}]} if words else {}


def _artifact(path: str) -> dict[str, Any]:
    relative = uri(path)
    quoted = quote(relative, errors="surrogateescape")  # the bytes of a name that is no UTF-8
    if relative.startswith("/"):
        return {"uri": f"file://{quoted}"}
    return {"uri": quoted} if relative.startswith("../") else {"uri": quoted, "uriBaseId": ROOT}


def _suppression(waived: Waiver) -> dict[str, Any]:
    until = f" (until {waived.until})" if waived.until else ""
    return {
        "kind": "external" if waived.origin else "inSource",
        "status": "accepted",
        "justification": waived.reason + until,
    }


def _invocation(report: CheckReport, view: View) -> dict[str, Any]:
    return {
        "executionSuccessful": not report.incomplete,
        "exitCode": int(report.exit(view.fail_level)),
        "toolExecutionNotifications": [
            *_unreadable(report.tally.unreadable),
            *(_notification(p, n) for p, n in report.tally.missed),
        ],
    }


def _unreadable(files: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for path, error in files:
        yield _note("error", f"{path} could not be read: {error}", path)


def _notification(path: str, one: NotLooked) -> dict[str, Any]:
    return _note("error" if one.fatal else "note", f"{one.what}: {one.reason}", path)


def _note(level: str, text: str, path: str) -> dict[str, Any]:
    note: dict[str, Any] = {"level": level, "message": {"text": text}}
    return (
        {**note, "locations": [{"physicalLocation": {"artifactLocation": _artifact(path)}}]} if path else note
    )

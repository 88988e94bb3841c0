"""The report that programs read: schema 1 (design.md). Keys may be added, never changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dockproof
from dockproof.finding import Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.finding import Finding, Place
    from dockproof.gate import CheckReport, FileReport, NotLooked
    from dockproof.report.view import View

SCHEMA = 1


def render(report: CheckReport, view: View) -> Iterator[str]:
    """Yield the report in pieces, file by file, with keys in a fixed order."""
    tool = {"name": "dockproof", "version": dockproof.__version__}
    yield f'{{"schema": {SCHEMA}, "tool": {_text(tool)}, "fail_level": {_text(view.fail_level.value)},\n "files": ['
    for number, file in enumerate(report.counted()):
        yield (",\n  " if number else "\n  ") + _text(file_of(file))
    all_missed = [{"path": path or None, **not_looked_of(one)} for path, one in report.tally.missed]
    summary = report.summary._asdict()
    yield f'],\n "not_looked": {_text(all_missed)},\n "summary": {_text(summary)}}}\n'


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def file_of(file: FileReport) -> dict[str, Any]:
    """Return one file."""
    answers = file.answers
    marks = file.fingerprints or (None,) * len(answers.findings)
    return {
        "path": file.path,
        "profile": file.profile.value,
        "status": "unreadable" if file.error else "checked",
        "error": file.error,
        "findings": [finding_of(f, mark) for f, mark in zip(answers.findings, marks, strict=True)],
        "not_applicable": [
            {"policy": n.policy, "reason": n.reason, "probe": n.probe.value} for n in answers.not_applicable
        ],
        "not_looked": [not_looked_of(n) for n in answers.not_looked],
        **({} if file.image is None else {"image": file.image, "dockerfile": file.dockerfile or None}),
    }


def finding_of(finding: Finding, fingerprint: str | None = None) -> dict[str, Any]:
    """Return one finding; a source finding of a whole line has column 1."""
    place = finding.place
    found = {
        "policy": finding.policy,
        "clause": finding.clause,
        "severity": finding.severity.value,
        "probe": finding.probe.value,
        "line": place.line,
        "end_line": place.end_line or place.line,
        "column": place.column or (1 if finding.probe is Probe.SOURCE else 0),
        "end_column": place.end_column or None,
        "stage": finding.stage,
        "message": finding.message,
        "waived": finding.waived and finding.waived._asdict(),
        "fixable": finding.fixable,
        "help": finding.help or None,
    }
    if finding.probe is Probe.IMAGE:
        found |= in_image(place)
    return found if fingerprint is None else {**found, "fingerprint": fingerprint}


def in_image(place: Place) -> dict[str, Any]:
    """Return where in an image a finding sits: its layer, whose it is, the file and the field of the config."""
    layer = {"index": place.layer_index, "digest": place.layer} if place.layer else None
    return {
        "layer": layer,
        "origin": place.origin or None,
        "path": place.path or None,
        "field": place.field or None,
    }


def not_looked_of(one: NotLooked) -> dict[str, Any]:
    """Return one thing that was not looked at."""
    return {"what": one.what, "reason": one.reason, "log": one.log or None, "fatal": one.fatal}

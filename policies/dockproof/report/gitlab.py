"""GitLab's Code Quality report: findings that a merge request shows beside the lines it changes.

Waived findings are left out; what could not be looked at is a blocker, because the format has no other word for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from dockproof.finding import Severity
from dockproof.report.view import View, marked, name_of, uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.gate import CheckReport

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def render(report: CheckReport, view: View) -> Iterator[str]:  # noqa: ARG001 - every format is called alike
    """Yield the report as one JSON list."""
    yield json.dumps([*_issues(report), *_blockers(report)], ensure_ascii=False, indent=2) + "\n"


def _issues(report: CheckReport) -> Iterator[dict[str, Any]]:
    for file in report.counted():
        for finding, mark in zip(file.answers.findings, file.fingerprints, strict=True):
            if finding.waived is None:
                severity = _SEVERITIES[finding.severity]
                yield _issue(name_of(finding), finding.message, severity, mark, marked(file, finding))


def _blockers(report: CheckReport) -> Iterator[dict[str, Any]]:
    unreadable = ((path, "readable", error) for path, error in report.tally.unreadable)
    rest = ((path, one.what, one.reason) for path, one in report.tally.missed if one.fatal)
    for path, what, reason in (*unreadable, *rest):
        mark = hashlib.sha256(
            f"not looked at\0{path}\0{what}".encode("utf-8", "surrogateescape")
        ).hexdigest()[:32]
        yield _issue(what, f"not looked at: {reason}", "blocker", mark, (path or ".", 1))


def _issue(name: str, text: str, severity: str, mark: str, place: tuple[str, int]) -> dict[str, Any]:
    path, line = place
    return {
        "check_name": name,
        "description": f"{name}: {text}",
        "fingerprint": mark,
        "severity": severity,
        "location": {"path": uri(path), "lines": {"begin": max(line, 1)}},
    }

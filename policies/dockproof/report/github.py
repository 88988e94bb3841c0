"""Annotations of GitHub Actions: one workflow command for each finding, which the run shows beside its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.finding import Severity
from dockproof.report.text import clean, summary_line
from dockproof.report.view import View, help_of, marked, name_of, uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.finding import Finding
    from dockproof.gate import CheckReport, FileReport

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: CheckReport, view: View) -> Iterator[str]:
    """Yield a command a line, and the summary as a last plain line."""
    for file in report.counted():
        if file.error is not None:
            yield _command("error", {"file": uri(file.path), "title": "not looked at"}, file.error)
        for finding in file.answers.findings:
            if finding.waived is None:
                yield _annotation(file, finding, view)
    for path, one in report.tally.missed:
        where = {"file": uri(path)} if path else {}
        yield _command("error" if one.fatal else "notice", {**where, "title": one.what}, one.reason)
    yield summary_line(report, view)


def _annotation(file: FileReport, finding: Finding, view: View) -> str:
    place, (path, line) = finding.place, marked(file, finding)
    properties = {
        "file": uri(path),
        "line": str(line),
        "endLine": str(max(place.end_line, place.line, 1)),
        "title": name_of(finding),
    }
    if place.column and place.end_line <= place.line:  # a column is refused where the lines differ
        properties["col"] = str(place.column)
    mend = help_of(finding, view.policies)
    return _command(_COMMANDS[finding.severity], properties, finding.message + (f"\n{mend}" if mend else ""))


def _command(name: str, properties: dict[str, str], message: str) -> str:
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{_data(message)}\n"


def _data(text: str) -> str:
    """Escape as the runner reads a command's message."""
    lines = "\n".join(map(clean, text.splitlines()))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""The evidence that `verify` leaves: results.json and junit.xml, and the table that it prints."""

from __future__ import annotations

import datetime
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from dockproof.errors import NotLookedError
from dockproof.finding import Probe
from dockproof.report.json import in_image
from dockproof.verdict import Verdict, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from dockproof.config import Config
    from dockproof.finding import Finding
    from dockproof.gate import NotLooked
    from dockproof.policy import Policy
    from dockproof.verdict import Cell
    from dockproof.verify import Report, Service

SCHEMA = 1


def write(report: Report, config: Config, folder: Path) -> list[Path]:
    """Write results.json and junit.xml into a folder; each appears whole or not at all.

    Raises:
        NotLookedError: the folder cannot be written; what was found has been printed before.
    """
    results, junit = folder / "results.json", folder / "junit.xml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(results, json.dumps(document(report, config), indent=2, ensure_ascii=False) + "\n")
        _replace(junit, ET.tostring(junit_tree(report), encoding="unicode", xml_declaration=True) + "\n")
    except OSError as error:
        raise NotLookedError(f"the evidence could not be written to {folder}: {error.strerror}") from None
    return [results, junit]


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(path.suffix + ".tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def document(report: Report, config: Config) -> dict[str, Any]:
    """Return results.json: who looked at what with which tools, and every verdict."""
    return {
        "schema": SCHEMA,
        "created": datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
        "exit": int(report.exit(config)),
        "manifest": report.manifest.name,
        "tools": dict(report.versions),
        "stand_ins": [dict(one) for one in report.stand_ins],
        "seconds": round(report.seconds, 1),
        "phases": [{"name": phase.name, "seconds": round(phase.seconds, 2)} for phase in report.phases],
        "not_removed": [_missed(missed) for missed in report.left],
        "services": [_service(service) for service in report.services],
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "service": service.name,
        "dockerfile": _shown(service.dockerfile),
        "profile": service.profile,
        "image": service.image,
        "verdicts": [_cell(cell) for cell in service.cells],
        "hadolint": [_finding(f) for a in service.answers.values() for f in a.findings if ":" in f.policy],
        "structure": [result._asdict() | {"config": result.config.name} for result in service.structure],
        "contradictions": [_finding(finding) for finding in service.contradictions],
        "not_looked": [_missed(missed) for missed in service.not_looked],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "policy": cell.policy,
        "probe": cell.probe,
        "verdict": cell.verdict,
        "reason": cell.reason,
        "findings": [_finding(finding) for finding in cell.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "policy": finding.policy,
        "clause": finding.clause,
        "severity": finding.severity,
        "probe": finding.probe,
        "message": finding.message,
        "line": finding.place.line or None,
        "place": str(finding.place) or None,
        **(in_image(finding.place) if finding.probe is Probe.IMAGE else {}),
        "waived": finding.waived and finding.waived._asdict(),
    }


def _missed(missed: NotLooked) -> dict[str, Any]:
    return {"what": missed.what, "reason": missed.reason, "fatal": missed.fatal, "log": missed.log}


# ------------------------------------------------------------------------------------------------------- JUnit


def junit_tree(report: Report) -> ET.Element:
    """Return the JUnit document: a suite a service, a case a policy and level, and one a structure test."""
    root = ET.Element("testsuites", name="dockproof verify", time=f"{report.seconds:.1f}")
    for service in report.services:
        cases = list(_cases(service))
        kinds = Counter(child.tag for case in cases for child in case)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=service.name,
            tests=str(len(cases)),
            failures=str(kinds["failure"]),
            errors=str(kinds["error"]),
            skipped=str(kinds["skipped"]),
        )
        suite.extend(cases)
    return root


def _cases(service: Service) -> Iterator[ET.Element]:
    for cell in service.cells:
        if cell.verdict is not Verdict.NOT_ASKED:
            yield _cell_case(service, cell)
    for result in service.structure:
        case = _case(service, f"{result.config.stem}::{result.name}", result.seconds)
        if not result.passed:
            _outcome(case, "failure", "\n".join(result.errors))
        yield case
    for finding in service.contradictions:
        case = _case(service, f"contradiction::{finding.clause}")
        _outcome(case, "failure", finding.message)
        yield case
    for missed in service.not_looked:
        if missed.fatal:
            case = _case(service, f"not looked at::{missed.what}")
            _outcome(case, "error", f"{missed.reason}\n{missed.log}".strip())
            yield case


def _case(service: Service, name: str, seconds: float = 0.0) -> ET.Element:
    return ET.Element("testcase", classname=f"compose.yaml::{service.name}", name=name, time=f"{seconds:.2f}")


_OUTCOMES: Mapping[Verdict, str] = {
    Verdict.FAILED: "failure",
    Verdict.NOT_LOOKED: "error",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.WAIVED: "skipped",
}


def _cell_case(service: Service, cell: Cell) -> ET.Element:
    case = _case(service, f"{cell.policy}[{cell.probe}]")
    tag = _OUTCOMES.get(cell.verdict)
    if tag:
        sentences = [finding.message for finding in cell.findings]
        _outcome(case, tag, "\n".join(filter(None, [*sentences, cell.reason])))
    elif cell.verdict is Verdict.WARNED:
        ET.SubElement(case, "system-out").text = "\n".join(finding.message for finding in cell.findings)
    return case


def _outcome(case: ET.Element, tag: str, text: str) -> None:
    clean = "".join(c for c in text if c in "\t\n" or c >= " ")  # XML 1.0 has no place for control characters
    ET.SubElement(case, tag, message=clean.partition("\n")[0]).text = clean


# -------------------------------------------------------------------------------------------------------- text


def text(report: Report, policies: Mapping[str, Policy], config: Config) -> str:
    """Return what `verify` prints: what is wrong, what was not looked at, stand-ins, the table and the verdict."""
    parts = [
        "\n".join(_wrong(report)),
        "\n".join(_not_looked(report)),
        "\n".join(_stand_ins(report)),
        table(policies, {service.name: service.cells for service in report.services}),
        "\n".join(_structure(report)),
        _last(report, config),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _wrong(report: Report) -> Iterator[str]:
    for service in report.services:
        for finding in _live(service):
            line = f"{_shown(service.dockerfile)}:{finding.place.line}" if finding.place.line else ""
            where = ", ".join(part for part in (line, str(finding.place)) if part)
            name = f"{finding.policy}/{finding.clause}" if finding.clause else finding.policy
            yield f"{service.name}: {finding.severity} {name} [{finding.probe}]: {finding.message} ({where})"
        for result in service.structure:
            if not result.passed:
                yield f"{service.name}: error {result.config.name}: {result.name}: {'; '.join(result.errors)}"


def _shown(path: Path) -> str:
    """Return a path as a person here would type it."""
    return os.path.relpath(path)


def _live(service: Service) -> Iterable[Finding]:
    found = [f for answers in service.answers.values() for f in answers.findings]
    return [f for f in (*found, *service.contradictions) if f.waived is None]


def _not_looked(report: Report) -> Iterator[str]:
    yield from (f"NOT CLEANED UP: {missed.reason}" for missed in report.left)
    for service in report.services:
        for missed in service.not_looked:
            yield f"{service.name}: NOT LOOKED AT: {missed.what}: {missed.reason}"
            yield from (f"    {line}" for line in missed.log.splitlines())


def _stand_ins(report: Report) -> Iterator[str]:
    for one in report.stand_ins:
        yield f"stand-in: {one['image']} ({one['id'][:19]}) for {one['for']}: {one['why']}"


def _structure(report: Report) -> Iterator[str]:
    for service in report.services:
        passed = sum(result.passed for result in service.structure)
        yield f"structure tests on {service.name}: {passed} of {len(service.structure)} passed"


def _last(report: Report, config: Config) -> str:
    count = Counter(cell.verdict for service in report.services for cell in service.cells)
    words = ", ".join(f"{count[v]} {v}" for v in Verdict if count[v] and v is not Verdict.NOT_ASKED)
    verdict = {0: "PASSED", 1: "FAILED", 4: "NOT ALL WAS LOOKED AT"}[int(report.exit(config))]
    return f"{verdict}: {words}; {len(report.services)} images, {report.seconds:.0f} s"


def phases(report: Report) -> str:
    """Return the seconds of each phase, a line each; phases overlap."""
    lines = [f"  {phase.seconds:7.1f} s  {phase.name}" for phase in report.phases]
    return "\n".join(["phases (they overlap):", *lines])

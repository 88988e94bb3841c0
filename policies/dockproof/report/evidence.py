"""The evidence that `verify` leaves: results.json, and what is drawn from it: junit.xml and the text with the table.

The document is everything; so `dockproof merge` prints and writes the same of several runs' documents.
"""

from __future__ import annotations

import datetime
import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from dockproof.baseline import write_whole
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts import sizes
from dockproof.finding import Probe
from dockproof.report.json import in_image
from dockproof.verdict import Verdict, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.config import Config
    from dockproof.finding import Finding
    from dockproof.gate import NotLooked
    from dockproof.verdict import Cell
    from dockproof.verify import Report, Service

SCHEMA = 1

Document = dict[str, Any]
"""results.json, or a part of it."""


def write(results: Document, folder: Path) -> list[Path]:
    """Write results.json and junit.xml into a folder; each appears whole or not at all.

    Raises:
        NotLookedError: the folder cannot be written.
    """
    contents = {
        folder / "results.json": json.dumps(results, indent=2, ensure_ascii=False),
        folder / "junit.xml": ET.tostring(junit_tree(results), encoding="unicode", xml_declaration=True),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            write_whole(path, f"{content}\n")
    except (OSError, UsageError) as error:
        raise NotLookedError(f"the evidence could not be written: {error}") from None
    return list(contents)


def document(report: Report, config: Config) -> Document:
    """Return results.json: who looked at what with which tools, and every verdict."""
    return {
        "schema": SCHEMA,
        "created": datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
        "exit": int(report.exit(config)),
        "fail_level": config.fail_level,
        "manifest": report.manifest.name,
        "images": list(report.images),
        "shard": report.shard and report.shard._asdict(),
        "inputs": dict(report.inputs),
        "tools": dict(report.versions),
        "stand_ins": [dict(one) for one in report.stand_ins],
        "lacks": list(report.lacks),
        "not_asked": dict(report.others),
        "seconds": round(report.seconds, 1),
        "phases": [{"name": phase.name, "seconds": round(phase.seconds, 2)} for phase in report.phases],
        "interrupted": report.interrupted,
        "not_removed": [_missed(missed) for missed in report.left],
        "services": [_service(service) for service in report.services],
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "service": service.name,
        "dockerfile": _shown(service.dockerfile),
        "profile": service.profile,
        "image": service.image,
        "layers": [dict(layer) for layer in service.layers],
        "verdicts": [_cell(cell) for cell in service.cells],
        "findings": [_finding(f) for answers in service.answers.values() for f in answers.findings],
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


def junit_tree(results: Document) -> ET.Element:
    """Return the JUnit document: a suite a service, a case a policy and level, and one a structure test."""
    root = ET.Element("testsuites", name="dockproof verify", time=f"{results['seconds']:.1f}")
    for service in results["services"]:
        cases = list(_cases(service))
        kinds = Counter(child.tag for case in cases for child in case)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=service["service"],
            tests=str(len(cases)),
            failures=str(kinds["failure"]),
            errors=str(kinds["error"]),
            skipped=str(kinds["skipped"]),
        )
        suite.extend(cases)
    return root


def _cases(service: Document) -> Iterator[ET.Element]:
    for cell in service["verdicts"]:
        if cell["verdict"] != Verdict.NOT_ASKED:
            yield _cell_case(service, cell)
    for result in service["structure"]:
        case = _case(service, f"{Path(result['config']).stem}::{result['name']}", result["seconds"])
        if not result["passed"]:
            _outcome(case, "failure", "\n".join(result["errors"]))
        yield case
    for finding in service["contradictions"]:
        case = _case(service, f"contradiction::{finding['clause']}")
        _outcome(case, "failure", finding["message"])
        yield case
    for missed in service["not_looked"]:
        if missed["fatal"]:
            case = _case(service, f"not looked at::{missed['what']}")
            _outcome(case, "error", f"{missed['reason']}\n{missed['log']}".strip())
            yield case


def _case(service: Document, name: str, seconds: float = 0.0) -> ET.Element:
    where = f"compose.yaml::{service['service']}"
    return ET.Element("testcase", classname=where, name=name, time=f"{seconds:.2f}")


_OUTCOMES: Mapping[str, str] = {
    Verdict.FAILED: "failure",
    Verdict.NOT_LOOKED: "error",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.WAIVED: "skipped",
}


def _cell_case(service: Document, cell: Document) -> ET.Element:
    case = _case(service, f"{cell['policy']}[{cell['probe']}]")
    tag = _OUTCOMES.get(cell["verdict"])
    sentences = [finding["message"] for finding in cell["findings"]]
    if tag:
        _outcome(case, tag, "\n".join(filter(None, [*sentences, cell["reason"]])))
    elif cell["verdict"] == Verdict.WARNED:
        ET.SubElement(case, "system-out").text = "\n".join(sentences)
    return case


def _outcome(case: ET.Element, tag: str, text: str) -> None:
    clean = "".join(c for c in text if c in "\t\n" or c >= " ")  # XML 1.0 has no place for control characters
    ET.SubElement(case, tag, message=clean.partition("\n")[0]).text = clean


# -------------------------------------------------------------------------------------------------------- text


def text(results: Document) -> str:
    """Return what `verify` prints: what is wrong, what was not looked at, stand-ins, the table and the verdict."""
    columns = {
        service["service"]: {
            (cell["policy"], Probe(cell["probe"])): Verdict(cell["verdict"]) for cell in service["verdicts"]
        }
        for service in results["services"]
    }
    parts = [
        "\n".join(_wrong(results)),
        "\n".join(_not_looked(results)),
        "\n".join(_not_asked(results)),
        "\n".join(_stand_ins(results)),
        "\n".join(f"engine: {sentence}" for sentence in results["lacks"]),
        table(columns),
        "\n".join(_structure(results)),
        "\n".join(bytes_added(results)),
        last(results).rstrip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _wrong(results: Document) -> Iterator[str]:
    for service in results["services"]:
        for finding in _live(service):
            line = f"{service['dockerfile']}:{finding['line']}" if finding["line"] else ""
            where = ", ".join(filter(None, [line, finding["place"]]))
            clause = f"/{finding['clause']}" if finding["clause"] else ""
            name = f"{finding['severity']} {finding['policy']}{clause} [{finding['probe']}]"
            yield f"{service['service']}: {name}: {finding['message']} ({where})"
        for result in service["structure"]:
            if not result["passed"]:
                errors = "; ".join(result["errors"])
                yield f"{service['service']}: error {result['config']}: {result['name']}: {errors}"


def _shown(path: Path) -> str:
    """Return a path as a person here would type it."""
    return os.path.relpath(path)


def _live(service: Document) -> list[Document]:
    return [f for f in (*service["findings"], *service["contradictions"]) if f["waived"] is None]


def _not_looked(results: Document) -> Iterator[str]:
    yield from (f"NOT CLEANED UP: {missed['reason']}" for missed in results["not_removed"])
    for service in results["services"]:
        for missed in service["not_looked"]:
            yield f"{service['service']}: NOT LOOKED AT: {missed['what']}: {missed['reason']}"
            yield from (f"    {line}" for line in missed["log"].splitlines())


def _not_asked(results: Document) -> Iterator[str]:
    """Say which services of the manifest the run is not about; results of an older version do not tell."""
    others = results.get("not_asked", {})
    if others:
        names = ", ".join(f"{name} ({image.partition('@')[0]})" for name, image in others.items())
        yield f"not asked about: {names}: built elsewhere; `dockproof image --run IMAGE --compose FILE` asks"


def _stand_ins(results: Document) -> Iterator[str]:
    for one in results["stand_ins"]:
        yield f"stand-in: {one['image']} ({one['id'][:19]}) for {one['for']}: {one['why']}"


def _structure(results: Document) -> Iterator[str]:
    for service in results["services"]:
        tests = service["structure"]
        if tests:
            passed = sum(result["passed"] for result in tests)
            yield f"structure tests on {service['service']}: {passed} of {len(tests)} passed"


def bytes_added(results: Document) -> Iterator[str]:
    """Say how many bytes each image adds to its base, by the line of its Dockerfile, and how many nobody ever sees."""
    for service in results["services"]:
        own = [layer for layer in service.get("layers", ()) if layer["origin"] != "base"]
        if own:
            lines = [
                f"line {layer['line'] or '?'} {sizes.megabytes(layer['size'])}"
                for layer in own
                if layer["size"]
            ]
            total, wasted = (sum(layer[key] for layer in own) for key in ("size", "wasted"))
            what = f"{sizes.megabytes(total)} over its base, {sizes.megabytes(wasted)} of them wasted"
            yield f"{service['service']}: {what}: {', '.join(lines) or 'no file'}"


def last(results: Document) -> str:
    """Return the last line of what `verify` prints: the verdict, and how much of each there was."""
    count = Counter(cell["verdict"] for service in results["services"] for cell in service["verdicts"])
    words = ", ".join(f"{count[v]} {v}" for v in Verdict if count[v] and v is not Verdict.NOT_ASKED)
    verdict = {0: "PASSED", 1: "FAILED", 4: "NOT ALL WAS LOOKED AT", 130: "INTERRUPTED"}[results["exit"]]
    looked, all_ = len(results["services"]), len(results["images"])
    images = f"{looked} images" if looked == all_ else f"{looked} of {all_} images"
    return f"{verdict}: {words}; {images}, {results['seconds']:.0f} s\n"


def phases(results: Document) -> str:
    """Return the seconds of each phase, a line each; phases overlap."""
    lines = [f"  {phase['seconds']:7.1f} s  {phase['name']}" for phase in results["phases"]]
    return "\n".join(["phases (they overlap):", *lines])

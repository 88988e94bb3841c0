"""JUnit XML, for CI systems: a suite for each Dockerfile, a case for each policy that was asked of it.

A finding at or above the fail level is a failure, one below it or waived is told in the case's output, what does not
apply is skipped, and what could not be looked at is an error.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from dockproof.gate import is_red
from dockproof.report.text import clean
from dockproof.report.view import View, name_of, where_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.finding import Finding
    from dockproof.gate import CheckReport, FileReport, NotLooked


def render(report: CheckReport, view: View) -> Iterator[str]:
    """Yield the report as one XML document."""
    root = ET.Element("testsuites", name="dockproof")
    for file in report.files:
        _suite(root, file, view)
    if report.not_looked:
        whole = ET.SubElement(root, "testsuite", name="dockproof")
        for one in report.not_looked:
            _missed(ET.SubElement(whole, "testcase", classname="dockproof", name=one.what, time="0"), one)
    for suite in root:
        _count(suite)
    _count(root)
    ET.indent(root)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, file: FileReport, view: View) -> None:
    suite = ET.SubElement(root, "testsuite", name=clean(file.path))
    if file.error is not None:
        case = _case(suite, file, "readable")
        ET.SubElement(case, "error", message=clean(file.error))
        return
    found = _by_policy(file.answers.findings)
    skipped = {one.policy: one.reason for one in file.answers.not_applicable}
    missed = {one.what: one for one in file.answers.not_looked}
    for name in dict.fromkeys([*file.asked, *found, *missed]):
        case = _case(suite, file, name)
        if name in missed:
            _missed(case, missed[name])
        elif name in found:
            _tell(case, file, found[name], view)
        elif name in skipped:
            ET.SubElement(case, "skipped", message=clean(skipped[name]))


def _by_policy(findings: Sequence[Finding]) -> Mapping[str, list[Finding]]:
    """Group findings by policy; all rules of hadolint are one case."""
    found = defaultdict(list)
    for finding in findings:
        found[finding.policy.partition(":")[0]].append(finding)
    return found


def _case(suite: ET.Element, file: FileReport, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=clean(file.path), name=name, time="0")


def _tell(case: ET.Element, file: FileReport, findings: Sequence[Finding], view: View) -> None:
    red = [finding for finding in findings if is_red(finding, view.fail_level)]
    rest = [finding for finding in findings if finding not in red]
    if red:
        more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
        failure = ET.SubElement(case, "failure", message=clean(red[0].message) + more, type=name_of(red[0]))
        failure.text = "\n".join(_sentence(file, finding) for finding in red)
    if rest:
        ET.SubElement(case, "system-out").text = "\n".join(_sentence(file, finding) for finding in rest)


def _sentence(file: FileReport, finding: Finding) -> str:
    word = f"waived ({finding.waived.reason})" if finding.waived else finding.severity.value
    return clean(f"{where_of(file, finding)}: {word} {name_of(finding)}: {finding.message}")


def _missed(case: ET.Element, one: NotLooked) -> None:
    """An error fails the suite, so what is no failure of the gate is skipped."""
    element = ET.SubElement(case, "error" if one.fatal else "skipped", message=clean(one.reason))
    element.text = "\n".join(map(clean, one.log.splitlines())) or None


def _count(suite: ET.Element) -> None:
    counts = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for name, tag in counts.items():
        suite.set(name, str(len(list(suite.iter(tag)))))

"""What every report of `check` is given beside the report itself."""

from __future__ import annotations

import os
from functools import cache

from dockproof.finding import Probe, Severity
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockproof.finding import Finding
    from dockproof.gate import FileReport
    from dockproof.policy import Policy


class View(NamedTuple):
    """How a report is shown.

    Attributes:
        policies: all policies by id, for titles and help.
        fail_level: the lowest severity that fails.
        show_waived: whether waived findings are shown one by one.
        color: whether colours may be used.
        baseline_gone: how many entries of the baseline occur no more.
        program: how the user calls us.
    """

    policies: Mapping[str, Policy] = {}
    fail_level: Severity = Severity.ERROR
    show_waived: bool = False
    color: bool = False
    baseline_gone: int = 0
    program: str = "dockproof"


def name_of(finding: Finding) -> str:
    """Return `id/clause`, or the id alone."""
    return f"{finding.policy}/{finding.clause}" if finding.clause else finding.policy


def help_of(finding: Finding, policies: Mapping[str, Policy]) -> str:
    """Return what to do: the finding's own words, else the first sentence of the policy's "How to fix it"."""
    if finding.help or finding.policy not in policies:
        return finding.help
    return _mend(policies[finding.policy])


@cache  # a report asks for each finding
def _mend(policy: Policy) -> str:
    from dockproof import catalog  # noqa: PLC0415 - only a finding pays for it

    return first_sentence(catalog.page(policy)["How to fix it"])


def first_sentence(text: str) -> str:
    """Return the first sentence of a paragraph on one line; one that leads to an example ends here."""
    flat = " ".join(text.partition("\n\n")[0].split())
    head, stop, _ = flat.partition(". ")
    return head + stop.strip() if stop else flat.removesuffix(":") + ("." if flat.endswith(":") else "")


def link_of(finding: Finding) -> str:
    """Return where another tool explains its rule, "" for ours."""
    tool, _, rule = finding.policy.partition(":")
    if tool == "structure":
        return "https://github.com/GoogleContainerTools/container-structure-test"
    if tool != "hadolint":
        return ""
    folder = "koalaman/shellcheck" if rule.startswith("SC") else "hadolint/hadolint"
    return f"https://github.com/{folder}/wiki/{rule}"


def where_of(file: FileReport, finding: Finding) -> str:
    """Return where a finding sits, in words: line and column of a file, or layer, path and line of an image."""
    place = finding.place
    if finding.probe is Probe.SOURCE:
        return f"{file.path}:{place.line}:{place.column or 1}"
    line = f"{file.dockerfile}:{place.line}" if place.line and file.dockerfile else ""
    return ", ".join(part for part in (file.path, str(place), line) if part)


def marked(file: FileReport, finding: Finding) -> tuple[str, int]:
    """Return the path and line that a CI system marks: the Dockerfile's where one is known, else the image's name."""
    line = finding.place.line
    return (file.dockerfile if line and file.dockerfile else file.path), max(line, 1)


def uri(path: str) -> str:
    """Return a path relative to the working folder with `/`, as CI systems want it."""
    relative = os.path.relpath(path) if os.path.isabs(path) else os.path.normpath(path)  # noqa: PTH117 - text
    return relative.replace(os.sep, "/")

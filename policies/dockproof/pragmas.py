"""Other tools' pragmas in a Dockerfile, taken as waivers of our policies that say the same (`same_as`).

Off unless the configuration's `honour` names the tool::

    # hadolint ignore=DL3008            the next instruction;  # hadolint global ignore=DL3008  the whole file
    # check=skip=JSONArgsRecommended    BuildKit: above an instruction that one, at the top of the file all of it
    #checkov:skip=CKV_DOCKER_3:reason   the whole file
    #trivy:ignore:DS-0002               the next instruction

A pragma gives no reason that we could demand, so an unused one is no finding of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockproof.finding import Waiver
from dockproof.patterns import pattern
from dockproof.waiver import Exemption

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.policy import Policy

_HADOLINT = pattern(r"hadolint\s+(?P<whole>global\s+)?ignore\s*=\s*(?P<rules>[A-Z0-9, ]+)")
_BUILDKIT = pattern(r"check\s*=\s*(?:[^#]*;)?\s*skip\s*=\s*(?P<rules>[A-Za-z, ]+)")
_CHECKOV = pattern(r"checkov:skip=(?P<rules>CKV2?_[A-Z]+_[0-9]+)")
_TRIVY = pattern(r"trivy:ignore:(?P<rules>[A-Za-z0-9-]+)")
_TRIVY_ID = pattern(r"(?:avd-)?ds-?(\d+)", re.IGNORECASE)

ALL = "all"


def of_peers(
    dockerfile: Dockerfile, honour: Collection[str], policies: Mapping[str, Policy]
) -> Sequence[Exemption]:
    """Return a waiver for each pragma of an honoured tool that some policy says the same as.

    Args:
        dockerfile: the file's facts.
        honour: names of the tools: hadolint, buildkit, checkov, trivy.
        policies: all policies by id.
    """
    ours = _ours(policies)
    found = []
    for rules, first, last, text in _pragmas(dockerfile, honour):
        names = sorted({name for rule in rules for name in _named(rule, ours)})
        if names:
            waiver = Waiver(f"honoured: # {text}")
            found.append(Exemption(tuple(names), waiver, first=first, last=last, shared=True))
    return found


def _ours(policies: Mapping[str, Policy]) -> dict[str, list[str]]:
    """Return peer rule to the names of ours with the same verdict."""
    ours: dict[str, list[str]] = {}
    for policy in policies.values():
        for rule in policy.same_as:
            ours.setdefault(rule, []).append(policy.id)
        for clause in policy.clauses:
            for rule in clause.same_as:
                ours.setdefault(rule, []).append(f"{policy.id}/{clause.name}")
    return ours


def _named(rule: str, ours: Mapping[str, Sequence[str]]) -> Iterable[str]:
    tool, _, name = rule.partition(":")
    if name != ALL:
        return ours.get(rule, ())
    return [one for known, names in ours.items() if known.startswith(f"{tool}:") for one in names]


def _pragmas(dockerfile: Dockerfile, honour: Collection[str]) -> Iterator[tuple[list[str], int, int, str]]:
    """Yield the peer rules of each pragma, its first and last line (0, 0 = the whole file), and its text."""
    for directive in dockerfile.directives:
        if "buildkit" in honour and directive.name == "check":
            text = f"check={directive.value}"
            if match := _BUILDKIT.match(text):
                yield _rules("buildkit", match["rules"]), 0, 0, text
    placed = {comment.line: one for one in dockerfile.instructions for comment in one.comments}
    for comment in dockerfile.comments:
        instruction = placed.get(comment.line)
        for tool, rules, whole in _read(comment.text):
            if tool in honour and (whole or instruction):
                yield rules, *_lines(None if whole else instruction), comment.text


def _lines(instruction: Instruction | None) -> tuple[int, int]:
    return (instruction.span.line, instruction.span.end_line) if instruction else (0, 0)


def _read(text: str) -> Iterator[tuple[str, list[str], bool]]:
    """Yield tool, rules and whether the whole file is meant."""
    if match := _HADOLINT.match(text):
        yield "hadolint", _rules("hadolint", match["rules"]), bool(match["whole"])
    if match := _BUILDKIT.match(text):
        yield "buildkit", _rules("buildkit", match["rules"]), False
    if match := _CHECKOV.match(text):
        yield "checkov", _rules("checkov", match["rules"]), True
    if match := _TRIVY.match(text):
        yield "trivy", _rules("trivy", _TRIVY_ID.sub(_trivy_id, match["rules"])), False


def _trivy_id(match: re.Match[str]) -> str:
    """Return one spelling for DS-0002, DS002 and AVD-DS-0002."""
    return f"DS-{int(match[1]):04}"


def _rules(tool: str, text: str) -> list[str]:
    return [f"{tool}:{name.strip()}" for name in text.split(",") if name.strip()]

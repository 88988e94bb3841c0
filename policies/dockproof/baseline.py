"""Baselines: the findings that were there when a repository adopted the gate.

Each is remembered by a fingerprint that survives moved lines: the policy, its clause, the file, the text of the line it
sits on (white space and digests aside) and its number among equals. What is in the baseline is shown as waived; what is
new fails.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from dockproof.errors import UsageError
from dockproof.finding import Waiver
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dockproof.finding import Finding
    from dockproof.gate import CheckReport, FileReport

SCHEMA = 1
REASON = "baseline"
DEFAULT = ".dockproof-baseline.json"

_DIGEST = pattern(r"@sha256:[0-9a-f]{64}")
_SPACE = pattern(r"\s+")


class Applied(NamedTuple):
    """A report after a baseline.

    Attributes:
        report: what the baseline knows is waived in it.
        gone: how many entries of the baseline occur no more.
    """

    report: CheckReport
    gone: int


def fingerprints(path: str, findings: Sequence[Finding], lines: Mapping[int, str]) -> tuple[str, ...]:
    """Return a fingerprint for each finding: 32 hexadecimal digits.

    Args:
        path: the file, relative to the configuration's folder, with `/`.
        findings: in the order of the lines.
        lines: the text of the lines they start on.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for finding in findings:
        text = _SPACE.sub(" ", _DIGEST.sub("", lines.get(finding.place.line, ""))).strip()
        identity = (finding.policy, finding.clause or "", path, text)
        seen[identity] += 1
        digest = hashlib.sha256(
            "\0".join((*identity, str(seen[identity]))).encode("utf-8", "surrogateescape")
        )
        found.append(digest.hexdigest()[:32])
    return tuple(found)


def apply(report: CheckReport, path: Path) -> Applied:
    """Waive what a baseline knows. The report's findings must have fingerprints.

    Raises:
        UsageError: the baseline is missing or damaged.
    """
    known = _read(path)
    waiver = Waiver(REASON, origin=str(path))
    files = tuple(_waived(file, known, waiver) for file in report.files)
    here = {mark for file in report.files for mark in file.fingerprints}
    return Applied(report._replace(files=files), len(known - here))


def _waived(file: FileReport, known: frozenset[str], waiver: Waiver) -> FileReport:
    findings = tuple(
        finding._replace(waived=waiver) if finding.waived is None and mark in known else finding
        for finding, mark in zip(file.answers.findings, file.fingerprints, strict=True)
    )
    return file._replace(answers=file.answers._replace(findings=findings))


def _read(path: Path) -> frozenset[str]:
    try:
        data = json.loads(path.read_bytes())
        if data["schema"] != SCHEMA:
            raise UsageError(f"{path}: schema {data['schema']} of a baseline is not known; write it again")
        return frozenset(str(one["fingerprint"]) for one in data["findings"])
    except OSError as error:
        raise UsageError(
            f"{path}: the baseline cannot be read: {error.strerror}; --write-baseline writes it"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no baseline: {error!r}; --write-baseline writes it again") from None


def write(report: CheckReport, path: Path) -> int:
    """Record every finding that nothing waives; return their number. The file appears whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    entries = sorted(
        _entries(report), key=lambda entry: (entry["path"], entry["policy"], entry["fingerprint"])
    )
    text = json.dumps({"schema": SCHEMA, "findings": entries}, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, text)
    return len(entries)


def _entries(report: CheckReport) -> Iterator[dict[str, Any]]:
    for file in report.files:
        for finding, mark in zip(file.answers.findings, file.fingerprints, strict=True):
            if finding.waived is None:
                yield {
                    "fingerprint": mark,
                    "path": file.path,
                    "policy": finding.policy,
                    "clause": finding.clause,
                    "message": finding.message,
                }


def write_whole(path: Path, text: str | bytes) -> None:
    """Write a file that appears whole or not at all; one that is there keeps its rights, a link stays a link.

    Raises:
        UsageError: it cannot be written.
    """
    path = path.resolve() if path.is_symlink() else path
    content = text.encode("utf-8") if isinstance(text, str) else text
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # a pipe or a device, as /dev/stdout
            return
        draft.write_bytes(content)
        if path.exists():
            draft.chmod(path.stat().st_mode)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None

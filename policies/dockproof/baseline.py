"""Baselines: the findings that were there when a repository adopted the gate.

Each is remembered by a fingerprint that survives moved lines: the policy, its clause, the file, the text of the line it
sits on (white space, digests and a FROM's tag aside, so that a raised version brings nothing back) and its number among
equals. What is in the baseline is shown as waived; what is new fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof.check import gathered
from dockproof.errors import UsageError
from dockproof.finding import Waiver
from dockproof.gate import CheckReport
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.finding import Finding
    from dockproof.gate import FileReport

SCHEMA = 1
REASON = "baseline"
DEFAULT = ".dockproof-baseline.json"

_DIGEST = pattern(r"@sha256:[0-9a-f]{64}")
_SPACE = pattern(r"\s+")
_FROM = pattern(r"\s*FROM\s", re.IGNORECASE)
_TAG = pattern(r"(?<=\w):\w[\w.-]*(?=\s|$)")


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
        text = _lasting(lines.get(finding.place.line, ""))
        identity = (finding.policy, finding.clause or "", path, text)
        seen[identity] += 1
        digest = hashlib.sha256(
            "\0".join((*identity, str(seen[identity]))).encode("utf-8", "surrogateescape")
        )
        found.append(digest.hexdigest()[:32])
    return tuple(found)


def _lasting(line: str) -> str:
    """Return what stays of a line when its white space, a digest or a base's release changes."""
    text = _DIGEST.sub("", line)
    return _SPACE.sub(" ", _TAG.sub("", text) if _FROM.match(text) else text).strip()


def apply(report: CheckReport, path: Path) -> Applied:
    """Waive what a baseline knows. The report's findings must have fingerprints.

    Raises:
        UsageError: the baseline is missing or damaged.
    """
    entries = _read(path)
    waiver = Waiver(REASON, origin=str(path))
    files = gathered((_waived(file, entries.keys(), waiver) for file in report.files), len(report.files))
    return Applied(CheckReport(files, report.not_looked), sum(_gone(report, entries, path)))


def _gone(report: CheckReport, entries: Mapping[str, Entry], path: Path) -> Iterator[bool]:
    """Tell of each entry whether it occurs no more: its file was looked at, or is there no more."""
    here = {mark for file in report.files for mark in file.fingerprints}
    looked = {_below(file.path, path) for file in report.files if file.error is None}
    for mark, entry in entries.items():
        yield mark not in here and (entry.path in looked or not (path.parent / entry.path).exists())


def _below(file: str, path: Path) -> str:
    """Return a file's path relative to the baseline's folder, with `/`."""
    return os.path.relpath(file, path.parent).replace(os.sep, "/")


def _waived(file: FileReport, known: Collection[str], waiver: Waiver) -> FileReport:
    findings = _marked(file.answers.findings, file.fingerprints, known, waiver)
    return file._replace(answers=file.answers._replace(findings=findings))


def _marked(
    findings: Sequence[Finding], marks: Sequence[str], known: Collection[str], waiver: Waiver
) -> tuple[Finding, ...]:
    return tuple(
        finding._replace(waived=waiver) if finding.waived is None and mark in known else finding
        for finding, mark in zip(findings, marks, strict=True)
    )


def waive(
    findings: Sequence[Finding], file: str, lines: Sequence[str], config: Config
) -> tuple[Finding, ...]:
    """Return the findings of one Dockerfile, those waived that the configuration's baseline knows.

    Args:
        findings: all of them, hadolint's too, in the order of the lines.
        file: the Dockerfile's path.
        lines: its lines without line ends.
        config: names the baseline; without one the findings are returned as they are.

    Raises:
        UsageError: the baseline is missing or damaged.
    """
    if config.baseline is None:
        return tuple(findings)
    path = Path(config.baseline)
    relative = os.path.relpath(file, config.folder).replace(os.sep, "/")
    marks = fingerprints(relative, findings, dict(enumerate(lines, 1)))
    return _marked(findings, marks, _read(path).keys(), Waiver(REASON, origin=str(path)))


def carry(before: CheckReport, after: CheckReport, path: Path) -> None:
    """Let a baseline follow an edit that people did not make: what was recorded stays so on the lines that changed.

    Where all findings of one meaning in a file were recorded, those that are left of them stay recorded; what was
    mended leaves the baseline. Both reports need fingerprints, and hold the same files.

    Raises:
        UsageError: the baseline is missing or damaged, or cannot be written.
    """
    entries = _read(path)
    for old, new in zip(before.files, after.files, strict=True):
        known = {mark for mark in old.fingerprints if mark in entries}
        recorded = {_meaning(f) for f, mark in _pairs(old) if mark in known}
        recorded -= {_meaning(f) for f, mark in _pairs(old) if mark not in known and f.waived is None}
        entries = {mark: entry for mark, entry in entries.items() if mark not in known}
        for finding, mark in _pairs(new):
            if mark in known or _meaning(finding) in recorded:
                entries[mark] = _entry(new, finding, mark, path)
    _write(entries, path)


def _pairs(file: FileReport) -> Iterator[tuple[Finding, str]]:
    return zip(file.answers.findings, file.fingerprints, strict=True)


def _meaning(finding: Finding) -> tuple[str, str | None]:
    return finding.policy, finding.clause


class Entry(NamedTuple):
    """One recorded finding, as the baseline's file has it; what a person reads there beside the fingerprint."""

    fingerprint: str
    path: str
    policy: str
    clause: str | None
    message: str


def _read(path: Path) -> dict[str, Entry]:
    try:
        data = json.loads(path.read_bytes())
        if data["schema"] != SCHEMA:
            raise UsageError(f"{path}: schema {data['schema']} of a baseline is not known; write it again")
        found = (Entry(*(one[field] for field in Entry._fields)) for one in data["findings"])
        return {str(entry.fingerprint): entry._replace(path=str(entry.path)) for entry in found}
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
    found = [
        _entry(file, f, mark, path) for file in report.files for f, mark in _pairs(file) if f.waived is None
    ]
    _write({entry.fingerprint: entry for entry in found}, path)
    return len(found)


def _entry(file: FileReport, finding: Finding, mark: str, path: Path) -> Entry:
    return Entry(mark, _below(file.path, path), finding.policy, finding.clause, finding.message)


def _write(entries: Mapping[str, Entry], path: Path) -> None:
    ordered = sorted(entries.values(), key=lambda entry: (entry.path, entry.policy, entry.fingerprint))
    document = {"schema": SCHEMA, "findings": [entry._asdict() for entry in ordered]}
    write_whole(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, content: str | bytes | Iterable[str]) -> None:
    """Write a file that appears whole or not at all; one that is there keeps its rights, a link stays a link.

    Pieces of text are written as they come, so that they never stand in memory all at once.

    Raises:
        UsageError: it cannot be written.
    """
    path = path.resolve() if path.is_symlink() else path
    draft = path.parent / f".{path.name}.{os.getpid()}"  # `with_name` has no answer for the folder "."
    try:
        if path.exists() and not path.is_file():
            _write_pieces(path, content)  # a pipe or a device, as /dev/stdout
            return
        _write_pieces(draft, content)
        if path.exists():
            draft.chmod(path.stat().st_mode)
        draft.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)  # whatever came in between


def _write_pieces(path: Path, content: str | bytes | Iterable[str]) -> None:
    pieces = [content] if isinstance(content, (str, bytes)) else content
    with path.open("wb") as file:
        # a file name that is no UTF-8 is written with escapes, as on standard output
        file.writelines(
            piece.encode("utf-8", "backslashreplace") if isinstance(piece, str) else piece for piece in pieces
        )

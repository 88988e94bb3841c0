"""COPY takes files, ADD unpacks archives and fetches, and several sources go into a folder.

What it holds
-------------
Each source of an ADD is an archive by its name (`.tar`, `.tar.gz`, `.tgz`, `.tar.zst`, … in any casing), a compressed
file that may hold one (`.gz`, `.xz`, …), an http or https address or a Git repository (`plain-file`); a source whose
value cannot be known is left alone. Whether what is fetched is checked is the question of `verified-download`. An
archive that is copied from the context and then unpacked by `tar` in the same stage could have been an ADD
(`unpacked`), unless tar does what ADD cannot (strip, rename or pick members) or the RUN checks it first. Several
sources go to a destination that ends in a slash, or to `.` or `..` (`many-to-one`).

Why it matters
--------------
ADD unpacks what looks like an archive and fetches what looks like an address, whether that was meant or not. A copied
archive stays in its layer for ever, though the next RUN deletes it. And `COPY a b c` is no error to BuildKit: the
file c holds what b held, and a is gone.

How to fix it
-------------
Write COPY for files and folders, `ADD --checksum=sha256:… https://…` for what is fetched, ADD for an archive that is
to be unpacked, and end a folder in a slash.

References
----------
- CIS Docker Benchmark 1.6, 4.9
- https://docs.docker.com/build/building/best-practices/#add-or-copy
- https://docs.docker.com/reference/dockerfile/#adding-local-tar-archives
"""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase

from dockproof.catalog._runs import runs_of
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.shell import Command
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_ARCHIVE = pattern(
    r".*\.(?:tar(?:\.[^/.]+)?|t(?:gz|b2|bz|bz2|xz|lz|zst|z|az|pz))",
    re.IGNORECASE,
    (".tar", ".tgz", ".tb2", ".tbz", ".txz", ".tlz", ".tz", ".taz", ".tpz"),
)
_COMPRESSED = pattern(r".*\.(?:gz|bz2|xz|zst|lz|lzma|z)", re.IGNORECASE)  # Docker looks into it
_ADDED = pattern(r"https?://|git://|ssh://|[\w.-]+@[\w.-]+:", re.IGNORECASE)
_ABOVE = pattern(r"\.\.?(?:/\.\.)*")  # `.` and `..` are folders that are there
_CHECKS = (
    "sha1sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "shasum",
    "md5sum",
    "b2sum",
    "gpg",
    "gpgv",
    "cosign",
)
_SEVERAL = 2
# What ADD cannot do: strip, rename or choose members.
_MORE_THAN_ADD = (
    "--strip-components",
    "--strip",
    "--transform",
    "--xform",
    "--exclude",
    "--wildcards",
    "-s",
    "-T",
)
_NOT_THERE = frozenset({"context-excludes"})  # what the mutant adds does not exist
_COPY = "COPY app /rootfs/app/app"


class CopyNotAdd(Policy):
    """Each of the two does what it is for."""

    title = "files are copied, archives and addresses are added"
    family = Family.SOUND
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause(
            "plain-file",
            "ADD takes archives and addresses only",
            same_as=("hadolint:DL3020", "trivy:DS-0005"),
        ),
        Clause(
            "unpacked", "an archive is unpacked by ADD, not copied and unpacked", same_as=("hadolint:DL3010",)
        ),
        Clause(
            "many-to-one", "several sources go into a folder", same_as=("hadolint:DL3021", "trivy:DS-0011")
        ),
    )
    references = (
        "cis:4.9",
        "https://docs.docker.com/build/building/best-practices/#add-or-copy",
        "https://docs.docker.com/reference/dockerfile/#adding-local-tar-archives",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge every ADD and COPY, what they trigger later included."""
        for stage in target.dockerfile.stages:
            extracted = list(_extracted(stage))
            for instruction in stage.these("COPY", "ADD"):
                if instruction.keyword == "ADD":
                    yield from self._add(instruction, stage)
                elif instruction.flag("from") is None:
                    yield from self._copied_archive(instruction, stage, extracted)
                yield from self._destination(instruction, stage)

    def _add(self, instruction: Instruction, stage: Stage) -> Iterator[Finding]:
        for source in _sources(instruction, stage):
            if source is not None and not (_ADDED.match(source) or _is_archive(source)):
                what = "a here-document" if source.startswith("<<") else source
                message = f"ADD of {what}, which is neither an archive nor an address"
                yield self.at(instruction, message, stage=stage, clause="plain-file", help="write COPY")
                return

    def _copied_archive(
        self, instruction: Instruction, stage: Stage, extracted: list[tuple[int, str]]
    ) -> Iterator[Finding]:
        destination = _known(instruction.words[-1:], instruction, stage)
        for source in _sources(instruction, stage):
            if source is None or not _ARCHIVE.fullmatch(source):
                continue
            for index, path in extracted:
                if index > instruction.index and _is_same(path, source, destination):
                    message = f"{source} is copied, and then unpacked by tar: its layer stays"
                    yield self.at(
                        instruction, message, stage=stage, clause="unpacked", help="let ADD unpack it"
                    )
                    return

    def _destination(self, instruction: Instruction, stage: Stage) -> Iterator[Finding]:
        *sources, _ = words = instruction.words or ("",)
        if len(sources) < _SEVERAL:
            return
        destination = _known(words[-1:], instruction, stage)
        if destination is None or destination.endswith("/"):
            return
        unpacks = instruction.keyword == "ADD" and all(
            _is_archive(one or "") for one in _sources(instruction, stage)
        )
        if not unpacks and not _ABOVE.fullmatch(destination):
            message = f"{len(sources)} sources go to {destination}: if that is no folder yet, only the last one stays"
            mended = f"write {destination}/"
            yield self.at(instruction, message, stage=stage, clause="many-to-one", help=mended)

    example = Example(
        """
        FROM debian:13-slim
        ADD settings.yaml /etc/service/
        """,
        """
        FROM debian:13-slim
        COPY settings.yaml /etc/service/
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("add-of-a-file", "ADD settings.yaml /etc/settings.yaml", clause="plain-file"),
        # of the shipped files
        SourceMutant("add", _COPY, "ADD app /rootfs/app/app", clause="plain-file"),
        SourceMutant("add-zip", _COPY, "ADD app.zip /rootfs/app/", clause="plain-file", also=_NOT_THERE),
        SourceMutant(
            "unpacked",
            _COPY,
            "COPY app.tar.gz /tmp/\nRUN tar -xzf /tmp/app.tar.gz -C /rootfs",
            clause="unpacked",
            also=_NOT_THERE,
        ),
        SourceMutant("many-to-one", _COPY, "COPY app requirements /rootfs/app", clause="many-to-one"),
    )


def _known(words: tuple[str, ...], instruction: Instruction, stage: Stage) -> str | None:
    return stage.expand(instruction, words[0]).text if words else None


def _sources(instruction: Instruction, stage: Stage) -> Iterator[str | None]:
    """The sources, expanded; None for one whose value cannot be known."""
    for word in instruction.words[:-1]:
        yield stage.expand(instruction, word).text


def _is_archive(source: str) -> bool:
    return bool(_ARCHIVE.fullmatch(source) or _COMPRESSED.fullmatch(source))


def _extracted(stage: Stage) -> Iterator[tuple[int, str]]:
    """The archives that the stage's RUN instructions unpack as ADD would, each with its instruction's index."""
    for run in runs_of(stage):
        unpacking = run.script.named("tar", "bsdtar", "gtar")
        for command in () if unpacking and run.script.named(*_CHECKS) else unpacking:
            path = _archive_of(command)
            if path:
                yield run.instruction.index, stage.expand(run.instruction, path).text or path


def _archive_of(tar: Command) -> str | None:
    """The file that a tar command unpacks whole, None where it does something else."""
    words = [word.text for word in tar.words[1:]]
    bundled = words[0] if words and words[0].isalpha() else ""  # `tar xzf file`
    if not ("x" in bundled or tar.has("-x", "--extract", "--get")) or tar.has(*_MORE_THAN_ADD):
        return None
    folder = tar.option("-C", "--directory")
    path = words[1] if "f" in bundled and len(words) > 1 else tar.option("-f", "--file")
    path = path or next((one.target.text for one in tar.redirects if one.operator == "<"), None)
    members = {word.text for word in tar.arguments} - {bundled, folder, path}
    return None if members else path


def _is_same(path: str, source: str, destination: str | None) -> bool:
    """Whether a path in the image is what a COPY has put there."""
    name = posixpath.basename(source)
    if path.startswith("/") and destination is not None and destination.startswith("/"):
        places = (destination, posixpath.join(destination, name))
        return any(fnmatchcase(posixpath.normpath(path), posixpath.normpath(place)) for place in places)
    names = (name, posixpath.basename(destination or ""))
    return any(fnmatchcase(posixpath.basename(path), one) for one in names if one)

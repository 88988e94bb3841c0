"""What a build fetches from the net is checked before it is used.

What it holds
-------------
In every stage. Nothing that is fetched is run unseen (`run-unseen`): no `curl … | sh`, no `sh -c "$(curl …)"`, no
`bash <(wget …)`. What goes into a file or an unpacker is checked by a sum or a signature (`unchecked`): by
`ADD --checksum`, by sha256sum and its kin, a compared sum, `gpg --verify`, cosign, minisign or `rpm -K`, in the same
RUN or in a later one of the stage that names the file. What serves for such a check (a list of sums, a signature)
needs none of its own. An address that a package manager is told to install is no better, unless pip gets
`--require-hashes` or the address `#sha256=…`. Nothing comes by plain http or ftp (`plain-http`). A repository is taken
at a whole commit id, or its signature is verified (`commit`). What is only printed, sent, or read into a variable is
not judged, nor what comes from the same machine.

Why it matters
--------------
Whoever controls the server, its domain or its account, for an hour, controls every image that is built in it. A sum in
the Dockerfile makes that a failed build. A branch or a tag can be moved, a commit id cannot.

How to fix it
-------------
`ADD --checksum=sha256:… https://…`, or in the RUN that fetches: `echo "$SUM  file" | sha256sum --check`. Take a commit
of a repository: `ADD https://github.com/o/r.git#<40 hex digits>`, or `git checkout <40 hex digits>`. A key is a file
like any other: compare it with a sum.

References
----------
- CIS Docker Benchmark 1.6, 4.11 and 4.12
- https://docs.docker.com/reference/dockerfile/#add---checksum
"""

from __future__ import annotations

import re

from dockproof.catalog._runs import runs, runs_of, unread
from dockproof.facts.download_tools import base_name
from dockproof.facts.downloads import added, checks_said, downloads
from dockproof.facts.lazy import kept
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.downloads import Download
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

# What makes files of its input, or keeps it.
_KEEPERS = frozenset(
    {
        "tar",
        "bsdtar",
        "unzip",
        "gunzip",
        "zcat",
        "xz",
        "bunzip2",
        "cpio",
        "tee",
        "dd",
        "gpg",
        "apt-key",
        "rpm",
        "dpkg",
        "install",
        "gzip",
        "bzip2",
        "zstd",
        "lz4",
        "pip",
        "apk",
    }
)
_INSECURE = pattern(r"(?:http|ftp)://", re.IGNORECASE)
_REMOTE = pattern(r"(?:https?|ftp)://", re.IGNORECASE)
_NOWHERE = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "-"})
_PROOFS = pattern(
    r"(?:\.(?:asc|sig|sign|gpgsig|minisig|sha\d+(?:sums?)?|md5)|sums?(?:\.txt)?)$", re.IGNORECASE
)
_HASH = pattern(r"#(?:.*&)?sha(?:224|256|384|512)=[0-9a-f]+")
_ADD = "COPY app /rootfs/app/app\n"
_URL = "https://example.com/tool.tar.gz"


class VerifiedDownload(Policy):
    """Nothing is taken on trust from the net."""

    title = "what is fetched from the net is checked"
    family = Family.SUPPLY_CHAIN
    production = Severity.ERROR
    development = Severity.WARNING
    builder = Severity.ERROR
    clauses = (
        Clause("run-unseen", "nothing that is fetched is run without ever being a file"),
        Clause("unchecked", "what is fetched is compared with a sum or a signature"),
        Clause("plain-http", "nothing comes by plain http or ftp"),
        Clause("commit", "a repository is taken at a commit"),
    )
    references = ("cis:4.11", "cis:4.12", "https://docs.docker.com/reference/dockerfile/#add---checksum")

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the ADD and RUN of every stage."""
        yield from unread(self, target.dockerfile)
        for stage in target.dockerfile.stages:
            for instruction in stage.these("ADD"):
                for download in added(instruction):
                    yield from self._judge(download, stage)
                yield from self._judge_variables(instruction, stage)
        for run in runs(target.dockerfile):
            for download in downloads(run.script):
                yield from self._judge(download, run.stage)
            for call in package_calls(run.script):
                yield from self._judge_call(call, run)

    def _judge(self, download: Download, stage: Stage) -> Iterator[Finding]:
        if download.local:
            return
        where = download.command or download.instruction
        for clause, message in _complaints(download, stage):
            yield self.at(where, message, stage=stage, clause=clause)

    def _judge_variables(self, instruction: Instruction, stage: Stage) -> Iterator[Finding]:
        """Judge the sources of an ADD that are addresses by the value of a variable."""
        for word in instruction.words[:-1]:
            url = stage.expand(instruction, word).text or "" if word.startswith("$") else ""
            if _REMOTE.match(url) and not instruction.flag("checksum"):
                message = f"{_short(url)} is fetched and never checked"
                yield self.at(instruction, message, stage=stage, clause="unchecked")

    def _judge_call(self, call: PackageCall, run: Run) -> Iterator[Finding]:
        """Judge the addresses that a package manager is told to install."""
        if call.action not in {"install", "upgrade", "download"} or call.has("--require-hashes"):
            return
        for package in call.packages:
            url = package.word.text
            if package.kind == "url" and not _HASH.search(url):
                message = f"{call.manager} installs {_short(url)}, and nothing checks it"
                yield self.at(call.command, message, stage=run.stage, clause="unchecked")

    example = Example(
        """
        FROM debian:13-slim
        RUN curl -fsSL https://example.com/install.sh | sh
        """,
        """
        FROM debian:13-slim
        ADD --checksum=sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 \\
            https://example.com/tool.tar.gz /opt/
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "run-unseen",
            "RUN curl -fsSL https://example.com/install.sh | sh",
            "begin",
            clause="run-unseen",
            also=frozenset({"pipefail"}),
        ),
        EditMutant("unchecked", "ADD https://example.com/tool.tar.gz /tmp/", "begin", clause="unchecked"),
        EditMutant("plain-http", "ADD http://example.com/tool.tar.gz /tmp/", "begin", clause="plain-http"),
        # of the shipped files
        SourceMutant(
            "piped",
            _ADD,
            f"{_ADD}RUN curl -fsSL https://example.com/x | sh\n",
            clause="run-unseen",
            also=frozenset({"pipefail"}),
        ),
        SourceMutant(
            "substituted",
            _ADD,
            f'{_ADD}RUN sh -c "$(wget -qO- https://example.com/x)"\n',
            clause="run-unseen",
        ),
        SourceMutant("add", _ADD, f"{_ADD}ADD {_URL} /rootfs/\n", clause="unchecked"),
        SourceMutant("curl", _ADD, f"{_ADD}RUN curl -fsSLo /rootfs/tool.tar.gz {_URL}\n", clause="unchecked"),
        SourceMutant(
            "http",
            _ADD,
            f"{_ADD}ADD --checksum=sha256:{'0' * 64} http://example.com/tool.tar.gz /rootfs/\n",
            clause="plain-http",
        ),
        SourceMutant(
            "branch",
            _ADD,
            f"{_ADD}RUN git clone --branch main https://example.com/o/r.git /rootfs/r\n",
            clause="commit",
        ),
    )


def _complaints(download: Download, stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what is wrong with one download."""
    url = download.url.text
    shown = _short(url)
    known = stage.expand(download.instruction, url).text or url
    used = download.run_by is not None or _is_kept(download)
    if used and download.tool != "git" and (_INSECURE.match(known) or _has_no_scheme(download, known)):
        yield "plain-http", f"{shown} comes by plain http: anybody on the way can change it"
    if download.run_by is not None:
        yield (
            "run-unseen",
            f"`{download.run_by.name}` runs what comes from {shown} without anybody having seen it",
        )
    elif download.tool == "git":
        if not download.checked:
            yield "commit", f"{shown} is taken at a branch or a tag, which can be moved: take a commit"
    elif _is_kept(download) and not _is_checked(download, stage):
        yield "unchecked", f"{shown} is fetched and never checked"


def _has_no_scheme(download: Download, known: str) -> bool:
    """Whether the program itself takes it for http."""
    return download.scheme == "http" and "://" not in known


def _is_kept(download: Download) -> bool:
    """Whether it becomes a file, through an unpacker too."""
    if download.output is not None:
        return download.output not in _NOWHERE
    reader = download.piped_into
    return reader is not None and reader.name in _KEEPERS


def _is_checked(download: Download, stage: Stage) -> bool:
    names = {base_name(download.output or ""), base_name(download.url.text)} - {""}
    if download.checked or any(_PROOFS.search(name) for name in names):
        return True
    return any(
        name in said for index, said in _checks(stage) if index > download.instruction.index for name in names
    )


@kept
def _checks(stage: Stage) -> tuple[tuple[int, str], ...]:
    """Give what the checks of a stage say of their files, each with its instruction's place in the file."""
    return tuple((run.instruction.index, said) for run in runs_of(stage) for said in checks_said(run.script))


def _short(url: str) -> str:
    """An address without what may be secret in it, and not too long."""
    plain = re.sub(r"//[^/@]*@", "//", url.partition("?")[0])
    return plain if len(plain) < 80 else f"{plain[:77]}…"  # noqa: PLR2004 - a line of the report

"""Packages of the operating system are installed at a version.

What it holds
-------------
Each package that apt (`apt`), apk (`apk`), yum (`yum`), dnf and microdnf (`dnf`) or zypper (`zypper`) is told to
install carries a version, a range or a release: `curl=8.14.1-2`, `curl~=8.14`, `curl/trixie`, `curl-8.14.1`,
`nodejs:20`. Files and addresses (`./local.deb`) name one version anyway; groups, reinstallations and build
dependencies cannot carry one and are not judged, nor is what a variable without a known value holds. Off by default
for development images. Where no POSIX shell reads a RUN, it is not judged.

Why it matters
--------------
The same Dockerfile installs something else next week, and which one it was can be read nowhere. A version that is
gone from the mirror fails the build, loudly, where silence would have shipped another program.

How to fix it
-------------
Write `apt-get install curl=8.14.1-2` with a base that is pinned by digest, and let a bot raise both. Distributions
drop old versions from their mirrors; where that costs more than it gives, point apt to a dated snapshot of the mirror
and waive this policy with that reason.

References
----------
- https://docs.docker.com/build/building/best-practices/#version-pinning
"""

from __future__ import annotations

from dockproof.catalog._runs import names_in, runs, unread
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.packages import Package, PackageCall
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_CLAUSES = {
    **dict.fromkeys(("apt-get", "apt", "aptitude"), "apt"),
    "apk": "apk",
    "yum": "yum",
    **dict.fromkeys(("dnf", "microdnf", "tdnf"), "dnf"),
    "zypper": "zypper",
}
_JUDGED = frozenset(
    {"install", "add", "in", "localinstall", "module install", "install-n", "install-na", "install-nevra"}
)
# `compat-openssl-10` is a name and `curl-8` a version: nobody can tell from the text.
_MAYBE_VERSION = pattern(r".+-\d+")
_OPERATOR = pattern(r"[=<>~]")
_ADD = "COPY app /rootfs/app/app\n"


class PinnedPackages(Policy):
    """What is installed is said."""

    title = "operating-system packages carry versions"
    family = Family.SUPPLY_CHAIN
    production = Severity.INFO
    development = None
    builder = Severity.INFO
    clauses = (
        Clause("apt", "apt's packages carry versions", same_as=("hadolint:DL3008",)),
        Clause("apk", "apk's packages carry versions", same_as=("hadolint:DL3018",)),
        Clause("yum", "yum's packages carry versions", same_as=("hadolint:DL3033",)),
        Clause("zypper", "zypper's packages carry versions", same_as=("hadolint:DL3037",)),
        Clause("dnf", "dnf's packages carry versions", same_as=("hadolint:DL3041",)),
    )
    references = ("https://docs.docker.com/build/building/best-practices/#version-pinning",)

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the installations of every RUN of every stage."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            for call in package_calls(run.script):
                clause = _CLAUSES.get(call.manager)
                names = _unpinned(run, call) if clause and call.verb in _JUDGED else []
                if names:
                    message = f"{call.manager} installs {', '.join(names)} at whatever version there is"
                    yield self.at(call.command, message, stage=run.stage, clause=clause)

    example = Example(
        """
        FROM alpine:3.23
        RUN apk add --no-cache tini
        """,
        """
        FROM alpine:3.23
        RUN apk add --no-cache tini=0.19.0-r3
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("any-version", "RUN apk add --no-cache tini", "begin", clause="apk"),
        # of generated files
        SourceMutant(
            "alpine", "tini=0.19.0-r3", "tini", "good/alpine", clause="apk", at="RUN apk add --no-cache ca-"
        ),
        SourceMutant("ubi", "gcc-c++-11.5.0-5.el9", "gcc-c++", "good/ubi", clause="dnf"),
        SourceMutant("debian-heredoc", "curl=8.14.1-2", "curl", "good/debian", clause="apt"),
        # of the shipped files
        SourceMutant(
            "apt",
            _ADD,
            f"RUN apt-get update && apt-get install -y --no-install-recommends curl\n{_ADD}",
            clause="apt",
        ),
        SourceMutant("apk", _ADD, f"RUN apk add --no-cache curl\n{_ADD}", clause="apk"),
        SourceMutant("yum", _ADD, f"RUN yum install -y curl\n{_ADD}", clause="yum"),
        SourceMutant("dnf", _ADD, f"RUN dnf install -y curl\n{_ADD}", clause="dnf"),
        SourceMutant("zypper", _ADD, f"RUN zypper -n install curl\n{_ADD}", clause="zypper"),
    )


def _unpinned(run: Run, call: PackageCall) -> list[str]:
    """Return the names that carry no version, in order."""
    loose = [one for one in call.packages if one.kind == "index" and not _is_pinned(run, call, one)]
    return [name for one in loose for name in names_in(run.stage, run.instruction, one)]


def _is_pinned(run: Run, call: PackageCall, package: Package) -> bool:
    text = package.word.text
    clause = _CLAUSES[call.manager]
    if clause == "zypper":
        return bool(_OPERATOR.search(text)) or not _is_known(run, package)
    if package.version or not _is_known(run, package):
        return True
    if clause == "apt":
        return text.endswith("-")  # a package to be removed
    if clause == "apk":
        return text.startswith("!")
    return bool(_MAYBE_VERSION.fullmatch(text)) or (call.verb == "module install" and ":" in text)


def _is_known(run: Run, package: Package) -> bool:
    """Whether the word says what is installed: a variable whose value holds versions, or is unknown, does not."""
    if package.word.literal:
        return True
    value = run.stage.expand(run.instruction, package.word.text).text
    return value is not None and not _OPERATOR.search(value)

"""apt installs what it is asked for, and not what the packages recommend.

What it holds
-------------
Every `apt-get install` (and `apt`, `aptitude`) says so: `--no-install-recommends`, `-o APT::Install-Recommends=false`,
aptitude's `--without-recommends`; the last of several counts, and `--no-install-recommends=false` is no such word. Or
the stage, or one that it is built FROM, has written `APT::Install-Recommends "false"` into /etc/apt/apt.conf.d, or has
copied files of its own there, which are taken for that. Package managers whose base images switch recommendations off
themselves, or may (dnf, zypper), are not judged. Where no POSIX shell reads a RUN, it is not judged.

Why it matters
--------------
Debian's packages recommend what most desktops want: `git` brings less, perl's documentation and an ssh client. That is
often more than the packages themselves, and each of them is one more to patch.

How to fix it
-------------
Write `apt-get install --yes --no-install-recommends …`, and name what the program really needs.

References
----------
- CIS Docker Benchmark 1.6, 4.3
- https://docs.docker.com/build/building/best-practices/#apt-get
- https://manpages.debian.org/stable/apt/apt-get.8.en.html
"""

from __future__ import annotations

import re

from dockproof.catalog._runs import runs, unread
from dockproof.catalog._written import written
from dockproof.facts.lazy import kept
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.packages import PackageCall
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_APT = frozenset({"apt-get", "apt", "aptitude"})
_NO = r"(?:0|no|n|false|off|disable|without)"
_SETTING = pattern(rf"APT::Install-Recommends\s*=?\s*\"?{_NO}\b", re.IGNORECASE)
_IS_NO = pattern(_NO, re.IGNORECASE)
_YES = "apt-get install --yes --no-install-recommends"


class NoRecommends(Policy):
    """Nothing comes along uninvited."""

    title = "apt installs no recommended packages"
    family = Family.STAGES
    production = Severity.WARNING
    development = Severity.INFO
    builder = Severity.WARNING
    same_as = ("hadolint:DL3015", "trivy:DS-0029")
    references = ("cis:4.3", "https://docs.docker.com/build/building/best-practices/#apt-get")

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge apt's calls in every RUN of every stage."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            for call in package_calls(run.script):
                if (
                    call.manager in _APT
                    and call.verb == "install"
                    and not _refuses(call)
                    and not _is_set(run.stage)
                ):
                    message = f"`{call.manager} install` brings recommended packages along"
                    fix = (
                        "add --without-recommends"
                        if call.manager == "aptitude"
                        else "add --no-install-recommends"
                    )
                    yield self.at(call.command, message, stage=run.stage, help=fix)

    example = Example(
        """
        FROM debian:13-slim
        RUN apt-get update && apt-get install --yes git
        """,
        """
        FROM debian:13-slim
        RUN apt-get update && apt-get install --yes --no-install-recommends git
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("recommends", keyword="RUN", old=" --no-install-recommends"),
        EditMutant(
            "new-package",
            "RUN apt-get update && apt-get install --yes tini=0.19.0-3+b1 && rm -rf /var/lib/apt/lists/*",
            "begin",
            also=frozenset({"reproducible"}),
        ),
        # of generated files
        SourceMutant(
            "debian-heredoc",
            "--no-install-recommends ca-certificates",
            "ca-certificates",
            "good/debian",
            at="apt-get install --yes ca-",
        ),
        # of the shipped files
        SourceMutant("option", _YES, "apt-get install --yes"),
        SourceMutant("worker-option", _YES, "apt-get install --yes", "Dockerfile.worker"),
        SourceMutant("asked-for", _YES, "apt-get install --yes -o APT::Install-Recommends=true"),
    )


def _refuses(call: PackageCall) -> bool:
    """Whether the last word on recommended packages is no."""
    refused = False
    for name, value, _ in call.arguments.options:
        if name in {"--no-install-recommends", "--without-recommends", "-R"}:
            refused = not (value and _IS_NO.fullmatch(value))
        elif name in {"--install-recommends", "--with-recommends", "-r"}:
            refused = bool(value and _IS_NO.fullmatch(value))
        elif name in {"-o", "--option"} and "install-recommends" in (value or "").lower():
            refused = bool(_SETTING.match(value or ""))
    return refused


@kept
def _is_set(stage: Stage) -> bool:
    """Whether the lineage writes apt's own setting, or copies files that may hold it."""
    return any(
        one.path.startswith("/etc/apt/apt.conf") and _SETTING.search(one.text)
        for each in stage.lineage
        for one in written(each)
    ) or any(_copies_settings(each) for each in stage.lineage)


def _copies_settings(stage: Stage) -> bool:
    return any(
        one.words and one.words[-1].startswith("/etc/apt/apt.conf") and not one.heredocs
        for one in stage.these("COPY", "ADD")
    )

"""Package managers ask no question.

What it holds
-------------
In a RUN, a call that would ask carries its answer. apt-get and aptitude (install, upgrade, remove, build-dep) need
`-y`, `--yes`, `--assume-yes`, `-qq` or `-o APT::Get::Assume-Yes=true`; yum, dnf, microdnf and tdnf `-y` or
`--assumeyes` (microdnf of release 8 never asks); zypper `-n` before its word or `-y` behind it; pacman `--noconfirm`.
A setting that a RUN of the stage writes into /etc/apt/apt.conf.d, /etc/yum.conf or /etc/dnf/dnf.conf counts, and so
does `yes |` before the call. Calls that only simulate or refresh ask nothing. A variable without a known value may
hold the answer where its name says options, as `$APT_OPTS`. apt is not used at all (`apt`): it is made for people,
says so itself, and changes from release to release. Where no POSIX shell reads the RUN, the policy does not apply.

Why it matters
--------------
Nobody is there to answer in a build: the package manager takes the silence for a no, and the build fails. It does so
only when there is something to ask, which may be first next month.

How to fix it
-------------
Write `apt-get install --yes`, `dnf install -y`, `zypper --non-interactive install`, `pacman --noconfirm -S`.

References
----------
- https://docs.docker.com/build/building/best-practices/#apt-get
- https://manpages.debian.org/stable/apt/apt.8.en.html
"""

from __future__ import annotations

import re

from dockproof.catalog._runs import at_command, runs, unread
from dockproof.catalog._written import written
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell import Command, Word
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_CLAUSES = {
    **dict.fromkeys(("apt-get", "aptitude"), "apt-get"),
    "yum": "yum",
    **dict.fromkeys(("dnf", "microdnf", "tdnf"), "dnf"),
    "zypper": "zypper",
    "pacman": "pacman",
}
_ASKING = frozenset({"install", "upgrade", "remove", "build-dep"})
_ASKING_WORDS = frozenset(
    [
        "swap",
        "downgrade",
        "module enable",
        "module disable",
        "module reset",
        "module switch-to",
        "clean pacman",
    ]
)
_ANSWERS = {
    "apt-get": ("-y", "--yes", "--assume-yes"),
    "yum": ("-y", "--assumeyes"),
    "dnf": ("-y", "--assumeyes"),
    "zypper": ("-y", "--no-confirm", "--non-interactive"),
    "pacman": ("--noconfirm",),
}
_FIXES = {"zypper": "--non-interactive", "pacman": "--noconfirm", "apt-get": "--yes"}
_ONLY_SHOWS = (
    "-s",
    "--simulate",
    "--dry-run",
    "--just-print",
    "--no-act",
    "--recon",
    "--print-uris",
    "-p",
    "--print",
)
_SETTINGS = {
    "apt-get": ("/etc/apt/apt.conf", "apt::get::assume-yes"),
    "yum": ("/etc/yum.conf", "assumeyes"),
    "dnf": ("/etc/dnf/dnf.conf", "assumeyes"),
}
_SETTING = pattern(r"apt::get::assume-yes\s*=?\s*\"?(?:true|yes|1)", re.IGNORECASE)
_RELEASE_8 = pattern(r"(?:ubi|rhel|centos|:)-?8(?![0-9])")
_NAME = pattern(r"\$\{?([A-Za-z_]\w*)")
_OPTIONS = pattern(r"opt|arg|flag|switch|param|yes", re.IGNORECASE)
_QUIET_ENOUGH = 2  # apt-get: `-qq` implies --yes
_YES = "apt-get install --yes "


class UnattendedInstall(Policy):
    """Nobody is there to answer."""

    title = "package managers ask no question"
    family = Family.SOUND
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause("apt-get", "apt-get is told yes", same_as=("hadolint:DL3014", "trivy:DS-0021")),
        Clause("apt", "apt-get is used, not apt", same_as=("hadolint:DL3027", "checkov:CKV_DOCKER_9")),
        Clause("yum", "yum is told yes", same_as=("hadolint:DL3030",)),
        Clause("dnf", "dnf is told yes", same_as=("hadolint:DL3038",)),
        Clause("zypper", "zypper is told not to ask", same_as=("hadolint:DL3034",)),
        Clause("pacman", "pacman is told not to ask"),
    )
    references = (
        "https://docs.docker.com/build/building/best-practices/#apt-get",
        "https://manpages.debian.org/stable/apt/apt.8.en.html",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the package managers' calls of every RUN."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            for call in package_calls(run.script):
                clause = _CLAUSES.get(call.manager)
                if clause and _asks(call, clause, run):
                    message = f"`{call.manager} {call.verb}` would ask, and nobody is there to answer"
                    fix = f"add {_FIXES.get(clause, '-y')}"
                    yield at_command(self, run, call.command, message, clause=clause, mend=fix)
            for command in run.script.named("apt"):
                message = "`apt` is made for people, not for scripts"
                yield at_command(self, run, command, message, clause="apt", mend="write apt-get")

    example = Example(
        """
        FROM debian:13-slim
        RUN apt-get update && apt-get install tini
        """,
        """
        FROM debian:13-slim
        RUN apt-get update && apt-get install --yes tini
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "asks",
            "RUN apt-get update && apt-get install --no-install-recommends tini=0.19.0-3+b1",
            "begin",
            clause="apt-get",
            also=frozenset({"clean-package-caches", "reproducible"}),
        ),
        EditMutant("asks-apt", keyword="RUN", old="(apt-get install) --yes", new=r"\1", clause="apt-get"),
        EditMutant(
            "asks-dnf", keyword="RUN", old="(dnf install) (?:--assumeyes|-y)", new=r"\1", clause="dnf"
        ),
        # of generated files
        SourceMutant(
            "ubi",
            "dnf install --assumeyes --nodocs --setopt=install_weak_deps=False",
            "dnf install --nodocs",
            "good/ubi",
            clause="dnf",
        ),
        SourceMutant(
            "debian-heredoc",
            "install --yes --no-install-recommends ca-",
            "install --no-install-recommends ca-",
            "good/debian",
            clause="apt-get",
        ),
        # of the shipped files
        SourceMutant("apt-get", _YES, "apt-get install ", clause="apt-get"),
        SourceMutant("apt", _YES, "apt install --yes ", clause="apt", at="apt install"),
        SourceMutant("yum", _YES, "yum install ", clause="yum"),
        SourceMutant("dnf", _YES, "dnf install ", clause="dnf"),
        SourceMutant("zypper", _YES, "zypper install ", clause="zypper"),
        SourceMutant("pacman", _YES, "pacman -S ", clause="pacman", also=frozenset({"waiver"})),
    )


def _asks(call: PackageCall, clause: str, run: Run) -> bool:
    """Whether the call has a question to ask, and no answer."""
    asking = (
        call.action in _ASKING
        or call.verb in _ASKING_WORDS
        or f"{call.action} {call.manager}" in _ASKING_WORDS
    )
    if not asking or call.has(*_ONLY_SHOWS) or _answered(call, clause, run.stage) or _fed(call.command):
        return False
    return not (
        any(_may_answer(word, clause, run) for word in call.arguments.operands) or _set(clause, run.stage)
    )


def _answered(call: PackageCall, clause: str, stage: Stage) -> bool:
    if call.has(*_ANSWERS[clause]) or (call.manager == "microdnf" and _is_release_8(stage)):
        return True
    if clause == "zypper":
        return _stands_before_the_word(call)
    if clause == "apt-get":
        quiet = [option.value for option in call.arguments.options if option.name in {"-q", "--quiet"}]
        settings = (option.value or "" for option in call.arguments.values("-o", "--option"))
        return len(quiet) >= _QUIET_ENOUGH or "2" in quiet or any(_SETTING.match(text) for text in settings)
    return False


def _is_release_8(stage: Stage) -> bool:
    """Whether the image is one of Enterprise Linux 8, whose microdnf never asks; that of 9 does."""
    ref = stage.root_base.ref
    return ref is not None and bool(_RELEASE_8.search(f"{ref.path}:{ref.tag}"))


def _stands_before_the_word(call: PackageCall) -> bool:
    """Behind zypper's word, `-n` is another option."""
    word = call.arguments.operands[0]
    return any(option.name == "-n" and option.word.start < word.start for option in call.arguments.options)


def _fed(command: Command) -> bool:
    """Whether the answers come through a pipe or a here-string."""
    before = command.piped_from
    fed = before is not None and before.name in {"yes", "echo", "printf"}
    return fed or any(redirect.operator.startswith("<<") for redirect in command.redirects)


def _may_answer(word: Word, clause: str, run: Run) -> bool:
    """Whether a variable among the words holds the answer, or may: its name says options, its value is not known."""
    name = None if word.literal else _NAME.match(word.text)
    if name is None:
        return False
    value = run.stage.expand(run.instruction, word.text).text
    for command in run.script.commands:
        value = next((text.text for known, text in command.assignments if known == name[1]), value)
    if value is None:
        return bool(_OPTIONS.search(name[1]))  # $PACKAGES is no place for an answer
    return any(option in _ANSWERS[clause] for option in value.split())


def _set(clause: str, stage: Stage) -> bool:
    """Whether a RUN of the stage's lineage writes the answer into the package manager's own configuration."""
    if clause not in _SETTINGS:
        return False
    path, setting = _SETTINGS[clause]
    texts = (one for each in stage.lineage for one in written(each))
    return any(one.path.startswith(path) and setting in one.text.lower() for one in texts)

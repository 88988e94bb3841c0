"""An index is updated where something is installed from it, and the distribution is not upgraded.

What it holds
-------------
A RUN that updates a package index (`apt-get update`, `apk update`, `zypper refresh`, `dnf makecache`, `yum update` and
their kin) installs or upgrades something after it in the same RUN (`update-alone`). A command that is known to install
by itself (`playwright`, `mk-build-deps`, `gdebi`, a script of the context) counts. And no RUN moves the whole
distribution: `apt-get dist-upgrade`, `full-upgrade`, `dnf distro-sync` (`dist-upgrade`), `zypper dup` (`zypper-dup`). A
plain upgrade of the packages that are there is not this policy's matter. Where no POSIX shell reads a RUN, it is not
judged.

Why it matters
--------------
The builder caches each RUN. An update of its own is run once and never again, so that months later the next RUN
installs from an index of long ago: old packages, or ones that the mirror no longer has. A distribution upgrade gives
another image at each build, twice as large, of a release that nobody chose; a new base gives the same and is tested.

How to fix it
-------------
Write `RUN apt-get update && apt-get install --yes --no-install-recommends …` as one instruction, and take a newer base
instead of a distribution upgrade.

References
----------
- CIS Docker Benchmark 1.6, 4.7
- https://docs.docker.com/build/building/best-practices/#apt-get
"""

from __future__ import annotations

from dockproof.catalog._runs import runs, unread
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell_words import Command
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_SYSTEM = frozenset(
    ["apt-get", "apt", "aptitude", "apk", "yum", "dnf", "microdnf", "tdnf", "zypper", "pacman"]
)
# What uses a fresh index: `download` and `source` take packages from it too.
_USES = frozenset({"install", "upgrade", "build-dep", "download", "fix"})
# For these managers `update` is an upgrade by its old name, which grows as old in the cache.
_UPDATES_ALL = frozenset({"yum", "dnf", "microdnf", "tdnf", "zypper"})
_INSTALLERS = frozenset(
    ["playwright", "mk-build-deps", "gdebi", "apt-fast", "rosdep", "tasksel", "install_packages"]
)
_DISTRIBUTION = frozenset(
    ["dist-upgrade", "full-upgrade", "dup", "distro-sync", "dsync", "distribution-synchronization"]
)
_ADD = "COPY app /rootfs/app/app\n"
_UPDATE = "RUN apt-get update \\\n && apt-get install"


class UpdateWithInstall(Policy):
    """No index grows old in the cache."""

    title = "an index update stands in the RUN that installs"
    family = Family.STAGES
    production = Severity.ERROR
    development = Severity.WARNING
    builder = Severity.ERROR
    clauses = (
        Clause(
            "update-alone",
            "what updates an index installs from it in the same RUN",
            same_as=("checkov:CKV_DOCKER_5", "trivy:DS-0017"),
        ),
        Clause("dist-upgrade", "the distribution is not upgraded", same_as=("trivy:DS-0024",)),
        Clause("zypper-dup", "zypper does not upgrade the distribution", same_as=("hadolint:DL3035",)),
    )
    references = ("cis:4.7", "https://docs.docker.com/build/building/best-practices/#apt-get")

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge every RUN of every stage."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            calls = [call for call in package_calls(run.script) if call.manager in _SYSTEM]
            for call in calls:
                if call.verb in _DISTRIBUTION:
                    message = (
                        f"`{call.manager} {call.verb}` moves the whole distribution: take a newer base image"
                    )
                    clause = "zypper-dup" if call.manager == "zypper" else "dist-upgrade"
                    yield self._at(run, call, message, clause)
            alone = _alone(run, calls)
            if alone is not None:
                message = (
                    f"`{alone.manager} {alone.verb}` installs nothing in its RUN, and grows old in the cache"
                )
                yield self._at(run, alone, message, "update-alone")

    def _at(self, run: Run, call: PackageCall, message: str, clause: str) -> Finding:
        return self.at(call.command, message, stage=run.stage, clause=clause)

    example = Example(
        """
        FROM debian:13-slim
        RUN apt-get update
        RUN apt-get install --yes tini
        """,
        """
        FROM debian:13-slim
        RUN apt-get update && apt-get install --yes tini
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "alone",
            "RUN apt-get update && rm -rf /var/lib/apt/lists/*",
            "begin",
            clause="update-alone",
            also=frozenset({"reproducible"}),
        ),
        EditMutant(
            "upgrade",
            "RUN apt-get update && apt-get dist-upgrade --yes && rm -rf /var/lib/apt/lists/*",
            "begin",
            clause="dist-upgrade",
            also=frozenset({"reproducible"}),
        ),
        # of generated files
        SourceMutant(
            "alpine",
            "RUN apk add --no-cache ca-",
            "RUN apk update\nRUN apk add --no-cache ca-",
            "good/alpine",
            clause="update-alone",
            also=frozenset({"clean-package-caches"}),
            at="RUN apk update",
        ),
        # of the shipped files
        SourceMutant("alone", _ADD, f"RUN apt-get update\n{_ADD}", clause="update-alone"),
        SourceMutant(
            "too-late", _ADD, f"RUN apk add --no-cache curl=8 && apk update\n{_ADD}", clause="update-alone"
        ),
        SourceMutant(
            "dist-upgrade",
            _UPDATE,
            "RUN apt-get update \\\n && apt-get dist-upgrade --yes \\\n && apt-get install",
            clause="dist-upgrade",
            at="dist-upgrade",
        ),
        SourceMutant("zypper-dup", _ADD, f"RUN zypper --non-interactive dup\n{_ADD}", clause="zypper-dup"),
    )


def _alone(run: Run, calls: Sequence[PackageCall]) -> PackageCall | None:
    """Return the last update behind which nothing is installed."""
    for at in range(len(calls) - 1, -1, -1):
        call = calls[at]
        if _updates(call):
            uses = any(_uses(later) for later in calls[at + 1 :])
            return None if uses or _installs_otherwise(run, call) else call
    return None


def _updates(call: PackageCall) -> bool:
    return call.action == "update" or (call.verb in {"update", "up"} and call.manager in _UPDATES_ALL)


def _uses(call: PackageCall) -> bool:
    return {call.action, call.verb} & _USES != set() and not _updates(call)


def _installs_otherwise(run: Run, call: PackageCall) -> bool:
    """Whether a later command may install by itself: a known one, or a script."""
    commands = run.script.commands
    return any(_may_install(one) for one in commands[commands.index(call.command) + 1 :])


def _may_install(command: Command) -> bool:
    words = {word.text for word in command.words[:3]}
    return bool(words & _INSTALLERS) or any(word.startswith("./") or word.endswith(".sh") for word in words)

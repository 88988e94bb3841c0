"""A RUN uses tools that mean something in a build, and uses them so that they do no harm.

What it holds
-------------
No RUN starts what manages a machine or waits for a person: ssh (but with `--mount=type=ssh`), vim, shutdown, service,
ps, free, top, mount, ifconfig and their like, nor kill, unless the same RUN has put something into the background
(`out-of-place`). An image uses curl or wget, not both (`one-downloader`): stages that are built FROM one another count
together. Neither is installed in the shipped image where nothing in the file uses it, health check and command
included (`unused-downloader`). `useradd` with a uid above 99999 has `--no-log-init`
(`sparse-logs`). A wget that fetches something says `-q`, `-nv` or `--progress=…`, or its messages go to a file
(`progress-bar`). /bin/sh is not linked, copied or moved over (`replaced-shell`). Where no POSIX shell reads the RUN,
the policy does not apply.

Why it matters
--------------
A build step has no machine, no terminal and no services; what is started ends with the step. Two downloaders are two
sets of options and certificates to keep right. useradd writes lastlog and faillog up to the uid's place, and the layer
stores the hole: megabytes to gigabytes. And another /bin/sh changes every script of every package that runs later.

How to fix it
-------------
Leave the tool out, or start it where it belongs; `useradd --no-log-init`; `wget -nv`; `SHELL ["/bin/bash", "-c"]`.

References
----------
- https://docs.docker.com/build/building/best-practices/#user
- https://docs.docker.com/reference/dockerfile/#shell
"""

from __future__ import annotations

from dockproof.catalog._runs import at_command, removed_names, runs, runs_of, unread
from dockproof.facts.downloads import downloads
from dockproof.facts.mounts import mounts
from dockproof.facts.options import read_arguments, table
from dockproof.facts.packages import package_calls
from dockproof.finding import Severity
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._runs import Run
    from dockproof.facts.shell import Command
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

_OUT_OF_PLACE = frozenset(
    [
        *(
            "free",
            "halt",
            "htop",
            "ifconfig",
            "kill",
            "less",
            "mount",
            "nano",
            "poweroff",
            "ps",
            "reboot",
            "service",
        ),
        *("shutdown", "ssh", "top", "umount", "vi", "vim"),
    ]
)
_DOWNLOADERS = ("curl", "wget")
_WGET = table("oaeiBtOTwQPUlADIXR")
_QUIET = ("-q", "--quiet", "--no-verbose", "--progress", "-o", "--output-file", "-a", "--append-output")
_SHELL = frozenset({"/bin/sh", "/usr/bin/sh"})
_STDERR = 2
_HIGHEST = 99_999  # the logs' holes stay below 30 MB
_AFTER = "COPY app /rootfs/app/app\n"


class FittingTools(Policy):
    """Nothing that belongs on a machine."""

    title = "tools fit a build"
    family = Family.SOUND
    production = Severity.INFO
    development = Severity.INFO
    builder = Severity.INFO
    clauses = (
        Clause("out-of-place", "no tool that means nothing in a container", same_as=("hadolint:DL3001",)),
        Clause("one-downloader", "one of curl and wget", same_as=("hadolint:DL4001", "trivy:DS-0014")),
        Clause("unused-downloader", "no curl or wget is shipped that nothing uses"),
        Clause("sparse-logs", "no user fills the disk", same_as=("hadolint:DL3046",)),
        Clause("progress-bar", "wget draws no progress bar", same_as=("hadolint:DL3047",)),
        Clause("replaced-shell", "SHELL instead of another /bin/sh", same_as=("hadolint:DL4005",)),
    )
    references = (
        "https://docs.docker.com/build/building/best-practices/#user",
        "https://docs.docker.com/reference/dockerfile/#shell",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the commands of every RUN."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            for command in run.script.commands:
                for clause, message, fix in _complaints(command, run):
                    yield at_command(self, run, command, message, clause=clause, mend=fix)
        used: dict[Stage | None, frozenset[str]] = {None: frozenset()}
        for stage in target.dockerfile.stages:
            before = used[stage.base.stage]
            used[stage] = before.union(command.name for _, command in _downloads(stage))
            yield from self._downloaders(stage, set(before))
        for stage in target.shipped:
            yield from self._unused(stage)

    def _downloaders(self, stage: Stage, used: set[str]) -> Iterator[Finding]:
        """Find the stage's first use of the second downloader; what it is built FROM came first."""
        for run, command in _downloads(stage):
            if len(used) == 1 and command.name not in used:
                message = f"{command.name} is used beside {used.pop()}: one of them will do"
                yield at_command(self, run, command, message, clause="one-downloader", mend="use one of them")
                return
            used.add(command.name)

    def _unused(self, shipped: Stage) -> Iterator[Finding]:
        """Find what the shipped lineage installs and no command of the file, in any stage, names."""
        lineage = [run for each in shipped.lineage for run in runs_of(each)]
        named = {word for run in lineage if not run.script.posix for word in _DOWNLOADERS}
        named |= {command.name for run in lineage for command in run.script.named(*_DOWNLOADERS)}
        for at in (shipped.entrypoint, shipped.command):
            named |= {name for name in _DOWNLOADERS if at and name in at.value.value}
        health = shipped.healthcheck
        named |= {name for name in _DOWNLOADERS if health and name in health.value.value}
        for run in lineage:
            calls = package_calls(run.script)
            there = set(_DOWNLOADERS) - named - removed_names(run.script)
            for call in calls:
                names = {one.name for one in call.packages} & there
                if call.action == "install" and names:
                    message = f"{', '.join(sorted(names))} is installed, and nothing in this file uses it"
                    mend = "leave it out of the image"
                    yield at_command(self, run, call.command, message, clause="unused-downloader", mend=mend)

    example = Example(
        """
        FROM debian:13-slim
        RUN service cron start
        """,
        """
        FROM debian:13-slim
        CMD ["cron", "-f"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("service", "RUN service cron start", "begin", clause="out-of-place"),
        # of the shipped files
        SourceMutant(
            "service", _AFTER, f"{_AFTER}RUN service ntp start\n", clause="out-of-place", at="service"
        ),
        SourceMutant(
            "curl-and-wget",
            _AFTER,
            f"{_AFTER}RUN curl --version && wget -q --version\n",
            clause="one-downloader",
            at="wget",
        ),
        SourceMutant(
            "unused-curl",
            "USER 10001:10001",
            "RUN apk add --no-cache curl=8.14.1-r2\nUSER 10001:10001",
            clause="unused-downloader",
            at="RUN apk",
        ),
        SourceMutant(
            "high-uid", "--no-log-init --uid 10001", "--uid 1000001", "Dockerfile.dev", clause="sparse-logs"
        ),
        SourceMutant(
            "wget", _AFTER, f"{_AFTER}RUN wget https://localhost/\n", clause="progress-bar", at="wget"
        ),
        SourceMutant(
            "bash-as-sh",
            _AFTER,
            f"{_AFTER}RUN ln -sf /bin/bash /bin/sh\n",
            clause="replaced-shell",
            at="/bin/sh",
        ),
    )


def _downloads(stage: Stage) -> Iterator[tuple[Run, Command]]:
    for run in runs_of(stage):
        for command in run.script.named(*_DOWNLOADERS):
            yield run, command


def _complaints(command: Command, run: Run) -> Iterator[tuple[str, str, str]]:
    """Give clause, sentence and fix for what is wrong with one command."""
    if command.name in _OUT_OF_PLACE and "./" not in command.path and not _has_its_place(command, run):
        yield "out-of-place", f"`{command.name}` means nothing in a build", "leave it out"
    elif command.name == "useradd" and _has_high_uid(command) and not command.has("-l", "--no-log-init"):
        message = (
            f"useradd with uid {command.option('-u', '--uid')} fills lastlog and faillog up to that place"
        )
        yield "sparse-logs", message, "add --no-log-init"
    elif command.name == "wget" and _draws_bar(command, run):
        yield "progress-bar", "wget fills the build's log with its progress bar", "add -nv"
    elif _replaces_shell(command):
        yield (
            "replaced-shell",
            "another /bin/sh for every script that runs later",
            'write SHELL ["/bin/bash", "-c"]',
        )


def _has_its_place(command: Command, run: Run) -> bool:
    """Whether ssh has an agent, or kill something that the same RUN started."""
    if command.name == "ssh":
        return any(mount.type == "ssh" for mount in mounts(run.instruction))
    return command.name == "kill" and any(one.after == "&" for one in run.script.commands)


def _has_high_uid(useradd: Command) -> bool:
    text = useradd.option("-u", "--uid") or ""
    try:
        return int(text) > _HIGHEST
    except ValueError:
        return False


def _draws_bar(wget: Command, run: Run) -> bool:
    if not any(download.command is wget for download in downloads(run.script)):
        return False
    elsewhere = any(
        redirect.fd == _STDERR or redirect.operator.startswith("&>") for redirect in wget.redirects
    )
    given = read_arguments(wget.words[1:], _WGET)
    return not (elsewhere or given.has(*_QUIET) or (given.has("-n") and given.has("-v")))  # -nv


def _replaces_shell(command: Command) -> bool:
    """Whether ln, cp or mv puts something else in the shell's place."""
    if command.name not in {"ln", "cp", "mv", "install"} or len(command.arguments) < 2:  # noqa: PLR2004 - from and to
        return False
    place = command.option("-t", "--target-directory") or command.arguments[-1].text
    return place in _SHELL

"""The RUN instructions of a file, read as shell commands, for the policies that judge commands."""

from __future__ import annotations

from dockproof.facts.lazy import kept
from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.finding import Probe
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.package_specs import Package
    from dockproof.facts.shell import Script
    from dockproof.facts.shell_words import Command
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Policy


_APT = frozenset({"apt-get", "apt", "aptitude"})


class Run(NamedTuple):
    """A RUN, or ONBUILD RUN, with its stage and its commands; those of another shell than a POSIX one are ()."""

    stage: Stage
    instruction: Instruction
    script: Script


@kept
def runs(file: Dockerfile) -> tuple[Run, ...]:
    """Give every RUN of every stage, in order, each once: a trigger where it is written."""
    return tuple(run for stage in file.stages for run in runs_of(stage))


@kept
def runs_of(stage: Stage) -> tuple[Run, ...]:
    """Give every RUN of one stage, in order."""
    return tuple(Run(stage, one, script(one, stage.shell_at(one))) for one in stage.these("RUN"))


def at_command(
    policy: Policy, run: Run, command: Command, message: str, *, clause: str | None = None, mend: str = ""
) -> Finding:
    """Build the finding of one command: it sits where the command begins inside its RUN."""
    return policy.at(command, message, stage=run.stage, clause=clause, help=mend)


def removed_names(script: Script) -> frozenset[str]:
    """Name the packages, apk's virtual ones too, that a RUN removes: what it installs and removes is not shipped.

    After `apt-mark auto`, `apt-get purge --auto-remove` takes away all that nothing needs and nobody marks as manual.
    """
    calls = package_calls(script)
    removing = [call for call in calls if call.action == "remove" or call.verb == "autoremove"]
    if not removing:
        return frozenset()
    names = {one.name for call in removing for one in call.packages}
    marks = [[word.text for word in command.arguments] for command in script.named("apt-mark")]
    unneeded = any(
        call.verb == "autoremove" or call.has("--auto-remove", "--autoremove") for call in removing
    )
    if unneeded and any(words[:1] == ["auto"] for words in marks):
        kept = {word for words in marks if words[:1] == ["manual"] for word in words}
        names |= {one.name for call in calls if call.manager in _APT for one in call.packages} - kept
    return frozenset(names)


def names_in(stage: Stage, instruction: Instruction, package: Package) -> list[str]:
    """Give the names that a word of an installation holds: a variable that the file sets may hold many."""
    if package.word.literal:
        return [package.name]
    value = stage.expand(instruction, package.word.text).text
    return [package.name] if value is None else value.split()


def unread(policy: Policy, file: Dockerfile) -> Iterator[NotApplicable]:
    """Say once that a RUN is not looked into, because no POSIX shell reads it."""
    if reason := _reason(file):
        yield policy.skip(Probe.SOURCE, reason)


@kept
def _reason(file: Dockerfile) -> str:
    return next((run.script.reason for run in runs(file) if not run.script.posix), "")

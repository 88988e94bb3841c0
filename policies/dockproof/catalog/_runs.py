"""The RUN instructions of a file, read as shell commands, for the policies that judge commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.facts.shell import script
from dockproof.finding import Probe
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.shell import Script
    from dockproof.facts.stages import Stage
    from dockproof.finding import NotApplicable
    from dockproof.policy import Policy


class Run(NamedTuple):
    """A RUN, or ONBUILD RUN, with its stage and its commands; those of another shell than a POSIX one are ()."""

    stage: Stage
    instruction: Instruction
    script: Script


def runs(file: Dockerfile) -> Iterator[Run]:
    """Give every RUN of every stage, in order, each once: a trigger where it is written."""
    for stage in file.stages:
        yield from runs_of(stage)


def runs_of(stage: Stage) -> Iterator[Run]:
    """Give every RUN of one stage, in order."""
    for written in stage.instructions:
        instruction = written.effective
        if instruction.keyword == "RUN":
            yield Run(stage, instruction, script(instruction, stage.shell_at(written)))


def unread(policy: Policy, file: Dockerfile) -> Iterator[NotApplicable]:
    """Say once that a RUN is not looked into, because no POSIX shell reads it."""
    reason = next((run.script.reason for run in runs(file) if not run.script.posix), "")
    if reason:
        yield policy.skip(Probe.SOURCE, reason)

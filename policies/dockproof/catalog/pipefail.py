"""The failure of any part of a pipe fails the RUN.

What it holds
-------------
In a RUN, every pipe of which a part but the last one can fail runs with the option `pipefail`: by
`SHELL ["/bin/bash", "-o", "pipefail", "-c"]`, by `set -o pipefail` before it, or by the call of the shell that reads
it (`bash -o pipefail -c '…'`). Heredocs, exec forms, substitutions and ONBUILD are read too. Parts that cannot fail
need no such option (`echo`, `printf`, `yes`, `true`, `cat` of a here-document), nor does a pipe whose failure is
ignored in so many words (`|| true`). SHELL of one stage holds in those that are built FROM it. Where no POSIX shell
reads the RUN, the policy does not apply. One finding a RUN, on the first such pipe.

Why it matters
--------------
A shell takes the status of a pipe's last command. `curl https://… | tar x` in a network that fails is an empty folder
and a green build.

How to fix it
-------------
Write `SHELL ["/bin/bash", "-o", "pipefail", "-c"]` once before such RUN instructions (`/bin/ash` on Alpine), or
`set -o pipefail` at the start of one; a `sh` that does not know the option, as Debian's dash, says so and fails. Or
write a file first, and read it in the next command.

References
----------
- https://docs.docker.com/build/building/best-practices/#using-pipes
"""

from __future__ import annotations

from itertools import pairwise

from dockproof.catalog._runs import at_command, runs, unread
from dockproof.finding import Severity
from dockproof.policy import EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.shell import Command, Pipeline, Script
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import Mutant, SourceTarget

# `yes` ends by the signal that its reader is gone, which pipefail would take for a failure.
_CANNOT_FAIL = frozenset({"echo", "printf", "yes", "true", ":"})
_IGNORES = frozenset({"true", ":"})
_HELP = 'write SHELL ["/bin/bash", "-o", "pipefail", "-c"] before it'
_AFTER = "COPY app /rootfs/app/app\n"


class Pipefail(Policy):
    """No part of a pipe fails unseen."""

    title = "a pipe's failure fails the build"
    family = Family.SOUND
    production = Severity.WARNING
    development = Severity.INFO
    builder = Severity.WARNING
    same_as = ("hadolint:DL4006",)
    references = ("https://docs.docker.com/build/building/best-practices/#using-pipes",)

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the pipes of every RUN."""
        yield from unread(self, target.dockerfile)
        for run in runs(target.dockerfile):
            hidden = next(_hidden(run.script), None)
            if hidden is not None:
                message = f"a failure of `{hidden.name}` is lost in the pipe"
                yield at_command(self, run, hidden, message, mend=_HELP)

    example = Example(
        """
        FROM debian:13-slim
        RUN sort /etc/passwd | uniq > /users
        """,
        """
        FROM debian:13-slim
        SHELL ["/bin/bash", "-o", "pipefail", "-c"]
        RUN sort /etc/passwd | uniq > /users
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("pipe", 'SHELL ["/bin/sh", "-c"]\nRUN sort /etc/passwd | head -n 1 > /users', "begin"),
        # of the shipped files
        SourceMutant(
            "pipe", _AFTER, f"{_AFTER}RUN find /rootfs -type f | sort > /rootfs/app/files\n", at="| sort"
        ),
        SourceMutant(
            "bash-without-the-option",
            _AFTER,
            f'{_AFTER}SHELL ["/bin/bash", "-e", "-c"]\nRUN find /rootfs -type f | sort > /rootfs/app/files\n',
            at="| sort",
        ),
        SourceMutant(
            "exec-form", _AFTER, f'{_AFTER}RUN ["bash", "-c", "find /rootfs | sort"]\n', at="| sort"
        ),
    )


def _hidden(script: Script) -> Iterator[Command]:
    """Give the commands whose failure a pipe hides."""
    ignored = {id(one.pipeline) for one, after in pairwise(script.commands) if _is_ignored(one, after)}
    for pipeline in script.pipelines:
        if id(pipeline) not in ignored:
            yield from (one for one in _feeding(pipeline) if "pipefail" not in one.shell_options)


def _is_ignored(command: Command, following: Command) -> bool:
    return (
        following.after == "||" and following.name in _IGNORES and command.pipeline is not following.pipeline
    )


def _feeding(pipeline: Pipeline) -> Iterator[Command]:
    """Give the first command of each part but the last one, where the part can fail."""
    for element in pipeline.elements[:-1]:
        first, last = element if isinstance(element, tuple) else (element, element)
        if first is not None and not (first is last and _cannot_fail(first)):
            yield first


def _cannot_fail(command: Command) -> bool:
    return command.name in _CANNOT_FAIL or not (
        command.words and (command.name != "cat" or command.arguments)
    )

"""Nothing in the image may be written by everybody, but sticky temporary folders.

What it holds
-------------
Source: in every stage, no command gives others the right to write (`chmod`): `chmod 777`, `666`, `a+w`, `o=rwx`,
`a=u`, also by `find -exec`, `xargs`, `mkdir -m` and `install -m`; no `umask` leaves it open for what follows (`umask`);
no COPY or ADD has such a --chmod (`copied`). It passes a mode with the sticky bit (`1777`, `a+rwxt`), a path that the
same RUN closes or deletes afterwards, a bare `+w` (the umask keeps others out), what lies in a mount or below `/dev`,
`/proc` and `/sys`, and a mode that hangs on a variable without a value. Image: no file of the own layers, and no folder
without the sticky bit, is writable for others (`image`).

Why it matters
--------------
Whoever gets a foothold under any user, the most locked-down one too, can replace the program or its settings there and
wait for the next start.

How to fix it
-------------
Give the one user that writes a folder of its own: `install -d -o 10001 -g 10001 -m 0750 /app/uploads`. Where the uid is
not known before the start, give the group instead: `chgrp -R 0 /app/uploads && chmod -R g=u /app/uploads`.

References
----------
- https://docs.docker.com/reference/dockerfile/#copy---chown---chmod
- CIS Distribution Independent Linux Benchmark, 6.1.10
"""

from __future__ import annotations

import re

from dockproof.catalog._environment import expanded
from dockproof.catalog._rights import changes, copied, covers, grant, steps
from dockproof.catalog._runs import unread
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._rights import Change, Step
    from dockproof.facts.image import FileEntry
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

# The last digit is what others are denied; without its 2 they may write.
_OPEN_UMASK = pattern(r"[0-7]{0,3}[0145]")
_OUTSIDE = ("/dev", "/proc", "/sys")
_USER = "USER 10001:10001"


class NoWorldWritable(Policy):
    """Who may write is one user or one group."""

    title = "nothing is writable for everybody but sticky temporary folders"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause("chmod", "no command lets others write"),
        Clause("umask", "no umask lets others write what follows"),
        Clause("copied", "no COPY or ADD lets others write"),
        Clause("image", "no file, and no folder without the sticky bit, is writable for others"),
    )
    references = ("https://docs.docker.com/reference/dockerfile/#copy---chown---chmod",)

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge every RUN, COPY and ADD where it is written."""
        yield from unread(self, target.dockerfile)
        for stage in target.dockerfile.stages:
            for step in _own_steps(stage):
                if step.instruction.keyword == "RUN":
                    yield from self._judge_run(step)
                copy = copied(step)
                if copy and copy.mode and grant(copy.mode).others and not grant(copy.mode).sticky:
                    message = f"--chmod={copy.mode} lets everybody write {copy.target}"
                    yield self.at(step.instruction, message, stage=stage, clause="copied")

    def _judge_run(self, step: Step) -> Iterator[Finding]:
        found = changes(step)
        for at, change in enumerate(found):
            path = next((path for path in change.paths if _stays(path, step, found[at:])), None)
            if path is not None and _is_open(change):
                message = f"`{change.command.name}` with mode {change.value} lets everybody write {path}"
                yield self.at(change.command, message, stage=step.stage, clause="chmod")
        run = step.run
        for command in run.script.named("umask"):
            mask = expanded(run, command.arguments[0]) if command.arguments else None
            if mask and _OPEN_UMASK.fullmatch(mask):
                message = f"`umask {mask}` lets everybody write what is made after it"
                yield self.at(command, message, stage=step.stage, clause="umask")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look at the modes of what the own layers brought and the container sees."""
        for layer in target.own_layers:
            entries = [entry for entry in target.image.layer_files(layer) if _is_free(entry)]
            if entries:
                first = entries[0]
                more = f", and {len(entries) - 1} more with it" if len(entries) > 1 else ""
                message = f"{first.path} ({first.mode:04o}) is writable for everybody{more}"
                yield self.in_image(message, Place(layer=layer.diff_id, path=first.path), clause="image")

    example = Example(
        """
        FROM debian:13-slim
        RUN mkdir /data && chmod 777 /data
        """,
        """
        FROM debian:13-slim
        RUN mkdir /data && chown 10001:10001 /data && chmod 750 /data
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("all-may-write", "RUN chmod 777 /srv", "begin", also=frozenset({"no-wasted-bytes"})),
        # of the shipped files
        SourceMutant("seven", _USER, f"RUN mkdir /uploads && chmod 0777 /uploads\n{_USER}", clause="chmod"),
        SourceMutant(
            "letters", _USER, f"RUN mkdir /uploads && chmod ugo+rwX /uploads\n{_USER}", clause="chmod"
        ),
        SourceMutant(
            "worker-make", _USER, f"RUN mkdir -m 777 /uploads\n{_USER}", "Dockerfile.worker", clause="chmod"
        ),
        SourceMutant("umask", _USER, f"RUN umask 0 && mkdir /uploads\n{_USER}", clause="umask"),
        SourceMutant(
            "copy-chmod",
            "COPY dockerfiles/backend/healthcheck.py /rootfs/app/healthcheck.py",
            "COPY --chmod=0666 dockerfiles/backend/healthcheck.py /rootfs/app/healthcheck.py",
            clause="copied",
        ),
        ImageMutant(
            "open-file",
            "COPY --chmod=0666 <<settings /settings.toml\ndebug = false\nsettings",
            clause="image",
        ),
    )


def _own_steps(stage: Stage) -> Iterator[Step]:
    """Give the instructions that are written in a stage, with the folders that its lineage leads to."""
    return (step for step in steps(stage) if step.stage is stage)


def _is_open(change: Change) -> bool:
    given = grant(change.value) if change.kind == "mode" else grant(None)
    return given.others and not given.sticky


def _stays(path: str, step: Step, from_here: tuple[Change, ...]) -> bool:
    """Whether no command of the RUN behind the first of these changes closes the path or deletes it."""
    run = step.run
    here, *later = from_here
    behind = run.script.commands[run.script.commands.index(here.command) + 1 :]
    closed = (
        covers(one, path) and (change.recursive or one == path)
        for change in later
        if change.kind == "mode" and change.value and not grant(change.value).others and _takes(change.value)
        for one in change.paths
    )
    deleted = (
        covers(step.path(text), path)
        for command in behind
        if command.name in {"rm", "rmdir"}
        for word in command.arguments
        if (text := expanded(run, word))
    )
    return not any(closed) and not any(deleted)


def _takes(mode: str) -> bool:
    """Whether a mode that lets others not write also takes that right away: all in digits, and `o-w`, `a=rX`."""
    return mode[0].isdigit() or bool(re.search(r"(?:[oa]\w*)(?:-\w*w|=)", mode))


def _is_free(entry: FileEntry) -> bool:
    if not entry.is_world_writable or entry.type in {"char", "block"}:
        return False
    sticky = entry.type == "dir" and bool(entry.mode & 0o1000)
    return not sticky and not any(covers(folder, entry.path) for folder in _OUTSIDE)

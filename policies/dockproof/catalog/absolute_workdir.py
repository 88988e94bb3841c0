"""WORKDIR is absolute, is used instead of cd, and stands before what is copied to a relative place.

What it holds
-------------
Source, in every stage: a WORKDIR is absolute (`absolute`), on Windows with a drive, unless an earlier WORKDIR of the
stage or of one that it is built FROM says what it is relative to; `~` is no home folder to Docker. No RUN changes the
folder (`cd`), one finding for each. COPY and ADD to a relative place have a WORKDIR before them (`copy`), also for
ONBUILD, whose trigger runs where the stage's end left it. A variable is followed to its value; what hangs on an unknown
one is left alone. Image: the folder that the config names is there and is a folder (`missing`).

Why it matters
--------------
Where a relative path ends up depends on the base image, which says it nowhere in the file, and a newer base may say
otherwise. A `cd` holds to the end of its RUN; the next line is read as if it still did. A working folder that is
missing is made by the engine, as root, and on a read-only root the container does not start.

How to fix it
-------------
Write `WORKDIR /app` once and paths below it; split a RUN that works in another folder, or tell the program with its
own option: `make -C`, `git -C`, `tar -C`, `npm --prefix`.

References
----------
- https://docs.docker.com/build/building/best-practices/#workdir
- https://docs.docker.com/reference/build-checks/workdir-relative-path/
"""

from __future__ import annotations

from dockproof.catalog._runs import runs, unread
from dockproof.finding import Place, Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_ABSOLUTE = pattern(r"/|[A-Za-z]:[\\/]|\\\\")  # a drive, or another machine's folder
_ADD = "COPY app /rootfs/app/app\n"


class AbsoluteWorkdir(Policy):
    """It can be read in the file where things are."""

    title = "WORKDIR is absolute and says where things are"
    family = Family.OPERATION
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause(
            "absolute",
            "WORKDIR is absolute",
            same_as=(
                "hadolint:DL3000",
                "checkov:CKV_DOCKER_10",
                "trivy:DS-0009",
                "buildkit:WorkdirRelativePath",
            ),
        ),
        Clause("cd", "WORKDIR is used instead of cd", same_as=("hadolint:DL3003", "trivy:DS-0013")),
        Clause("copy", "WORKDIR stands before a relative COPY", same_as=("hadolint:DL3045",)),
        Clause("missing", "the working folder is in the image"),
    )
    references = (
        "https://docs.docker.com/build/building/best-practices/#workdir",
        "https://docs.docker.com/reference/build-checks/workdir-relative-path/",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Judge WORKDIR, COPY, ADD and RUN of every stage."""
        yield from unread(self, target.dockerfile)
        for stage in target.dockerfile.stages:
            yield from self._judge_paths(stage)
        for run in runs(target.dockerfile):
            command = next((one for one in run.script.named("cd") if one.path == "cd"), None)
            if command is not None:
                message = "`cd` holds to the end of its RUN alone"
                yield self.at(command, message, stage=run.stage, clause="cd")

    def _judge_paths(self, stage: Stage) -> Iterator[Finding]:
        """Judge the stage's own instructions in order, then its triggers, which find what those have left."""
        known = _inherits_workdir(stage)
        own = [one for one in stage.instructions if one.trigger is None]
        for instruction in (*own, *stage.triggers):
            if known:  # what is relative from here on is so to a place that the file says
                return
            path = _path(instruction, stage)
            relative = path is not None and not _ABSOLUTE.match(path)
            if instruction.keyword == "WORKDIR":
                if relative:
                    message = f"WORKDIR {path} is relative to {_start(stage)}"
                    yield self.at(instruction, message, stage=stage, clause="absolute")
                known = True
            elif relative:
                message = f"{instruction.keyword} goes to {path}, relative to {_start(stage)}"
                yield self.at(instruction, message, stage=stage, clause="copy")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for the working folder among the image's files."""
        workdir = target.image.config.workdir or "/"
        entry = target.image.find(workdir)
        if workdir.strip("/") and (entry is None or entry.type != "dir"):
            what = "is not in the image" if entry is None else f"is a {entry.type}, no folder"
            yield self.in_image(
                f"the working folder {workdir} {what}", Place(field="Config.WorkingDir"), clause="missing"
            )

    example = Example(
        """
        FROM debian:13-slim
        WORKDIR app
        COPY . .
        """,
        """
        FROM debian:13-slim
        WORKDIR /app
        COPY . .
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("relative-folder", keyword="WORKDIR", old=r"(?<=\s)/(?=\w)", clause="absolute"),
        EditMutant("changed-folder", "RUN cd /tmp && ls -l", "begin", clause="cd"),
        # of the shipped files
        SourceMutant("relative", "WORKDIR /app", "WORKDIR app", clause="absolute"),
        SourceMutant(
            "relative-by-variable",
            "WORKDIR /app",
            "ARG FOLDER=app\nWORKDIR $FOLDER",
            "Dockerfile.worker",
            clause="absolute",
            at="WORKDIR $",
        ),
        SourceMutant("cd", _ADD, f"{_ADD}RUN cd /rootfs && ls\n", clause="cd"),
        SourceMutant("copy", _ADD, "COPY app ./rootfs/app/app\n", clause="copy"),
        ImageMutant("removed", "USER 0\nWORKDIR /gone\nRUN rmdir /gone\nUSER 10001:10001", clause="missing"),
    )


def _inherits_workdir(stage: Stage) -> bool:
    """Whether a WORKDIR stands before the stage's first line: in a stage that it is built FROM, or in its triggers."""
    inherited = stage.parent is not None and stage.parent.workdir is not None
    return inherited or any(one.keyword == "WORKDIR" for one in stage.triggered)


def _path(instruction: Instruction, stage: Stage) -> str | None:
    """Return the path that a WORKDIR sets or a COPY or ADD goes to; None where it cannot be known to be relative."""
    if instruction.keyword not in {"WORKDIR", "COPY", "ADD"} or not instruction.words:
        return None
    text = instruction.words[-1]
    value = stage.expand(instruction, text)
    if value.text is None and not value.error:
        begin = text.lstrip("'\"")
        return (
            None if begin.startswith("$") else begin
        )  # its beginning alone says that it is relative, or not
    return value.text or None


def _start(stage: Stage) -> str:
    """Say what a path is relative to before any WORKDIR."""
    return "/, with no WORKDIR before it" if stage.root_base.kind == "scratch" else "what the base image says"

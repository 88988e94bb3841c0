"""BuildKit accepts the file.

What it holds
-------------
Everything that BuildKit refuses before it builds anything is a finding with its line and the reason: a file without
an instruction or without FROM, an instruction before the first FROM other than ARG (`from-first`), an unknown
instruction, a flag or mount option that there is not, a missing or surplus argument, JSON that is none, a
here-document without its end, a directive that stands twice, a trigger that ONBUILD may not hold (`onbuild`), a stage
name or base that is none, a value that cannot be expanded or is out of its range. Each line is told its first
mistake, as BuildKit stops there; the file is told all of them. References from one stage to another are the question
of `resolved-stages`. One line that BuildKit accepts belongs here too: a VOLUME of `host:container` (`volume`), which
it takes for one path.

Why it matters
--------------
A file that does not parse does not build, and a linter that skips it passes it. A build tells one mistake at a time,
after a queue and a download; and a file of nothing but ARG takes the whole daemon of Docker 26 down.

How to fix it
-------------
Mend the line as the message says; a misspelt word is told with the nearest one that there is.

References
----------
- https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

from dockproof.facts.span import Span
from dockproof.facts.words import KEYWORDS
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.span import Problem
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_DRIVE = pattern(r"[A-Za-z]:[^:]*\Z")
_ELSEWHERE = "reference"  # the kind of problem that is resolved-stages' own


class ValidDockerfile(Policy):
    """Nothing in the file is refused."""

    title = "BuildKit accepts the file"
    family = Family.SOUND
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    whole_file = True
    clauses = (
        Clause("syntax", "the text can be split into instructions, and its directives are right"),
        Clause("from-first", "nothing but ARG stands before FROM", same_as=("hadolint:DL3061",)),
        Clause("instruction", "every instruction is one that there is"),
        Clause("flag", "every flag and mount option is one that there is"),
        Clause("arguments", "every instruction has as many arguments as it takes"),
        Clause("json", "JSON is an array of strings, and SHELL is JSON"),
        Clause("heredoc", "every here-document ends"),
        Clause("onbuild", "ONBUILD triggers what it may trigger", same_as=("hadolint:DL3043",)),
        Clause("stage", "stage names and base images are well formed"),
        Clause("value", "values can be expanded and are in their range"),
        Clause("volume", "VOLUME names a path in the container alone"),
    )
    references = ("https://docs.docker.com/reference/dockerfile/",)

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Tell what BuildKit would."""
        file = target.dockerfile
        for problem in file.problems:
            if problem.clause != _ELSEWHERE:
                yield self._told(problem, file)
        for stage in file.stages:
            for instruction in () if stage.root_base.is_windows else stage.these("VOLUME"):
                yield from self._volume(instruction, stage)

    def _volume(self, instruction: Instruction, stage: Stage) -> Iterator[Finding]:
        """BuildKit takes `host:container` for one path, so that nothing is kept where it is meant to be."""
        for word in instruction.words:
            path = stage.expand(instruction, word).text or ""
            if ":" in path and not _DRIVE.match(path):
                message = f"VOLUME {path} is no path in the container: the host's side belongs to `docker run --volume`"
                yield self.at(instruction, message, stage=stage, clause="volume")

    def _told(self, problem: Problem, file: Dockerfile) -> Finding:
        stages = [stage for stage in file.stages if stage.instruction.span.line <= problem.line]
        place = _Place(Span(problem.line, problem.column, problem.end_line, 0))
        stage = stages[-1] if stages else None
        return self.at(place, problem.message, stage=stage, clause=_clause(problem, file))

    example = Example(
        """
        FROM debian:13-slim
        ENTRYPIONT ["service"]
        """,
        """
        FROM debian:13-slim
        ENTRYPOINT ["service"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("misspelt", "STOPSINGAL SIGTERM", clause="instruction"),
        EditMutant("run-before-from", "RUN id", "top", clause="from-first"),
        EditMutant("volume-of-the-host", "VOLUME /srv/data:/data", clause="volume", requires=("posix",)),
        # of the shipped files
        SourceMutant(
            "volume-of-the-host",
            "STOPSIGNAL SIGTERM",
            "VOLUME /srv/data:/data\nSTOPSIGNAL SIGTERM",
            clause="volume",
            at="VOLUME",
        ),
        SourceMutant("directive", "# The reading app's API.", "# escape=x\n#", clause="syntax", at="escape"),
        SourceMutant(
            "run-before-from",
            "# one set of layers, built and stored once.\n",
            "# one set of layers, built and stored once.\nRUN id\n",
            clause="from-first",
            at="RUN id",
        ),
        SourceMutant("misspelt", "STOPSIGNAL SIGTERM", "STOPSINGAL SIGTERM", clause="instruction"),
        SourceMutant(
            "unknown-flag",
            "--start-interval=0.5s",
            "--start-intervall=0.5s",
            clause="flag",
            at="HEALTHCHECK",
        ),
        SourceMutant("bad-mount", "id=pip_conf,target=", "id=pip_conf,traget=", clause="flag", at="traget"),
        SourceMutant("two-folders", "WORKDIR /app", "WORKDIR", clause="arguments"),
        SourceMutant("shell-form", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTERM\nSHELL bash -c", clause="json"),
        SourceMutant(
            "open-heredoc",
            'CMD ["python", "-m", "app"]',
            "RUN <<end\nid",
            clause="heredoc",
            at="RUN <<",
            also=frozenset({"image-labels"}),
        ),
        SourceMutant(
            "trigger", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTERM\nONBUILD FROM scratch", clause="onbuild"
        ),
        SourceMutant("stage-name", "FROM base AS runtime", "FROM base AS 1runtime", clause="stage"),
        SourceMutant("no-signal", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGTREM", clause="value"),
    )


class _Place(NamedTuple):
    span: Span


def _clause(problem: Problem, file: Dockerfile) -> str:
    """The problem's kind; a known instruction that is refused as such stands before FROM, or FROM is missing."""
    if problem.clause != "instruction":
        return "syntax" if problem.clause == "directive" else problem.clause
    at = next((one for one in file.instructions if one.span.line == problem.line), None)
    return "from-first" if at is not None and at.keyword in KEYWORDS else "instruction"

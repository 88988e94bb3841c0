"""What the RUN, COPY and ADD of a stage write into files in so many words: settings, repositories, dot files."""

from __future__ import annotations

from dockproof.catalog._runs import runs_of
from dockproof.facts.lazy import kept
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.shell_words import Command
    from dockproof.facts.stages import Stage


class Written(NamedTuple):
    """A text that goes to a file.

    Attributes:
        path: the file as written; of a COPY the whole destination.
        text: the words of the command, its here-documents included; of a COPY the here-document.
        line: where it stands.
        instruction: the RUN, COPY or ADD.
    """

    path: str
    text: str
    line: int
    instruction: Instruction


@kept
def written(stage: Stage) -> tuple[Written, ...]:
    """Find what the stage writes, in order of the kind of instruction."""
    return tuple(_written(stage))


def _written(stage: Stage) -> Iterator[Written]:
    for run in runs_of(stage):
        for command in run.script.commands:
            for path in _files(command):
                yield Written(path, _said(command), command.span.line, run.instruction)
    for instruction in stage.these("COPY", "ADD"):
        for heredoc in instruction.heredocs:
            yield Written(instruction.words[-1], heredoc.text, heredoc.span.line, instruction)


def _said(command: Command) -> str:
    bodies = (word.text for redirect in command.redirects for word in redirect.body)
    words = " ".join(word.text for word in command.words[1:])
    return "\n".join(
        [words.replace(r"\n", "\n").replace(r"\t", "\t"), *bodies]
    )  # as printf and dash's echo do


def _files(command: Command) -> Iterator[str]:
    """Give the files that a command's output goes to, through `tee` too."""
    for redirect in command.redirects:
        if redirect.operator.startswith(">"):
            yield redirect.target.text
    after = command if command.name == "tee" else command.piped_into
    if after is not None and after.name == "tee":
        yield from (word.text for word in after.arguments)

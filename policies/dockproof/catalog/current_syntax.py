"""The file is written in today's syntax, one way throughout.

What it holds
-------------
There is no MAINTAINER (`maintainer`), no `ENV name value` or `LABEL name value`, nor an ARG that looks so: two words
of which the second is no name of a variable, or a lower-case one that the file never uses (`key-value`). No empty line
stands inside a continued instruction (`empty-continuation`); comment lines there and empty lines in a here-document
are fine. All instructions are upper case, or all lower case, as most of them are (`casing`); AS is cased as its FROM
(`from-as`); stage names are lower case (`stage-name`). Where the file asks for BuildKit's experimental check by
`# check=experimental=InvalidDefinitionDescription` (or `all`), or the option `descriptions` is set, a comment right
above a named FROM or an ARG begins with the stage's or argument's name (`description`).

Why it matters
--------------
BuildKit warns of each of these and has announced that it will refuse some. `ENV A B=C` gives A the value `B=C`, which
nobody meant. And `docker build --call=outline` shows a comment as the description of what it names.

How to fix it
-------------
Write `LABEL org.opencontainers.image.authors="…"` for MAINTAINER and `ENV name=value`; drop the empty line.

References
----------
- https://docs.docker.com/reference/build-checks/
- https://docs.docker.com/reference/dockerfile/#maintainer-deprecated
"""

from __future__ import annotations

import re

from dockproof.facts.words import KEYWORDS
from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_NAME = pattern(r"[A-Za-z_]\w*")
_CHECK = "InvalidDefinitionDescription"
_STOP = "STOPSIGNAL SIGTERM"
_RENEWED = frozenset({"MAINTAINER", "ENV", "LABEL", "ARG"})


class CurrentSyntax(Policy):
    """Nothing that BuildKit has left behind."""

    title = "the syntax is current and consistent"
    family = Family.SOUND
    production = Severity.INFO
    development = Severity.INFO
    builder = Severity.INFO
    clauses = (
        Clause(
            "maintainer",
            "authors stand in a label",
            same_as=(
                "hadolint:DL4000",
                "checkov:CKV_DOCKER_6",
                "trivy:DS-0022",
                "buildkit:MaintainerDeprecated",
            ),
        ),
        Clause("key-value", "values stand behind =", same_as=("buildkit:LegacyKeyValueFormat",)),
        Clause("empty-continuation", "no continuation is empty", same_as=("buildkit:NoEmptyContinuation",)),
        Clause("casing", "instructions are cased alike", same_as=("buildkit:ConsistentInstructionCasing",)),
        Clause("from-as", "AS is cased as FROM", same_as=("buildkit:FromAsCasing",)),
        Clause("stage-name", "stage names are lower case", same_as=("buildkit:StageNameCasing",)),
        Clause(
            "description",
            "what looks like a description is one",
            same_as=("buildkit:InvalidDefinitionDescription",),
        ),
    )
    references = (
        "https://docs.docker.com/reference/build-checks/",
        "https://docs.docker.com/reference/dockerfile/#maintainer-deprecated",
    )
    options: ClassVar[Mapping[str, Any]] = {"descriptions": False}

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the instructions of the whole file, then the lines that name stages."""
        file = target.dockerfile
        lower = _is_mostly_lower(file)
        described = target.options["descriptions"] or _asks_for_descriptions(file)
        for stage, instruction in _staged(file):
            if instruction.blank_lines or instruction.effective.keyword in _RENEWED:
                yield from self._old(instruction, stage, file.text)
            wanted = instruction.keyword.lower() if lower else instruction.keyword
            if instruction.keyword == "FROM" or instruction.keyword_text != wanted:
                yield from self._cased(instruction, stage, wanted)
            if described and (fault := _description_fault(instruction)):
                yield self.at(
                    instruction, fault, stage=stage, clause="description", help="or put an empty line between"
                )

    def _old(self, instruction: Instruction, stage: Stage | None, text: str) -> Iterator[Finding]:
        if instruction.keyword == "MAINTAINER":
            message = "MAINTAINER is deprecated"
            fix = "write LABEL org.opencontainers.image.authors=…"
            yield self.at(instruction, message, stage=stage, clause="maintainer", help=fix)
        inner = instruction.effective
        if inner.keyword in {"ENV", "LABEL"} and inner.pairs and inner.pairs[0].legacy:
            name = inner.pairs[0].name
            message = f"{inner.keyword} {name} is followed by a blank where = belongs"
            yield self.at(
                inner, message, stage=stage, clause="key-value", help=f"write {inner.keyword} {name}=…"
            )
        if inner.keyword == "ARG" and (value := _meant_as_value(inner, text)):
            message = f"ARG {inner.value} declares {value} as another argument, and gives no value"
            yield self.at(
                inner,
                message,
                stage=stage,
                clause="key-value",
                help=f"write ARG {inner.pairs[0].name}={value}",
            )
        if instruction.blank_lines:
            message = f"an empty line stands inside {instruction.keyword}: BuildKit will refuse that"
            line = instruction.blank_lines[0]
            yield self.at(instruction, message, stage=stage, clause="empty-continuation", line=line)

    def _cased(self, instruction: Instruction, stage: Stage | None, wanted: str) -> Iterator[Finding]:
        written = instruction.keyword_text
        if instruction.keyword in KEYWORDS and written != wanted:
            message = f"{written} is cased otherwise than most of the file's instructions"
            yield self.at(instruction, message, stage=stage, clause="casing", help=f"write {wanted}")
        if instruction.keyword == "FROM" and len(instruction.words) == 3:  # noqa: PLR2004 - FROM x AS y
            _, keyword, name = instruction.words
            if (keyword.islower(), keyword.isupper()) != (written.islower(), written.isupper()):
                message = f"{written} and {keyword} are cased otherwise than one another"
                yield self.at(instruction, message, stage=stage, clause="from-as")
            if name != name.lower():
                message = f"the stage {name} is not lower case, in which Docker compares its name"
                yield self.at(instruction, message, stage=stage, clause="stage-name")

    example = Example(
        """
        FROM debian:13-slim
        MAINTAINER Ada <ada@example.com>
        """,
        """
        FROM debian:13-slim
        LABEL org.opencontainers.image.authors="Ada <ada@example.com>"
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("maintainer", "MAINTAINER nobody", clause="maintainer"),
        EditMutant("legacy", "ENV MODE fast", clause="key-value"),
        EditMutant("lower-case", keyword="FROM", old=r"^FROM\b", new="From", clause="casing"),
        # of the shipped files
        SourceMutant(
            "maintainer", _STOP, f"{_STOP}\nMAINTAINER nobody", clause="maintainer", at="MAINTAINER"
        ),
        SourceMutant("legacy-env", _STOP, f"{_STOP}\nENV MODE fast", clause="key-value", at="ENV MODE"),
        SourceMutant(
            "legacy-label",
            _STOP,
            f"{_STOP}\nLABEL mode fast",
            clause="key-value",
            at="LABEL mode",
            also=frozenset({"image-labels"}),
        ),
        SourceMutant("legacy-arg", "ARG VERSION=0.1.0", "ARG VERSION 0.1.0", clause="key-value"),
        SourceMutant("empty-line", "EXPOSE 8000", "EXPOSE \\\n\n 8000", clause="empty-continuation"),
        SourceMutant("mixed", "WORKDIR /app", "Workdir /app", clause="casing"),
        SourceMutant("lower", _STOP, _STOP.replace("STOPSIGNAL", "stopsignal"), clause="casing"),
        SourceMutant("as", "base AS runtime", "base as runtime", clause="from-as"),
        SourceMutant("name", "base AS runtime", "base AS Runtime", clause="stage-name"),
        SourceMutant(
            "description",
            "# The reading app's API.",
            f"# check=experimental={_CHECK}\n# The reading app's API.",
            clause="description",
            at="ARG VERSION",
        ),
    )


def _meant_as_value(argument: Instruction, text: str) -> str:
    """The second of two bare words where it reads like a value, "" elsewhere; `ARG TARGETOS TARGETARCH` names two."""
    names = [pair.name for pair in argument.pairs if pair.value is None]
    if len(names) != 2 or len(argument.pairs) != 2 or names[1].isupper():  # noqa: PLR2004 - a name and a value
        return ""
    used = _NAME.fullmatch(names[1]) and re.search(rf"\$\{{?{names[1]}\b", text)
    return "" if used else names[1]


def _staged(file: Dockerfile) -> Iterator[tuple[Stage | None, Instruction]]:
    """Give all instructions in order, each with its stage; those before the first FROM have none."""
    first = file.stages[0].instruction.index if file.stages else None
    for instruction in file.instructions[:first]:
        yield None, instruction
    for stage in file.stages:
        yield stage, stage.instruction
        for instruction in stage.instructions:
            yield stage, instruction


def _is_mostly_lower(file: Dockerfile) -> bool:
    written = [one.keyword_text for one in file.instructions if one.keyword in KEYWORDS]
    return sum(map(str.islower, written)) > sum(map(str.isupper, written))


def _asks_for_descriptions(file: Dockerfile) -> bool:
    """Whether the file's `# check=` line switches BuildKit's experimental check on."""
    settings = (part for one in file.directives if one.name == "check" for part in one.value.split(";"))
    for setting in settings:
        key, _, names = setting.partition("=")
        if key.strip().lower() == "experimental":
            return any(name.strip().lower() in {"all", _CHECK.lower()} for name in names.split(","))
    return False


def _description_fault(instruction: Instruction) -> str:
    """Say that the comment right above describes nothing, "" where it does or there is none."""
    names: list[str] = []
    if instruction.keyword == "ARG":
        names = [pair.name for pair in instruction.pairs]
    elif instruction.keyword == "FROM" and len(instruction.words) == 3:  # noqa: PLR2004 - FROM x AS y
        names = [instruction.words[2]]
    lines = [comment.text.split() for comment in instruction.comments]
    if not names or not lines or not lines[-1]:
        return ""
    known = {name.lower() for name in names}
    if any(words and words[0].lower() in known for words in lines):
        return ""
    return f"the comment right above does not begin with {' or '.join(names)}, so it describes nothing"

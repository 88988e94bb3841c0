"""A variable is defined before it is used, and in scope.

What it holds
-------------
What BuildKit expands (ENV, ARG, LABEL, COPY, ADD, WORKDIR, USER, EXPOSE, VOLUME, STOPSIGNAL, mounts, and
here-documents of COPY and ADD whose word is not quoted) uses no name that is certainly undefined (`undefined`): an ARG
before FROM that the stage does not declare again, a platform argument such as TARGETARCH without its ARG, a name that
only a later line of the stage sets, or any name that nothing sets, where the base is `scratch` or an image whose
variables are known (the official distributions and languages). No value of an ENV uses a name that the same ENV sets
(`same-env`; `not-yet` where nothing else sets it). FROM uses only ARGs that stand before the first FROM (`from`), and
names an image also when an ARG without default is left empty (`from-default`). `${name:-default}` and its kin need
no definition, and RUN, CMD, ENTRYPOINT and HEALTHCHECK are the shell's.

Why it matters
--------------
BuildKit puts nothing in the place of an undefined variable, without a word: `COPY bin-$TARGETARCH /` looks for `bin-`,
and `ENV HOME=/app CACHE=$HOME/cache` makes a cache of `/cache`.

How to fix it
-------------
Declare it in the stage (`ARG VERSION`), write two ENV instructions, give the ARG a default, quote the word of a
here-document whose dollars are its own (`<<"end"`).

References
----------
- https://docs.docker.com/build/building/variables/#scoping
- https://docs.docker.com/reference/build-checks/undefined-var/
- https://docs.docker.com/reference/build-checks/undefined-arg-in-from/
- https://docs.docker.com/reference/build-checks/invalid-default-arg-in-from/
"""

from __future__ import annotations

from dockproof.catalog._base_variables import sets
from dockproof.facts.suggest import near
from dockproof.facts.values import PLATFORM_ARGUMENTS, PROXY_ARGUMENTS, expand
from dockproof.finding import Severity
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import ClassVar

    from dockproof.facts.dockerfile import Dockerfile, Instruction, Pair
    from dockproof.facts.span import Span
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_RAW = str.maketrans("'\"", "  ")  # quotes in a here-document are text
_PLACES = frozenset({"ADD", "COPY", "EXPOSE", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"})
_FLAGS = {"ADD": ("chown", "chmod", "checksum"), "COPY": ("chown", "chmod"), "RUN": ("mount",)}
_FROM = "FROM base AS runtime"
_PINNED = "FROM python:3.13-slim-trixie@sha256"
_TWO = "write two ENV instructions"


class DefinedVariables(Policy):
    """No name that stands for nothing."""

    title = "variables are defined before they are used"
    family = Family.SOUND
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause("undefined", "what is used is defined", same_as=("buildkit:UndefinedVar",)),
        Clause("same-env", "an ENV does not use what it sets itself", same_as=("hadolint:DL3044",)),
        Clause(
            "not-yet",
            "nor what is defined nowhere else",
            same_as=("hadolint:DL3044", "buildkit:UndefinedVar"),
        ),
        Clause("from", "FROM uses declared arguments", same_as=("buildkit:UndefinedArgInFrom",)),
        Clause("from-default", "FROM needs no build argument", same_as=("buildkit:InvalidDefaultArgInFrom",)),
    )
    references = (
        "https://docs.docker.com/build/building/variables/#scoping",
        "https://docs.docker.com/reference/build-checks/undefined-var/",
        "https://docs.docker.com/reference/build-checks/undefined-arg-in-from/",
        "https://docs.docker.com/reference/build-checks/invalid-default-arg-in-from/",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the part before the first FROM, then each FROM and what follows it."""
        file = target.dockerfile
        yield from self._before_from(file)
        for stage in file.stages:
            yield from self._from(stage, file)
            for instruction in stage.sequence:
                if instruction.keyword != "ONBUILD":  # expanded where it runs
                    yield from self._used(instruction, stage, file)

    def _before_from(self, file: Dockerfile) -> Iterator[Finding]:
        for position, instruction in enumerate(file.arguments):
            scope = file.scope._replace(position=position)
            for use in _uses(instruction):
                for name in expand(use.text, scope, file.escape).undefined:
                    if name not in use.own:
                        message = f"${name} is not defined before this line"
                        yield self.at(use, message, clause="undefined")

    def _from(self, stage: Stage, file: Dockerfile) -> Iterator[Finding]:
        unknown = stage.platform.undefined if stage.platform else ()
        for name in dict.fromkeys((*stage.base.value.undefined, *unknown)):
            known = [pair.name for one in file.arguments for pair in one.pairs]
            message = f"${name} is not an ARG before the first FROM{near(name, known)}"
            yield self.at(stage.instruction, message, stage=stage, clause="from")
        if _needs_an_argument(stage, file):
            names = ", ".join(stage.base.value.missing)
            message = f"without a value for {names} the base is no image: give it a default"
            yield self.at(stage.instruction, message, stage=stage, clause="from-default")
        elif stage.base.kind == "invalid" and "$" in (stage.instruction.words or ("",))[0]:
            message = f"with what its variables hold here, the base `{stage.base.value.text}` is no image"
            yield self.at(stage.instruction, message, stage=stage, clause="from-default")

    def _used(self, instruction: Instruction, stage: Stage, file: Dockerfile) -> Iterator[Finding]:
        for use in _uses(instruction):
            value = stage.expand(instruction, use.text)
            stale = ("PATH",) if "PATH" in value.missing and "PATH" in use.own else ()
            for name in (*value.undefined, *stale):
                if name in use.own and instruction.keyword == "ENV":
                    message = f"${name} is not yet what this ENV makes of it"
                    clause = "not-yet" if sets(stage.root_base, name) is False else "same-env"
                    yield self.at(use, message, stage=stage, clause=clause, help=_TWO)
                elif name not in use.own and (message := _why_undefined(name, instruction, stage, file)):
                    yield self.at(use, message, stage=stage, clause="undefined")

    example = Example(
        """
        ARG VERSION=1.0
        FROM debian:13-slim
        ENV SERVICE_VERSION=$VERSION
        """,
        """
        ARG VERSION=1.0
        FROM debian:13-slim
        ARG VERSION
        ENV SERVICE_VERSION=$VERSION
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "nobody-defines-it",
            "FROM scratch AS greeting\nENV GREETING=$NOBODY_DEFINES_THIS",
            "before",
            clause="undefined",
            also=frozenset({"used-stages"}),
        ),
        EditMutant("same-line", "ENV FIRST_OF_TWO=1 SECOND_OF_TWO=$FIRST_OF_TWO"),
        # of the shipped files
        SourceMutant("never-set", "HOME=/tmp", "HOME=$NOWHERE/tmp", "Dockerfile.dev", clause="undefined"),
        SourceMutant(
            "global-argument",
            f"\n{_PINNED}",
            f"\nARG WORD=hello\nFROM scratch AS said\nENV GREETING=$WORD\n{_PINNED}",
            clause="undefined",
            also=frozenset({"used-stages"}),
            at="GREETING",
        ),
        SourceMutant("platform", "WORKDIR /app", "WORKDIR /app/$TARGETARCH", clause="undefined"),
        SourceMutant("later", "WORKDIR /app", "WORKDIR $HOME", clause="undefined"),
        SourceMutant(
            "not-yet",
            "PYTHONPATH=/app",
            "PYTHONPATH=/app DATA=/data CACHE=$DATA/cache",
            clause="not-yet",
            at="CACHE",
        ),
        SourceMutant(
            "same-env",
            "PYTHONPATH=/app",
            "PYTHONPATH=/app PATH=/app/bin:$PATH TOOLS=$PATH",
            clause="same-env",
            at="TOOLS",
        ),
        SourceMutant(
            "from",
            _FROM,
            "FROM ${BASE} AS runtime",
            clause="from",
            also=frozenset({"used-stages", "valid-dockerfile"}),
        ),
        SourceMutant(
            "from-default",
            f"\n{_PINNED}",
            f"\nARG TAG\nFROM python:$TAG AS other\n{_PINNED}",
            clause="from-default",
            also=frozenset({"pinned-base", "used-stages"}),
            at="$TAG",
        ),
    )


class _Use(NamedTuple):
    """A text that is expanded, where it stands, and the names that its own instruction sets for others than itself."""

    text: str
    span: Span
    own: frozenset[str] = frozenset()


def _uses(instruction: Instruction) -> Iterable[_Use]:
    """Give the texts of an instruction that BuildKit expands and that hold a variable."""
    return _texts(instruction) if _may_use(instruction) else ()


def _may_use(instruction: Instruction) -> bool:
    """Whether a variable may stand in it; most hold none, but strings of JSON may spell it with an escape."""
    return "$" in instruction.value or instruction.json is not None or _beside(instruction)


def _beside(instruction: Instruction) -> bool:
    """Whether there is text that is not in the instruction's value."""
    return instruction.has_flags or bool(instruction.heredocs)


def _texts(instruction: Instruction) -> Iterator[_Use]:
    keyword = instruction.keyword
    yield from _of_pairs(instruction)
    if keyword in _PLACES:
        for at, word in enumerate(instruction.words):
            if "$" in word:
                yield _Use(word, instruction.word_spans[at])
    for flag in instruction.flags:
        if flag.name in _FLAGS.get(keyword, ()) and "$" in (flag.value or ""):
            yield _Use(flag.value or "", flag.span)
    if keyword in {"ADD", "COPY"}:
        for heredoc in instruction.heredocs:
            if heredoc.expand and "$" in heredoc.text:
                yield _Use(heredoc.text.translate(_RAW), heredoc.span)


def _of_pairs(instruction: Instruction) -> Iterator[_Use]:
    for at, pair in enumerate(instruction.pairs):
        if "$" in (pair.value or ""):
            yield _Use(pair.value or "", pair.span, _own_names(instruction.pairs, at, instruction.keyword))
        if "$" in pair.name and instruction.keyword != "ARG":
            yield _Use(pair.name, pair.span)


def _own_names(pairs: tuple[Pair, ...], at: int, keyword: str) -> frozenset[str]:
    """Names that an ENV sets beside this one; ARG sees those before it."""
    others = pairs[:at] if keyword == "ARG" else (*pairs[:at], *pairs[at + 1 :])
    return frozenset(pair.name for pair in others if keyword in {"ARG", "ENV"})


def _why_undefined(name: str, instruction: Instruction, stage: Stage, file: Dockerfile) -> str:
    """Say why a name is certainly undefined at a line, "" where the base image may set it."""
    in_base = sets(stage.root_base, name)
    if name in PROXY_ARGUMENTS or in_base:
        return ""
    if any(pair.name == name for one in file.arguments for pair in one.pairs) or name in PLATFORM_ARGUMENTS:
        return f"${name} is not visible in a stage that does not say ARG {name}"
    later = next((one for one in _defining(name, stage) if one.index > instruction.index), None)
    if later is not None:
        return f"${name} is set on line {later.span.line} only"
    if in_base is None:
        return ""
    known = {pair.name for each in stage.lineage for one in each.instructions for pair in one.pairs} | {
        "PATH"
    }
    return f"${name} is not defined{near(name, known)}"


def _defining(name: str, stage: Stage) -> Iterator[Instruction]:
    for instruction in stage.instructions:
        if instruction.keyword in {"ARG", "ENV"} and any(pair.name == name for pair in instruction.pairs):
            yield instruction


def _needs_an_argument(stage: Stage, file: Dockerfile) -> bool:
    """Whether the base is no image when the arguments that it hangs on are left empty."""
    missing = stage.base.value.missing
    if stage.base.kind != "unknown" or stage.base.value.error or not missing:
        return False
    from dockproof.facts.dockerfile import parse  # noqa: PLC0415 - hardly ever needed

    empty = {name: "amd64" if name in PLATFORM_ARGUMENTS else "" for name in missing}
    again = parse(file.text, file.path, {**file.build_arguments, **empty})
    return again.stages[stage.index].base.kind in {"invalid", "unknown"}

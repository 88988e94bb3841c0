"""Stage names are unique, and what is copied or mounted comes from a stage that is there, or from an image.

What it holds
-------------
No two stages bear the same name, in any casing (`unique`), and none is called `scratch` or `context`, which mean
something else (`reserved`). `COPY --from` and `RUN --mount from=` name an earlier stage or its number, or an image
(`reference`): a name without tag, digest and folder that is no stage is taken for a misspelt one, unless the option
`contexts` lists it as a named build context. No stage takes from itself (`itself`), and none copies the whole root
folder of a stage or image over its own (`whole-root`). A COPY --from that ONBUILD triggers is judged in the stage that
is built FROM this one, where its names hold.

Why it matters
--------------
A misspelt stage is no mistake to BuildKit but the name of an image, pulled from the public registry, whoever owns it
there. Of two stages of one name the later one is taken, whatever the reader thinks. A whole root folder brings along
every tool, cache and secret that the build left, and replaces the base's own users and libraries.

How to fix it
-------------
Give each stage a name of its own and copy the paths that you need: `COPY --from=build /out/ /app/`. Write the tag or
digest of an image: `COPY --from=nginx:1.29 …`.

References
----------
- https://docs.docker.com/build/building/multi-stage/
- https://docs.docker.com/reference/build-checks/duplicate-stage-name/
- https://docs.docker.com/reference/build-checks/reserved-stage-name/
"""

from __future__ import annotations

import posixpath

from dockproof.facts.stages import image_ref
from dockproof.facts.suggest import near
from dockproof.facts.values import Value
from dockproof.finding import Severity
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.facts.dockerfile import Dockerfile, Instruction
    from dockproof.facts.stages import External, Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_RESERVED = frozenset({"scratch", "context"})
_COPY = "COPY --link --from=code /rootfs/ /"
_UNKNOWN_IMAGE = frozenset({"pinned-base", "tagged-base", "used-stages"})


class ResolvedStages(Policy):
    """Every name of a stage means one stage."""

    title = "references between stages are unambiguous"
    family = Family.SOUND
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause(
            "unique",
            "stage names are unique",
            same_as=(
                "hadolint:DL3024",
                "checkov:CKV_DOCKER_11",
                "trivy:DS-0012",
                "buildkit:DuplicateStageName",
            ),
        ),
        Clause(
            "reserved",
            "no stage has a reserved name",
            same_as=("hadolint:DL3063", "buildkit:ReservedStageName"),
        ),
        Clause(
            "reference", "what is taken from is an earlier stage or an image", same_as=("hadolint:DL3022",)
        ),
        Clause("itself", "no stage takes from itself", same_as=("hadolint:DL3023", "trivy:DS-0006")),
        Clause("whole-root", "no stage takes a whole root folder", same_as=("hadolint:DL3067",)),
    )
    references = (
        "https://docs.docker.com/build/building/multi-stage/",
        "https://docs.docker.com/reference/build-checks/duplicate-stage-name/",
        "https://docs.docker.com/reference/build-checks/reserved-stage-name/",
    )
    options: ClassVar[Mapping[str, Any]] = {"contexts": ()}

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the names of all stages, then what each takes."""
        yield from self._names(target.dockerfile)
        contexts = frozenset(target.options["contexts"])
        for stage in target.dockerfile.stages:
            yield from self._references(stage, contexts)
            yield from self._roots(stage)

    def _names(self, file: Dockerfile) -> Iterator[Finding]:
        seen: dict[str, Stage] = {}
        for stage in file.stages:
            name = stage.name
            if name in seen:
                line = seen[name].instruction.span.line
                message = f"the stage of line {line} is called {name} too: the last one of a name is taken"
                yield self.at(stage.instruction, message, stage=stage, clause="unique")
            elif name in _RESERVED:
                message = f"{name} is a reserved word: it can never be taken for this stage"
                yield self.at(stage.instruction, message, stage=stage, clause="reserved")
            if name is not None:
                seen.setdefault(name, stage)

    def _references(self, stage: Stage, contexts: frozenset[str]) -> Iterator[Finding]:
        later = {id(trigger) for trigger in stage.triggers}  # for a stage that is built FROM this one
        for external in stage.externals:
            if external.how == "from" or id(external.instruction) in later:
                continue
            if external.stage is stage:
                message = f"stage {external.value.text} takes from itself"
                yield self.at(external, message, stage=stage, clause="itself")
            elif message := _unresolved(external, stage, contexts):
                yield self.at(external, message, stage=stage, clause="reference")

    def _roots(self, stage: Stage) -> Iterator[Finding]:
        for instruction in stage.these("COPY"):
            taken = instruction.flag("from")
            if taken and not _is_made_for_it(taken, stage) and _takes_all(instruction, stage):
                message = (
                    f"the whole root folder of {instruction.flag('from')} is copied over this stage's own"
                )
                yield self.at(instruction, message, stage=stage, clause="whole-root")

    example = Example(
        """
        FROM golang:1.26 AS build
        RUN go build -o /service .
        FROM debian:13-slim
        COPY --from=builder /service /service
        """,
        """
        FROM golang:1.26 AS build
        RUN go build -o /service .
        FROM debian:13-slim
        COPY --from=build /service /service
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "no-such-stage",
            "COPY --from=nowhere /service /service",
            clause="reference",
            also=frozenset({"pinned-base", "tagged-base", "trusted-registry"}),
        ),
        # of generated files
        SourceMutant(
            "rust",
            "COPY --from=planner ",
            "COPY --from=planer ",
            "good/rust",
            clause="reference",
            also=frozenset({"pinned-base", "tagged-base", "used-stages"}),
        ),
        # of the shipped files
        SourceMutant(
            "same-name",
            "FROM upstream AS base\n",
            "FROM upstream AS base\nFROM scratch AS base\n",
            clause="unique",
            also=frozenset({"used-stages"}),
            at="FROM scratch",
        ),
        SourceMutant("reserved", "FROM base AS runtime", "FROM base AS context", clause="reserved"),
        SourceMutant(
            "misspelt", _COPY, _COPY.replace("code", "cod"), clause="reference", also=_UNKNOWN_IMAGE
        ),
        SourceMutant(
            "no-such-number", _COPY, _COPY.replace("code", "12"), clause="reference", also=_UNKNOWN_IMAGE
        ),
        SourceMutant(
            "misspelt-mount",
            "RUN --mount=type=secret,id=pip_conf,",
            "RUN --mount=from=usptream,target=/x --mount=type=secret,id=pip_conf,",
            clause="reference",
            also=_UNKNOWN_IMAGE - {"used-stages"},
        ),
        SourceMutant(
            "itself", _COPY, f"{_COPY}\nCOPY --from=runtime /app /app", clause="itself", at="runtime /"
        ),
        SourceMutant("whole-root", _COPY, _COPY.replace("/rootfs/ /", "/ /"), clause="whole-root"),
    )


def _unresolved(external: External, stage: Stage, contexts: frozenset[str]) -> str:
    """Say why a reference is neither an earlier stage nor an image, "" where it is one of them."""
    name = external.value.text or ""
    if external.stage is not None:
        return f"stage {name} comes later than this one" if external.stage.index > stage.index else ""
    if name in contexts or (
        external.how == "mount" and "$" in name
    ):  # that one is no Dockerfile: valid-dockerfile
        return ""
    ref = external.ref
    if ref is None:
        return f"{name} is no stage and no image"
    if ref.tag or ref.digest or "/" in name or name == "scratch":
        return ""
    hint = near(name.lower(), [one.name for one in _before(stage) if one.name])
    return f"no earlier stage is called {name}, and no tag says that it is an image{hint}"


def _before(stage: Stage) -> Iterator[Stage]:
    for index in range(stage.index):
        found = stage.sibling(str(index))
        if found is not None:
            yield found


def _takes_all(copy: Instruction, stage: Stage) -> bool:
    """Whether the root folder is a source (of a stage or image, "." is its root too) and the destination."""
    *sources, destination = (stage.expand(copy, word).text for word in copy.words or ("",))
    if destination is None or posixpath.normpath(destination).lstrip("/") or not destination.startswith("/"):
        return False
    return any(text is not None and posixpath.normpath(f"/{text}") in {"/", "//"} for text in sources)


def _is_made_for_it(taken: str, stage: Stage) -> bool:
    """Whether it is tonistiigi/xx, a few scripts for cross compilation that are documented to be copied as a whole."""
    source = stage.sibling(taken)
    if source is not None and source.instructions:
        return False
    ref = source.base.ref if source else image_ref(Value(taken))
    return ref is not None and ref.path == "tonistiigi/xx"

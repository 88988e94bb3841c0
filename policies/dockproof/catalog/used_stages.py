"""Every stage is needed by a shipped one, or is itself a target that somebody builds.

What it holds
-------------
Each stage is reachable from a shipped stage through FROM, COPY --from or RUN --mount from=. The shipped stages are the
last one, or the targets that compose, the configuration or `--target` name. A stage that is a target of its own is
named with the option `targets`. `FROM build-$TARGETARCH` reaches every earlier stage whose name fits.

Why it matters
--------------
BuildKit never builds a stage that nothing needs: it rots unseen, and a reader takes it for a part of the image.

How to fix it
-------------
Delete the stage, copy what it makes, or say that it is a target.

References
----------
- https://docs.docker.com/build/building/multi-stage/#stop-at-a-specific-build-stage
"""

from __future__ import annotations

from dockproof.finding import Severity
from dockproof.policy import EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget


class UsedStages(Policy):
    """No stage that nobody builds."""

    title = "every stage is used"
    family = Family.STAGES
    production = Severity.WARNING
    development = Severity.WARNING
    references = ("https://docs.docker.com/build/building/multi-stage/#stop-at-a-specific-build-stage",)
    options: ClassVar[Mapping[str, Any]] = {"targets": ()}

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Compare the stages there are with those that are needed."""
        named = {name.lower() for name in target.options["targets"]}
        needed = set(target.needed)
        for stage in target.shipped:
            needed |= target.dockerfile.needed([str(stage.index)], by_chance=True)
        for stage in target.dockerfile.stages:
            if stage.name is not None and stage.name.lower() in named:
                needed |= target.dockerfile.needed([stage.name])
        for stage in target.dockerfile.stages:
            if stage.index not in needed:
                name = stage.name or f"number {stage.index}"
                yield self.at(stage.instruction, f"no shipped stage needs stage {name}", stage=stage)

    example = Example(
        """
        FROM node:24 AS lint
        RUN npm run lint
        FROM node:24 AS build
        RUN npm run build
        """,
        """
        FROM node:24 AS lint
        RUN npm run lint && touch /passed
        FROM node:24 AS build
        COPY --from=lint /passed /passed
        RUN npm run build
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("forgotten", "FROM scratch AS forgotten", "before"),
        # of generated files
        SourceMutant(
            "node",
            "COPY --from=dependencies /app/node_modules",
            "COPY --from=build /app/node_modules",
            "good/node",
            at="AS dependencies",
        ),
        # of the shipped files
        SourceMutant(
            "unused",
            "FROM base AS runtime",
            "FROM base AS forgotten\nFROM base AS runtime",
            at="AS forgotten",
        ),
    )

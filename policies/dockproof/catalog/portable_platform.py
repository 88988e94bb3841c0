"""FROM names no constant platform, and none that repeats the default.

What it holds
-------------
`FROM --platform=` holds a variable such as `$BUILDPLATFORM`, not a constant like `linux/amd64`; and it is not
`$TARGETPLATFORM`, which is what FROM takes anyway.

Why it matters
--------------
A constant platform makes the same Dockerfile build the wrong image on another machine, or an emulated one ten times
slower, without a word.

How to fix it
-------------
Leave `--platform` out; in a builder that compiles for another platform write `--platform=$BUILDPLATFORM`.

References
----------
- https://docs.docker.com/reference/build-checks/from-platform-flag-const-disallowed/
- https://docs.docker.com/reference/build-checks/redundant-target-platform/
"""

from __future__ import annotations

from dockproof.finding import Severity
from dockproof.patterns import pattern
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_REDUNDANT = pattern(r"\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})")
_FROM = "FROM python:3.13-slim-trixie@"


class PortablePlatform(Policy):
    """The builder decides for which platform."""

    title = "no stage is tied to one platform"
    family = Family.SUPPLY_CHAIN
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause(
            "constant",
            "the platform is no constant",
            same_as=("hadolint:DL3029", "buildkit:FromPlatformFlagConstDisallowed"),
        ),
        Clause(
            "redundant",
            "the platform is not the default",
            same_as=("hadolint:DL3065", "buildkit:RedundantTargetPlatform"),
        ),
    )
    references = (
        "https://docs.docker.com/reference/build-checks/from-platform-flag-const-disallowed/",
        "https://docs.docker.com/reference/build-checks/redundant-target-platform/",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge each FROM; a stage whose name says its platform, and other stages beside it, is deliberate."""
        for stage in target.dockerfile.stages:
            platform = stage.instruction.flag("platform")
            if not platform:
                continue
            if _REDUNDANT.fullmatch(platform):
                message = f"--platform={platform} is what FROM takes anyway"
                yield self.at(stage.instruction, message, stage=stage, clause="redundant")
            elif "$" not in platform and not _says_so(stage.name, platform):
                message = f"--platform={platform} ties the stage to one platform"
                yield self.at(stage.instruction, message, stage=stage, clause="constant")

    example = Example(
        """
        FROM --platform=linux/amd64 debian:13-slim
        """,
        """
        FROM debian:13-slim
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "one-platform",
            keyword="FROM",
            old=r"^FROM (?=\S*[:@])",
            new="FROM --platform=linux/amd64 ",
            clause="constant",
        ),
        # of the shipped files
        SourceMutant(
            "constant", _FROM, "FROM --platform=linux/amd64 python:3.13-slim-trixie@", clause="constant"
        ),
        SourceMutant(
            "redundant", _FROM, "FROM --platform=$TARGETPLATFORM python:3.13-slim-trixie@", clause="redundant"
        ),
    )


def _says_so(name: str | None, platform: str) -> bool:
    """Whether a stage's name holds its architecture, as `build-arm64`: one of several such stages by design."""
    architecture = platform.split("/")[1:2]
    return name is not None and bool(architecture) and architecture[0] in name

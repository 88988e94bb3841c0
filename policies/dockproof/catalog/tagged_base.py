"""An image from outside carries a tag or a digest, and the tag is not `latest`.

What it holds
-------------
Every reference to an image from outside (FROM, COPY --from, RUN --mount from=, the `# syntax=` line) has a tag or a
digest, and its tag is not `latest`: FROM under the clauses `untagged` and `latest`, the others under `taken-untagged`
and `taken-latest`. A tag that hangs on a variable is followed to its value; `FROM scratch` and stages
of the same file need none. A reference whose value cannot be known is left to `pinned-base`, which names the variable.

Why it matters
--------------
No tag means `latest`, and `latest` means whatever was pushed last: another major version, one morning, in a build that
nobody changed.

How to fix it
-------------
Name the version that you tested: `FROM python:3.13-slim-trixie`, better with its digest (see `pinned-base`).

References
----------
- CIS Docker Benchmark 1.6, 4.2
- https://docs.docker.com/build/building/best-practices/#from
"""

from __future__ import annotations

from dockproof.catalog._references import outside
from dockproof.finding import Severity
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.stages import External, Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_COPY = "COPY --link --from=code /rootfs/ /"
_PEERS = ("checkov:CKV_DOCKER_7", "trivy:DS-0001")
_PINNED = "python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 AS"


class TaggedBase(Policy):
    """A version in every reference."""

    title = "images from outside carry a tag that is not latest"
    family = Family.SUPPLY_CHAIN
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause("untagged", "FROM has a tag or a digest", same_as=("hadolint:DL3006", *_PEERS)),
        Clause("latest", "the tag of FROM is not latest", same_as=("hadolint:DL3007", *_PEERS)),
        Clause("taken-untagged", "what else is taken from outside has a tag or a digest"),
        Clause("taken-latest", "its tag is not latest"),
    )
    references = ("cis:4.2", "https://docs.docker.com/build/building/best-practices/#from")

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge every reference to an image from outside."""
        for external, stage in outside(target.dockerfile):
            yield from self._judge(external, stage)

    def _judge(self, external: External, stage: Stage | None) -> Iterator[Finding]:
        ref = external.ref
        if ref is None or ref.digest is not None:
            return
        prefix = "" if external.how == "from" else "taken-"
        if ref.tag is None:
            message = f"{external.value.text} has no tag, so it is whatever `latest` is today"
            yield self.at(external, message, stage=stage, clause=f"{prefix}untagged")
        elif ref.tag == "latest":
            message = f"{external.value.text} is whatever was pushed last"
            yield self.at(external, message, stage=stage, clause=f"{prefix}latest")

    example = Example(
        """
        FROM debian:latest
        """,
        """
        FROM debian:13-slim
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "latest",
            keyword="FROM",
            old=r":[\w.-]+@sha256:[0-9a-f]{64}",
            new=":latest",
            clause="latest",
            also=frozenset({"pinned-base", "multi-stage"}),  # without a tag a Java image is the JDK
        ),
        EditMutant(
            "no-tag",
            keyword="FROM",
            old=r":[\w.-]+@sha256:[0-9a-f]{64}",
            clause="untagged",
            also=frozenset({"pinned-base", "multi-stage"}),  # without a tag a Java image is the JDK
        ),
        EditMutant(
            "untagged-image",
            "COPY --from=busybox /bin/busybox /bin/busybox",
            clause="taken-untagged",
            also=frozenset({"pinned-base", "resolved-stages"}),
        ),
        # of the shipped files
        SourceMutant("untagged", _PINNED, "python AS", clause="untagged", also=frozenset({"pinned-base"})),
        SourceMutant("latest", _PINNED, "python:latest AS", clause="latest", also=frozenset({"pinned-base"})),
        SourceMutant(
            "copied-untagged",
            _COPY,
            f"{_COPY}\nCOPY --from=org/tool /bin/tool /bin/tool",
            clause="taken-untagged",
            also=frozenset({"pinned-base", "trusted-registry"}),
        ),
        SourceMutant(
            "copied-latest",
            _COPY,
            f"{_COPY}\nCOPY --from=org/tool:latest /bin/tool /bin/tool",
            clause="taken-latest",
            also=frozenset({"pinned-base", "trusted-registry"}),
        ),
    )

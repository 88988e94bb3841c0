"""Every image that comes from outside is pinned by digest.

What it holds
-------------
FROM, COPY --from, RUN --mount from= and the `# syntax=` line name images from outside by a digest (`@sha256:…`), in
every stage that the shipped one needs; in the other stages it is a finding too. A reference that hangs on a variable
without a value cannot be shown to be pinned, and the finding names the variable. Image: the first layers of the built
image are the layers of the pinned base, where the base is at hand.

Why it matters
--------------
A tag is moved by whoever may push it. The same commit then builds another image tomorrow, with other bugs, and a
stolen account of the publisher is enough to run code in every build.

How to fix it
-------------
Keep the tag for people and add the digest for the machine: `FROM python:3.13-slim-trixie@sha256:…`. `docker buildx
imagetools inspect IMAGE` prints it; Renovate and Dependabot raise it.

References
----------
- CIS Docker Benchmark 1.6, 4.2
- https://docs.docker.com/build/building/best-practices/#pin-base-image-versions
"""

from __future__ import annotations

from dockproof.catalog._references import outside
from dockproof.finding import NotApplicable, Place, Probe, Severity
from dockproof.policy import BY_SOURCE, Clause, EditMutant, Example, Family, ImageMutant, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.stages import External, Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, SourceTarget

_DIGEST = "@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285 AS"
_PEERS = ("hadolint:DL3006", "hadolint:DL3007", "checkov:CKV_DOCKER_7", "trivy:DS-0001")
_COPY = "COPY --link --from=code /rootfs/ /"


class PinnedBase(Policy):
    """A digest in every reference to an image from outside."""

    title = "images from outside are pinned by digest"
    family = Family.SUPPLY_CHAIN
    production = Severity.ERROR
    development = Severity.WARNING
    builder = Severity.ERROR
    clauses = (
        Clause(
            "digest",
            "a reference carries a digest",
            covers=_PEERS,
        ),
        Clause("unknown-image", "the reference can be known", covers=_PEERS),
        Clause("other-base", "the built image stands on the pinned base", claimed_by=BY_SOURCE),
    )
    references = ("cis:4.2", "https://docs.docker.com/build/building/best-practices/#pin-base-image-versions")

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge every reference to an image from outside."""
        for external, stage in outside(target.dockerfile):
            yield from self._judge(external, stage)

    def _judge(self, external: External, stage: Stage | None) -> Iterator[Finding]:
        if external.value.text is None:
            names = ", ".join(external.value.missing)
            message = f"cannot be shown: the image hangs on {names}, which has no default"
            yield self.at(external, message, stage=stage, clause="unknown-image")
        elif external.ref is not None and external.ref.digest is None:
            message = f"{external.value.text} is not pinned by digest"
            yield self.at(external, message, stage=stage, clause="digest")

    def image(self, target: ImageTarget) -> Iterator[Finding | NotApplicable]:
        """Compare the image's first layers with those of the base."""
        if target.base is None:
            yield self.skip(Probe.IMAGE, "the pinned base is not at hand, so its layers cannot be compared")
        elif not target.image.is_based_on(target.base):
            message = f"the image's first layers are not those of its base {target.base.reference}"
            yield self.in_image(message, Place(field="RootFS.Layers"), clause="other-base")

    example = Example(
        """
        FROM debian:13-slim
        """,
        """
        FROM debian:13-slim@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("no-digest", keyword="FROM", old="(?<!scratch)@sha256:[0-9a-f]{64}"),
        EditMutant("image-without-digest", "COPY --from=busybox:1.37 /bin/busybox /bin/busybox"),
        # of the shipped files
        SourceMutant("no-digest", _DIGEST, " AS", clause="digest"),
        SourceMutant("worker-no-digest", _DIGEST, " AS", "Dockerfile.worker", clause="digest"),
        SourceMutant(
            "no-default",
            f"FROM python:3.13-slim-trixie{_DIGEST}",
            "ARG BASE\nFROM ${BASE} AS",
            clause="unknown-image",
            also=frozenset({"defined-variables"}),
            at="FROM ${BASE}",
        ),
        SourceMutant(
            "copy-from-tag", _COPY, f"{_COPY}\nCOPY --from=busybox:1.37 /bin/busybox /bin/sh", clause="digest"
        ),
        SourceMutant(
            "mount-from-tag",
            _COPY,
            f"{_COPY}\nRUN --mount=type=bind,from=busybox:1.37,target=/tools /tools/bin/true",
            clause="digest",
        ),
        SourceMutant(
            "syntax-tag",
            "# The reading app's API.",
            "# syntax=docker/dockerfile:1\n# The reading app's API.",
            clause="digest",
            also=frozenset({"trusted-registry"}),
        ),
        ImageMutant(
            "not-on-the-base",
            'FROM scratch\nCOPY --from={image} / /\nUSER 10001:10001\nHEALTHCHECK CMD ["python", "--version"]\n',
            clause="other-base",
            # Nothing of it is the base's any more: all its bytes count against the budget over the base.
            also=frozenset({"image-labels"}),
        ),
    )

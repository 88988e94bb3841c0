"""Images come from the registries that the project allows.

What it holds
-------------
Where the option `registries` names registries (or `registry/path` prefixes), every image from outside comes from one of
them; `docker.io` is what a reference without a host means. Without the option the policy does not apply, and says so.

Why it matters
--------------
A base image is code that runs with all the rights of the service. Whose code that may be is a decision, and a decision
that no machine checks is forgotten.

How to fix it
-------------
Take the image from an allowed registry, or mirror it there; or allow the registry in the configuration.

References
----------
- CIS Docker Benchmark 1.6, 4.2
"""

from __future__ import annotations

from dockproof.finding import NotApplicable, Probe, Severity
from dockproof.policy import EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dockproof.facts.images import ImageRef
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget


class TrustedRegistry(Policy):
    """Only from whom we chose."""

    title = "images come from allowed registries"
    family = Family.SUPPLY_CHAIN
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    same_as = ("hadolint:DL3026",)
    references = ("cis:4.2",)
    options: ClassVar[Mapping[str, Any]] = {"registries": ()}

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse what no image's name can begin with."""
        odd = [one for one in value if "://" in one or " " in one or one.startswith("/")]
        return f"{odd[0]!r} begins no image's name: write as docker.io/library" if odd else ""

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Compare every reference with the allowed registries."""
        allowed = target.options["registries"]
        if not allowed:
            yield self.skip(Probe.SOURCE, "no registries are named: set `policy.trusted-registry.registries`")
            return
        for external in target.dockerfile.externals:
            ref = external.ref
            if ref is not None and external.stage is None and not _is_allowed(ref, allowed):
                message = f"{external.value.text} comes from {ref.registry}, which is not allowed"
                yield self.at(external, message)

    example = Example(
        """
        FROM registry.example.com/debian:13-slim
        """,
        """
        FROM debian:13-slim
        """,
        options={"registries": ("docker.io/library",)},
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "another-registry",
            keyword="FROM",
            old=r"^FROM (?:--\S+ )*\S*[:@]\S+",
            new="FROM registry.example.net/service:1.0.0",
            also=frozenset({"pinned-base"}),
            requires=("registries",),
        ),
        # of the shipped files
        SourceMutant(
            "other-registry",
            "FROM python:3.13-slim-trixie@",
            "FROM registry.example.com/python:3.13-slim-trixie@",
        ),
    )


def _is_allowed(ref: ImageRef, allowed: Sequence[str]) -> bool:
    """Whether an entry names the registry, or is a prefix of `registry/path` that ends at a slash."""
    name = f"{ref.registry}/{ref.path}"
    return any(name == entry or name.startswith(entry.rstrip("/") + "/") for entry in allowed)

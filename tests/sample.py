"""No instruction says foo: a policy for tests of what stands around policies.

What it holds
-------------
No instruction but FROM holds the word `foo`.

Why it matters
--------------
It shows what the gate does with any policy.

How to fix it
-------------
Say bar. Or nothing.

References
----------
- none
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dockproof.finding import Probe, Severity
from dockproof.policy import Clause, Family, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.finding import Finding, NotApplicable
    from dockproof.policy import SourceTarget


class NoFoo(Policy):
    """Turns red at each `foo`, crashes at `crash`, does not apply to a file without RUN."""

    id = "no-foo"
    title = "no instruction says foo"
    family = Family.SOUND
    production = Severity.ERROR
    development = Severity.WARNING
    clauses = (
        Clause("foo", "no foo", same_as=("hadolint:DL3008", "buildkit:StageNameCasing", "trivy:DS-0002")),
        Clause("foofoo", "no foofoo", same_as=("checkov:CKV_DOCKER_3",)),
    )
    options: ClassVar[Mapping[str, Any]] = {
        "word": "foo",
        "loud": False,
        "names": (),
        "limit": 3,
        "share": 0.5,
    }

    def source(self, target: SourceTarget) -> Iterator[Finding | NotApplicable]:
        """Look for the word."""
        found = [one for one in target.dockerfile.instructions if one.keyword != "FROM"]
        if not found:
            yield self.skip(Probe.SOURCE, "there is nothing but FROM")
        for instruction in found:
            if "crash" in instruction.value:
                raise RuntimeError("a probe that crashes")
            if target.options["word"] in instruction.value:
                clause = "foofoo" if "foofoo" in instruction.value else "foo"
                message = f"{instruction.keyword} says {target.options['word']}"
                yield self.at(instruction, message, stage=next(iter(target.shipped), None), clause=clause)


class NoBar(Policy):
    """Turns red at each `bar`; it gives help of its own."""

    id = "no-bar"
    title = "no instruction says bar"
    family = Family.SOUND
    production = Severity.INFO
    development = None

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Look for the word."""
        for instruction in target.dockerfile.instructions:
            if "bar" in instruction.value:
                yield self.at(instruction, "bar is said", help="Say nothing.", fixable=True)


POLICIES: Mapping[str, Policy] = {"no-bar": NoBar(), "no-foo": NoFoo()}

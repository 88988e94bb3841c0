"""At most one CMD, ENTRYPOINT and HEALTHCHECK stands in a stage.

What it holds
-------------
No stage sets CMD, ENTRYPOINT or HEALTHCHECK twice. Setting one again in a stage that is built FROM another is a
deliberate override and passes.

Why it matters
--------------
Only the last one counts. The earlier ones are dead text that readers take for what runs.

How to fix it
-------------
Delete all but the last, or move the others to stages of their own.

References
----------
- https://docs.docker.com/reference/build-checks/multiple-instructions-disallowed/
"""

from __future__ import annotations

from dockproof.finding import Severity
from dockproof.policy import Clause, EditMutant, Example, Family, Policy, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import Mutant, SourceTarget

_CMD = 'CMD ["python", "-m", "app"]'
_BUILDKIT = "buildkit:MultipleInstructionsDisallowed"


class SingleCommand(Policy):
    """The last one is the only one."""

    title = "a stage sets its command, entrypoint and health check once"
    family = Family.OPERATION
    production = Severity.WARNING
    development = Severity.WARNING
    builder = Severity.WARNING
    clauses = (
        Clause("cmd", "one CMD in a stage", same_as=("hadolint:DL4003", "trivy:DS-0016", _BUILDKIT)),
        Clause(
            "entrypoint", "one ENTRYPOINT in a stage", same_as=("hadolint:DL4004", "trivy:DS-0007", _BUILDKIT)
        ),
        Clause(
            "healthcheck",
            "one HEALTHCHECK in a stage",
            same_as=("hadolint:DL3012", "trivy:DS-0023", _BUILDKIT),
        ),
    )
    references = ("https://docs.docker.com/reference/build-checks/multiple-instructions-disallowed/",)

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Look at each stage by itself; the finding sits on what is overridden."""
        for stage in target.dockerfile.stages:
            for clause in self.clauses:
                yield from self._judge(stage, clause.name)

    def _judge(self, stage: Stage, clause: str) -> Iterator[Finding]:
        keyword = clause.upper()
        found = [instruction for instruction in stage.instructions if instruction.keyword == keyword]
        for instruction in found[:-1]:
            message = f"this {keyword} never counts: the one on line {found[-1].span.line} replaces it"
            yield self.at(instruction, message, stage=stage, clause=clause)

    example = Example(
        """
        FROM debian:13-slim
        CMD ["migrate"]
        CMD ["service"]
        """,
        """
        FROM debian:13-slim
        CMD ["service"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant(
            "two-commands", 'CMD ["true"]\nCMD ["true"]', clause="cmd", also=frozenset({"streamed-logs"})
        ),
        # of the shipped files
        SourceMutant("two-commands", _CMD, f'CMD ["true"]\n{_CMD}', clause="cmd"),
        SourceMutant(
            "two-entrypoints", _CMD, f'ENTRYPOINT ["a"]\nENTRYPOINT ["env"]\n{_CMD}', clause="entrypoint"
        ),
        SourceMutant(
            "two-checks", _CMD, f'{_CMD}\nHEALTHCHECK CMD ["true"]', clause="healthcheck", at="HEALTHCHECK --"
        ),
    )

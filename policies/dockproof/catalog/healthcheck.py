"""A health check exists, reaches the image, and tells the truth about the running service.

What it holds
-------------
Source: the shipped stage has a HEALTHCHECK in force, inherited through FROM, that is not NONE; its timeout is shorter
than its interval. Image: the build kept it (an OCI-format build drops HEALTHCHECK with no more than a warning).
Runtime: the container becomes healthy within its start period and retries, and **unhealthy** within interval times
retries when the served process stands still (SIGSTOP) or, where the check promises it, when its dependency is gone.

Why it matters
--------------
Orchestrators send traffic to, and restart, what the check says. A check that is green for a dead service is worse
than none: it hides the outage from the machine that could end it.

How to fix it
-------------
Ask the service over its own port with a program that is in the image, cheaply, in exec form:
`HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --start-interval=500ms --retries=3 CMD ["python", "-I", "-S",
"/app/healthcheck.py"]`.

References
----------
- CIS Docker Benchmark 1.6, 4.6 and 5.27
- https://docs.docker.com/reference/dockerfile/#healthcheck
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dockproof.finding import NotApplicable, Place, Probe, Severity
from dockproof.policy import Clause, Family, ImageMutant, Policy, RuntimeMutant, SourceMutant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.container import Outcome
    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_CHECK = """\
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --start-interval=500ms --retries=3 \\
    CMD ["python", "-I", "-S", "/app/healthcheck.py", "api"]
"""
# Docker's defaults, in seconds, where HEALTHCHECK does not say.
_INTERVAL = _TIMEOUT = 30.0


class Healthcheck(Policy):
    """A check that is there, survives the build, and turns red when the service is dead."""

    title = "has a health check that tells the truth"
    family = Family.OPERATION
    production = Severity.ERROR
    development = Severity.WARNING
    clauses = (
        Clause(
            "present",
            "the image has a health check",
            covers=("hadolint:DL3057", "checkov:CKV_DOCKER_2", "trivy:DS-0026"),
        ),
        Clause("bounded", "a probe ends before the next one starts"),
        Clause("healthy", "the container becomes healthy"),
        Clause(
            "truthful", "the check turns unhealthy when the service stands still or its dependency is gone"
        ),
    )
    references = ("cis:4.6", "cis:5.27", "https://docs.docker.com/reference/dockerfile/#healthcheck")
    experiments = frozenset({"freeze", "dependency"})

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the health check in force in each shipped stage."""
        for stage in target.shipped:
            yield from self._judge(stage)

    def _judge(self, stage: Stage) -> Iterator[Finding]:
        setting = stage.healthcheck
        if setting is None:
            message = "no HEALTHCHECK is set: nobody notices when the service hangs"
            yield self.at(stage.instruction, message, stage=stage, clause="present")
        elif setting.value.disabled:
            message = "HEALTHCHECK NONE switches the check off"
            yield self.at(setting.instruction, message, stage=stage, clause="present")
        else:
            health = setting.value
            timeout = _TIMEOUT if health.timeout is None else health.timeout
            interval = _INTERVAL if health.interval is None else health.interval
            if timeout > interval:
                message = f"a probe may take {timeout:g} s but the next starts after {interval:g} s"
                yield self.at(setting.instruction, message, stage=stage, clause="bounded")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Ask whether the check reached the image's config."""
        health = target.image.config.healthcheck
        if health is None or health.disabled:
            promised = target.source is not None and any(s.healthcheck for s in target.source.shipped)
            why = ": the Dockerfile has one, the build dropped it" if promised and health is None else ""
            yield self.in_image(
                f"the image has no health check{why}", Place(field="Config.Healthcheck"), clause="present"
            )

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding | NotApplicable]:
        """Judge the health of the running container and what the experiments on it showed."""
        container = target.container
        if container.health.status == "none":
            message = "the container runs without a health check"
            yield self.in_container(message, Place(field="State.Health"), clause="present")
        elif container.health.healthy_after is None:
            message = f"the container never became healthy: {_last_output(target)}"
            yield self.in_container(message, Place(field="State.Health.Status"), clause="healthy")
        else:
            yield from self._experiments(target)

    def _experiments(self, target: RuntimeTarget) -> Iterator[Finding | NotApplicable]:
        outcomes = target.container.outcomes
        if "freeze" not in outcomes:
            yield self.skip(Probe.RUNTIME, "the service was not frozen, so the check's truth is not shown")
        for outcome in outcomes.values():
            if outcome.status != "unhealthy":
                place = Place(field="State.Health.Status")
                yield self.in_container(_lie(outcome), place, clause="truthful")

    mutants: ClassVar[tuple[Mutant, ...]] = (
        SourceMutant("none", _CHECK, "HEALTHCHECK NONE\n", clause="present"),
        SourceMutant("deleted", _CHECK, "", clause="present", at="AS runtime"),
        SourceMutant("slow-probe", "--timeout=3s", "--timeout=30s", clause="bounded"),
        ImageMutant("none", "HEALTHCHECK NONE", clause="present"),
        RuntimeMutant("switched-off", {"healthcheck": {"disable": True}}, clause="present"),
        RuntimeMutant(
            "always-red",
            {"healthcheck": {"test": ["CMD", "python", "-c", "raise SystemExit(1)"], "start_period": "1s"}},
            clause="healthy",
        ),
        RuntimeMutant(
            "always-green", {"healthcheck": {"test": ["CMD", "python", "-c", ""]}}, clause="truthful"
        ),
    )


_CAUSES = {
    "freeze": "every process of the service stood still",
    "dependency": "the dependency that it answers for was gone",
}


def _lie(outcome: Outcome) -> str:
    cause = _CAUSES[outcome.experiment]
    return f"the check still said {outcome.status} {outcome.seconds:.0f} s after {cause} ({outcome.detail})"


def _last_output(target: RuntimeTarget) -> str:
    log = target.container.health.log
    return repr(log[-1].output.strip()[-300:]) if log else "no probe ended"

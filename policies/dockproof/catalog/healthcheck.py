"""A health check exists, reaches the image, and tells the truth about the running service.

What it holds
-------------
Source: the shipped stage has a HEALTHCHECK in force, inherited through FROM, that is not NONE; its timeout is shorter
than its interval. Image: the build kept it (an OCI-format build drops HEALTHCHECK with no more than a warning).
Runtime: the container becomes healthy within its start period and retries (`healthy`); one probe costs less than the
options `cpu_seconds` and `wall_seconds` (`cheap`; the cheapest of several counts, the engine's start of it included);
and it turns **unhealthy** within interval times retries when every process of the service stands still (SIGSTOP,
clause `truthful`), when the program is killed behind a PID 1 that lives on (`dead`, tried for production images in
another container where a shell is PID 1; without a shell the program is PID 1, whose death ends the container), and
when a service of `readiness` under `x-dockproof` is out of reach (`dependency`). It is healthy again once the cause is
gone (`recovers`).

Why it matters
--------------
Orchestrators send traffic to, and restart, what the check says. A check that is green for a dead service is worse
than none: it hides the outage from the machine that could end it.

How to fix it
-------------
Ask the service over its own port with a program that is in the image, cheaply, in exec form:
`HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --start-interval=0.5s --retries=3 CMD ["python", "-I", "-S",
"/app/healthcheck.py"]`.

References
----------
- CIS Docker Benchmark 1.6, 4.6 and 5.27
- https://docs.docker.com/reference/dockerfile/#healthcheck
"""

from __future__ import annotations

from dockproof.finding import Place, Probe, Severity
from dockproof.policy import (
    BY_BUILD,
    Clause,
    EditMutant,
    Example,
    Family,
    ImageMutant,
    Policy,
    RuntimeMutant,
    SourceMutant,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

    from dockproof.facts.container import Outcome
    from dockproof.facts.stages import Stage
    from dockproof.finding import Answer, Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_CHECK = """\
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --start-interval=0.5s --retries=3 \\
    CMD ["python", "-I", "-S", "/app/healthcheck.py", "api"]
"""
_PID_1 = "import sys; sys.exit(open('/proc/1/stat').read().rpartition(')')[2].split()[0] in 'Tt')"
_GRUDGE = """
import os, sys
sys.exit(1) if os.path.exists('/tmp/red') else None
state = open('/proc/1/stat').read().rpartition(')')[2].split()[0]
sys.exit(open('/tmp/red', 'w').close() or 1 if state in 'Tt' else 0)
"""
# Docker's defaults, in seconds, where HEALTHCHECK does not say.
_INTERVAL = _TIMEOUT = 30.0


def _python(text: str) -> list[str]:
    return ["CMD", "python", "-I", "-S", "-c", text]


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
            claimed_by=BY_BUILD,
        ),
        Clause("bounded", "a probe ends before the next one starts"),
        Clause("healthy", "the container becomes healthy"),
        Clause("cheap", "a probe costs little"),
        Clause("truthful", "the check turns unhealthy when the service stands still"),
        Clause("dead", "it does when the program is dead behind a PID 1 that lives"),
        Clause("dependency", "it does when a service that it answers for is out of reach"),
        Clause("recovers", "it turns healthy again once the cause is gone"),
    )
    references = ("cis:4.6", "cis:5.27", "https://docs.docker.com/reference/dockerfile/#healthcheck")
    options: ClassVar[Mapping[str, Any]] = {"cpu_seconds": 0.25, "wall_seconds": 2.0}
    experiments = frozenset({"cost", "freeze", "dependency", "death"})

    def problem_of_option(self, name: str, value: Any) -> str:
        """Refuse a time that nothing can keep."""
        return "" if value > 0 else f"{value} seconds are no time to answer in"

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

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Judge the health of the running container and what the experiments on it showed."""
        container = target.container
        if container.health.status == "none":
            message = "the container runs without a health check"
            yield self.in_container(message, Place(field="State.Health"), clause="present")
        elif container.health.healthy_after is None:
            message = f"the container never became healthy: {_last_output(target)}"
            yield self.in_container(message, Place(field="State.Health.Status"), clause="healthy")
        elif container.health.status == "unhealthy":
            message = f"the container was healthy, and turned unhealthy by itself: {_last_output(target)}"
            yield self.in_container(message, Place(field="State.Health.Status"), clause="healthy")
        else:
            yield from self._cost(target)
            yield from self._experiments(target)

    def _cost(self, target: RuntimeTarget) -> Iterator[Answer]:
        cost, options = target.container.cost, target.options
        if cost is None:
            yield from self.untried(target.container, "cost")
            return
        place = Place(field="Config.Healthcheck")
        if cost.cpu is None:
            yield self.unseen(Probe.RUNTIME, f"{cost.why}; `experiments: {{cost: false}}` does without")
        elif cost.cpu > options["cpu_seconds"]:
            message = (
                f"a probe uses {cost.cpu:.2f} s of CPU time, more than {options['cpu_seconds']:g} s: "
                "it is paid for every interval, for as long as the container lives"
            )
            yield self.in_container(message, place, clause="cheap")
        if cost.wall > options["wall_seconds"]:
            message = f"a probe takes {cost.wall:.1f} s, more than {options['wall_seconds']:g} s"
            yield self.in_container(message, place, clause="cheap")

    def _experiments(self, target: RuntimeTarget) -> Iterator[Answer]:
        container = target.container
        for outcome in container.outcomes.values():
            yield from self._judge_outcome(outcome)
        lost = {name for name in container.not_tried if name.startswith("dependency")}
        for name in sorted({"freeze", "death", *lost} - container.outcomes.keys()):
            yield from self.untried(container, name)

    def _judge_outcome(self, outcome: Outcome) -> Iterator[Finding]:
        """A container that ended is no lie: everybody sees it."""
        place, clause = Place(field="State.Health.Status"), _CLAUSES[outcome.experiment]
        if outcome.status not in {"unhealthy", "exited"}:
            yield self.in_container(_lie(outcome), place, clause=clause)
        elif outcome.status == "unhealthy" and clause != "dead" and not outcome.recovered:
            message = f"the check stayed red after {_CAUSES[outcome.experiment]} no more ({outcome.detail})"
            yield self.in_container(message, place, clause="recovers")

    example = Example(
        """
        FROM debian:13-slim
        CMD ["service"]
        """,
        """
        FROM debian:13-slim
        HEALTHCHECK --interval=10s --timeout=3s CMD ["service", "health"]
        CMD ["service"]
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("dropped", keyword="HEALTHCHECK", clause="present", also=frozenset({"fitting-tools"})),
        EditMutant(
            "switched-off",
            "HEALTHCHECK NONE",
            clause="present",
            also=frozenset({"fitting-tools", "single-command"}),
        ),
        # of the shipped files
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
            "always-green",
            {"healthcheck": {"test": ["CMD", "true"]}},
            clause="truthful",
            experiments=frozenset({"freeze"}),
        ),
        RuntimeMutant(
            "looks-at-pid-1",
            {"healthcheck": {"test": _python(_PID_1)}},
            clause="dead",
            experiments=frozenset({"death", "freeze"}),
        ),
        RuntimeMutant(
            "forgets-the-broker",
            {"healthcheck": {"test": _python(_PID_1)}},
            "worker",
            clause="dependency",
            experiments=frozenset({"dependency", "freeze"}),
        ),
        RuntimeMutant(
            "once-red-always-red",
            {"healthcheck": {"test": _python(_GRUDGE)}},
            clause="recovers",
            experiments=frozenset({"freeze"}),
        ),
        RuntimeMutant(
            "imports-the-app",
            {"healthcheck": {"test": ["CMD", "python", "-c", "import app.main"]}},
            clause="cheap",
            experiments=frozenset({"cost"}),
        ),
    )


_CAUSES = {
    "freeze": "every process of the service stood still",
    "dependency": "the dependency that it answers for was out of reach",
    "death": "the program was dead",
}
_CLAUSES = {"freeze": "truthful", "dependency": "dependency", "death": "dead"}


def _lie(outcome: Outcome) -> str:
    cause = _CAUSES[outcome.experiment]
    return f"the check still said {outcome.status} {outcome.seconds:.0f} s after {cause} ({outcome.detail})"


def _last_output(target: RuntimeTarget) -> str:
    log = target.container.health.log
    return repr(log[-1].output.strip()[-300:]) if log else "no probe ended"

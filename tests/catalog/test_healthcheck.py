from __future__ import annotations

from typing import Any

import pytest

from dockproof import catalog
from dockproof.facts.container import Cost, Experiment, Health, Outcome
from dockproof.facts.dockerfile import parse
from dockproof.finding import Finding
from dockproof.gate import target_of
from dockproof.policy import ImageTarget, Profile
from tests.catalog.asking import red
from tests.catalog.imaging import image_of
from tests.catalog.running import container_of, runtime_red, runtime_skips, runtime_unseen

POLICY = "healthcheck"


def test_flags_a_shipped_stage_without_a_check() -> None:
    """The finding sits on the shipped stage's FROM, whatever other stages have."""
    text = 'FROM alpine AS a\nHEALTHCHECK CMD ["x"]\nFROM alpine\nCMD ["y"]\n'
    assert red(POLICY, text) == [(3, "present")]


def test_passes_a_check_inherited_through_from() -> None:
    """A stage inherits the check of the stage it is built FROM."""
    assert red(POLICY, 'FROM alpine AS a\nHEALTHCHECK CMD ["x"]\nFROM a\nCMD ["y"]\n') == []


def test_flags_a_check_switched_off() -> None:
    """HEALTHCHECK NONE undoes an inherited check."""
    text = 'FROM alpine AS a\nHEALTHCHECK CMD ["x"]\nFROM a\nHEALTHCHECK NONE\n'
    assert red(POLICY, text) == [(4, "present")]


def test_flags_a_probe_longer_than_its_interval() -> None:
    """A timeout above the interval lets probes pile up."""
    text = 'FROM alpine\nHEALTHCHECK --interval=5s --timeout=10s CMD ["x"]\n'
    assert red(POLICY, text) == [(2, "bounded")]
    assert red(POLICY, 'FROM alpine\nHEALTHCHECK --interval=10s --timeout=10s CMD ["x"]\n') == []
    assert red(POLICY, 'FROM alpine\nHEALTHCHECK --timeout=1m CMD ["x"]\n') == [(2, "bounded")]


def test_image_that_lost_its_check_in_the_build_is_told() -> None:
    """A build in OCI format drops HEALTHCHECK with a warning that nobody reads."""
    source = target_of(parse('FROM alpine\nHEALTHCHECK CMD ["x"]\n'), Profile.PRODUCTION)
    (finding,) = catalog.load()[POLICY].image(ImageTarget(image_of(), source=source))
    assert isinstance(finding, Finding)
    assert finding.message == "the image has no health check: the Dockerfile has one, the build dropped it"


# ------------------------------------------------------------------------------------------------- runtime


def outcome(experiment: str, status: str, *, recovered: bool = True) -> Outcome:
    """Make what an experiment showed."""
    return Outcome(Experiment(experiment), status, 3.0, 12.0, "what was done", recovered, 1.0)


def judged(*outcomes: Outcome, cost: Cost | None = None, **options: Any) -> list[str | None]:
    """Return the clauses that turn red for a healthy container."""
    health = Health("healthy", 1.0)
    found = {each.experiment.value: each for each in outcomes}
    return runtime_red(POLICY, container_of(health=health, outcomes=found, cost=cost), **options)


def test_runtime_passes_a_check_that_tells_and_recovers() -> None:
    """Red while it stands still, is dead or is cut off; green again."""
    assert (
        judged(
            outcome("freeze", "unhealthy"), outcome("dependency", "unhealthy"), outcome("death", "unhealthy")
        )
        == []
    )


@pytest.mark.parametrize(
    ("experiment", "clause"), [("freeze", "truthful"), ("death", "dead"), ("dependency", "dependency")]
)
def test_runtime_flags_a_check_that_stays_green(experiment: str, clause: str) -> None:
    """Each cause has its clause."""
    assert judged(outcome("freeze", "unhealthy"), outcome(experiment, "healthy")) == [clause]


def test_runtime_flags_a_check_that_stays_red() -> None:
    """The cause is gone, the alarm is not; the dead do not come back, and need not."""
    assert judged(outcome("freeze", "unhealthy", recovered=False)) == ["recovers"]
    assert judged(outcome("freeze", "unhealthy"), outcome("death", "unhealthy", recovered=False)) == []


def test_runtime_passes_a_container_that_ended() -> None:
    """That is no lie: the engine itself tells it."""
    assert judged(outcome("freeze", "unhealthy"), outcome("death", "exited")) == []


def test_runtime_flags_a_probe_that_costs_much() -> None:
    """CPU time and wall time, each with its budget."""
    told = outcome("freeze", "unhealthy")
    assert judged(told, cost=Cost(0.05, 0.1)) == []
    assert judged(told, cost=Cost(0.5, 0.1)) == ["cheap"]
    assert judged(told, cost=Cost(0.5, 0.1), cpu_seconds=1.0) == []
    assert judged(told, cost=Cost(0.5, 3.0)) == ["cheap", "cheap"]


def test_runtime_says_what_was_not_shown() -> None:
    """An engine that does not tell CPU time, a blow that failed, one that nobody dealt: no pass, and no "n/a"."""
    container = container_of(
        health=Health("healthy", 1.0),
        cost=Cost(None, 0.1, "it does not tell"),
        not_tried={"death": "the shell ended", "dependency:broker": "it has no address"},
    )
    assert runtime_skips(POLICY, container) == []
    assert runtime_unseen(POLICY, container) == [
        "it does not tell; `experiments: {cost: false}` does without",
        "death was not tried: the shell ended",
        "dependency:broker was not tried: it has no address",
        "freeze was not tried: nobody tried",
    ]


def test_runtime_does_without_what_is_switched_off() -> None:
    """The manifest's own word is a reason, shown in the table; what can show nothing is none."""
    container = container_of(
        health=Health("healthy", 1.0),
        switched_off={"cost": "it is off", "freeze": "it is off"},
        not_needed=frozenset({"death"}),
    )
    assert runtime_unseen(POLICY, container) == []
    assert runtime_skips(POLICY, container) == [
        "cost was not tried: it is off",
        "freeze was not tried: it is off",
    ]


def test_flags_container_that_turned_unhealthy_by_itself() -> None:
    """Healthy once is not healthy: nothing was done to it, and it is not."""
    found = runtime_red(POLICY, container_of(health=Health("unhealthy", 1.0)))
    assert found == ["healthy"]

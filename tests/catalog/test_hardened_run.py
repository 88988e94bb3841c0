from __future__ import annotations

import pytest

from dockproof.errors import NotLookedError
from dockproof.facts.container import Experiment, Trial
from dockproof.facts.image import ImageConfig
from tests.catalog.imaging import image_of
from tests.catalog.running import (
    container_of,
    process_of,
    runtime_answers,
    runtime_red,
    runtime_skips,
    runtime_unseen,
    socket_of,
)

POLICY = "hardened-run"
GOOD = container_of(sockets=(socket_of(8000),))
EXPOSES = image_of(config=ImageConfig(ports=("8000/tcp",)))


def ran(status: str = "healthy", facts: object = GOOD, log: str = "") -> Trial:
    """Make the outcome of a hardened run."""
    return Trial(Experiment.HARDENED, "a read-only root", status, 1.0, log, facts)  # type: ignore[arg-type]


def test_passes_a_container_that_worked_without_rights() -> None:
    """Healthy, its port open, no capability, no new privileges, a read-only root."""
    assert runtime_red(POLICY, container_of(trials={"hardened": ran()}), EXPOSES) == []
    assert runtime_red(POLICY, container_of(trials={"hardened": ran("running")}), EXPOSES) == []


@pytest.mark.parametrize("status", ["unhealthy", "starting"])
def test_flags_a_container_that_never_became_healthy(status: str) -> None:
    """It ran, and did not work."""
    assert runtime_red(POLICY, container_of(trials={"hardened": ran(status)}), EXPOSES) == ["starts"]


@pytest.mark.parametrize("status", ["exited", "not started"])
def test_flags_a_container_that_ended_with_its_last_words(status: str) -> None:
    """The message shows what the program said."""
    trial = ran(status, None, "PermissionError: /var/lib/app")
    (finding,) = runtime_answers(POLICY, container_of(trials={"hardened": trial}))
    assert "PermissionError: /var/lib/app" in getattr(finding, "message", "")


def test_flags_an_exposed_port_that_stayed_silent() -> None:
    """A health check that is always green hides nothing."""
    silent = container_of(trials={"hardened": ran(facts=container_of())})
    assert runtime_red(POLICY, silent, EXPOSES) == ["works"]


@pytest.mark.parametrize(
    "softened",
    [
        container_of(process_of(cap_bnd=frozenset({"CHOWN"}))),
        container_of(process_of(cap_eff=frozenset({"CHOWN"}))),
        container_of(process_of(no_new_privs=False)),
        container_of(readonly_root=False),
    ],
)
def test_engine_that_softened_the_terms_shows_nothing(softened: object) -> None:
    """A pass would be worth nothing, a finding would blame the image."""
    with pytest.raises(NotLookedError, match="the engine was asked"):
        runtime_answers(POLICY, container_of(trials={"hardened": ran(facts=softened)}))


def test_says_why_it_was_not_tried() -> None:
    """Switched off is no pass; what failed, or was forgotten, is not even not applicable."""
    assert runtime_skips(POLICY, container_of(switched_off={"hardened": "it is off"})) == [
        "hardened was not tried: it is off"
    ]
    assert runtime_unseen(POLICY, container_of(not_tried={"hardened": "it ended"})) == [
        "hardened was not tried: it ended"
    ]
    assert runtime_unseen(POLICY, container_of()) == ["hardened was not tried: nobody tried"]

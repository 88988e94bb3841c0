from __future__ import annotations

import pytest

from dockproof.errors import NotLookedError
from dockproof.facts.container import ContainerFacts, Experiment, Trial
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

POLICY = "arbitrary-uid"
GIVEN = 1_000_661_234
EXPOSES = image_of(config=ImageConfig(ports=("8000/tcp",)))


def ran(status: str, facts: ContainerFacts | None) -> ContainerFacts:
    """Make a container beside which another ran under the uid."""
    return container_of(
        trials={"arbitrary-uid": Trial(Experiment.ARBITRARY_UID, "a random uid", status, 1.0, "no", facts)}
    )


def under(uid: int, *ports: int) -> ContainerFacts:
    """Make a container that was told to run under the uid, and runs under this one."""
    main = process_of(uid=uid, gid=0)
    return container_of(main, user=f"{GIVEN}:0", sockets=tuple(map(socket_of, ports)))


def test_passes_a_container_that_worked_under_it() -> None:
    """Healthy and listening."""
    assert runtime_red(POLICY, ran("healthy", under(GIVEN, 8000)), EXPOSES) == []


def test_flags_what_did_not_start_or_work() -> None:
    """It ended, or its port stayed silent behind a check that is always green."""
    assert runtime_red(POLICY, ran("exited", None), EXPOSES) == ["starts"]
    assert runtime_red(POLICY, ran("unhealthy", under(GIVEN, 8000)), EXPOSES) == ["starts"]
    assert runtime_red(POLICY, ran("healthy", under(GIVEN)), EXPOSES) == ["works"]


def test_another_uid_than_asked_for_shows_nothing() -> None:
    """An engine that maps it to something else has not tried it."""
    with pytest.raises(NotLookedError, match=str(GIVEN)):
        runtime_answers(POLICY, ran("healthy", under(10001, 8000)), EXPOSES)


def test_says_that_it_was_not_tried() -> None:
    """No trial, no pass."""
    assert runtime_skips(POLICY, container_of(switched_off={"arbitrary-uid": "it is off"})) == [
        "arbitrary-uid was not tried: it is off"
    ]
    assert runtime_unseen(POLICY, container_of(not_tried={"arbitrary-uid": "it ended"})) == [
        "arbitrary-uid was not tried: it ended"
    ]
    assert runtime_unseen(POLICY, container_of()) == ["arbitrary-uid was not tried: nobody tried"]

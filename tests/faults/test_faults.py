"""Faults of the app's stack while articles are saved: nothing acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.app.harness import eventually
from tests.faults.stack import FAULTS, Record, Row, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.engine, pytest.mark.faults]

WARM_SECONDS = 2.0
FAULT_SECONDS = 8.0
"""Longer than the API waits for any one answer of a service, so that it has to say something."""

LONGEST_ANSWER = 12.0
"""Seconds; the API's own limits for a database that says nothing add up to less (app/database.py)."""

READINESS = {"postgres": "postgresql", "rabbitmq": "rabbitmq", "redis": "redis"}


@pytest.fixture(scope="module")
def doubled(stack: Stack) -> Iterator[None]:
    """A second API under the first one's name as well as its own, and a second worker."""
    aliases = {"networks": {"backend": {"aliases": ["api"]}}}
    extras = [
        stack.project.run("api", aliases, name="api-2"),
        stack.project.run("worker", {}, name="worker-2"),
    ]
    for extra in extras:
        stack.wait_until_healthy(extra)
    yield
    for extra in extras:
        stack.project.stop(extra)


def saves(records: list[Record]) -> list[Record]:
    """Return the requests that saved, or would have."""
    return [record for record in records if record.kind == "save"]


def nothing_lost(row: Row) -> None:
    """Assert what holds after every fault."""
    assert row.acknowledged > 0
    assert (row.lost, row.duplicated) == (0, 0), row
    assert row.slowest < LONGEST_ANSWER, row


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("service", READINESS)
def test_service_comes_to_harm(stack: Stack, service: str, kind: str) -> None:
    """While a service is away the API says so or does without; afterwards everything is done, once."""
    with stack.load(f"{service}-{kind}".replace(" ", "-")) as load:
        time.sleep(WARM_SECONDS)
        blow = stack.blow(kind, service, 0 if kind == "restarted" else FAULT_SECONDS)
        eventually(lambda: load.has_settled(blow.over), f"all is well after {service} was {kind}", 60)
        records = load.finish()
    row = stack.settled(f"{service} {kind}", records, blow.over)
    nothing_lost(row)
    assert {record.status for record in saves(records)} <= {201, 503}, sorted({r.why for r in records})
    if service != "postgres":
        assert row.acknowledged == row.saves, f"{service} is not needed to save"
    if kind == "restarted":
        return
    named = [
        record.down
        for record in records
        if record.kind == "ready" and blow.begin < record.begin < record.end < blow.end
    ]
    assert named
    assert set(named) == {(READINESS[service],)}, named
    assert service != "postgres" or row.acknowledged < row.saves


def test_refusal_names_the_cause(stack: Stack) -> None:
    """A save that the database did not take is refused with a sentence that says so."""
    with stack.load("named") as load:
        time.sleep(WARM_SECONDS)
        blow = stack.blow("stopped", "postgres", WARM_SECONDS)
        eventually(lambda: load.has_settled(blow.over), "PostgreSQL is used again", 60)
        refused = [record for record in saves(load.finish()) if record.status == 503]
    assert refused
    assert {"database" in record.why for record in refused} == {True}


@pytest.mark.usefixtures("doubled")
def test_killed_worker_leaves_its_tasks_to_another(stack: Stack) -> None:
    """SIGKILL in the middle of tasks: the other worker does them, and nothing is done twice."""
    victim = stack.container("worker")
    networks = stack.engine.inspect(victim)[0]["NetworkSettings"]["Networks"]
    addresses = {network["IPAddress"] for network in networks.values()}
    in_hand = "SELECT host(client_addr) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with stack.load("slow") as load:
        eventually(lambda: addresses & set(stack.sql(in_hand)), "the first worker is in the middle of a task")
        stack.engine.docker("kill", "--signal", "KILL", victim)
        over = time.time()
        time.sleep(WARM_SECONDS)
        records = load.finish()
    nothing_lost(stack.settled("worker killed in its tasks", records, over))
    assert {record.status for record in saves(records)} == {201}
    stack.engine.docker("start", victim)
    stack.wait_until_healthy("worker")


@pytest.mark.usefixtures("doubled")
def test_replaced_api_fails_no_request(stack: Stack) -> None:
    """A second container is up, the first is stopped, and no caller notices."""
    first = stack.container("api")
    with stack.load("replaced") as load:
        time.sleep(WARM_SECONDS)
        stack.engine.docker("stop", "--time", "10", first)
        over = time.time()
        time.sleep(WARM_SECONDS)
        records = load.finish()
    failed = [record for record in records if record.status not in {200, 201}]
    assert not failed
    nothing_lost(stack.settled("api replaced under load", records, over))
    assert stack.engine.inspect(first)[0]["State"]["ExitCode"] in {0, 143}
    stack.engine.docker("start", first)
    stack.wait_until_healthy("api")


@pytest.mark.usefixtures("doubled")
def test_two_of_each_share_one_broker(stack: Stack) -> None:
    """Two APIs publish and two workers take from one RabbitMQ that is restarted meanwhile."""
    with stack.load("shared", ("http://api:8000", "http://api-2:8000")) as load:
        time.sleep(WARM_SECONDS)
        blow = stack.blow("restarted", "rabbitmq", 0)
        eventually(lambda: load.has_settled(blow.over), "all is well after the restart", 60)
        records = load.finish()
    row = stack.settled("rabbitmq restarted, two of each", records, blow.over)
    nothing_lost(row)
    assert row.acknowledged == row.saves

"""What is done to a running container to see how its health check takes it; each blow is undone afterwards."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from dockproof.errors import NotLookedError
from dockproof.facts.container import Experiment, Outcome, parse_inspect
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.collect.engine import Engine
    from dockproof.collect.sidecar import Sidecar
    from dockproof.collect.watch import Watch
    from dockproof.facts.container import ContainerFacts
    from dockproof.facts.image import HealthConfig

SLACK = 5.0
"""Seconds of grace over what a health check grants itself: engines start probes late on a busy machine."""

RECOVERY = 30.0
"""Seconds over one good probe until a container must be healthy again: clients back off before they reconnect."""

LONGEST = 240.0
"""Seconds; a health check that needs longer to tell is not waited for."""

PASSES = 5
"""How often a target is looked through for processes that were born while it was being stopped."""


class Laboratory:
    """Does experiments; those on a service that others depend on wait until nobody else is looking."""

    def __init__(self, engine: Engine, watch: Watch) -> None:
        self._engine = engine
        self._watch = watch
        self._turn = threading.Condition()
        self._readers = 0
        self._writing = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep experiments that disturb other services away from the block."""
        with self._turn:
            self._turn.wait_for(lambda: not self._writing)
            self._readers += 1
        try:
            yield
        finally:
            with self._turn:
                self._readers -= 1
                self._turn.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody reads, and keep everybody away from the block."""
        with self._turn:
            self._turn.wait_for(lambda: not self._writing and self._readers == 0)
            self._writing = True
        try:
            yield
        finally:
            with self._turn:
                self._writing = False
                self._turn.notify_all()

    def freeze(self, facts: ContainerFacts, beside: Sidecar) -> Outcome:
        """Stop every process of the target, see whether it turns unhealthy, let it go on, see it recover.

        Raises:
            NotLookedError: its health check takes longer to tell than is waited for, or the engine went away.
        """
        limit, stopped = _limit(facts), list[int]()
        try:
            stopped = self._stop_all(facts, beside)
            seen = self._await(facts, "unhealthy", limit)
        finally:
            self._continue_all(facts, beside, stopped)
        back = self._await(facts, "healthy", _recovery(facts))
        processes = f"{len(stopped) + 1} process{'es' if stopped else ''}"
        return _outcome(Experiment.FREEZE, f"{processes} stopped with SIGSTOP", seen, back)

    def cut_off(self, facts: ContainerFacts, name: str, lost: str, beside: Sidecar) -> Outcome:
        """Take a dependency out of the target's reach, see whether it turns unhealthy, give it back, see it recover.

        Only the target notices: the route to the dependency goes nowhere in its own network namespace.

        Args:
            facts: of the target.
            name: the dependency's service.
            lost: the dependency's container.
            beside: the target's sidecar, with `sidecar.NET_ADMIN`.

        Raises:
            NotLookedError: as for `freeze`, or the two share no network.
        """
        limit, addresses = _limit(facts), addresses_of(self._engine.inspect(lost)[0])
        if not addresses:
            raise NotLookedError(f"service {name} has no address of its own, so it cannot be cut off")
        try:
            beside.python("cut", "add", *addresses)
            seen = self._await(facts, "unhealthy", limit)
        finally:
            with contextlib.suppress(NotLookedError):  # a target that ended needs no route any more
                beside.python("cut", "remove", *addresses)
        back = self._await(facts, "healthy", _recovery(facts))
        return _outcome(Experiment.DEPENDENCY, f"{name} cut off from it", seen, back)

    def kill_behind_pid_1(self, facts: ContainerFacts, beside: Sidecar) -> Outcome:
        """Kill everything but PID 1, which lives on, and see whether the target turns unhealthy.

        Raises:
            NotLookedError: as for `freeze`, or there was nothing to kill.
        """
        limit, killed = _limit(facts), set[int]()
        for _ in range(PASSES):
            found = {p.pid for p in beside.snapshot().processes if p.pid != 1 and p.state != "Z"} - killed
            if not found:
                break
            beside.signal("KILL", sorted(found))
            killed |= found
        if not killed:
            raise NotLookedError(f"nothing runs in {facts.service} but PID 1")
        seen = self._await(facts, "unhealthy", limit)
        detail = f"{len(killed)} processes killed behind PID 1: {seen.status} after {seen.seconds:.1f} s"
        return Outcome(Experiment.DEATH, seen.status, seen.seconds, seen.limit, detail)

    def _stop_all(self, facts: ContainerFacts, beside: Sidecar) -> list[int]:
        """Stop PID 1 first, so that it cannot replace the others; then look until nobody new is found."""
        self._engine.docker("kill", "--signal", "STOP", facts.id)
        stopped: set[int] = set()
        for _ in range(PASSES):
            found = {p.pid for p in beside.snapshot().processes if p.pid != 1 and p.state not in {"Z", "T"}}
            if not found - stopped:
                break
            beside.signal("STOP", sorted(found))
            stopped |= found
        return sorted(stopped)

    def _continue_all(self, facts: ContainerFacts, beside: Sidecar, stopped: list[int]) -> None:
        """Let everything go on, PID 1 last; a target that ended meanwhile needs it no more."""
        with contextlib.suppress(NotLookedError):
            beside.signal("CONT", stopped)
        self._engine.docker("kill", "--signal", "CONT", facts.id, check=False)

    def _await(self, facts: ContainerFacts, status: str, limit: float) -> Seen:
        """Wait until the target's health is as named, it ended, or time is up."""
        began = time.monotonic()
        while True:
            mark = self._watch.mark()
            now = parse_inspect(self._engine.inspect(facts.id)[0])
            seconds = time.monotonic() - began
            if not now.state.running:
                return Seen("exited", seconds, limit)
            if now.health.status == status or seconds > limit:
                return Seen(now.health.status, seconds, limit)
            self._watch.wait(mark, min(1.0, max(0.05, limit - seconds)))


class Seen(NamedTuple):
    """The health status at the end of a wait, the seconds that it took, and those that were granted."""

    status: str
    seconds: float
    limit: float


def addresses_of(document: Mapping[str, Any]) -> list[str]:
    """Return the addresses of a container on its networks, from `docker inspect`."""
    networks = (document["NetworkSettings"]["Networks"] or {}).values()
    found = (network.get(key) for network in networks for key in ("IPAddress", "GlobalIPv6Address"))
    return [address for address in found if address]


def _in_force(facts: ContainerFacts) -> HealthConfig:
    if facts.health.config is None or facts.health.config.disabled:
        raise NotLookedError(f"{facts.service} has no health check that an experiment could watch")
    return facts.health.config


def _limit(facts: ContainerFacts) -> float:
    config = _in_force(facts)
    limit = config.time_to_unhealthy + SLACK
    if limit > LONGEST:
        raise NotLookedError(
            f"the health check of {facts.service} grants itself {config.time_to_unhealthy:g} s "
            f"({config.retries} retries of {config.interval:g} s and {config.timeout:g} s each) before it tells a "
            f"fault; {LONGEST:g} s at most are waited for: shorten its interval or its timeout"
        )
    return limit


def _recovery(facts: ContainerFacts) -> float:
    config = _in_force(facts)
    return min(LONGEST, config.interval + config.timeout + RECOVERY)


def _outcome(experiment: Experiment, blow: str, seen: Seen, back: Seen) -> Outcome:
    recovered = back.status == "healthy"
    after = (
        f"healthy again after {back.seconds:.1f} s"
        if recovered
        else f"still {back.status} {back.limit:g} s after"
    )
    return Outcome(
        experiment=experiment,
        status=seen.status,
        seconds=seen.seconds,
        limit=seen.limit,
        detail=f"{blow}: {seen.status} after {seen.seconds:.1f} s (limit {seen.limit:g} s), then {after}",
        recovered=recovered,
        recovery=back.seconds,
    )

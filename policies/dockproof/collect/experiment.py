"""What is done to a running container to see how its health check takes it; each blow is undone afterwards."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

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
    """Does experiments; those that take a service away from everybody wait until nobody else is looking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
    def _alone(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._writing and self._readers == 0)
            self._writing = True
        try:
            yield
        finally:
            with self._turn:
                self._writing = False
                self._turn.notify_all()

    def freeze(self, facts: ContainerFacts, beside: Sidecar, watch: Watch) -> Outcome:
        """Stop every process of the target, see whether it turns unhealthy, let it go on, see it recover.

        Raises:
            NotLookedError: its health check takes longer to tell than is waited for, or the engine went away.
        """
        with self.reading():
            stopped: list[int] = []
            try:
                stopped = self._stop_all(facts, beside)
                seen = self._await(facts, "unhealthy", _limit(facts), watch)
            finally:
                self._continue_all(facts, beside, stopped)
            back = self._await(facts, "healthy", _recovery(facts), watch)
        processes = f"{len(stopped) + 1} process{'es' if stopped else ''}"
        return _outcome(Experiment.FREEZE, f"{processes} stopped with SIGSTOP", seen, back)

    def cut_off(self, facts: ContainerFacts, name: str, lost: str, watch: Watch) -> Outcome:
        """Take a dependency off its networks, see whether the target turns unhealthy, put it back, see it recover.

        Args:
            facts: of the target.
            name: the dependency's service.
            lost: the dependency's container.
            watch: the project's events.

        Raises:
            NotLookedError: as for `freeze`.
        """
        with self._alone():
            networks = self._engine.inspect(lost)[0]["NetworkSettings"]["Networks"]
            try:
                for network in networks:
                    self._engine.docker("network", "disconnect", "--force", network, lost)
                seen = self._await(facts, "unhealthy", _limit(facts), watch)
            finally:
                self._reconnect(lost, networks)
            back = self._await(facts, "healthy", _recovery(facts), watch)
        return _outcome(Experiment.DEPENDENCY, f"{name} cut off from the network", seen, back)

    def _reconnect(self, container: str, networks: Mapping[str, Mapping[str, object]]) -> None:
        for network, settings in networks.items():
            aliases = settings.get("Aliases") or ()
            flags = [f"--alias={alias}" for alias in aliases] if isinstance(aliases, list) else []
            self._engine.docker("network", "connect", *flags, network, container)

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

    def _await(self, facts: ContainerFacts, status: str, limit: float, watch: Watch) -> Seen:
        """Wait until the target's health is as named, it ended, or time is up."""
        began = time.monotonic()
        while True:
            mark = watch.mark()
            now = parse_inspect(self._engine.inspect(facts.id)[0])
            seconds = time.monotonic() - began
            if not now.state.running:
                return Seen("exited", seconds, limit)
            if now.health.status == status or seconds > limit:
                return Seen(now.health.status, seconds, limit)
            watch.wait(mark, min(1.0, max(0.05, limit - seconds)))


class Seen(NamedTuple):
    """The health status at the end of a wait, the seconds that it took, and those that were granted."""

    status: str
    seconds: float
    limit: float


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

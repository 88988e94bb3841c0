"""Look at one running service with everything that was asked for, what can be done side by side at once.

The service's own container is looked at, then comes to harm and recovers, and is stopped last. Beside it other
containers of the same service run under harder terms, each as soon as the dependencies are ready.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from dockproof.collect import measure, process, stop, trial
from dockproof.collect.sidecar import NET_ADMIN
from dockproof.config import StopRule
from dockproof.errors import NotLookedError
from dockproof.facts.container import Experiment, Outcome, Trial, parse_inspect
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dockproof.collect.run import Project
    from dockproof.collect.sidecar import Sidecar
    from dockproof.facts.container import ContainerFacts, Cost, Health, Stop, Writable

NO_WORK = StopRule()
"""Nothing is in hand when the container is stopped."""

NO_SHELL = ("no such file or directory", "executable file not found")
"""What engines say of an image without /bin/sh."""

TRIAL_PORTS = 10.0
"""Seconds that the ports of a container under harder terms may take to listen once it is healthy."""

ELSEWHERE = (Experiment.HARDENED, Experiment.ARBITRARY_UID, Experiment.DEATH)
"""Experiments that need a container of their own."""


class Wanted(NamedTuple):
    """What is asked of one service.

    Attributes:
        experiments: what is done to it.
        dependencies: services whose loss its health check promises to tell, for `DEPENDENCY`.
        stop: the work that it has in hand when it is stopped.
        network: whether the program needs one.
        sidecar: image of its sidecars, "" = the usual one.
    """

    experiments: frozenset[Experiment] = frozenset()
    dependencies: tuple[str, ...] = ()
    stop: StopRule = NO_WORK
    network: bool = True
    sidecar: str = ""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the sidecar needs beyond its usual rights."""
        return (NET_ADMIN,) if Experiment.DEPENDENCY in self.experiments and self.dependencies else ()


class _Elsewhere(NamedTuple):
    """What an experiment in a container of its own gave: one of the four."""

    experiment: Experiment
    trial: Trial | None = None
    outcome: Outcome | None = None
    not_tried: str = ""
    not_needed: bool = False


def look(project: Project, name: str, wanted: Wanted) -> ContainerFacts:
    """Look at a started service.

    Raises:
        NotLookedError: it did not start, ended, or could not be looked at.
    """
    container = project.container(name)
    document = project.engine.inspect(container)[0]
    began = parse_inspect(document)
    elsewhere = [
        each for each in ELSEWHERE if each in wanted.experiments and _applies(project, began, each, wanted)
    ]
    here = _Here(project, name, wanted)
    jobs: list[Callable[[], Any]] = [here.look]
    jobs += [
        partial(here.once_settled, partial(_elsewhere, project, name, began, each, wanted))
        for each in elsewhere
    ]
    facts: ContainerFacts
    facts, *others = process.parallel(lambda job: job(), jobs, len(jobs))
    return _put_together(facts, others, wanted)


def _applies(project: Project, facts: ContainerFacts, experiment: Experiment, wanted: Wanted) -> bool:
    """Whether a container of its own is needed: none for what the service's own one shows already."""
    if experiment is Experiment.DEATH:
        return facts.health.config is not None and not facts.health.config.disabled
    if experiment is Experiment.HARDENED:
        return not trial.is_hardened(project.declared(facts.service), network=wanted.network)
    return True


def _put_together(facts: ContainerFacts, others: Iterable[_Elsewhere], wanted: Wanted) -> ContainerFacts:
    others = list(others)
    trials: dict[str, Trial] = {each.experiment: each.trial for each in others if each.trial}
    if Experiment.HARDENED in wanted.experiments and not any(
        o.experiment is Experiment.HARDENED for o in others
    ):
        status = facts.health.status if facts.health.status != "none" else "running"
        words = trial.WORDS[Experiment.HARDENED]
        own = Trial(
            Experiment.HARDENED, words, status, facts.health.healthy_after or 0.0, facts.logs_tail, facts
        )
        trials[Experiment.HARDENED] = own
    return facts._replace(
        trials=trials,
        outcomes={**facts.outcomes, **{o.experiment: o.outcome for o in others if o.outcome}},
        not_tried={**facts.not_tried, **{o.experiment: o.not_tried for o in others if o.not_tried}},
        not_needed=frozenset(o.experiment for o in others if o.not_needed),
    )


# -------------------------------------------------------------------------------------- the service's own container


class _Here:
    """The experiments on the service's own container, one after the other."""

    def __init__(self, project: Project, name: str, wanted: Wanted) -> None:
        self._project = project
        self._laboratory = project.laboratory
        self._name = name
        self._wanted = wanted
        self._not_tried: dict[str, str] = {}
        self._settled = threading.Event()

    def once_settled(self, action: Callable[[], _Elsewhere]) -> _Elsewhere:
        """Do something when the start of this container is over: starts need the processors, experiments only time."""
        while not self._settled.is_set():
            process.pause(process.POLL)
        return action()

    def look(self) -> ContainerFacts:
        """Look at it, do what is wanted, and stop it last."""
        project, name = self._project, self._name
        container = project.container(name)
        with project.timed(f"{name}: healthy"), self._laboratory.reading():
            health = project.wait(container, name)
        self._settled.set()
        with contextlib.ExitStack() as stack:
            with project.timed(f"{name}: sidecar"):
                beside = stack.enter_context(self._beside())
            with project.timed(f"{name}: look"), self._laboratory.reading():
                seen = project.settled(beside, container)
                document = project.engine.inspect(container)[0]
                facts = parse_inspect(document)._replace(
                    processes=seen.processes,
                    visitors=seen.visitors,
                    sockets=seen.sockets,
                    truncated=seen.truncated,
                    logs_tail=project.engine.logs(container),
                )
                cost, writable = self._measured(facts, beside)
            outcomes = self._outcomes(facts, beside)
        stopped = self._tried(Experiment.STOP, lambda: self._stop(facts, document))
        return facts._replace(
            health=_latest(health, facts.health),
            outcomes=outcomes,
            cost=cost,
            writable=writable,
            stop=stopped,
            not_tried=self._not_tried,
        )

    def _beside(self) -> Sidecar:
        return self._project.sidecar(self._name, self._wanted.capabilities, self._wanted.sidecar)

    def _asked(self, experiment: Experiment) -> bool:
        return experiment in self._wanted.experiments

    def _measured(
        self, facts: ContainerFacts, beside: Sidecar
    ) -> tuple[Cost | None, tuple[Writable, ...] | None]:
        cost = writable = None
        if self._asked(Experiment.COST) and facts.health.status == "healthy":
            cost = self._tried(Experiment.COST, lambda: measure.cost(self._project.engine, facts))
        if self._asked(Experiment.WRITE):
            writable = self._tried(Experiment.WRITE, lambda: measure.writable(facts, beside))
        return cost, writable

    def _tried(self, experiment: str, action: Callable[[], Any]) -> Any:
        """Do it, or keep why it could not be done: the rest is looked at all the same."""
        try:
            return action()
        except process.Cancelled:
            raise
        except NotLookedError as error:
            last = error.log.strip().rpartition("\n")[2]
            self._not_tried[experiment] = str(error) if last in str(error) else f"{error}: {last}"
            return None

    def _outcomes(self, facts: ContainerFacts, beside: Sidecar) -> dict[str, Outcome]:
        """Do harm and undo it; on a container that is not healthy nothing can be seen.

        Raises:
            NotLookedError: a blow failed because the container ended by itself: nothing more can be seen of it.
        """
        if facts.health.status != "healthy":
            return {}
        found: dict[str, Outcome | None] = {}
        if self._asked(Experiment.FREEZE):
            found[Experiment.FREEZE] = self._tried(Experiment.FREEZE, lambda: self._freeze(facts, beside))
        for name in self._wanted.dependencies if self._asked(Experiment.DEPENDENCY) else ():
            key = f"{Experiment.DEPENDENCY}:{name}"
            found[key] = self._tried(key, partial(self._cut_off, facts, name, beside))
        if None in found.values():
            beside.prove_alive()
        return {key: outcome for key, outcome in found.items() if outcome is not None}

    def _freeze(self, facts: ContainerFacts, beside: Sidecar) -> Outcome:
        with self._project.timed(f"{self._name}: freeze"), self._turn(facts):
            return self._laboratory.freeze(facts, beside)

    def _cut_off(self, facts: ContainerFacts, name: str, beside: Sidecar) -> Outcome:
        lost = self._project.anybody(name)
        with self._project.timed(f"{self._name}: cut off {name}"), self._laboratory.reading():
            return self._laboratory.cut_off(facts, name, lost, beside)

    def _turn(self, facts: ContainerFacts) -> Any:
        """A service that others depend on is harmed while nobody looks at them."""
        alone = self._project.is_needed(facts.service)
        return self._laboratory.alone() if alone else self._laboratory.reading()

    def _stop(self, facts: ContainerFacts, document: Mapping[str, Any]) -> Stop | None:
        if not self._asked(Experiment.STOP):
            return None
        project, rule = self._project, self._wanted.stop
        with project.timed(f"{self._name}: stop"), self._turn(facts):
            folder = project.manifest.path.resolve().parent
            givers = list(
                stop.givers(rule, facts, document, folder, self._wanted.sidecar or project.sidecar_image)
            )
            begun = [(giver, project.run(giver.base, giver.override, name=giver.service)) for giver in givers]
            again = rule.work is not None or project.is_needed(facts.service)
            containers = [(giver, project.container(name)) for giver, name in begun]
            try:
                return stop.stop(project.engine, project.watch, facts, containers, again=again)()
            finally:
                for _, name in begun:
                    project.stop(name)


# ---------------------------------------------------------------------------------------------- other containers


def _latest(awaited: Health, seen: Health) -> Health:
    """Return the health that was waited for; what is healthy no more by the time of the look is said so."""
    if awaited.status == "healthy":
        return awaited._replace(status=seen.status, log=seen.log)
    return awaited


def _elsewhere(
    project: Project, name: str, began: ContainerFacts, experiment: Experiment, wanted: Wanted
) -> _Elsewhere:
    """Run the service once more under the experiment's terms, and remove that container."""
    override = trial.terms(experiment, project.declared(name), began.argv, network=wanted.network)
    extra = f"{name}-{experiment}"
    with project.timed(f"{name}: {experiment}"), project.laboratory.reading():
        try:
            return _tried_elsewhere(project, name, override, extra, experiment, wanted)
        except process.Cancelled:
            raise
        except NotLookedError as error:
            return _Elsewhere(experiment, not_tried=f"{trial.WORDS[experiment]}: {error}")
        finally:
            project.stop(extra)


def _tried_elsewhere(
    project: Project, name: str, override: Any, extra: str, experiment: Experiment, wanted: Wanted
) -> _Elsewhere:
    try:
        project.run(name, override, name=extra)
    except process.Cancelled:
        raise
    except NotLookedError as error:
        return _not_started(project, experiment, error)
    if experiment is Experiment.DEATH:
        return _death(project, extra, wanted)
    return _Elsewhere(experiment, trial=_trial(project, extra, experiment, wanted))


def _not_started(project: Project, experiment: Experiment, error: NotLookedError) -> _Elsewhere:
    """A container that did not start is an answer; without a shell there is no PID 1 but the program.

    Raises:
        NotLookedError: it is the engine that does not answer.
    """
    if not project.engine.alive():
        raise error
    if experiment is not Experiment.DEATH:
        words, log = trial.WORDS[experiment], f"{error}\n{error.log}"
        return _Elsewhere(experiment, trial=Trial(experiment, words, "not started", 0.0, log))
    if any(words in f"{error} {error.log}" for words in NO_SHELL):
        return _Elsewhere(experiment, not_needed=True)
    raise error


def _trial(project: Project, extra: str, experiment: Experiment, wanted: Wanted) -> Trial:
    """Wait for the container's health and look at it once."""
    container, start, words = project.container(extra), time.monotonic(), trial.WORDS[experiment]
    try:
        health = project.wait(container, extra)
        with project.sidecar(extra, image=wanted.sidecar) as beside:
            seen = project.settled(beside, container, TRIAL_PORTS)
    except process.Cancelled:
        raise
    except NotLookedError as error:
        document = project.engine.inspect(container)[0]
        if document["State"]["Running"]:
            raise
        return Trial(experiment, words, "exited", time.monotonic() - start, f"{error}\n{error.log}")
    facts = parse_inspect(project.engine.inspect(container)[0])
    status = "running" if health.status == "none" else health.status
    facts = facts._replace(health=health, processes=seen.processes, sockets=seen.sockets)
    log = "" if status in {"running", "healthy"} else project.last_words(facts)
    seconds = health.healthy_after or time.monotonic() - start
    return Trial(experiment, words, status, seconds, log, facts)


def _death(project: Project, extra: str, wanted: Wanted) -> _Elsewhere:
    container = project.container(extra)
    health = project.wait(container, extra)
    if health.status != "healthy":
        return _Elsewhere(Experiment.DEATH, not_tried=f"behind a shell the service was {health.status}")
    with project.sidecar(extra, image=wanted.sidecar) as beside:
        facts = parse_inspect(project.engine.inspect(container)[0])
        outcome = project.laboratory.kill_behind_pid_1(facts, beside)
    return _Elsewhere(Experiment.DEATH, outcome=outcome)

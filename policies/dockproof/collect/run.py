"""Run the manifest's services for real, in a compose project of their own, look at them, and leave nothing.

`Project.start` brings up the services with what they depend on; `Project.facts` looks at one of them through a
sidecar and does the experiments that policies ask for; closing removes everything by label.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.collect import engine as engines
from dockproof.collect import model, process
from dockproof.collect.experiment import SLACK, Laboratory
from dockproof.collect.look import NO_WORK, Wanted, look
from dockproof.collect.sidecar import Sidecar, Snapshot, died, image_for
from dockproof.collect.watch import Watch
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts.container import ContainerFacts, Experiment, Health, parse_inspect
from dockproof.facts.image import HealthConfig, parse_config

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from dockproof.collect.compose import Manifest
    from dockproof.collect.engine import Engine
    from dockproof.collect.sidecar import Snapshot
    from dockproof.collect.standins import StandIns
    from dockproof.config import StopRule

UP_TIMEOUT = 300.0
"""Seconds for everything that a service depends on to be ready."""

PORTS_TIMEOUT = 30.0
"""Seconds that the exposed ports of a container may take to listen once it is up (healthy, where it has a check)."""
PORTS_PAUSE = 0.5

HEALTH_LIMIT = 180.0
"""Seconds that are waited for a service to become healthy, whatever its own health check grants itself."""

_numbers = itertools.count(1)


class Project:
    """The services of a manifest, running; a context manager that removes them all.

    Attributes:
        name: of the compose project, unique to this run.
        seconds: by phase (`up`, `<service>: freeze` …), for reports.
        laboratory: does the experiments.
        watch: follows the events of its containers.
    """

    def __init__(
        self,
        engine: Engine,
        manifest: Manifest,
        images: Mapping[str, str],
        stand_ins: StandIns | None = None,
        *,
        up_timeout: float = UP_TIMEOUT,
        health_limit: float = HEALTH_LIMIT,
    ) -> None:
        """Take the images by service (ids of those that were built); nothing is started yet."""
        self.engine = engine
        self.manifest = manifest
        self.images = images
        self.stand_ins = stand_ins
        self.name = f"dockproof-{engine.lease.id}-{next(_numbers)}"
        self.seconds: dict[str, float] = {}
        self._up_timeout = up_timeout
        self._health_limit = health_limit
        self._declared: dict[str, HealthConfig] = {}
        self._document: dict[str, Any] = {}
        self._failed: dict[str, NotLookedError] = {}
        self._containers: dict[str, str] = {}
        self._lock = threading.Lock()
        self._extra: dict[str, dict[str, Any]] = {}
        self._folder = process.home.temporary()
        self.watch = Watch(engine, self.name)
        self.laboratory = Laboratory(engine, self.watch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove every container, network and volume of the project; may be called twice.

        Raises:
            NotLookedError: something could not be removed; the next run tries again.
        """
        with process.undisturbed():
            self.watch.close()
            try:
                engines.remove(self.engine, self.engine.lease.id, project=self.name)
            finally:
                self._folder.cleanup()

    # ------------------------------------------------------------------------------------------- starting

    def start(self, names: Sequence[str]) -> None:
        """Start services with everything that they depend on, and return when the dependencies are ready.

        A service that cannot be started fails alone: `facts` of it raises what went wrong.

        Raises:
            UsageError: the manifest has no such service.
        """
        if self.engine.os != "linux":
            raise NotLookedError(
                f"the engine runs {self.engine.os} containers; only those of Linux can be probed"
            )
        self.manifest.pick(names)
        names = self._startable(names)
        if not names:
            return
        labels = {**self.engine.lease.labels, engines.LABEL_PROJECT: self.name}
        document = model.runnable(
            self.manifest,
            names,
            project=self.name,
            labels=labels,
            images=self.images,
            stand_ins=self.stand_ins,
        )
        for name in names:
            self._quicken(document["services"][name], name)
        services = {**self._document.get("services", {}), **document["services"]}
        self._document = {**document, "services": services}
        self.watch.start()
        with self.timed("up"):
            self._up_all(names)
        self._find(names)

    def _startable(self, names: Sequence[str]) -> list[str]:
        """Return the services that have an image, as all have that they depend on; the others fail."""
        for name in names:
            for needed in (name, *self.manifest.dependencies([name])):
                if not model.image(self.manifest, needed, self.images, self.stand_ins):
                    own = needed == name
                    words = (
                        "its image was not built" if own else f"it needs {needed}, whose image was not built"
                    )
                    self._failed[name] = NotLookedError(f"service {name} did not start: {words}")
        return [name for name in names if name not in self._failed]

    def run(self, service: str, override: Mapping[str, Any], *, name: str = "") -> str:
        """Start one more container of a service, run differently, beside the running dependencies.

        Args:
            service: a service of the manifest that was started, or whose dependencies were.
            override: laid over the compose service: mappings merge, lists and texts replace, None removes. A
                dollar sign is written `$$`, as in compose.
            name: of the new service; made up where none is given. It may be asked for with `facts`.

        Returns:
            The name of the new service.

        Raises:
            NotLookedError: it could not be started.
        """
        if service not in self._extra and service not in self._document.get("services", {}):
            raise UsageError(f"service {service} was not started, so nothing can run beside it")
        name = name or f"{service}-{next(_numbers)}"
        changed = model.merge(model.beside(self.declared(service)), override)
        self._quicken(changed, name, service)
        with self._lock:
            self._extra[name] = changed
        document = {**self._document, "services": {**self._document["services"], name: changed}}
        self._up([name], document, "--no-deps")
        self._find([name])
        return name

    def stop(self, name: str) -> None:
        """Remove the container of one service at once; for extra ones that are done with."""
        with self._lock:
            container = self._containers.pop(name, "")
        if container:
            self.engine.docker("rm", "--force", "--volumes", container, check=False)

    def container(self, name: str) -> str:
        """Return the container id of a started service.

        Raises:
            NotLookedError: it could not be started.
        """
        with self._lock:
            if name in self._failed:
                raise self._failed[name]
            if name not in self._containers:
                raise NotLookedError(f"service {name} has no container: it was not started")
            return self._containers[name]

    def _up_all(self, names: Sequence[str]) -> None:
        """Start all together; where that fails, one by one, so that one bad service takes no other with it."""
        try:
            self._up(names, self._document)
        except process.Cancelled:
            raise
        except NotLookedError as error:
            for name in self._not_begun(names):
                single = error if len(names) == 1 else self._try(name)
                if single is not None:
                    self._failed[name] = single

    def _not_begun(self, names: Sequence[str]) -> list[str]:
        """Return the services whose container did not start at all; one that ended already has its own story."""
        begun = {facts.service for facts in self._look() if facts.state.status not in {"created", "dead"}}
        return [name for name in names if name not in begun]

    def _try(self, name: str) -> NotLookedError | None:
        try:
            self._up([name], self._document)
        except process.Cancelled:
            raise
        except NotLookedError as error:
            return error
        return None

    def _up(self, names: Sequence[str], document: Mapping[str, Any], *flags: str) -> None:
        file = Path(self._folder.name, f"{next(_numbers)}.json")
        file.write_text(json.dumps(document, default=str), encoding="utf-8")
        folder = str(self.manifest.path.resolve().parent)
        command = ["compose", "--project-name", self.name, "--project-directory", folder, "--file", str(file)]
        command += ["up", "--detach", "--no-build", "--no-recreate", "--quiet-pull", *flags, *names]
        what = f"start of {', '.join(names)}"
        try:
            answer = self.engine.docker(*command, timeout=self._up_timeout, check=False, what=what)
        except process.Cancelled:
            raise
        except NotLookedError as error:
            raise self._not_started(names, str(error), error.log) from error
        if answer.exit_code:
            words = [line for line in answer.stderr.splitlines() if line.strip()]
            raise self._not_started(
                names, words[-1].strip() if words else "docker compose up failed", answer.log
            )

    def _not_started(self, names: Sequence[str], words: str, log: str) -> NotLookedError:
        """Name the container that is to blame for a failed start, with its last log lines and health log."""
        involved = {
            *names,
            *self.manifest.dependencies(name for name in names if name in self.manifest.services),
        }
        culprits = [facts for facts in self._look() if facts.service in involved and _is_culprit(facts)]
        logs = "\n".join(self.last_words(facts) for facts in culprits) or log
        blamed = ", ".join(f"{facts.service} ({_condition(facts)})" for facts in culprits)
        cause = f"{blamed}; " if blamed else ""
        return NotLookedError(
            f"{self.manifest.path}: service {', '.join(names)} did not start: {cause}{words}", logs
        )

    def _look(self) -> list[ContainerFacts]:
        """Return the state of all containers of the project; empty where the engine cannot be asked."""
        with contextlib.suppress(NotLookedError):
            ids = self._list()
            if ids:
                return [parse_inspect(document) for document in self.engine.inspect(*ids.values())]
        return []

    def _list(self) -> dict[str, str]:
        """Return service to container id."""
        form = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        flags = ["--all", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}"]
        listing = self.engine.docker("ps", *flags, "--format", form, timeout=30).stdout
        return dict(line.split() for line in listing.splitlines() if len(line.split()) == 2)  # noqa: PLR2004 - a name and a value

    def _find(self, names: Iterable[str]) -> None:
        found = self._list()
        with self._lock:
            self._containers |= {name: found[name] for name in names if name in found}

    def last_words(self, facts: ContainerFacts) -> str:
        """Return the end of a container's log, and what its health check said last."""
        lines = [
            f"--- {facts.service}: {_condition(facts)}",
            self.engine.logs(facts.id) or "(it logged nothing)",
        ]
        lines += [f"health probe exit {probe.exit_code}: {probe.output}" for probe in facts.health.log[-2:]]
        return "\n".join(lines)

    def _quicken(self, service: dict[str, Any], name: str, original: str = "") -> None:
        """Let a service be probed often, remembering what its image and compose say."""
        declared = self._health_of(service)
        if declared and model.quicken(
            service, declared, start_interval=self.engine.number >= engines.START_INTERVAL
        ):
            self._declared[name] = declared
        elif original in self._declared:
            self._declared[name] = self._declared[original]

    def _health_of(self, service: Mapping[str, Any]) -> HealthConfig | None:
        """Return the health check in force: the image's, with what compose says over it."""
        try:
            image = self.engine.inspect_image(service["image"]) if service.get("image") else {}
        except NotLookedError:
            return None
        return model.health(parse_config(image).healthcheck, service.get("healthcheck") or {})

    # -------------------------------------------------------------------------------------------- looking

    def facts(
        self,
        name: str,
        *,
        experiments: Collection[str] = (),
        dependencies: Sequence[str] = (),
        stop: StopRule = NO_WORK,
        network: bool = True,
        sidecar: str = "",
    ) -> ContainerFacts:
        """Look at a started service: wait for its health, read its processes and sockets, do experiments.

        A service that stays unhealthy is a fact (`health.status`); one that ended is an error.

        Args:
            name: of the service, or what `run` returned.
            experiments: names of `Experiment`. After `STOP` the container does not run any more, unless others need
                it or work was in hand.
            dependencies: services whose loss its health check promises to tell, for `DEPENDENCY`.
            stop: the work that it has in hand when it is stopped.
            network: whether the program needs one.
            sidecar: image of its sidecars, "" = the usual one.

        Raises:
            NotLookedError: it did not start, ended, or could not be looked at.
        """
        wanted = frozenset(Experiment(each) for each in experiments)
        with self.timed(f"{name}: all"):
            return look(self, name, Wanted(wanted, tuple(dependencies), stop, network, sidecar))

    def settled(self, beside: Sidecar, container: str, patience: float = PORTS_TIMEOUT) -> Snapshot:
        """Return a snapshot in which the exposed ports listen, or the last one after a bounded wait.

        Without a health check, or with one that answers before the program does, a container is looked at in its
        first moments; a port that comes a second later must not count as silent.
        """
        exposed = set(self.engine.inspect(container)[0]["Config"].get("ExposedPorts") or ())
        deadline = time.monotonic() + patience
        while True:
            seen = beside.snapshot()
            listening = {f"{s.port}/{s.protocol.rstrip('6')}" for s in seen.sockets if s.state == "LISTEN"}
            if exposed <= listening or time.monotonic() > deadline:
                return seen
            process.pause(PORTS_PAUSE)

    def sidecar(self, name: str, capabilities: Iterable[str] = (), image: str = "") -> Sidecar:
        """Return a sidecar of a started service, for assertions of one's own; use it with `with`."""
        return Sidecar(
            self.engine,
            self.container(name),
            image=image or self.sidecar_image,
            name=name,
            project=self.name,
            capabilities=capabilities,
        )

    @property
    def sidecar_image(self) -> str:
        """The image of sidecars."""
        return image_for(self.stand_ins)

    def declared(self, name: str) -> Mapping[str, Any]:
        """Return a service as compose is given it, what `run` started too."""
        document: Mapping[str, Any] = self._extra.get(name) or self._document["services"][name]
        return document

    def is_needed(self, name: str) -> bool:
        """Whether another service of the manifest that runs depends on this one."""
        running = [each for each in self._document["services"] if each != name]
        return name in self.manifest.services and name in self.manifest.dependencies(running)

    def anybody(self, name: str) -> str:
        """Return the container of any service of the project, a dependency's too.

        Raises:
            NotLookedError: it does not run.
        """
        found = self._list()
        if name not in found:
            raise NotLookedError(f"service {name} does not run, so it cannot be taken away")
        return found[name]

    def wait(self, container: str, name: str) -> Health:
        """Wait until the container is healthy, or has failed its own health check's terms.

        Raises:
            NotLookedError: it ended.
        """
        began = time.monotonic()
        while True:
            mark = self.watch.mark()
            facts = parse_inspect(self.engine.inspect(container)[0])
            if not facts.state.running:
                raise died(self.engine, container, name, facts.state.exit_code)
            health = facts.health
            limit = health.config.time_to_healthy + SLACK if health.config else 0.0
            waited = time.monotonic() - began
            if health.status != "starting" or waited > min(limit, self._health_limit):
                return self._true_health(health, container, name, facts.started_at)
            self.watch.wait(mark, 1.0)

    def _true_health(self, health: Health, container: str, name: str, started_at: str) -> Health:
        """Put right what the engine's short log and the quickened probes would tell wrong."""
        first = self.watch.healthy_after(container, started_at)
        config = self._declared.get(name, health.config)
        return health._replace(config=config, healthy_after=health.healthy_after if first is None else first)

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note the seconds of a block under a name in `seconds`."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = time.monotonic() - began


def _is_culprit(facts: ContainerFacts) -> bool:
    """Tell whether a container ended badly, never started, or is unhealthy."""
    ended_badly = facts.state.status in {"exited", "dead"} and facts.state.exit_code != 0
    return ended_badly or bool(facts.state.error) or facts.health.status == "unhealthy"


def _condition(facts: ContainerFacts) -> str:
    if facts.state.error:
        return facts.state.error
    if facts.state.running:
        return facts.health.status
    memory = ", out of memory" if facts.state.oom_killed else ""
    return f"{facts.state.status} with code {facts.state.exit_code}{memory}"

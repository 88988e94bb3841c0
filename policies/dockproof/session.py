"""One run of the gate on one manifest: builds, inspects and runs what is asked for, each once.

A session answers for a service at a level. Images are built together at the first question that needs one, containers
are started together at the first question to a running one. What fails is an answer too (`not_looked`), so that the
rest goes on and nothing already found is lost.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from dockproof import baseline, gate, verdict, waiver
from dockproof.errors import DockproofError, NothingToCheckError, NotLookedError, UsageError
from dockproof.facts.container import Experiment
from dockproof.finding import Probe
from dockproof.gate import Answers, NotLooked
from dockproof.policy import ImageTarget, Profile, RuntimeTarget
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from dockproof.collect.compose import Manifest, Service
    from dockproof.collect.engine import Engine
    from dockproof.collect.run import Project
    from dockproof.collect.standins import StandIns
    from dockproof.collect.structure import StructureResult
    from dockproof.config import Config, ServiceRule
    from dockproof.facts.container import ContainerFacts
    from dockproof.facts.image import ImageFacts
    from dockproof.facts.reproduction import Reproduction
    from dockproof.finding import Finding
    from dockproof.policy import Policy, RuntimeMutant, SourceTarget
    from dockproof.verdict import Cell

T = TypeVar("T")

COSTLY = frozenset({"death"})
"""Experiments that need a container of their own, for production images alone."""

BUILDS = 2
"""Builds side by side; stages that they share are built once."""


class Phase(NamedTuple):
    """A part of the run and the seconds that it took; parts of different services overlap."""

    name: str
    seconds: float


class _Once:
    """Makes each thing once, whichever thread asks first; an error that a user can act on is kept like a value."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._made: dict[str, tuple[Any, DockproofError | None]] = {}
        self._closed = False

    def close(self) -> None:
        """Make nothing any more: what is not there by now is an error."""
        self._closed = True

    def forget(self, key: str) -> None:
        """Make a thing anew when it is asked for again."""
        self._made.pop(key, None)

    def get(self, key: str, make: Callable[[], T]) -> T:
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._made:
                if self._closed:
                    raise NotLookedError(f"{key}: the run was interrupted before it could be looked at")
                self._made[key] = _attempt(make)
        value, error = self._made[key]
        if error is not None:
            raise error
        result: T = value
        return result


def _attempt(make: Callable[[], T]) -> tuple[T | None, DockproofError | None]:
    try:
        return make(), None
    except DockproofError as error:
        return None, error


class Session:
    """The gate on one compose file.

    Attributes:
        manifest: what Docker Compose resolved.
        services: the services whose images are built here, in the file's order.
        policies: all policies by id.
        config: the configuration in force.
        phases: what took how long, in the order of its end.
        left: what could not be removed at the end, and why.
    """

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        stand_ins: StandIns,
        policies: Mapping[str, Policy],
        config: Config,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Put a session together; `open` is the usual way."""
        self.manifest, self.engine, self.stand_ins = manifest, engine, stand_ins
        self.policies, self.config, self.progress = policies, config, progress
        self.services: Mapping[str, Service] = {n: s for n, s in manifest.services.items() if s.build}
        if not self.services:
            raise NothingToCheckError(
                f"{manifest.path}: no service has `build:`, so there is nothing to verify"
            )
        self.rules: Mapping[str, ServiceRule] = self._rules()
        self.phases: list[Phase] = []
        self.left: list[NotLooked] = []
        self._once = _Once()
        self._rebuilding = threading.Lock()
        self._stack = ExitStack()

    @classmethod
    def open(
        cls,
        path: Path,
        policies: Mapping[str, Policy],
        config: Config,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Connect to the engine and resolve the manifest.

        Raises:
            NotLookedError: no engine answers.
            UsageError: the manifest is missing or wrong.
            NothingToCheckError: it builds nothing.
        """
        from dockproof.collect import compose, standins  # noqa: PLC0415 - starting `check` must not pay for it
        from dockproof.collect.engine import Engine  # noqa: PLC0415 - as above

        engine = Engine.connect()
        return cls(compose.load(path), engine, standins.load(), policies, config, progress)

    def _rules(self) -> Mapping[str, ServiceRule]:
        from dockproof.config import x_dockproof  # noqa: PLC0415 - see `open`

        path = self.manifest.path
        return {
            n: x_dockproof(s.x_dockproof, f"{path}: {n}", self.policies) for n, s in self.services.items()
        }

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Remove every container, network and volume that this session started; may be called twice.

        What could not be removed is added to `left`, so that it hides nothing that was found.
        """
        self._close(self._stack.close, self.engine.close)

    def stop(self) -> None:
        """Take the containers down: what was seen of them stays known, a new question starts them again."""
        self._close(self._stack.close)
        self._once.forget("project")

    def _close(self, *parts: Callable[[], None]) -> None:
        from dockproof.collect import process  # noqa: PLC0415 - see `open`

        with process.undisturbed():
            for close in parts:
                try:
                    close()
                except DockproofError as error:
                    self.left.append(NotLooked("clean-up", f"{error}; the next run removes what is left"))

    def give_up(self) -> None:
        """Look at nothing more: what is known by now can still be asked, all else was not looked at."""
        self._once.close()

    def select(self, names: Sequence[str]) -> None:
        """Leave only these services to be asked about; what they depend on is built and run all the same.

        Raises:
            UsageError: a name is no service that is built here.
        """
        for name in names:
            if name not in self.services:
                known = ", ".join(self.services)
                raise UsageError(
                    f"{self.manifest.path}: no service {name!r} is built here; there are: {known}"
                )
        self.services = {name: service for name, service in self.services.items() if name in names}

    def start(self) -> None:
        """Build the images and start the containers, which the first question to one of them would do as well.

        Raises:
            NotLookedError: nothing could be started.
        """
        self._once.get("project", self._start)

    # ------------------------------------------------------------------------------------------- questions

    def profile(self, service: str) -> Profile:
        """Return the profile that a service is held to."""
        return self.rules[service].profile or self.config.profile

    def asks(self, service: str, probe: Probe) -> list[Policy]:
        """Return the policies that are asked about a service at a level."""
        return gate.asked(self.policies, self.config, self.profile(service), probe)

    def answers(self, service: str, probe: Probe) -> Answers:
        """Return what the probes of a level say of a service; a level that could not be looked at says why."""
        levels = {Probe.SOURCE: self._source, Probe.IMAGE: self._image, Probe.RUNTIME: self._runtime}

        def look() -> Answers:
            return _closed(probe, lambda: levels[probe](service))

        return _closed(probe, lambda: self._once.get(f"{probe} {service}", look))

    def structure(self, service: str, config: Path) -> Sequence[StructureResult]:
        """Answer one structure test file on a service's image: from its facts, and by the tool what those do not tell.

        Raises:
            NotLookedError: the image could not be built, or the tool gave no full answer.
        """
        from dockproof.collect import structure  # noqa: PLC0415 - see `open`

        def run() -> Sequence[StructureResult]:
            with self._timed(f"structure {service} {config.name}"):
                image = self.image_id(service)
                return structure.run(image, [config], engine=self.engine, facts=self.image_facts(service))

        return self._once.get(f"structure {service} {config.resolve()}", run)

    def structure_files(self, service: str) -> list[Path]:
        """Return the structure test files that a service names."""
        return [self.manifest.path.parent / name for name in self.rules[service].structure_tests]

    def cells(self, service: str) -> list[Cell]:
        """Return the verdict of every policy at every level."""
        profile, level = self.profile(service), self.config.fail_level
        asked = {p: {policy.id for policy in self.asks(service, p)} for p in Probe}
        return [
            verdict.cell(policy, probe, profile, self.answers(service, probe), level)
            for policy in self.policies.values()
            for probe in Probe
            if policy.id in asked[probe] or policy.severity(profile) is None or probe not in policy.probes
        ]

    def contradictions(self, service: str) -> list[Finding]:
        """Return a finding for every policy whose levels disagree on a service, and for every fact that differs."""
        found = verdict.contradictions(self.cells(service), self.policies)
        return [*found, *self._disagreements(service)]

    def _disagreements(self, service: str) -> Iterator[Finding]:
        """Hold the levels' facts against each other; what could not be looked at says so at its own level."""
        from dockproof import levels  # noqa: PLC0415 - see `open`

        with suppress(DockproofError):
            image, source = self.image_facts(service), self._source_or_none(service)
            if source is not None:
                yield from levels.of_build(source.shipped[-1], image)
            if self.asks(service, Probe.RUNTIME):
                overridden = {k for k, value in self.services[service].raw.items() if value is not None}
                yield from levels.of_run(image, self.container_facts(service), overridden)

    # ---------------------------------------------------------------------------------------------- levels

    def _source(self, service: str) -> Answers:
        from dockproof.collect import hadolint  # noqa: PLC0415 - see `open`

        with self._timed(f"source {service}"):
            target = self.source_target(service)
            path = self.dockerfile(service)
            found = hadolint.run([path]) if self.config.hadolint else hadolint.Found({}, {})
            config, waivers = self.config_of(service), self.rules[service].waivers
            answers = gate.check_source(target, self.policies, config, waivers, found.findings.get(str(path)))
            findings = baseline.waive(answers.findings, str(path), target.dockerfile.lines, config)
            return answers._replace(findings=findings, not_looked=(*answers.not_looked, *found.not_looked))

    def layers(self, service: str) -> Sequence[Mapping[str, Any]]:
        """Return the bytes of each layer of a service's image, with those wasted and the Dockerfile's line.

        Raises:
            NotLookedError: the image could not be built or read.
        """
        from dockproof.image_command import overview  # noqa: PLC0415 - see `open`

        found: Sequence[Mapping[str, Any]] = overview(self._image_target(service))["layers"]
        return found

    def _image_target(self, service: str) -> ImageTarget:
        return ImageTarget(
            self.image_facts(service),
            self.base_facts(service),
            self._source_or_none(service),
            profile=self.profile(service),
        )

    def _image(self, service: str) -> Answers:
        target = self._image_target(service)._replace(again=self._again(service))
        with self._timed(f"image probes {service}"):
            return self._waived(
                service,
                gate.ask(self.asks(service, Probe.IMAGE), Probe.IMAGE, target, self.config_of(service)),
            )

    def _again(self, service: str) -> Reproduction | None:
        """Build a service twice more and compare, where the configuration asks for it; None where it does not."""
        options = self.config_of(service).options.get("reproducible", {})
        asked = any(policy.id == "reproducible" for policy in self.asks(service, Probe.IMAGE))
        if not asked or not options.get("build_twice"):
            return None
        from dockproof.collect import reproduce  # noqa: PLC0415 - see `open`

        # One at a time: the containers that are looked at meanwhile have to answer in time.
        with self._rebuilding, self._timed(f"second build {service}"):
            return reproduce.reproduce(self.engine, self.services[service], self.stand_ins)

    def _runtime(self, service: str) -> Answers:
        target = RuntimeTarget(
            self.container_facts(service),
            self.image_facts(service),
            self._source_or_none(service),
            profile=self.profile(service),
        )
        answers = gate.ask_running(self.asks(service, Probe.RUNTIME), target, self.config_of(service))
        return self._waived(service, answers)

    def config_of(self, service: str) -> Config:
        """Return the configuration with the options and budgets that the service has of its own."""
        from dockproof.config import with_budgets  # noqa: PLC0415 - see `open`

        options = dict(self.config.options)
        for name, own in self.rules[service].options.items():
            options[name] = {**options.get(name, {}), **own}
        return self.config._replace(options=with_budgets(options, self.rules[service].budgets))

    def unused_waivers(self, service: str) -> list[Finding]:
        """Return a finding for each waiver of the service that waived nothing at any level."""
        answers = [self.answers(service, probe) for probe in Probe]
        if any(one.not_looked for one in answers):
            return []  # what was not looked at might have needed it
        findings = [finding for one in answers for finding in one.findings]
        asked = {policy.id for probe in Probe for policy in self.asks(service, probe)}
        return waiver.unused(self.rules[service].waivers, findings, asked)

    def _waived(self, service: str, answers: Answers) -> Answers:
        return answers._replace(findings=tuple(waiver.stamp(answers.findings, self.rules[service].waivers)))

    # ----------------------------------------------------------------------------------------------- facts

    def dockerfile(self, service: str) -> Path:
        """Return the path of a service's Dockerfile."""
        build = self.manifest.services[service].build
        if build is None:
            raise UsageError(f"service {service} builds no image")
        return build.dockerfile

    def source_target(self, service: str) -> SourceTarget:
        """Return the facts of a service's Dockerfile, for the target that compose builds.

        Raises:
            NotLookedError: the file cannot be read.
        """
        return self._once.get(f"dockerfile {service}", lambda: self._parse(service))

    def _parse(self, service: str) -> SourceTarget:
        from dockproof.facts.context import BuildContext  # noqa: PLC0415 - see `open`
        from dockproof.facts.dockerfile import parse  # noqa: PLC0415 - as above

        build, path = self.manifest.services[service].build, self.dockerfile(service)
        try:
            dockerfile = parse(path.read_bytes(), str(path))
        except OSError as error:
            raise NotLookedError(f"{path}: cannot be read: {error.strerror}") from None
        targets = [build.target] if build and build.target else []
        context = BuildContext.open(build.context, path) if build else None
        return gate.target_of(dockerfile, self.profile(service), targets, context)

    def _source_or_none(self, service: str) -> SourceTarget | None:
        try:
            return self.source_target(service)
        except DockproofError:
            return None

    def image_id(self, service: str) -> str:
        """Build all images of the manifest, together, and return one's id.

        Raises:
            NotLookedError: this image's build failed.
        """
        results = self._once.get("builds", self._build_all)
        result = results[service]
        if isinstance(result, DockproofError):
            raise result
        return result

    def _build_all(self) -> dict[str, str | DockproofError]:
        from dockproof.collect import process  # noqa: PLC0415 - see `open`

        names = self._needed()
        results = dict(zip(names, process.parallel(self._build, names, BUILDS), strict=True))
        if words := self.engine.builder.words(self.engine.context):
            self.progress(words)
        return results

    def _needed(self) -> list[str]:
        """Return the services whose images are run: those that are asked about, and what these depend on.

        A service without `build:` may run the image that another one builds, by its name.
        """
        services = self.manifest.services
        running = {*self.services, *self.manifest.dependencies(self.services)}
        borrowed = {services[name].image for name in running if not services[name].build} - {""}
        return [n for n, s in services.items() if s.build and (n in running or s.image in borrowed)]

    def _build(self, service: str) -> str | DockproofError:
        from dockproof.collect import build  # noqa: PLC0415 - see `open`

        try:
            self._refuse_to_build(service)
            with self._timed(f"build {service}"):
                return build.build(self.engine, self.manifest.services[service], self.stand_ins)
        except DockproofError as error:
            return error

    def _refuse_to_build(self, service: str) -> None:
        """Keep what BuildKit would refuse away from the engine: some of it makes Docker 26 end with a panic."""
        dockerfile = self.source_target(service).dockerfile
        if dockerfile.problems:
            first = dockerfile.problems[0]
            raise NotLookedError(f"{dockerfile.path}:{first.line}: not built: {first.message}")

    def image_facts(self, service: str) -> ImageFacts:
        """Return the facts of a service's image, built if need be."""
        return self._once.get(f"image facts {service}", lambda: self._facts(service, self.image_id(service)))

    def base_facts(self, service: str) -> ImageFacts | None:
        """Return the facts of the base that a service's shipped stage stands on, None where it is not at hand."""
        reference = self._base_reference(service)
        if reference is None:
            return None
        local = self.stand_ins.image_for(reference) or reference
        if not self.engine.has_image(local):
            return None
        return self._once.get(f"base facts {local}", lambda: self._facts("base", local))

    def _base_reference(self, service: str) -> str | None:
        target = self._source_or_none(service)
        refs = [stage.root_base.ref for stage in target.shipped] if target else []
        return refs[-1].text if refs and refs[-1] else None

    def _facts(self, name: str, reference: str) -> ImageFacts:
        from dockproof.collect import image  # noqa: PLC0415 - see `open`

        with self._timed(f"image facts {name}"):
            return image.facts(self.engine, reference)

    def container_facts(self, service: str) -> ContainerFacts:
        """Return what was seen of a service's running container, experiments included.

        Raises:
            NotLookedError: it did not start, died, or could not be looked at.
        """
        if self._failed(service):
            raise NotLookedError(f"service {service} was not run: its image could not be built")
        project = self._once.get("project", self._start)
        asked = frozenset(e for policy in self.asks(service, Probe.RUNTIME) for e in policy.experiments)
        if self.profile(service) is not Profile.PRODUCTION:
            asked -= COSTLY

        def look() -> ContainerFacts:
            with self._timed(f"run {service}"):
                facts = self._look(project, service, service, asked)
            self._note(project, service)
            return facts

        return self._once.get(f"container {service}", look)

    def _look(self, project: Project, service: str, name: str, asked: frozenset[str]) -> ContainerFacts:
        """Look at a service, or a container that runs it differently, as the manifest says of the service."""
        rule = self.rules[service]
        off = {each for each in asked if not rule.experiments.get(each, True)}
        facts = project.facts(
            name,
            experiments=asked - off,
            dependencies=rule.readiness,
            stop=rule.stop,
            network=rule.network,
            sidecar=rule.sidecar,
        )
        return facts.excused(off, Experiment.all() - asked, "x-dockproof of the service switches it off")

    def _note(self, project: Project, service: str) -> None:
        """Say where the time of a service went."""
        mine = f"{service}: "
        own = {name: seconds for name, seconds in project.seconds.items() if name.startswith(mine)}
        self.phases.extend(
            Phase(name, seconds) for name, seconds in own.items() if not name.endswith(": all")
        )

    def mutant_facts(self, name: str, mutant: RuntimeMutant, experiments: frozenset[str]) -> ContainerFacts:
        """Run a service once more, differently, beside its dependencies, and return what was seen of it.

        Args:
            name: names the extra container.
            mutant: how it is run, and what is built for it.
            experiments: what is done to it.

        Raises:
            NotLookedError: it did not start, died, or could not be looked at.
        """
        project = self._once.get("project", self._start)
        override = mutant.override
        if mutant.instructions:
            override = {**override, "image": self._worse_image(name, mutant)}
        extra = project.run(mutant.service, override, name=name)
        try:
            return self._look(project, mutant.service, extra, experiments)
        finally:
            project.stop(extra)

    def _worse_image(self, name: str, mutant: RuntimeMutant) -> str:
        from dockproof.collect import build  # noqa: PLC0415 - see `open`

        good = self.image_id(mutant.service)
        return build.build_on(self.engine, good, mutant.instructions, name=name, stand_ins=self.stand_ins)

    def _start(self) -> Project:
        from dockproof.collect.run import Project  # noqa: PLC0415 - see `open`

        images = {name: self.image_id(name) for name in self._needed() if not self._failed(name)}
        for sentence in self.engine.lacks:
            self.progress(sentence)
        with self._timed("start"):
            project = self._stack.enter_context(Project(self.engine, self.manifest, images, self.stand_ins))
            project.start([name for name in self.services if name in images])
        return project

    def _failed(self, service: str) -> bool:
        return isinstance(self._once.get("builds", self._build_all)[service], DockproofError)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        self.progress(f"{name} …")
        start = time.monotonic()
        try:
            yield
        finally:
            self.phases.append(Phase(name, time.monotonic() - start))


def _closed(probe: Probe, look: Callable[[], Answers]) -> Answers:
    """Look, and turn an error that stops a whole level into the answer that it could not be looked at."""
    try:
        return look()
    except NotLookedError as error:
        return Answers(not_looked=(NotLooked(probe.value, str(error), error.log),))
    except DockproofError as error:
        return Answers(not_looked=(NotLooked(probe.value, str(error)),))

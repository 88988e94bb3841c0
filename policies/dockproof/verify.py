"""`dockproof verify`: the whole gate on a manifest, one table, and the evidence in `build/verify/`."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import dockproof
from dockproof.collect import process
from dockproof.errors import DockproofError, Exit, NothingToCheckError, NotLookedError, UsageError
from dockproof.finding import Probe
from dockproof.gate import NotLooked, is_red
from dockproof.records import NamedTuple
from dockproof.session import Session

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from dockproof.collect.structure import StructureResult
    from dockproof.config import Config
    from dockproof.finding import Finding
    from dockproof.gate import Answers
    from dockproof.policy import Policy
    from dockproof.session import Phase
    from dockproof.verdict import Cell

WORKERS = 5
"""Questions asked side by side: some wait for containers most of the time, the others share the processors."""


class Service(NamedTuple):
    """All that was seen of one service.

    Attributes:
        name: the compose service.
        dockerfile: path of its Dockerfile.
        image: id of the image that was built, None where the build failed.
        cells: every policy at every level.
        answers: by level, everything that was said.
        structure: results of the structure tests that the service names.
        contradictions: where levels disagree, and waivers that waived nothing at any level.
        not_looked: what could not be looked at, of no policy's own.
        layers: bytes of each layer, as `dockproof.image_command.overview` gives them.
    """

    name: str
    dockerfile: Path
    image: str | None
    profile: str
    cells: Sequence[Cell]
    answers: Mapping[Probe, Answers]
    structure: Sequence[StructureResult]
    contradictions: Sequence[Finding]
    not_looked: Sequence[NotLooked]
    layers: Sequence[Mapping[str, Any]] = ()


class Shard(NamedTuple):
    """A part of the images, for one machine of several: `number`, from 1, of `of` parts."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2/3`.

        Raises:
            UsageError: it is no such thing.
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UsageError(f"--shard {text}: write the part and the number of parts, as 2/3")
        return cls(int(number), int(of))

    def of_names(self, names: Sequence[str]) -> list[str]:
        """Return this part of the services; the same on every machine, whatever the file's order.

        Raises:
            NothingToCheckError: there are fewer services than parts.
        """
        mine = sorted(names)[self.number - 1 :: self.of]
        if not mine:
            raise NothingToCheckError(
                f"--shard {self.number}/{self.of}: only {len(names)} services are built here; use at most so many parts"
            )
        return mine


class Report(NamedTuple):
    """What `verify` says.

    Attributes:
        manifest: the compose file.
        images: all services that the manifest builds, also those that were not asked about.
        inputs: digests of the manifest and of all its Dockerfiles: results of the same state can be merged.
        shard: the part that this run is, None = no part.
        services: in the file's order.
        stand_ins: which local image stood in for which pinned one, as the engine's set-up wrote it.
        versions: tool to version.
        phases: part of the run to seconds.
        seconds: of the whole run.
        left: what could not be removed at the end.
        lacks: what the engine cannot do that would be used, or does in its own way.
        interrupted: whether it was ended by a signal before everything was looked at.
        others: services with an image that nobody builds here, and that image: the run asks nothing about them.
    """

    manifest: Path
    services: Sequence[Service]
    stand_ins: Sequence[Mapping[str, str]]
    versions: Mapping[str, str]
    phases: Sequence[Phase]
    seconds: float
    images: Sequence[str] = ()
    inputs: Mapping[str, str] = {}
    shard: Shard | None = None
    left: Sequence[NotLooked] = ()
    lacks: Sequence[str] = ()
    interrupted: bool = False
    others: Mapping[str, str] = {}

    def exit(self, config: Config) -> Exit:
        """Return the exit code; what could not be looked at wins over what was found."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.left or any(n.fatal for service in self.services for n in service.not_looked):
            return Exit.NOT_LOOKED
        red = any(is_red(f, config.fail_level) for service in self.services for f in findings(service))
        failed = any(not result.passed for service in self.services for result in service.structure)
        return Exit.FINDINGS if red or failed else Exit.CLEAN


def findings(service: Service) -> Iterator[Finding]:
    """Yield everything that was found on a service, level by level, contradictions last."""
    for answers in service.answers.values():
        yield from answers.findings
    yield from service.contradictions


def run(session: Session, names: Sequence[str] = (), shard: Shard | None = None) -> Report:
    """Ask everything about the named services (all of them where none is named), or about a part of them.

    Ctrl-C ends the looking, and what was found by then is reported.

    Raises:
        UsageError: a name is no service that is built here.
        NothingToCheckError: the part is empty.
    """
    start = time.monotonic()
    images, inputs = list(session.services), _inputs(session)
    if names:
        session.select(names)
    if shard:
        session.select(shard.of_names(list(session.services)))
    interrupted, services = False, list[Service]()
    try:
        _look_at_all(session)
        services = _services(session)
    except KeyboardInterrupt:
        interrupted = True
        with process.undisturbed():
            session.give_up()
            services = _services(session)
    return Report(
        session.manifest.path,
        services,
        session.stand_ins.as_json(),
        {"dockproof": dockproof.__version__, **session.engine.versions()},
        session.phases,
        time.monotonic() - start,
        images,
        inputs,
        shard,
        lacks=session.engine.lacks,
        interrupted=interrupted,
        others=_others(session),
    )


def _others(session: Session) -> dict[str, str]:
    """Return the services whose images nobody builds here, each with its image."""
    services = session.manifest.services
    built = {service.image for service in services.values() if service.build}
    return {name: s.image for name, s in services.items() if not s.build and s.image not in built}


def _services(session: Session) -> list[Service]:
    return [_service(session, name) for name in session.services]


def _inputs(session: Session) -> dict[str, str]:
    """Return the digests of what the run is about, by path below the manifest's folder."""
    folder = session.manifest.path.resolve().parent
    paths = {
        session.manifest.path.resolve(),
        *(session.dockerfile(name).resolve() for name in session.services),
    }
    return {
        os.path.relpath(path, folder): f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(paths)
        if path.is_file()
    }


def _look_at_all(session: Session) -> None:
    """Ask everything once, side by side; answers and errors are kept by the session.

    The containers are started first and alone: what is looked at while they run has their waiting time for nothing,
    and what would be looked at while they start would slow the start, on which all else waits.
    """
    names = list(session.services)

    def ask(*probes: Probe) -> list[Callable[[], object]]:
        return [partial(session.answers, name, probe) for probe in probes for name in names]

    def test_structures() -> list[Callable[[], object]]:
        return [
            partial(session.structure, name, path) for name in names for path in session.structure_files(name)
        ]

    _ = session.engine.lease  # so that every tool from here on is a known run's
    process.parallel(_quietly, [session.start, *ask(Probe.SOURCE)], WORKERS)
    process.parallel(_quietly, [*ask(Probe.RUNTIME, Probe.IMAGE), *test_structures()], WORKERS)


def _quietly(job: Callable[[], object]) -> None:
    try:
        job()
    except DockproofError:
        return  # the session kept it; `_service` reads it again and reports it


def _service(session: Session, name: str) -> Service:
    missed: list[NotLooked] = []
    answers = {probe: session.answers(name, probe) for probe in Probe}
    missed += [n for a in answers.values() for n in a.not_looked]
    structure: list[StructureResult] = []
    for path in session.structure_files(name):
        try:
            structure += session.structure(name, path)
        except DockproofError as error:
            missed.append(NotLooked(f"structure test {path.name}", str(error), getattr(error, "log", "")))
    try:
        image, layers = session.image_id(name), session.layers(name)
    except DockproofError:
        image, layers = None, ()  # the image level's own answer says why
    return Service(
        name,
        session.dockerfile(name),
        image,
        session.profile(name).value,
        session.cells(name),
        answers,
        structure,
        [*session.contradictions(name), *session.unused_waivers(name)],
        tuple(dict.fromkeys(missed)),
        layers,
    )


def command(
    names: Sequence[str],
    *,
    compose: Path,
    folder: Path,
    policies: Mapping[str, Policy],
    config: Config,
    shard: Shard | None = None,
    quiet: bool = False,
) -> Exit:
    """Run the whole gate, print what it found and leave the evidence.

    Args:
        names: services to verify; none = all that are built.
        shard: the part of them to verify; None = all.
        compose: the manifest.
        folder: where results.json and junit.xml go.
        policies: all policies by id.
        config: the configuration in force.
        quiet: whether to leave out the progress on standard error.

    Raises:
        DockproofError: nothing could be looked at: no engine, no manifest.
        KeyboardInterrupt: Ctrl-C, once everything that was started is removed.
    """
    start = time.monotonic()

    def say(text: str) -> None:
        if not quiet:
            sys.stderr.write(f"{time.monotonic() - start:6.1f} s  {text}\n")  # one write: threads report too

    report = None
    with process.interruptible():
        try:
            with Session.open(compose, policies, config, say) as session:
                report = run(session, names, shard)
        except KeyboardInterrupt:  # while it was cleaned up, unless there is nothing yet
            if report is None:
                raise
            report = report._replace(interrupted=True)
        _deliver(report._replace(left=session.left), config, folder, say)
    return report.exit(config)


def _deliver(report: Report, config: Config, folder: Path, say: Callable[[str], None]) -> None:
    """Write the evidence, which a signal then cannot take away any more, and print the report.

    Raises:
        NotLookedError: the evidence could not be written; the report was printed.
    """
    from dockproof.report import evidence  # noqa: PLC0415 - needed at the end

    results, failure = evidence.document(report, config), None
    with process.undisturbed():
        try:
            paths = evidence.write(results, folder)
        except NotLookedError as error:
            paths, failure = [], error
    print(evidence.last(results) if report.interrupted else evidence.text(results), end="")  # noqa: T201 - the report
    say(evidence.phases(results))
    for path in paths:
        print(f"evidence: {path}")  # noqa: T201 - the report
    if failure:
        raise failure


def main(arguments: list[str]) -> int:
    """Run `dockproof verify` with the arguments behind its name."""
    from pathlib import Path  # noqa: PLC0415 - see `dockproof.cli`

    from dockproof import cli  # noqa: PLC0415 - as above
    from dockproof.collect import compose  # noqa: PLC0415 - as above

    options = _parser().parse_args(arguments)
    path = Path(options.compose) if options.compose else compose.find(Path())
    config, policies = cli.configuration(options, path.resolve().parent)
    if options.reproducible:
        own = {**config.options.get("reproducible", {}), "build_twice": True}
        config = config._replace(options={**config.options, "reproducible": own})
    return command(
        options.services,
        compose=path,
        folder=Path(options.output),
        policies=policies,
        config=config,
        shard=options.shard,
        quiet=options.quiet,
    )


def _parser() -> ArgumentParser:
    from dockproof import cli  # noqa: PLC0415 - see `dockproof.cli`

    parser = cli.parser_for("verify")
    parser.add_argument(
        "services", nargs="*", metavar="SERVICE", help="services to verify (default: all that are built)"
    )
    cli.add_common(parser)
    parser.add_argument("--compose", metavar="FILE", help="the manifest (default: compose.yaml here)")
    parser.add_argument("--output", metavar="FOLDER", default="build/verify", help="where the evidence goes")
    parser.add_argument(
        "--reproducible", action="store_true", help="build every image a second time, clean, and compare"
    )
    parser.add_argument(
        "--shard",
        metavar="I/N",
        type=Shard.parse,
        help="part I of N, for N machines; `dockproof merge` joins them",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser

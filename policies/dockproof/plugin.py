"""The pytest plugin: Dockerfiles, compose.yaml and structure tests are collected as test items.

One item a policy and level::

    dockerfiles/backend/Dockerfile::non-root[source]
    dockerfiles/backend/Dockerfile::hadolint
    compose.yaml::api::non-root[image]
    compose.yaml::api::healthcheck[runtime]
    structure-tests/api.yaml::api::the user is numeric

An item that could not look is an error of its kind: it fails where an engine is required (`--require-engine`, or
`CI=true`) and skips with the reason where none answers. Everything heavy is imported when an item first needs it, so
that a repository without Dockerfiles pays for nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from dockproof.config import Config, ServiceRule
    from dockproof.finding import Finding, Probe
    from dockproof.gate import Answers, FileReport
    from dockproof.policy import Policy, Profile
    from dockproof.session import Session

MARKERS = {
    "source": "a question to a Dockerfile",
    "image": "a question to a built image",
    "structure": "a container-structure-test on a built image",
    "runtime": "a question to a running container",
}
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the gate's options."""
    group = parser.getgroup("dockproof", "Dockerfile, image and container policies")
    group.addoption(
        "--require-engine",
        action="store_true",
        default=os.environ.get("CI", "").lower() == "true",
        help="fail, instead of skip, what needs a container engine where none answers (implied by CI=true)",
    )
    group.addoption(
        "--no-dockproof", action="store_true", help="collect no Dockerfile, compose file or structure test"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, so that strict configurations know them."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning} (dockproof)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect Dockerfiles, the compose file and the structure tests that it names."""
    if parent.config.getoption("--no-dockproof"):
        return None
    if file_path.name in COMPOSE:
        return ComposeFile.from_parent(parent, path=file_path)
    if file_path.suffix in {".yaml", ".yml"} and _is_structure_test(file_path):
        return StructureFile.from_parent(parent, path=file_path)
    from dockproof.collect.discover import is_dockerfile  # noqa: PLC0415 - see the module's docstring

    return DockerfileFile.from_parent(parent, path=file_path) if is_dockerfile(file_path.name) else None


def _is_structure_test(path: Path) -> bool:
    """Whether a YAML file says that it is a container-structure-test, in its first lines."""
    with path.open("rb") as file:
        return b"\nschemaVersion:" in b"\n" + file.read(4096)


class Policies:
    """What all items of one run share: policies, configuration and, once an item asks for it, the session."""

    key = pytest.StashKey["Policies"]()

    def __init__(self, config: pytest.Config) -> None:
        """Load the catalogue and the configuration of the folder that pytest was started for."""
        from dockproof import catalog, own  # noqa: PLC0415 - see the module's docstring
        from dockproof import config as configuration  # noqa: PLC0415 - as above

        self.all: Mapping[str, Policy] = catalog.load()
        path = configuration.find(config.rootpath)
        self.config: Config = configuration.load(path, self.all) if path else configuration.Config()
        self.all = own.with_own(self.all, self.config)
        self.require_engine = bool(config.getoption("--require-engine"))
        self.sessions: dict[Path, Session] = {}

    @classmethod
    def of(cls, config: pytest.Config) -> Policies:
        """Return the run's one instance; a wrong configuration is one sentence, without a traceback."""
        from dockproof.errors import UsageError  # noqa: PLC0415 - see the module's docstring

        if cls.key not in config.stash:
            try:
                config.stash[cls.key] = cls(config)
            except UsageError as error:
                raise pytest.Collector.CollectError(str(error)) from None
        return config.stash[cls.key]

    def session(self, compose: Path) -> Session:
        """Return the session of a compose file, opened once.

        Raises:
            NotLookedError: no engine answers.
        """
        from dockproof.session import Session  # noqa: PLC0415 - see the module's docstring

        if compose not in self.sessions:
            self.sessions[compose] = Session.open(compose, self.all, self.config)
        return self.sessions[compose]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """End on SIGTERM, which CI systems send, as on Ctrl-C: where items start containers, those are removed."""
    # Where pytest-xdist distributes, the items are its processes'.
    distributed = session.config.pluginmanager.hasplugin("dsession")
    if not distributed and not any(isinstance(item, EngineItem) for item in session.items):
        return (yield)
    from dockproof.collect import process  # noqa: PLC0415 - see the module's docstring

    with process.interruptible():
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Take the containers down after a compose file's last item: they would burden the tests that follow."""
    if not isinstance(item, EngineItem):
        return
    opened = Policies.of(item.config).sessions.get(item.compose)
    if opened and not (isinstance(nextitem, EngineItem) and nextitem.compose == item.compose):
        opened.stop()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove every container, network and volume that the items started."""
    if Policies.key in session.config.stash:
        for opened in session.config.stash[Policies.key].sessions.values():
            opened.close()


class PolicyFailure(Exception):  # noqa: N818 - what pytest shows is a failure, not an error
    """Findings, already put into words."""


class Item(pytest.Item):
    """One question of the gate; its failure is shown as the gate's own sentences, without a traceback."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kwargs: Any) -> Any:
        """Show the sentences alone."""
        from dockproof.errors import DockproofError  # noqa: PLC0415 - see the module's docstring

        if isinstance(excinfo.value, PolicyFailure | DockproofError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **kwargs)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Place the item in the file that it asks about, not in this one; its name is the title of a failure.

        In a name pytest would show dots as `::`.
        """
        return self.path, 0, "" if "." in self.name else self.name


class DockerfileFile(pytest.File):
    """A Dockerfile: one item a source policy, one for hadolint."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for every policy that asks a Dockerfile of this profile."""
        from dockproof import gate  # noqa: PLC0415 - see the module's docstring
        from dockproof.finding import Probe  # noqa: PLC0415 - as above

        shared = Policies.of(self.config)
        for policy in gate.asked(shared.all, shared.config, self.profile, Probe.SOURCE):
            yield SourceItem.from_parent(self, name=f"{policy.id}[source]", policy=policy.id)
        yield SourceItem.from_parent(self, name="waiver[source]", policy="waiver")
        if shared.config.hadolint:
            yield SourceItem.from_parent(self, name="hadolint", policy="hadolint")

    @property
    def profile(self) -> Profile:
        """The profile that the configuration gives this file."""
        config = Policies.of(self.config).config
        profiles = (rule.profile for rule in config.rules_for(self.path))
        return next((profile for profile in profiles if profile), config.profile)

    @property
    def report(self) -> FileReport:
        """Everything that is said of the file, asked once."""
        if self._report is None:
            from dockproof.check import check_file  # noqa: PLC0415 - see the module's docstring

            shared = Policies.of(self.config)
            self._report = check_file(self.path, shared.all, shared.config)
        return self._report

    _report: FileReport | None = None


class SourceItem(Item):
    """One source policy, or hadolint, on one Dockerfile."""

    parent: DockerfileFile

    def __init__(self, *, policy: str, **kwargs: Any) -> None:
        """Keep the policy's id; `hadolint` and `waiver` stand for all findings of that kind."""
        super().__init__(**kwargs)
        self.policy = policy
        self.add_marker(pytest.mark.source)

    def runtest(self) -> None:
        """Fail with the findings of this policy, skip where it does not apply."""
        report = self.parent.report
        if report.error:
            raise PolicyFailure(f"{self.path} could not be read: {report.error}")
        _settle(self.policy, report.answers, self.config)


def _settle(policy: str, answers: Answers, config: pytest.Config) -> None:
    """Turn what was said into pass, skip or failure.

    Raises:
        PolicyFailure: there are findings that fail, or the policy could not look.
    """
    from dockproof.gate import is_red  # noqa: PLC0415 - see the module's docstring

    fail_level = Policies.of(config).config.fail_level
    missed = [n for n in answers.not_looked if n.what == policy]
    red = [f for f in answers.findings if f.policy.partition(":")[0] == policy and is_red(f, fail_level)]
    if any(n.fatal for n in missed):
        raise PolicyFailure("\n".join(f"could not look: {n.reason}\n{n.log}".strip() for n in missed))
    if red:
        raise PolicyFailure("\n".join(map(_sentence, red)))
    skipped = [n.reason for n in answers.not_applicable if n.policy == policy] + [n.reason for n in missed]
    if skipped and not any(f.policy == policy for f in answers.findings):
        _skip("not applicable: " + "; ".join(dict.fromkeys(skipped)))


def _skip(reason: str) -> NoReturn:
    """Skip, with the file that the item asks about in the summary."""
    raise pytest.skip.Exception(reason, _use_item_location=True)


def _sentence(finding: Finding) -> str:
    where = f"line {finding.place.line}" if finding.place.line else ""
    place = ", ".join(part for part in (where, str(finding.place)) if part)
    name = f"{finding.policy}/{finding.clause}" if finding.clause else finding.policy
    return f"{place}: {name}: {finding.message}"


class ComposeFile(pytest.File):
    """The manifest: one node a service that is built.

    It is read as plain YAML here, so that items are known without an engine; the `manifest` item then compares that
    with what Docker Compose itself resolves.
    """

    def collect(self) -> Iterator[pytest.Collector | pytest.Item]:
        """Yield the services that are built, and the item that checks that these are all."""
        from dockproof.errors import UsageError  # noqa: PLC0415 - see the module's docstring

        try:
            services = manifest(self.path)
        except UsageError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        yield ManifestItem.from_parent(self, name="manifest", services=frozenset(services))
        for name, rule in services.items():
            yield ServiceNode.from_parent(self, name=name, profile=rule.profile)


def manifest(path: Path) -> Mapping[str, ServiceRule]:
    """Return what a compose file says of its built services, as plain YAML says it.

    Raises:
        UsageError: it is no compose file, or `x-dockproof` holds something unknown.
    """
    import yaml  # noqa: PLC0415 - see the module's docstring

    from dockproof.config import x_dockproof  # noqa: PLC0415 - as above
    from dockproof.errors import UsageError  # noqa: PLC0415 - as above

    try:
        services = yaml.safe_load(path.read_bytes())["services"]
        built = {name: service for name, service in services.items() if service.get("build")}
    except (yaml.YAMLError, OSError) as error:
        raise UsageError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"{path}: no compose file: it has no table `services` of tables") from None
    known = catalog_ids()
    return {
        name: x_dockproof(s.get("x-dockproof") or {}, f"{path}: {name}", known) for name, s in built.items()
    }


def catalog_ids() -> frozenset[str]:
    """Return the ids of all policies."""
    from dockproof import catalog  # noqa: PLC0415 - see the module's docstring

    return frozenset(catalog.load())


class EngineItem(Item):
    """An item that needs an engine: skipped with the reason where none answers, or failed where one is required."""

    compose: Path

    @property
    def gate(self) -> Session:
        """The compose file's session.

        Raises:
            PolicyFailure: no engine answers and one is required.
        """
        from dockproof.errors import NotLookedError  # noqa: PLC0415 - see the module's docstring

        shared = Policies.of(self.config)
        try:
            return shared.session(self.compose)
        except NotLookedError as error:
            if shared.require_engine:
                raise PolicyFailure(str(error)) from None
            _skip(str(error))


class ManifestItem(EngineItem):
    """What was collected is what Docker Compose builds: an include or a merge that YAML alone misses fails here."""

    def __init__(self, *, services: frozenset[str], **kwargs: Any) -> None:
        """Keep the services that were collected."""
        super().__init__(**kwargs)
        self.compose, self.services = self.path, services
        self.add_marker(pytest.mark.image)

    def runtest(self) -> None:
        """Compare with `docker compose config`."""
        resolved = frozenset(self.gate.services)
        if resolved != self.services:
            missed = ", ".join(sorted(resolved ^ self.services))
            raise PolicyFailure(f"{self.path.name}: collected and resolved services differ: {missed}")


class ServiceNode(pytest.Collector):
    """One service of the manifest."""

    def __init__(self, *, profile: Profile | None, **kwargs: Any) -> None:
        """Keep the service's profile; None = the configuration's."""
        super().__init__(**kwargs)
        self.profile = profile or Policies.of(self.config).config.profile

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for every image and runtime policy of the service's profile, and one for contradictions."""
        from dockproof import gate  # noqa: PLC0415 - see the module's docstring
        from dockproof.finding import Probe  # noqa: PLC0415 - as above

        shared = Policies.of(self.config)
        for probe in (Probe.IMAGE, Probe.RUNTIME):
            for policy in gate.asked(shared.all, shared.config, self.profile, probe):
                yield LevelItem.from_parent(self, name=f"{policy.id}[{probe}]", policy=policy.id, probe=probe)
        yield ContradictionItem.from_parent(self, name="contradictions")


class LevelItem(EngineItem):
    """One image or runtime policy on one service."""

    parent: ServiceNode

    def __init__(self, *, policy: str, probe: Probe, **kwargs: Any) -> None:
        """Keep the question."""
        super().__init__(**kwargs)
        self.compose, self.policy, self.probe = self.path, policy, probe
        self.add_marker(getattr(pytest.mark, probe.value))

    def runtest(self) -> None:
        """Build, inspect or run what is not yet, and fail with the findings of this policy."""
        answers = self.gate.answers(self.parent.name, self.probe)
        whole = [n for n in answers.not_looked if n.what == self.probe.value]
        if whole:
            raise PolicyFailure("\n".join(f"could not look: {n.reason}\n{n.log}".strip() for n in whole))
        _settle(self.policy, answers, self.config)


class ContradictionItem(EngineItem):
    """No level says the opposite of another."""

    parent: ServiceNode

    def __init__(self, **kwargs: Any) -> None:
        """Mark it as what it needs: a running container."""
        super().__init__(**kwargs)
        self.compose = self.path
        self.add_marker(pytest.mark.runtime)

    def runtest(self) -> None:
        """Fail with every disagreement of this service's levels."""
        found = self.gate.contradictions(self.parent.name)
        if found:
            raise PolicyFailure("\n".join(map(_sentence, found)))


class StructureFile(pytest.File):
    """A container-structure-test file: its tests, once for every service that names it."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for every test of the file and service that names it."""
        from dockproof.collect import structure_config  # noqa: PLC0415 - see the module's docstring

        tests = structure_config.read(self.path).names
        compose = _manifest_of(self.path, self.config.rootpath)
        services = [
            name
            for name, rule in (manifest(compose) if compose else {}).items()
            if self.path.resolve()
            in {(self._folder(compose) / path).resolve() for path in rule.structure_tests}
        ]
        if compose is None or not services:
            yield Unused.from_parent(self, name="unused")
            return
        for service in services:
            for test in tests:
                yield StructureItem.from_parent(
                    self, name=f"{service}::{test}", compose=compose, service=service, test=test
                )

    @staticmethod
    def _folder(compose: Path | None) -> Path:
        return compose.parent if compose else Path()


def _manifest_of(path: Path, root: Path) -> Path | None:
    """Return the nearest compose file at or above a path, inside the root."""
    for folder in path.parents:
        for name in COMPOSE:
            if (folder / name).is_file():
                return folder / name
        if folder == root:
            break
    return None


class Unused(Item):
    """A structure test that no service names tests nothing, so it fails."""

    def runtest(self) -> None:
        """Fail: nothing would ever run this file."""
        raise PolicyFailure(
            f"no service of a compose file names {self.path.name} under x-dockproof: structure_tests"
        )


class StructureItem(EngineItem):
    """One test of one structure test file, on one service's image."""

    def __init__(self, *, compose: Path, service: str, test: str, **kwargs: Any) -> None:
        """Keep the question."""
        super().__init__(**kwargs)
        self.compose, self.service, self.test = compose, service, test
        self.add_marker(pytest.mark.structure)

    def runtest(self) -> None:
        """Run the file on the image once, and fail with the errors of this test."""
        for result in self.gate.structure(self.service, self.path):
            if result.name == self.test:
                if not result.passed:
                    raise PolicyFailure("\n".join(result.errors) or "the test failed without a word")
                return
        raise PolicyFailure(f"{self.test!r} got no result")

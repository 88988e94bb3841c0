"""Run an image that nobody builds here, as shipped, with what the command line or a compose service gives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof import gate, levels, verdict
from dockproof.collect import compose, model, process, standins
from dockproof.collect.run import Project
from dockproof.config import ServiceRule, x_dockproof
from dockproof.errors import NotLookedError, UsageError
from dockproof.facts.container import Experiment
from dockproof.finding import Probe
from dockproof.gate import Answers, NotLooked
from dockproof.policy import RuntimeTarget
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.collect.compose import Manifest
    from dockproof.collect.engine import Engine
    from dockproof.config import Config
    from dockproof.facts.container import ContainerFacts
    from dockproof.facts.image import ImageFacts
    from dockproof.finding import Finding
    from dockproof.policy import Policy, Profile

SERVICE = "image"
"""What the service is called where no compose file names it."""


class Terms(NamedTuple):
    """How an image is run.

    Attributes:
        compose: a file with a service of this image: its dependencies, environment, health check and `x-dockproof`
            count; None = as shipped.
        environment: variables; None = this process's own value.
        command: words in place of the image's CMD, () = the image's.
        tmpfs: folders that are a tmpfs.
        without: experiments that are not done.
        network: whether the program needs a network.
    """

    compose: Path | None = None
    environment: Mapping[str, str | None] = {}
    command: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    network: bool = True

    @property
    def service(self) -> dict[str, Any]:
        """What is laid over the compose service; a dollar sign is doubled, as compose wants it."""
        given: dict[str, Any] = {}
        if self.environment:
            given["environment"] = {key: _escaped(value) for key, value in self.environment.items()}
        if self.command:
            given["command"] = [_escaped(word) for word in self.command]
        if self.tmpfs:
            given["tmpfs"] = list(self.tmpfs)
        return given


def _escaped(text: str | None) -> str | None:
    return text if text is None else text.replace("$", "$$")


def answers(
    engine: Engine,
    reference: str,
    image: ImageFacts,
    terms: Terms,
    policies: Mapping[str, Policy],
    config: Config,
    profile: Profile,
) -> Answers:
    """Run an image in a project of its own, ask the runtime probes, and remove it.

    Args:
        engine: the engine, which has the image.
        reference: what it was asked for by.
        image: its facts.
        terms: how it is run.
        policies: all policies by id.
        config: the configuration in force.
        profile: the profile in force.

    Raises:
        UsageError: the terms are wrong.
    """
    manifest, name = manifest_of(reference, terms)
    rule = x_dockproof(manifest.services[name].x_dockproof, f"{manifest.path}: {name}", policies)
    asked = gate.asked(policies, config, profile, Probe.RUNTIME)
    try:
        facts = _facts(engine, manifest, name, image.id, rule, terms, asked)
    except NotLookedError as error:
        return Answers(not_looked=(NotLooked(Probe.RUNTIME.value, str(error), error.log),))
    found = gate.ask_running(asked, RuntimeTarget(facts, image, profile=profile), config)
    differing = levels.of_run(image, facts, manifest.services[name].raw)
    return found._replace(findings=(*found.findings, *differing))


def manifest_of(reference: str, terms: Terms) -> tuple[Manifest, str]:
    """Return the compose file that runs an image, and its service.

    Raises:
        UsageError: the file has no service of this image, or more than one.
    """
    if terms.compose is None:
        document = {"services": {SERVICE: {"image": reference, **terms.service}}}
        return compose.parse(json.dumps(document), Path("compose.yaml")), SERVICE
    manifest = compose.load(terms.compose)
    names = [name for name, service in manifest.services.items() if service.image == reference]
    if len(names) != 1:
        known = ", ".join(
            f"{name} ({service.image or 'built'})" for name, service in manifest.services.items()
        )
        raise UsageError(
            f"{terms.compose}: {len(names)} services have `image: {reference}`; one must say how it is run: {known}"
        )
    changed = model.merge(manifest.services[names[0]].raw, terms.service)
    services = {**manifest.document["services"], names[0]: changed}
    return compose.parse(json.dumps({**manifest.document, "services": services}), terms.compose), names[0]


def _facts(
    engine: Engine,
    manifest: Manifest,
    name: str,
    image: str,
    rule: ServiceRule,
    terms: Terms,
    asked: Sequence[Policy],
) -> ContainerFacts:
    wanted = {experiment for policy in asked for experiment in policy.experiments}
    off = {each for each in wanted if each in terms.without or not rule.experiments.get(each, True)}
    with process.interruptible(), Project(engine, manifest, {name: image}, standins.load()) as project:
        project.start([name])
        facts = project.facts(
            name,
            experiments=wanted - off,
            dependencies=rule.readiness,
            stop=rule.stop,
            network=rule.network and terms.network,
            sidecar=rule.sidecar,
        )
    return facts.excused(off, Experiment.all() - wanted, "it is switched off for this run")


def contradictions(
    policies: Mapping[str, Policy], config: Config, profile: Profile, said: Mapping[Probe, Answers]
) -> Iterator[Finding]:
    """Yield where the running container and its image disagree."""
    cells = [
        verdict.cell(policy, probe, profile, one, config.fail_level)
        for probe, one in said.items()
        for policy in gate.asked(policies, config, profile, probe)
    ]
    yield from verdict.contradictions(cells, policies)

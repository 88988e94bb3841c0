"""Image and runtime mutants: images really built, containers really run, in one session of the gate.

The good image of each service is built first. Image mutants are built on top of it; runtime mutants run it with an
override beside the dependencies that already run.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockproof import gate
from dockproof.collect import build, image, process, reproduce
from dockproof.errors import DockproofError
from dockproof.facts.dockerfile import parse
from dockproof.finding import OWN, Probe
from dockproof.policy import ImageMutant, ImageTarget, RuntimeMutant, RuntimeTarget
from dockproof.proof.matrix import failed, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.facts.reproduction import Reproduction
    from dockproof.gate import Answers
    from dockproof.policy import Policy
    from dockproof.proof.matrix import Owner, Row
    from dockproof.session import Session

WORKERS = 4
BUDGET = "size-budget"


def baseline(session: Session) -> Iterator[str]:
    """Yield a sentence for everything that a policy says of an unmutated image or run: there must be nothing."""
    for service in session.services:
        for probe in (Probe.IMAGE, Probe.RUNTIME):
            answers = session.answers(service, probe)
            for finding in answers.findings:
                if not finding.waived:
                    yield f"{service}: {finding.policy} is red unmutated at {probe}: {finding.message}"
            for missed in answers.not_looked:
                yield f"{service}: {missed.what} could not look: {missed.reason}"


def image_rows(session: Session, owners: Mapping[str, Owner]) -> list[Row]:
    """Build every image mutant of some policies and judge it."""
    pairs = [(o.policy, m) for o in owners.values() for m in o.mutants if isinstance(m, ImageMutant)]
    built = process.parallel(lambda pair: _built(session, *pair), pairs, WORKERS)
    image.prefetch(
        session.engine, [one for one in built if isinstance(one, str)]
    )  # one stream for all of them
    return [_image_row(session, *pair, one) for pair, one in zip(pairs, built, strict=True)]


def _built(session: Session, policy: Policy, mutant: ImageMutant) -> str | DockproofError:
    try:
        good = session.image_id(mutant.service)
        name = f"{policy.id}-{mutant.name}"
        return build.build_on(
            session.engine, good, mutant.instructions, name=name, stand_ins=session.stand_ins
        )
    except DockproofError as error:
        return error


def _image_row(session: Session, policy: Policy, mutant: ImageMutant, built: str | DockproofError) -> Row:
    if isinstance(built, DockproofError):
        return failed(policy, mutant, f"could not be built: {built}")
    facts = image.facts(session.engine, built)
    try:
        again = _again(session, policy, mutant, built) if mutant.twice else None
    except DockproofError as error:
        return failed(policy, mutant, f"could not be built a second time: {error}")
    profile = session.profile(mutant.service)
    target = ImageTarget(facts, session.base_facts(mutant.service), profile=profile, again=again)
    config = _config(session, mutant.service, policy)
    answers = gate.ask(session.asks(mutant.service, Probe.IMAGE), Probe.IMAGE, target, config)
    row = judge(policy, mutant, answers)
    return row._replace(faults=(*row.faults, *_unblamed(policy, mutant, target, answers)))


def _unblamed(policy: Policy, mutant: ImageMutant, target: ImageTarget, answers: Answers) -> Iterator[str]:
    """Yield a fault where no finding of the owner is blamed on what the mutant did.

    That is a line of the mutant, an own layer, or a field of the config: what is not set has no line.
    """
    whole = "{image}" in mutant.instructions
    text = mutant.instructions if whole else f"FROM good\n{mutant.instructions}"
    blame = target.image.blame(target.base, parse(text.replace("{image}", "good")).stages[-1])
    found = [blame.located(f.place) for f in answers.findings if f.policy == policy.id]
    if found and not any(place.line or place.origin == OWN or place.field for place in found):
        yield f"no finding is blamed on a line, an own layer or a field: {found[0]}"


def _again(session: Session, policy: Policy, mutant: ImageMutant, built: str) -> Reproduction:
    """Build a mutant once more without the cache and compare it with the first one."""
    good = session.image_id(mutant.service)
    name = f"{policy.id}-{mutant.name}-again"
    second = build.build_on(
        session.engine, good, mutant.instructions, name=name, stand_ins=session.stand_ins, no_cache=True
    )
    return reproduce.compared(session.engine, built, second)


def _config(session: Session, service: str, owner: Policy) -> Config:
    """Return a service's configuration; its budgets are those of the good image, so they hold for their owner alone."""
    config = session.config_of(service)
    kept = {name: value for name, value in config.options.items() if name != BUDGET or owner.id == BUDGET}
    return config._replace(options=kept)


def runtime_rows(session: Session, owners: Mapping[str, Owner]) -> list[Row]:
    """Run every runtime mutant of some policies and judge it; those that are run alike share one container."""
    pairs = [(o.policy, m) for o in owners.values() for m in o.mutants if isinstance(m, RuntimeMutant)]
    groups: dict[str, list[tuple[Policy, RuntimeMutant]]] = {}
    for policy, mutant in pairs:
        key = json.dumps([mutant.service, mutant.override, mutant.instructions], sort_keys=True)
        groups.setdefault(key, []).append((policy, mutant))
    rows = process.parallel(lambda group: _runtime_rows(session, group), list(groups.values()), WORKERS)
    made = {(row.policy, row.mutant): row for some in rows for row in some}
    return [made[policy.id, mutant.name] for policy, mutant in pairs]


def _runtime_rows(session: Session, group: Sequence[tuple[Policy, RuntimeMutant]]) -> list[Row]:
    """Run the first of some mutants that are run alike, with all experiments of all, and judge each."""
    policy, first = group[0]
    asked = frozenset(
        e for p, m in group for e in (p.experiments if m.experiments is None else m.experiments)
    )
    service = first.service
    try:
        facts = session.mutant_facts(f"{policy.id}-{first.name}", first, asked)
        target = RuntimeTarget(facts, session.image_facts(service), profile=session.profile(service))
    except DockproofError as error:
        return [failed(p, m, f"could not be run: {error}") for p, m in group]
    asks = session.asks(service, Probe.RUNTIME)
    answers = gate.ask(asks, Probe.RUNTIME, target, session.config_of(service))
    return [judge(p, m, answers) for p, m in group]

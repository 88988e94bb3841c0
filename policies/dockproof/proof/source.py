"""Source mutants: edits of good Dockerfiles, judged in milliseconds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dockproof import gate, waiver
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import EditMutant, Profile, SourceMutant
from dockproof.proof import edits
from dockproof.proof.matrix import NotMade, Row, edited, failed, judge
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.facts.context import BuildContext
    from dockproof.facts.span import Problem
    from dockproof.finding import Finding
    from dockproof.gate import Answers
    from dockproof.policy import Mutant, Policy, SourceTarget
    from dockproof.proof.matrix import Owner
    from dockproof.waiver import Exemption

GENERATED = "good/"
"""What the names of generated files begin with."""


class Good(NamedTuple):
    """A Dockerfile that passes every policy, and that mutants edit.

    Attributes:
        name: what mutants call it (`SourceMutant.file`).
        text: its text.
        profile: the profile it is held to.
        context: its build context, None where it needs none.
        targets: its shipped stages; empty = the last one.
        waivers: those of the configuration.
    """

    name: str
    text: str
    profile: Profile = Profile.PRODUCTION
    context: BuildContext | None = None
    targets: tuple[str, ...] = ()
    waivers: tuple[Exemption, ...] = ()


def target_of(good: Good, text: str) -> SourceTarget:
    """Read a text in the place of a good file.

    Raises:
        KeyError: a stage that is shipped is none of the file.
    """
    return gate.target_of(parse(text, good.name), good.profile, good.targets, good.context)


def answers(good: Good, text: str, policies: Mapping[str, Policy], config: Config) -> Answers:
    """Ask every source probe about a text in the place of a good file."""
    return gate.check_source(target_of(good, text), policies, config, good.waivers)


def baseline(
    goods: Mapping[str, Good], policies: Mapping[str, Policy], config: Config, owners: Mapping[str, Owner]
) -> Iterator[str]:
    """Yield a sentence for everything that the owners of mutants say of an unedited file: there must be nothing."""
    for good in goods.values():
        said = answers(good, good.text, policies, config)
        own = (one for one in said.findings if one.policy in {*owners, waiver.ID})
        for finding in (one for one in own if not one.waived):
            yield f"{good.name}:{finding.place.line}: {finding.policy} is red unedited: {finding.message}"
        for missed in said.not_looked:
            yield f"{good.name}: {missed.what} could not look: {missed.reason}"


def rows(
    goods: Mapping[str, Good],
    policies: Mapping[str, Policy],
    config: Config,
    owners: Mapping[str, Owner],
    *,
    generated: bool = False,
) -> Iterator[Row]:
    """Make every source mutant of some policies and judge it.

    Args:
        goods: the files to edit, by name.
        policies: who is asked of each mutant.
        config: the configuration.
        owners: whose mutants are made.
        generated: whether those of generated files are made, or those of all others.
    """
    before = {name: _red(answers(good, good.text, policies, config)) for name, good in goods.items()}
    for policy, mutants in owners.values():
        for mutant in mutants:
            if isinstance(mutant, SourceMutant) and mutant.file.startswith(GENERATED) is generated:
                ask = partial(
                    _judged, policies=policies, config=config, before=before.get(mutant.file, frozenset())
                )
                yield _row(policy, mutant, goods, ask)


def _red(said: Answers) -> frozenset[str]:
    return frozenset(finding.policy for finding in said.findings if not finding.waived)


def _judged(
    good: Good,
    text: str,
    names: frozenset[str],
    policies: Mapping[str, Policy],
    config: Config,
    before: frozenset[str],
) -> Answers:
    """Ask about a text; what was red unedited is not the edit's doing, but for the policies that are named."""
    said = answers(good, text, policies, config)
    kept = tuple(f for f in said.findings if f.policy in names or f.policy not in before)
    return said._replace(findings=kept)


def _row(
    policy: Policy,
    mutant: SourceMutant,
    goods: Mapping[str, Good],
    ask: Callable[[Good, str, frozenset[str]], Answers],
) -> Row:
    good = goods.get(mutant.file)
    if good is None:
        return failed(policy, mutant, f"stale: there is no good Dockerfile {mutant.file}", mutant.file)
    try:
        text, lines = edited(good.text, mutant)
    except ValueError as error:
        return failed(policy, mutant, str(error), good.name)
    said = ask(_with_ignore(good, mutant.ignore), text, mutant.also | {policy.id})
    return judge(policy, mutant, said, lines, good.name)


def _with_ignore(good: Good, text: str | None) -> Good:
    """Return the good file with another ignore file beside it, where a mutant brings one."""
    if text is None or good.context is None:
        return good
    from dockproof.facts import context  # noqa: PLC0415 - few mutants need it

    ignored = context.BuildContext(good.context.root, good.context.ignore_path, context.parse(text))
    return good._replace(context=ignored)


# -------------------------------------------------------------------------------- edits that any file can be given


def edit_rows(
    good: Good,
    policies: Mapping[str, Policy],
    config: Config,
    owners: Mapping[str, Owner],
    *,
    alone: bool = False,
) -> Iterator[Row | NotMade]:
    """Make every edit of some policies on one file and judge it; give what cannot be made with its reason.

    Args:
        good: the file; it is read, and never written.
        policies: all policies by id.
        config: the configuration.
        owners: whose edits are made.
        alone: whether only the owner is asked and judged, as on a user's file.
    """
    before = {
        f.policy: f for f in reversed(answers(good, good.text, policies, config).findings) if not f.waived
    }
    target = target_of(good, good.text)
    for policy, mutants in owners.values():
        if missed := _not_made(policy, mutants, good, before.get(policy.id), target.dockerfile.problems):
            yield missed
            continue
        own = config._replace(select=frozenset({policy.id})) if alone else config
        ask = partial(_asked_of_edit, good=good, policies=policies, config=own, before=frozenset(before))
        given = target._replace(options={**policy.options, **config.options.get(policy.id, {})})
        edits = (mutant for mutant in mutants if isinstance(mutant, EditMutant))
        yield from (_edit_row(policy, mutant, given, ask, good.name, alone=alone) for mutant in edits)


def _not_made(
    policy: Policy, mutants: Sequence[Mutant], good: Good, found: Finding | None, problems: Sequence[Problem]
) -> NotMade | None:
    """Say why no edit of a policy is made on a file, None where they are.

    `found` is what the policy finds there before, `problems` what BuildKit would refuse.
    """
    if found is not None:
        why = f"line {found.place.line}: {found.message}"
        return NotMade(policy.id, None, good.name, "red already", why, found.severity)
    if problems:
        why = f"BuildKit does not accept the file (line {problems[0].line}: {problems[0].message})"
        return NotMade(policy.id, None, good.name, "not applicable", why)
    reason = _unasked(policy, mutants, good)
    return NotMade(policy.id, None, good.name, *reason) if reason else None


def _unasked(policy: Policy, mutants: Sequence[Mutant], good: Good) -> tuple[str, str] | None:
    """Say why a policy cannot be shown to notice anything on a file."""
    if Probe.SOURCE not in policy.probes:
        return (
            "not applicable",
            f"it is asked of the {' and the '.join(policy.probes)}, not of the Dockerfile",
        )
    if policy.severity(good.profile) is None:
        return "off", f"it is off under the profile {good.profile}"
    if not any(isinstance(mutant, EditMutant | SourceMutant) for mutant in mutants):
        return "not applicable", "it has no mutant of a Dockerfile"
    return None


def _asked_of_edit(
    text: str, good: Good, policies: Mapping[str, Policy], config: Config, before: frozenset[str]
) -> Answers:
    """Ask about an edited text; what was red before is not the edit's doing."""
    said = answers(good, text, policies, config)
    return said._replace(findings=tuple(f for f in said.findings if f.policy not in before))


def _edit_row(
    policy: Policy,
    mutant: EditMutant,
    target: SourceTarget,
    ask: Callable[[str], Answers],
    file: str,
    *,
    alone: bool,
) -> Row | NotMade:
    try:
        text, lines = edits.edit(target, mutant)
    except edits.CannotEditError as error:
        return NotMade(policy.id, mutant.name, file, "not applicable", str(error))
    said = ask(text)
    own = [f for f in said.findings if f.policy == policy.id]
    skipped = next((one.reason for one in said.not_applicable if one.policy == policy.id), "")
    if not own and skipped:
        return NotMade(policy.id, mutant.name, file, "not applicable", skipped)
    waived = next((f.waived for f in own if f.waived), None)
    if waived and all(f.waived for f in own):
        return NotMade(policy.id, mutant.name, file, "waived", waived.reason)
    return judge(policy, mutant, said, lines, file, alone=alone)

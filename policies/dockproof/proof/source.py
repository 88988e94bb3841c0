"""Source mutants: edits of good Dockerfiles, judged in milliseconds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dockproof import gate, waiver
from dockproof.facts.dockerfile import parse
from dockproof.policy import Profile, SourceMutant
from dockproof.proof.matrix import edited, failed, judge
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dockproof.config import Config
    from dockproof.facts.context import BuildContext
    from dockproof.gate import Answers
    from dockproof.policy import Policy
    from dockproof.proof.matrix import Row


class Good(NamedTuple):
    """A Dockerfile that passes every policy, and that mutants edit.

    Attributes:
        name: what mutants call it (`SourceMutant.file`).
        text: its text.
        profile: the profile it is held to.
        context: its build context, None where it needs none.
    """

    name: str
    text: str
    profile: Profile = Profile.PRODUCTION
    context: BuildContext | None = None


def answers(good: Good, text: str, policies: Mapping[str, Policy], config: Config) -> Answers:
    """Ask every source probe about a text in the place of a good file."""
    target = gate.target_of(parse(text, good.name), good.profile, (), good.context)
    return gate.check_source(target, policies, config)


def baseline(
    goods: Mapping[str, Good], policies: Mapping[str, Policy], config: Config, owners: Mapping[str, Policy]
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
    goods: Mapping[str, Good], policies: Mapping[str, Policy], config: Config, owners: Mapping[str, Policy]
) -> Iterator[Row]:
    """Make every source mutant of some policies and judge it.

    Args:
        goods: the files to edit, by name.
        policies: who is asked of each mutant.
        config: the configuration.
        owners: whose mutants are made.
    """
    before = {name: _red(answers(good, good.text, policies, config)) for name, good in goods.items()}
    for policy in owners.values():
        for mutant in policy.mutants:
            if isinstance(mutant, SourceMutant):
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
        return failed(policy, mutant, f"stale: there is no good Dockerfile {mutant.file}")
    try:
        text, lines = edited(good.text, mutant)
    except ValueError as error:
        return failed(policy, mutant, str(error))
    said = ask(_with_ignore(good, mutant.ignore), text, mutant.also | {policy.id})
    return judge(policy, mutant, said, lines)


def _with_ignore(good: Good, text: str | None) -> Good:
    """Return the good file with another ignore file beside it, where a mutant brings one."""
    if text is None or good.context is None:
        return good
    from dockproof.facts import context  # noqa: PLC0415 - few mutants need it

    ignored = context.BuildContext(good.context.root, good.context.ignore_path, context.parse(text))
    return good._replace(context=ignored)

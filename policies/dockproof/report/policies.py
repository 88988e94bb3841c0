"""The catalogue as a list, as JSON (schema 1, design.md) and as the page of one policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockproof import catalog, mends, waiver
from dockproof.errors import UsageError
from dockproof.policy import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.policy import Policy

SCHEMA = 1
OFF = "off"


def as_json(policies: Mapping[str, Policy]) -> Iterator[str]:
    """Yield the list as JSON, one policy a line."""
    yield f'{{"schema": {SCHEMA}, "policies": ['
    for number, policy in enumerate(policies.values()):
        yield (",\n  " if number else "\n  ") + json.dumps(entry(policy), ensure_ascii=False)
    yield "\n]}\n"


def entry(policy: Policy) -> dict[str, Any]:
    """Return one policy; its own `same_as` and `covers` hold those of its clauses too."""
    clauses = policy.clauses
    return {
        "id": policy.id,
        "title": policy.title,
        "family": policy.family.value,
        "severity": {profile.value: policy.severity(profile) for profile in Profile},
        "probes": [probe.value for probe in policy.probes],
        "same_as": _union(policy.same_as, *(clause.same_as for clause in clauses)),
        "covers": _union(policy.covers, *(clause.covers for clause in clauses)),
        "clauses": {
            c.name: {"title": c.title, "same_as": list(c.same_as), "covers": list(c.covers)} for c in clauses
        },
        "references": list(policy.references),
        "since": policy.since,
        "mutants": len(policy.mutants),
        "fixable": any(name == policy.id for name, _ in mends.FIXERS),
        "options": {name: _plain(value) for name, value in policy.options.items()},
    }


def _union(*groups: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group))


def _plain(value: object) -> object:
    """Return a default as JSON knows it."""
    return sorted(value) if isinstance(value, set | frozenset) else value


def as_text(policies: Mapping[str, Policy]) -> Iterator[str]:
    """Yield the list as a table, family by family."""
    width = max(map(len, policies), default=0)
    families = dict.fromkeys(policy.family for policy in policies.values())
    for family in families:
        yield f"{family.value}\n"
        for policy in policies.values():
            if policy.family is family:
                yield f"  {policy.id:<{width}}  {_severities(policy):<16}  {_levels(policy):<20}  {policy.title}\n"
        yield "\n"
    yield f"{len(policies)} policies: severity in production/development, the levels that are asked, the property\n"


def _severities(policy: Policy) -> str:
    return "/".join(policy.severity(p) or OFF for p in (Profile.PRODUCTION, Profile.DEVELOPMENT))


def _levels(policy: Policy) -> str:
    return "/".join(policy.probes)


def explain(name: str, policies: Mapping[str, Policy], *, as_json: bool = False) -> Iterator[str]:
    """Yield the page of a policy.

    Args:
        name: its id, also with a clause; `waiver`; or what another tool or a standard calls it, as `hadolint:DL3008`
            or `DL3008` alone.
        policies: all policies by id.
        as_json: as JSON instead of text.

    Raises:
        UsageError: there is no such policy.
    """
    policy = policies.get(name.partition("/")[0])
    if policy is None:
        yield from _explain_other(name, policies)
    elif as_json:
        page = {title or "Title": text for title, text in catalog.page(policy).items()}
        example = policy.example and dict(zip(("failing", "passing"), policy.example.files, strict=True))
        whole = {"schema": SCHEMA, **entry(policy), "page": page, "example": example}
        yield json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    else:
        yield from _page(policy)


def _page(policy: Policy) -> Iterator[str]:
    page = dict(catalog.page(policy))
    yield f"{policy.id}: {policy.title}\n{'=' * (len(policy.id) + 2 + len(policy.title))}\n\n"
    for label, value in _facts(policy):
        yield f"{label + ':':<12} {value}\n"
    yield "\n"
    page.pop("", None)
    for title, text in page.items():
        yield f"{title}\n{'-' * len(title)}\n{text}\n\n"
    yield from _example(policy)
    yield from _clauses(policy)
    yield f'Waive it: # dockproof: ignore={policy.id} reason="…" until=2027-01-31\n'


def _facts(policy: Policy) -> Iterator[tuple[str, str]]:
    yield "Family", policy.family.value
    yield "Severity", ", ".join(f"{policy.severity(p) or OFF} in {p.value}" for p in Profile)
    yield "Asked of", ", ".join(policy.probes)
    same, covers = (entry(policy)[key] for key in ("same_as", "covers"))
    if same:
        yield "Same as", ", ".join(same)
    if covers:
        yield "Covers", ", ".join(covers)
    if policy.options:
        yield (
            "Options",
            ", ".join(f"{name} = {json.dumps(_plain(value))}" for name, value in policy.options.items()),
        )
    count = len(policy.mutants)
    yield "Proven by", f"{count} mutant{'' if count == 1 else 's'} (`dockproof prove --select {policy.id}`)"
    yield "Since", policy.since


def _example(policy: Policy) -> Iterator[str]:
    for title, text in zip(("Fails", "Passes"), policy.example.files if policy.example else (), strict=False):
        lines = "".join(f"    {line}\n" for line in text.splitlines())
        yield f"{title}\n{'-' * len(title)}\n{lines}\n"


def _clauses(policy: Policy) -> Iterator[str]:
    if not policy.clauses:
        return
    width = max(len(clause.name) for clause in policy.clauses)
    yield "Clauses\n-------\n"
    for clause in policy.clauses:
        peers = ", ".join(_union(clause.same_as, clause.covers))
        yield f"{clause.name:<{width}}  {clause.title}{f' ({peers})' if peers else ''}\n"
    yield "\n"


def _explain_other(name: str, policies: Mapping[str, Policy]) -> Iterator[str]:
    from dockproof.strict_table import unknown_policy  # noqa: PLC0415 - the usual case needs none

    name = _with_its_tool(name, policies)
    ours = [policy.id for policy in policies.values() if name in _elsewhere(policy)]
    problem = unknown_policy(name, policies)
    if problem and not ours:
        raise UsageError(problem)
    if name == waiver.ID:
        yield f"{waiver.ID}: {waiver.TITLE}\n\n{(waiver.__doc__ or '').strip()}\n"
        return
    whose = "an item of a standard" if name.startswith("cis:") else "a rule of another tool"
    yield f"{name} is {whose}, which explains it itself.\n"
    yield from (f"Our policy with this meaning: {one} (`dockproof explain {one}`)\n" for one in ours)


def _with_its_tool(name: str, policies: Mapping[str, Policy]) -> str:
    """Return the name by which we know what people call `DL3008` alone; what nobody calls so stays as it is."""
    known = (one for policy in policies.values() for one in _elsewhere(policy) if "//" not in one)
    return next((one for one in known if one.partition(":")[2].casefold() == name.casefold()), name)


def _elsewhere(policy: Policy) -> tuple[str, ...]:
    """Return what other tools and standards call what a policy holds."""
    found = entry(policy)
    return (*found["same_as"], *found["covers"], *policy.references)

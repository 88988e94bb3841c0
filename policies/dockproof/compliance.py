"""`dockproof compliance`: every item of the standards as checked, waived or not applicable, none left blank.

What a standard asks stands in data/compliance.toml. Which policy looks at an item of CIS is what the policies'
references say (`cis:4.1`), so that a policy that comes or goes is seen here without a list to keep. The evidence of
`dockproof verify` adds what was really seen of each service.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.errors import Exit, UsageError
from dockproof.finding import Probe
from dockproof.patterns import pattern
from dockproof.records import NamedTuple
from dockproof.verdict import Verdict

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockproof.config import Config
    from dockproof.policy import Policy
    from dockproof.waiver import Exemption

STANDARDS = ("cis", "nist", "owasp")
FORMATS = ("text", "json", "markdown", "html")

_DATA = Path(__file__).parent / "data" / "compliance.toml"
_CHECK = pattern(r"(?P<policy>[a-z0-9-]+)(?:/(?P<clause>[a-z0-9-]+))?(?:\[(?P<probes>[a-z, ]+)\])?")


class Check(NamedTuple):
    """A policy that looks at an item.

    Attributes:
        policy: its id.
        clause: the one clause that is meant, None = all of it.
        probes: the levels at which it looks.
    """

    policy: str
    clause: str | None
    probes: tuple[Probe, ...]

    @property
    def name(self) -> str:
        """`id`, or `id/clause`."""
        return f"{self.policy}/{self.clause}" if self.clause else self.policy


class Item(NamedTuple):
    """One thing that a standard asks.

    Attributes:
        id: the standard's own number.
        title: what it asks, in our words.
        note: what is left to others; the reason where nothing here checks it.
        checks: who looks at it; empty where nobody does.
    """

    id: str
    title: str
    note: str
    checks: tuple[Check, ...]


class Standard(NamedTuple):
    """A standard, with its items in its own order."""

    id: str
    title: str
    source: str
    items: tuple[Item, ...]


class Lifted(NamedTuple):
    """A place where a check does not hold, because a person said so.

    Attributes:
        check: the check's name.
        where: the file, service or configuration that is excepted.
        reason: the waiver's, with its end; or that the policy is switched off.
        everywhere: whether the check holds nowhere at all.
    """

    check: str
    where: str
    reason: str
    everywhere: bool = False


class Standing(NamedTuple):
    """How an item stands.

    Attributes:
        item: the item.
        status: `checked`, `waived` (no check is left that nobody lifted) or `not applicable`.
        lifted: what people lifted.
        results: service to what `verify` saw, its worst verdict first; None without evidence.
    """

    item: Item
    status: str
    lifted: tuple[Lifted, ...]
    results: Mapping[str, Verdict] | None


# -------------------------------------------------------------------------------------------------- the standards


def standards(policies: Mapping[str, Policy]) -> dict[str, Standard]:
    """Return the standards by id, their items with the checks that these policies make.

    Raises:
        ValueError: the data names a policy, clause, probe or item that does not exist.
    """
    data = _data()
    found: dict[str, Standard] = {}
    for name in STANDARDS:
        items = data[name]["items"].items()
        made = [
            Item(key, raw["title"], raw.get("note", ""), _checks(name, key, raw, policies))
            for key, raw in items
        ]
        found[name] = Standard(name, data[name]["title"], data[name]["source"], tuple(made))
    return found


@cache
def _data() -> Mapping[str, Any]:
    import tomllib  # noqa: PLC0415 - other commands do not need it

    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


def _checks(
    standard: str, key: str, raw: Mapping[str, Any], policies: Mapping[str, Policy]
) -> tuple[Check, ...]:
    """Return who looks at an item: who is named, who says so itself, and who looks at the same item of CIS."""
    named = [parse(text, policies) for text in raw.get("checks", ())]
    taken = {check.policy for check in named}
    reference = f"{standard}:{key}".replace("#", "")
    own = [p for p in policies.values() if reference in p.references and p.id not in taken]
    checks = [*named, *(Check(policy.id, None, policy.probes) for policy in own)]
    for same in raw.get("cis", ()):
        checks += _checks("cis", same, _data()["cis"]["items"][same], policies)
    return tuple(_merged(checks))


def _merged(checks: Iterable[Check]) -> Iterator[Check]:
    """Yield each check once, by name, with all its probes; a clause is part of its whole policy."""
    probes: dict[tuple[str, str | None], set[Probe]] = {}
    for check in checks:
        probes.setdefault((check.policy, check.clause), set()).update(check.probes)
    for policy, clause in sorted(probes, key=lambda key: (key[0], key[1] or "")):
        own = probes[policy, clause]
        if clause is None or not own <= probes.get((policy, None), set()):
            yield Check(policy, clause, tuple(probe for probe in Probe if probe in own))


def parse(text: str, policies: Mapping[str, Policy]) -> Check:
    """Read `id`, `id/clause` or `id[probe, probe]`.

    Raises:
        ValueError: there is no such policy, clause or probe.
    """
    match = _CHECK.fullmatch(text)
    policy = policies.get(match["policy"]) if match else None
    if match is None or policy is None:
        raise ValueError(f"{text}: there is no such policy")
    if match["clause"] and match["clause"] not in {clause.name for clause in policy.clauses}:
        raise ValueError(f"{text}: {policy.id} has no such clause")
    words = [word.strip() for word in match["probes"].split(",")] if match["probes"] else list(policy.probes)
    if not set(words) <= set(policy.probes):
        raise ValueError(f"{text}: {policy.id} asks only at {', '.join(policy.probes)}")
    return Check(policy.id, match["clause"], tuple(Probe(word) for word in words))


# ------------------------------------------------------------------------------------------- what people lifted


def standing(
    item: Item, config: Config, services: Mapping[str, Iterable[Exemption]], evidence: Evidence | None = None
) -> Standing:
    """Say how an item stands.

    Args:
        item: the item.
        config: what is switched off, and what is waived for some files.
        services: compose service to the waivers under its `x-dockproof`.
        evidence: what `verify` saw, None = nothing was run.
    """
    lifted = tuple(one for check in item.checks for one in _lifted(check, config, services))
    nowhere = {one.check for one in lifted if one.everywhere}
    left = [check for check in item.checks if check.name not in nowhere]
    results = evidence.of(left) if evidence else None
    return Standing(item, _status(item, lifted, results), lifted, results)


def _status(item: Item, lifted: Iterable[Lifted], results: Mapping[str, Verdict] | None) -> str:
    if not item.checks:
        return "not applicable"
    seen = set(results.values()) - {Verdict.NOT_APPLICABLE, Verdict.NOT_ASKED} if results else set()
    if seen:
        return "waived" if seen == {Verdict.WAIVED} else "checked"
    return "waived" if {check.name for check in item.checks} <= {one.check for one in lifted} else "checked"


def _lifted(check: Check, config: Config, services: Mapping[str, Iterable[Exemption]]) -> Iterator[Lifted]:
    origin = str(config.path or "the command line")
    if {check.policy, check.name} & config.ignore:
        yield Lifted(check.name, origin, "ignored", everywhere=True)
    elif config.select and check.policy not in {name.partition("/")[0] for name in config.select}:
        yield Lifted(check.name, origin, "not selected", everywhere=True)
    scopes = [(rule.pattern, rule.waivers) for rule in config.files]
    scopes += [(f"service {name}", tuple(waivers)) for name, waivers in services.items()]
    for where, waivers in scopes:
        for exemption in waivers:
            if {check.policy, check.name} & set(exemption.policies):
                yield Lifted(check.name, where, _reason(exemption))


def _reason(exemption: Exemption) -> str:
    until = f" (until {exemption.waiver.until})" if exemption.waiver.until else ""
    return exemption.waiver.reason + until


def waivers_of_compose(folder: Path, policies: Mapping[str, Policy]) -> dict[str, tuple[Exemption, ...]]:
    """Return the waivers of a folder's compose file by service; the file alone is read, no engine is asked.

    Raises:
        UsageError: the file is no compose file, or its `x-dockproof` is wrong.
    """
    from dockproof.collect import compose  # noqa: PLC0415 - it brings threads and processes
    from dockproof.config import x_dockproof  # noqa: PLC0415 - other commands do not need it

    found = {}
    for name, service in compose.plain(folder).items():
        mapping = service.get(compose.EXTENSION) if isinstance(service, dict) else None
        if mapping is not None:
            found[name] = x_dockproof(mapping, f"{folder / 'compose.yaml'}: {name}", policies).waivers
    return found


# ------------------------------------------------------------------------------------------------------- evidence

_WORST = (
    Verdict.NOT_LOOKED,
    Verdict.FAILED,
    Verdict.WARNED,
    Verdict.WAIVED,
    Verdict.PASSED,
    Verdict.NOT_APPLICABLE,
    Verdict.NOT_ASKED,
)


class Evidence:
    """What `dockproof verify` left in results.json.

    Attributes:
        path: the file.
        created: when, as an ISO time.
    """

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            UsageError: it cannot be read, or is none.
        """
        self.path = path
        try:
            document = json.loads(path.read_bytes())
            if document["schema"] != 1:
                raise UsageError(
                    f"{path}: schema {document['schema']} is not known; run `dockproof verify` again"
                )
            self.created = str(document["created"])
            seen = {one["service"]: _cells(one) for one in document["services"]}
            # Of a shard the other services are missing: `dockproof merge` makes one evidence of all.
            self._cells = {str(name): seen.get(name, {}) for name in (*document.get("images", ()), *seen)}
        except OSError as error:
            reason = f"{path}: the evidence cannot be read: {error.strerror}"
            raise UsageError(f"{reason}; `dockproof verify` writes build/verify/results.json") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(f"{path} is no evidence of `dockproof verify`: {error!r}") from None

    def of(self, checks: Sequence[Check]) -> dict[str, Verdict]:
        """Return the worst verdict of some checks for each service; empty where there are none."""
        if not checks:
            return {}
        return {
            service: min((self._verdict(c, p, cells) for c in checks for p in c.probes), key=_WORST.index)
            for service, cells in self._cells.items()
        }

    @staticmethod
    def _verdict(check: Check, probe: Probe, cells: Mapping[tuple[str, str], _Cell]) -> Verdict:
        """Return a cell's verdict; what is wrong in other clauses does not count for a check of one clause."""
        cell = cells.get((check.policy, probe))
        if cell is None:
            return Verdict.NOT_LOOKED
        wrong = cell.verdict in {Verdict.FAILED, Verdict.WARNED, Verdict.WAIVED}
        return Verdict.PASSED if wrong and check.clause and check.clause not in cell.clauses else cell.verdict


class _Cell(NamedTuple):
    verdict: Verdict
    clauses: frozenset[str]


def _cells(service: Mapping[str, Any]) -> dict[tuple[str, str], _Cell]:
    return {
        (one["policy"], one["probe"]): _Cell(
            Verdict(one["verdict"]), frozenset(finding["clause"] for finding in one["findings"])
        )
        for one in service["verdicts"]
    }


def result(views: Iterable[Sequence[Standing]]) -> Exit:
    """Return the exit code: what the evidence could not show wins over what it shows to be wrong."""
    seen = {verdict for view in views for one in view for verdict in (one.results or {}).values()}
    if Verdict.NOT_LOOKED in seen:
        return Exit.NOT_LOOKED
    return Exit.FINDINGS if Verdict.FAILED in seen else Exit.CLEAN


# ---------------------------------------------------------------------------------------------------- the command


def main(arguments: list[str]) -> int:
    """Run `dockproof compliance` with the arguments behind its name."""
    import importlib  # noqa: PLC0415 - as below

    from dockproof import cli  # noqa: PLC0415 - see `dockproof.cli`

    options = _parser().parse_args(arguments)
    _known(options.standards)
    config, policies = cli.configuration(options, Path.cwd())
    evidence = Evidence(Path(options.evidence)) if options.evidence else None
    services = {} if options.no_config else waivers_of_compose(Path(), policies)
    views = {
        standard: [standing(item, config, services, evidence) for item in standard.items]
        for name, standard in standards(policies).items()
        if name in (options.standards or STANDARDS)
    }
    render = importlib.import_module("dockproof.report.compliance").render
    cli.write(options.output, render(views, options.format, evidence))
    return result(views.values())


def _parser() -> ArgumentParser:
    from dockproof import cli  # noqa: PLC0415 - as above

    parser = cli.parser_for("compliance")
    parser.add_argument(
        "standards", nargs="*", metavar="STANDARD", help=f"{', '.join(STANDARDS)} (default: all)"
    )
    parser.add_argument(
        "--evidence", metavar="FILE", help="results.json of `dockproof verify`: what was seen"
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--output", metavar="FILE", help="write the report there, whole or not at all")
    cli.add_common(parser)
    return parser


def _known(names: Iterable[str]) -> None:
    from dockproof.strict_table import nearest  # noqa: PLC0415 - only this command needs it

    for name in names:
        if name not in STANDARDS:
            hint = nearest(name, STANDARDS)
            raise UsageError(f"{name!r} is no standard{hint}; there are: {', '.join(STANDARDS)}")

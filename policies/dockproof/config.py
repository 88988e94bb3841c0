"""The configuration: `[tool.dockproof]` of pyproject.toml, or the whole of .dockproof.toml, read strictly.

A gate must not run with a setting that its author misspelt: an unknown key, a wrong type or an unknown policy is a
`UsageError` that names the file, the key and the nearest name that exists. The same holds for the `x-dockproof:`
mapping of a compose service. Keys may be written with `-` or `_`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from fnmatch import fnmatchcase

from dockproof import plain_toml
from dockproof.errors import UsageError
from dockproof.finding import Severity, Waiver
from dockproof.policy import Profile
from dockproof.records import NamedTuple
from dockproof.waiver import Exemption, problem_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from dockproof.policy import Policy
    from dockproof.strict_table import Table

PYPROJECT = "pyproject.toml"
FILES = (".dockproof.toml", PYPROJECT)
PEERS = ("hadolint", "checkov", "buildkit", "trivy")
EXPERIMENTS = ("cost", "write", "freeze", "dependency", "death", "stop", "hardened", "arbitrary-uid")


class FileRule(NamedTuple):
    """What holds for the Dockerfiles that a pattern names.

    Attributes:
        pattern: glob below the configuration's folder; `**` spans folders, a pattern without `/` is a file's name.
        profile: None = the configuration's own.
        targets: stages that are shipped; empty = the last one.
        context: the build context, below the configuration's folder; None = the folder that holds the Dockerfile.
        waivers: accepted findings.
    """

    pattern: str
    profile: Profile | None = None
    targets: tuple[str, ...] = ()
    context: str | None = None
    waivers: tuple[Exemption, ...] = ()

    @property
    def literal(self) -> bool:
        """Whether the pattern can name one file only."""
        return not any(mark in self.pattern for mark in "*?[") and "/" in self.pattern

    def matches(self, path: str) -> bool:
        """Whether it names a file.

        Args:
            path: relative to the configuration's folder, with `/`.
        """
        parts = self.pattern.removeprefix("./").split("/")
        return _matches(parts if len(parts) > 1 else ["**", *parts], path.split("/"))


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Match a glob folder by folder; `**` stands for any number of them."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        if pattern[1:2] == ["**"]:  # two of them mean one, at many times the price
            return _matches(pattern[1:], path)
        return any(_matches(pattern[1:], path[i:]) for i in range(len(path) + 1))
    return bool(path) and _is_like(path[0], pattern[0]) and _matches(pattern[1:], path[1:])


def _is_like(name: str, pattern: str) -> bool:
    return name == pattern or (any(mark in pattern for mark in "*?[") and fnmatchcase(name, pattern))


class Config(NamedTuple):
    """All settings of a run; the defaults are those of a project without any configuration.

    Attributes:
        path: the file it was read from; None = built-in defaults.
        profile: of every file that no rule gives another.
        fail_level: the lowest severity that fails.
        select: ids of the policies to ask; empty = all.
        ignore: ids of policies not to ask, also `hadolint:DL3008`.
        baseline: the file of findings that were there before; None = none.
        hadolint: whether hadolint runs too.
        policies: the folder with the project's own policies; None = none.
        installed: whether the policies of installed packages count.
        honour: tools whose pragmas waive the policies that say the same.
        options: policy id to its own settings.
        files: what holds for some Dockerfiles alone; the first rule that says something wins.
    """

    path: str | None = None
    profile: Profile = Profile.PRODUCTION
    fail_level: Severity = Severity.ERROR
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    baseline: str | None = None
    hadolint: bool = True
    policies: str | None = None
    installed: bool = True
    honour: frozenset[str] = frozenset()
    options: Mapping[str, Mapping[str, Any]] = {}
    files: tuple[FileRule, ...] = ()

    @property
    def folder(self) -> str:
        """The folder that patterns and paths of the configuration are relative to."""
        return os.path.dirname(self.path) or os.curdir if self.path else os.curdir  # noqa: PTH120 - fast start

    def rules_for(self, path: str | os.PathLike[str]) -> tuple[FileRule, ...]:
        """Return the rules that name a file, in the configuration's order."""
        if not self.files:
            return ()
        relative = os.path.relpath(path, self.folder).replace(os.sep, "/")
        return tuple(rule for rule in self.files if rule.matches(relative))


class RequestRule(NamedTuple):
    """An HTTP request that is in flight when the container is stopped: the last byte of its body comes after.

    Attributes:
        port: of the container.
        path: with its query.
        status: of the answer that must come all the same.
    """

    port: int
    method: str = "POST"
    path: str = "/"
    body: str = ""
    headers: Mapping[str, str] = {}
    status: int = 200

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.method} {self.path}"


class ScriptRule(NamedTuple):
    """A program that gives the container work, says `in hand`, and ends with 0 once it was done exactly once.

    Attributes:
        service: whose image, environment, networks and volumes it runs with.
        command: what runs it, as `python -c`; the script's text is the last argument.
        script: path of the script, relative to the compose file.
    """

    service: str
    command: tuple[str, ...]
    script: str


class StopRule(NamedTuple):
    """The work that a container has in hand when it is stopped."""

    requests: tuple[RequestRule, ...] = ()
    work: ScriptRule | None = None


class ServiceRule(NamedTuple):
    """What `x-dockproof:` says of a compose service.

    Attributes:
        profile: None = the configuration's own.
        waivers: accepted findings, at every level.
        structure_tests: container-structure-test files, relative to the compose file.
        budgets: `image` and `layer`, in bytes over the base.
        experiments: runtime experiments that are switched off or on, by name.
        sidecar: image of the sidecar; "" = the default.
        readiness: services whose loss the health check promises to notice.
        network: whether the program needs one; where not, its hardened run has none.
        stop: the work that it has in hand when it is stopped.
        options: policy id to its own settings, over those of the configuration.
    """

    profile: Profile | None = None
    waivers: tuple[Exemption, ...] = ()
    structure_tests: tuple[str, ...] = ()
    budgets: Mapping[str, int] = {}
    experiments: Mapping[str, bool] = {}
    sidecar: str = ""
    readiness: tuple[str, ...] = ()
    network: bool = True
    stop: StopRule = StopRule()
    options: Mapping[str, Mapping[str, Any]] = {}


def find(start: str | os.PathLike[str]) -> str | None:
    """Return the nearest configuration at or above a folder, up to the root of its git repository.

    Raises:
        UsageError: a pyproject.toml on the way cannot be read.
    """
    folder = os.path.abspath(start)  # noqa: PTH100 - symbolic links stay as the user wrote them
    while True:
        for name in FILES:
            path = os.path.join(folder, name)  # noqa: PTH118 - pathlib costs the start 3 ms
            if os.path.isfile(path) and (name != PYPROJECT or _section(path)):  # noqa: PTH113 - as above
                return path
        above = os.path.dirname(folder)  # noqa: PTH120 - as above
        if above == folder or os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118 - as above
            return None
        folder = above


def _section(path: str) -> bool:
    """Whether a pyproject.toml has our table; the text is looked at first, as parsing costs the start 15 ms."""
    return b"dockproof" in _bytes(path) and "dockproof" in _tools(_tables(path))


def _tools(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands under `tool`; nothing where it is no table."""
    tools = tables.get("tool")
    return tools if isinstance(tools, dict) else {}


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - fast start
            return file.read()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _tables(path: str) -> dict[str, Any]:
    try:
        return _parsed(_bytes(path).decode())
    except ValueError as error:  # bad TOML and bad UTF-8 are both one
        raise UsageError(f"{path} is no TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path} is no TOML that anybody wrote: it is nested too deeply") from None


@functools.lru_cache(maxsize=1)
def _parsed(text: str) -> dict[str, Any]:
    """Parse TOML; the last text is kept, as a pyproject.toml is looked into before it is loaded."""
    plain = plain_toml.loads(text)
    if plain is not None:
        return plain
    import tomllib  # noqa: PLC0415 - it costs the start 6 ms, and few configurations need it

    return tomllib.loads(text)


def load(path: str | os.PathLike[str], known: Mapping[str, Policy], text: str | None = None) -> Config:
    """Read a configuration.

    Args:
        path: pyproject.toml, or any other file as .dockproof.toml.
        known: the policies by id; their options are what a policy's table may hold.
        text: what the file is to hold; None = what it holds.

    Raises:
        UsageError: it cannot be read, or says something that is not known.
    """
    from dockproof.strict_table import Table  # noqa: PLC0415 - a repository without settings needs none

    path = os.fspath(path)
    whole = _tables(path) if text is None else _parsed(text)
    prefix = "tool.dockproof" if os.path.basename(path) == PYPROJECT else ""  # noqa: PTH119 - fast start
    table = _tools(whole).get("dockproof", {}) if prefix else whole
    with Table(table, str(path), prefix) as t:
        folder, installed = _below(path, t.path_text("policies")), t.flag("installed", default=True)
        known = _with_own(known, folder, installed=installed)
        return Config(
            path=path,
            profile=t.choice("profile", Profile) or Profile.PRODUCTION,
            fail_level=t.choice("fail_level", Severity) or Severity.ERROR,
            select=t.policies("select", known),
            ignore=t.policies("ignore", known),
            baseline=_below(path, t.path_text("baseline")),
            hadolint=t.flag("hadolint", default=True),
            policies=folder,
            installed=installed,
            honour=frozenset(t.words("honour", PEERS)),
            options=with_budgets(_options(t, known), _budgets(t)),
            files=tuple(_file_rule(rule, path, known) for rule in t.tables_of("files")),
        )


def _with_own(known: Mapping[str, Policy], folder: str | None, *, installed: bool) -> Mapping[str, Policy]:
    from dockproof import own  # noqa: PLC0415 - it needs the catalogue, which this module does not

    return own.known(known, folder, installed=installed)


def with_profile(config: Config, name: str) -> Config:
    """Return a configuration that holds every file to one profile, whatever its rules say."""
    rules = tuple(rule._replace(profile=None) for rule in config.files)
    return config._replace(profile=Profile(name), files=rules)


def _below(path: str, text: str) -> str | None:
    return os.path.join(os.path.dirname(path), text) if text else None  # noqa: PTH118, PTH120 - fast start


def _file_rule(table: Table, path: str, known: Mapping[str, Policy]) -> FileRule:
    with table as t:
        return FileRule(
            pattern=t.name,
            profile=t.choice("profile", Profile),
            targets=t.texts("targets"),
            context=_below(path, t.path_text("context")),
            waivers=_waivers(t, known, path),
        )


def x_dockproof(
    mapping: Mapping[str, Any], where: str, known: Mapping[str, Policy] | Collection[str]
) -> ServiceRule:
    """Read the `x-dockproof:` mapping of a compose service.

    Args:
        mapping: as YAML or `docker compose config` gives it.
        where: file and service, for messages.
        known: the policies by id; with ids alone the settings of a policy are not checked.

    Raises:
        UsageError: it says something that is not known.
    """
    from dockproof.strict_table import Table  # noqa: PLC0415 - as above

    with Table(mapping, where, "x-dockproof") as t:
        return ServiceRule(
            profile=t.choice("profile", Profile),
            waivers=_waivers(t, known, where),
            structure_tests=t.texts("structure_tests"),
            budgets=_budgets(t),
            experiments=_experiments(t),
            sidecar=t.text("sidecar"),
            readiness=t.texts("readiness"),
            network=t.flag("network", default=True),
            stop=_stop(t),
            options=_options(t, known),
        )


def _budgets(table: Table) -> dict[str, int]:
    """Read `budgets`, or `budget` as it was called first."""
    key = "budget" if table.has("budget") else "budgets"
    if key == "budget" and table.has("budgets"):
        raise table.error("budget", "stands beside `budgets`; put all into that one")
    with table.table(key) as t:
        found = {name: t.size(name) for name in ("image", "layer")}
    return {name: size for name, size in found.items() if size is not None}


def with_budgets(
    options: Mapping[str, Mapping[str, Any]], budgets: Mapping[str, int]
) -> Mapping[str, Mapping[str, Any]]:
    """Return the policies' options with budgets as those of `size-budget`, over what stands there."""
    if not budgets:
        return options
    return {**options, "size-budget": {**options.get("size-budget", {}), **budgets}}


def _experiments(table: Table) -> dict[str, bool]:
    with table.table("experiments") as t:
        return {name: t.flag(name, default=True) for name in EXPERIMENTS if t.has(name)}


def _stop(table: Table) -> StopRule:
    with table.table("stop") as t:
        requests = tuple(_request(one) for one in t.list_of_tables("requests"))
        return StopRule(requests, _script(t.table("work")) if t.has("work") else None)


def _request(table: Table) -> RequestRule:
    with table as t:
        port = t.get("port", int, "a port")
        if port is None:
            raise t.error("port", "is missing: the container's port that the request goes to")
        headers = t.get("headers", dict, "a table") or {}
        return RequestRule(
            port=port,
            method=t.text("method") or "POST",
            path=t.text("path") or "/",
            body=t.text("body"),
            headers={str(name): str(value) for name, value in headers.items()},
            status=t.get("status", int, "a number") or 200,
        )


def _script(table: Table) -> ScriptRule:
    with table as t:
        rule = ScriptRule(t.text("service"), t.texts("command"), t.text("script"))
        for name, value in rule._asdict().items():
            if not value:
                raise t.error(name, "is missing")
        return rule


def _waivers(table: Table, known: Collection[str], origin: str) -> tuple[Exemption, ...]:
    return tuple(_waiver(one, known, origin) for one in table.list_of_tables("waivers"))


def _waiver(table: Table, known: Collection[str], origin: str) -> Exemption:
    with table as t:
        policies = t.policies("policy", known) or t.policies("policies", known)
        waiver = Waiver(t.text("reason").strip(), t.date("until"))
        problem = problem_of(tuple(policies), waiver)
        if problem:
            raise t.error(
                "", problem.replace('reason="…"', 'reason = "…"').replace("ignore=ID", 'policy = "ID"')
            )
        return Exemption(tuple(sorted(policies)), waiver, origin=f"{origin}: {t.path}", shared=True)


def _options(table: Table, known: Mapping[str, Policy] | Collection[str]) -> dict[str, dict[str, Any]]:
    """Read the `policy` table: one table a policy, its keys those that the policy declares."""
    found = {}
    for one in table.tables_of("policy"):
        one.known_policy(one.name, known)
        policy = known[one.name] if isinstance(known, Mapping) else None
        found[one.name] = _policy_options(one, policy) if policy else dict(one.data)
    return found


def _policy_options(table: Table, policy: Policy) -> dict[str, Any]:
    with table as t:
        values = {name: t.like(name, default) for name, default in policy.options.items() if t.has(name)}
        for name, value in values.items():
            problem = policy.problem_of_option(name, value)
            if problem:
                raise t.error(name, problem)
    return values

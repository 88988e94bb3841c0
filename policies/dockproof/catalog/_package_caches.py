"""Where package managers keep what they download, what fills it, and what empties it again in the same RUN."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase

from dockproof.catalog._environment import expanded, value_of
from dockproof.facts.mounts import mounts
from dockproof.facts.packages import package_calls
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.catalog._runs import Run
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.shell_words import Command


class Cache(NamedTuple):
    """What fills a cache and what empties it.

    Attributes:
        clause: the clause of the `main` actions; the others' is `other-caches`.
        managers: whose cache it is.
        main: the actions (`PackageCall.action` or `verb`) that the clause is about.
        fills: all actions that fill it.
        cleans: the verbs that empty it, with their first operand where one is needed.
        folders: where it may lie; `~` is the home folder.
        off: options that switch it off.
        off_by: variables that do.
        moved: options and variables that say where it lies.
    """

    clause: str
    managers: frozenset[str]
    main: frozenset[str]
    fills: frozenset[str]
    cleans: frozenset[str]
    folders: tuple[str, ...]
    off: tuple[str, ...] = ()
    off_by: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


OTHER = "other-caches"
_INSTALL = frozenset({"install"})
_RPM = frozenset({"install", "update", "upgrade"})
_RPM_CLEANS = frozenset({"clean all", "clean metadata"})
_RPM_FOLDERS = ("/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum")
CACHES = (
    Cache(
        "apt-lists",
        frozenset({"apt-get", "apt", "aptitude"}),
        frozenset({"update"}),
        frozenset({"update"}),
        frozenset({"distclean", "dist-clean"}),
        ("/var/lib/apt/lists",),
    ),
    Cache(
        "apk-cache",
        frozenset({"apk"}),
        _INSTALL,
        frozenset({"install", "update", "upgrade", "fix"}),
        frozenset({"cache purge"}),
        ("/var/cache/apk", "/etc/apk/cache"),
        off=("--no-cache",),
    ),
    Cache("yum-cache", frozenset({"yum"}), _INSTALL, _RPM, _RPM_CLEANS, _RPM_FOLDERS),
    Cache("dnf-cache", frozenset({"dnf", "tdnf"}), _INSTALL | {"upgrade"}, _RPM, _RPM_CLEANS, _RPM_FOLDERS),
    Cache("microdnf-cache", frozenset({"microdnf"}), _INSTALL | {"upgrade"}, _RPM, _RPM_CLEANS, _RPM_FOLDERS),
    Cache(
        "zypper-cache",
        frozenset({"zypper"}),
        frozenset({"install", "remove", "patch"}),
        frozenset({"install", "remove", "update", "upgrade"}),
        frozenset({"clean", "cc"}),
        ("/var/cache/zypp",),
    ),
    Cache(
        "pip-cache",
        frozenset({"pip"}),
        _INSTALL,
        frozenset({"install", "download"}),
        frozenset({"cache purge"}),
        ("~/.cache/pip",),
        off=("--no-cache-dir", "--no-cache"),
        off_by=("PIP_NO_CACHE_DIR",),
        moved=("--cache-dir", "PIP_CACHE_DIR"),
    ),
    Cache(
        "yarn-cache",
        frozenset({"yarn"}),
        _INSTALL,
        _INSTALL,
        frozenset({"cache clean", "cache clear"}),
        ("/usr/local/share/.cache/yarn/v6", "~/.cache/yarn/v6", "~/.yarn/berry/cache"),
        moved=("--cache-folder", "YARN_CACHE_FOLDER"),
    ),
    Cache(
        OTHER,
        frozenset({"npm"}),
        _INSTALL,
        _INSTALL,
        frozenset({"cache clean", "cache clear", "cache rm"}),
        ("~/.npm",),
        moved=("--cache", "npm_config_cache", "NPM_CONFIG_CACHE"),
    ),
    Cache(
        OTHER,
        frozenset({"uv"}),
        _INSTALL,
        _INSTALL,
        frozenset({"cache clean", "clean"}),
        ("~/.cache/uv",),
        off=("--no-cache", "-n", "--no-cache-dir"),
        off_by=("UV_NO_CACHE",),
        moved=("--cache-dir", "UV_CACHE_DIR"),
    ),
    Cache(
        OTHER,
        frozenset({"poetry"}),
        _INSTALL,
        frozenset({"install", "upgrade"}),
        frozenset({"cache clear"}),
        ("~/.cache/pypoetry",),
        off=("--no-cache",),
        moved=("POETRY_CACHE_DIR",),
    ),
)
_PIP_SWITCH = "PIP_NO_CACHE_DIR"
_NO = pattern(r"0|n|no|f|false|off", re.IGNORECASE)
_HOME = pattern(r"(?:~[A-Za-z_][\w-]*|~|\$HOME|\$\{HOME\}|/root|/home/[^/]+)(?=/|$)")
_BRACES = pattern(r"([^{}]*)\{([^{},]*(?:,[^{},]*)+)\}(.*)")
_MANY = 100  # what a person writes stays far below
_WHERE_SH_IS_BASH = frozenset({"yum", "dnf", "microdnf", "tdnf", "zypper"})
_ONE_PROGRAM = (frozenset({"yum", "dnf"}), frozenset({"apt", "apt-get", "aptitude"}))


class Left(NamedTuple):
    """A cache that a RUN leaves in its layer: the clause, the call that fills it, and a sentence."""

    clause: str
    call: PackageCall
    message: str


class _Script(NamedTuple):
    """One RUN: its calls, the place of each command, and what is deleted where."""

    run: Run
    calls: tuple[PackageCall, ...]
    places: dict[Command, int]
    deleted: tuple[tuple[int, str], ...]


def left_by(run: Run) -> Iterator[Left]:
    """Find the caches that a RUN leaves, one for each row of `CACHES`."""
    calls = package_calls(run.script)
    if not calls:
        return
    places = {command: place for place, command in enumerate(run.script.commands)}
    script = _Script(run, calls, places, tuple(_deleted(run, calls)))
    managers = {call.manager for call in calls}
    for cache in CACHES:
        if managers.isdisjoint(cache.managers):
            continue
        found = [left for call in _filling(calls, cache) if (left := _left(script, call, cache)) is not None]
        if found:
            yield next((one for one in found if one.clause != OTHER), found[0])


def _filling(calls: tuple[PackageCall, ...], cache: Cache) -> list[PackageCall]:
    """Give the calls that fill a cache; of equal ones the last: what empties the cache after it does so for all."""
    last: dict[tuple[object, ...], PackageCall] = {}
    for call in calls:
        if call.manager in cache.managers and {call.action, call.verb} & cache.fills:
            assigned = tuple((name, word.text) for name, word in call.command.assignments)
            last[call.manager, call.verb, tuple(call.options.items()), assigned] = call
    return list(last.values())


def _left(script: _Script, call: PackageCall, cache: Cache) -> Left | None:
    run = script.run
    if _is_off(run, call, cache) or _is_kept_out(script, call, cache):
        return None
    place = script.places[call.command]
    later = (one for one in script.calls if script.places[one.command] > place)
    cleaning = [one for one in later if _cleans(one, call, cache)]
    if any(_is_whole(one) for one in cleaning):
        return None
    clause = cache.clause if {call.action, call.verb} & cache.main else OTHER
    if cleaning:
        return Left(
            OTHER, cleaning[-1], "`zypper clean` alone keeps the index of the repositories: add --all"
        )
    if cache.clause == "pip-cache" and _NO.fullmatch(value_of(run, call.command, _PIP_SWITCH) or ""):
        message = f"{_PIP_SWITCH} says that pip's cache is wanted, and pip takes it for the contrary: write 1"
        return Left(clause, call, message)
    name = f"{call.manager} {call.verb}".strip()
    # Where dnf is, yum is dnf.
    folder = "/var/cache/yum or /var/cache/dnf" if call.manager == "yum" else _folders(run, call, cache)[0]
    return Left(clause, call, f"`{name}` leaves its cache in the layer ({folder})")


def _is_off(run: Run, call: PackageCall, cache: Cache) -> bool:
    """Whether an option or a variable switches the cache off."""
    if any(not _NO.fullmatch(call.options[name] or "") for name in cache.off if name in call.options):
        return True
    value = value_of(run, call.command, *cache.off_by)
    return bool(value) and not _NO.fullmatch(value or "")


def _cleans(call: PackageCall, filling: PackageCall, cache: Cache) -> bool:
    one = call.manager == filling.manager or any(
        {call.manager, filling.manager} <= same for same in _ONE_PROGRAM
    )
    words = " ".join(word.text for word in call.arguments.operands[:2])
    return one and bool({words, call.verb} & cache.cleans)


def _is_whole(cleaning: PackageCall) -> bool:
    """Whether it empties all of the cache: `zypper clean` alone leaves the index."""
    return cleaning.manager != "zypper" or cleaning.has("-a", "--all", "-m", "--metadata")


def _is_kept_out(script: _Script, call: PackageCall, cache: Cache) -> bool:
    """Whether the cache lies in a mount, is removed afterwards, or lies nobody knows where."""
    run, place = script.run, script.places[call.command]
    folders = _folders(run, call, cache)
    targets = [mount.target or "" for mount in mounts(run.instruction) if mount.type != "ssh"]
    paths = [run.stage.expand(run.instruction, target).text or "" for target in targets]
    paths += [path for at, path in script.deleted if at > place]
    return not folders or any(_covers(run, path, folder) for path in paths for folder in folders)


def _folders(run: Run, call: PackageCall, cache: Cache) -> tuple[str, ...]:
    """Return where the cache may lie; () where the file moves it to a place that cannot be known."""
    for name in cache.moved:
        given = call.arguments.values(name)
        value = expanded(run, given[-1].word) if given else value_of(run, call.command, name)
        if given or value:
            return (_tidy(run, value),) if value else ()
    return cache.folders


def _deleted(run: Run, calls: tuple[PackageCall, ...]) -> Iterator[tuple[int, str]]:
    """Give the paths that commands delete, each with its command's place."""
    by_bash = _is_bash(run) or any(call.manager in _WHERE_SH_IS_BASH for call in calls)
    folder = ""
    for place, one in enumerate(run.script.commands):
        if one.name == "cd":
            folder = posixpath.join(folder, one.arguments[0].text if one.arguments else "~")
        deletes = one.name == "find" and any(word.text in {"-delete", "rm"} for word in one.words)
        for word in one.arguments if one.name == "rm" or deletes else ():
            path = posixpath.join(folder, expanded(run, word) or word.text)
            yield from ((place, each) for each in (_unfolded(path) if by_bash else [path]))


def _is_bash(run: Run) -> bool:
    shell = run.stage.shell_at(run.instruction)
    return bool(shell) and shell[0].rpartition("/")[2] in {"bash", "zsh", "ksh"}


def _unfolded(path: str) -> list[str]:
    """Write out braces, `/var/cache/{yum,dnf}`, as bash does and dash and ash do not."""
    paths = [path]
    while len(paths) < _MANY and (found := _BRACES.fullmatch(paths[0])):
        paths = [*paths[1:], *(f"{found[1]}{one}{found[3]}" for one in found[2].split(","))]
    return paths


def _covers(run: Run, path: str, folder: str) -> bool:
    """Whether a path, which may be a pattern, holds the folder or all that is in it."""
    path = _tidy(run, path)
    while path and folder not in {"/", ""}:
        if fnmatchcase(folder, path):
            return True
        folder = posixpath.dirname(folder)
    return False


def _tidy(run: Run, path: str) -> str:
    """Write a path without a trailing `/*`, and the home folder as `~`."""
    home = run.stage.expand(run.instruction, "$HOME").text
    if home and path.startswith(f"{home.rstrip('/')}/"):
        path = f"~{path[len(home.rstrip('/')) :]}"
    # The files of apt's lists are named after their address and what they hold, with an underscore: `lists/*_*`.
    path = re.sub(r"(?:/+\**)+$", "", path.removesuffix("_*") if path.endswith("/*_*") else path)
    return _HOME.sub("~", path, count=1) if _HOME.match(path) else path

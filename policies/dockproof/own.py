"""A project's own policies, of the same form as built-in ones: files in a folder, or modules of installed packages.

A file `no_telnet.py` in the folder that the configuration names, with one subclass of `Policy`, is the policy
`no-telnet`. A package brings one with an entry point of the group `dockproof.policies`, whose name is the policy's id
and whose value is the module. Either is asked, proven, explained and waived like any other; one that is not well formed
is an error of the configuration, because a gate must not leave a policy out in silence.
"""

from __future__ import annotations

import os
import sys
from functools import cache, partial

from dockproof import catalog
from dockproof.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path
    from types import ModuleType

    from dockproof.config import Config
    from dockproof.policy import Policy

PREFIX = "dockproof_own"
GROUP = "dockproof.policies"


def with_own(policies: Mapping[str, Policy], config: Config) -> Mapping[str, Policy]:
    """Return the policies together with those of installed packages and of the project's folder, by id.

    Raises:
        UsageError: a file or an entry point holds no well-formed policy, or an id is taken.
    """
    return known(policies, config.policies, installed=config.installed)


def known(policies: Mapping[str, Policy], folder: str | None, *, installed: bool) -> Mapping[str, Policy]:
    """Return the policies together with others of the same form.

    Args:
        policies: the built-in ones, by id.
        folder: the project's folder of policies, None = it has none.
        installed: whether those of installed packages count.

    Raises:
        UsageError: as for `with_own`.
    """
    found = dict(policies)
    if installed:
        found.update(of_packages())
    if folder is not None:
        own = load(folder)
        for taken in sorted(own.keys() & found.keys() - policies.keys()):
            raise UsageError(f"{folder}: {taken} is a policy of an installed package too; rename the file")
        found.update(own)
    return found


# ------------------------------------------------------------------------------------------------------- a folder


@cache
def load(folder: str) -> Mapping[str, Policy]:
    """Return the policies of a folder by id, in the order of their files.

    Raises:
        UsageError: the folder is missing or empty, a file holds no well-formed policy, or an id is a built-in one.
    """
    from pathlib import Path  # noqa: PLC0415 - most projects have no policies of their own

    files = sorted(path for path in Path(folder).glob("*.py") if not path.name.startswith("_"))
    if not files:
        raise UsageError(f"{folder}: the folder of own policies holds none (a file NAME.py is one)")
    found = {path: _policy(str(path), partial(_module, path)) for path in files}
    for path, policy in found.items():
        if policy.id in catalog.load():
            raise UsageError(f"{path}: {policy.id} is a built-in policy; give your own another file name")
    return {policy.id: policy for policy in found.values()}


def _policy(where: str, load_module: Callable[[], ModuleType]) -> Policy:
    """Load one policy and its page; whatever its module raises is an error of the configuration."""
    try:
        policy = catalog.policy_of(load_module())
        catalog.page(policy)
        problem = _incomplete(policy)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{where} holds no well-formed policy: {type(error).__name__}: {error}") from error
    if problem:
        raise UsageError(f"{where} holds no well-formed policy: {problem}")
    return policy


def _incomplete(policy: Policy) -> str:
    """Say what a policy lacks that reports need; "" for nothing."""
    name = type(policy).__name__
    for attribute in ("title", "family"):
        if not getattr(policy, attribute, ""):
            return f"{name} has no {attribute}"
    return "" if policy.probes else f"{name} overrides none of source, image and runtime"


def _module(path: Path) -> ModuleType:
    import importlib.util  # noqa: PLC0415 - most projects have no policies of their own

    spec = importlib.util.spec_from_file_location(f"{PREFIX}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot load it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a policy's page is found through its module
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------------------------------- installed packages


@cache
def of_packages() -> Mapping[str, Policy]:
    """Return the policies of installed packages by id, in the order of their ids.

    Raises:
        UsageError: an entry point holds no well-formed policy, or an id is taken.
    """
    found: dict[str, Policy] = {}
    origins: dict[str, str] = {}
    for entry in _entry_points():
        where = f"entry point {entry.name} ({entry.value}) of {_package(entry)}"
        policy = _policy(where, entry.load)
        if entry.name != policy.id:
            raise UsageError(f"{where}: its policy is {policy.id}; the entry point must have that name")
        if policy.id in catalog.load():
            raise UsageError(f"{where}: {policy.id} is a built-in policy; the package must rename its own")
        if policy.id in found:
            raise UsageError(f"{where}: {policy.id} is there already, as {origins[policy.id]}; uninstall one")
        found[policy.id], origins[policy.id] = policy, where
    return found


def _entry_points() -> Sequence[EntryPoint]:
    if not any(_mentions_us(folder) for folder in dict.fromkeys(sys.path)):
        return ()
    from importlib import metadata  # noqa: PLC0415 - 20 ms that a run without such packages does not pay

    return sorted(set(metadata.entry_points(group=GROUP)), key=lambda entry: (entry.name, entry.value))


def _mentions_us(folder: str) -> bool:
    """Whether a package of a folder of Python's path has entry points of our group."""
    return any(GROUP.encode() in text for text in _declarations(folder or "."))


def _declarations(folder: str) -> Iterator[bytes]:
    """Yield the entry points of every package of a folder, as text."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a hundred names, at every start
    except OSError:
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            try:
                file = os.open(
                    f"{folder}/{name}/entry_points.txt", os.O_RDONLY
                )  # `open` takes three times as long
            except OSError:
                continue
            try:
                yield os.read(file, os.fstat(file).st_size)
            finally:
                os.close(file)


def _package(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist else "an unknown package"

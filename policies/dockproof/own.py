"""A project's own policies: files in the folder that the configuration names, of the same form as built-in ones.

A file `no_telnet.py` with one subclass of `Policy` is the policy `no-telnet`. Its docstring needs the same sections,
and it is asked, proven, explained and waived like any other.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import TYPE_CHECKING

from dockproof import catalog
from dockproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from dockproof.config import Config
    from dockproof.policy import Policy

PREFIX = "dockproof_own"


def with_own(policies: Mapping[str, Policy], config: Config) -> Mapping[str, Policy]:
    """Return the policies together with the project's own, by id.

    Raises:
        UsageError: a file holds no well-formed policy, or an id is taken.
    """
    return {**policies, **load(config.policies)} if config.policies else policies


@cache
def load(folder: Path) -> Mapping[str, Policy]:
    """Return the policies of a folder by id, in the order of their files.

    Raises:
        UsageError: the folder is missing or empty, a file holds no well-formed policy, or an id is a built-in one.
    """
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not files:
        raise UsageError(f"{folder}: the folder of own policies holds none (a file NAME.py is one)")
    found = {policy.id: policy for policy in map(_policy, files)}
    for taken in found.keys() & catalog.load().keys():
        raise UsageError(f"{folder}: {taken} is a built-in policy; give your own another file name")
    return found


def _policy(path: Path) -> Policy:
    try:
        policy = catalog.policy_of(_module(path))
        catalog.page(policy)
    except Exception as error:
        raise UsageError(f"{path} holds no well-formed policy: {type(error).__name__}: {error}") from error
    return policy


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{PREFIX}.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot load it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a policy's page is found through its module
    spec.loader.exec_module(module)
    return module

"""The policies, one a file; the folder is the list.

`load()` imports every module of this folder once, checks that it is a well-formed policy, and returns them by id.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location

from dockproof.policy import SECTIONS, Policy, sections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


@cache
def load() -> Mapping[str, Policy]:
    """Return the built-in policies by id, in the order of their ids."""
    return {policy.id: policy for policy in map(policy_of, _modules())}


def _modules() -> list[ModuleType]:
    folder = os.path.dirname(__file__)  # noqa: PTH120 - pathlib costs the command line 10 ms of its start
    names = sorted(entry[:-3] for entry in os.listdir(folder) if entry.endswith(".py"))  # noqa: PTH208 - as above
    return [_module(name, f"{folder}/{name}.py") for name in names if not name.startswith("_")]


def _module(name: str, path: str) -> ModuleType:
    """Import a policy from the file that was just listed; Python's own search for it would cost a start 3 ms more."""
    whole = f"{__name__}.{name}"
    if whole in sys.modules:
        return sys.modules[whole]
    spec = spec_from_file_location(whole, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded", name=whole, path=path)
    module = sys.modules[whole] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[whole]
        raise
    setattr(sys.modules[__name__], name, module)  # as the import statement does
    return module


def policy_of(module: ModuleType) -> Policy:
    """Build the module's one policy and give it the module's name as id.

    Raises:
        TypeError: the module holds none, or several.
    """
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Policy) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(
            f"{module.__name__}: a policy module holds one subclass of Policy, this one {len(found)}"
        )
    policy = found[0]
    policy.id = module.__name__.rpartition(".")[2].replace("_", "-")
    return policy()


@cache  # a report asks for each finding
def page(policy: Policy) -> Mapping[str, str]:
    """Return the sections of the policy's page, from its module's docstring.

    Raises:
        ValueError: a required section is missing or empty.
    """
    module = sys.modules[type(policy).__module__]
    texts = sections((module.__doc__ or "").strip())
    for title in SECTIONS:
        if not texts.get(title):
            raise ValueError(f"{policy.id}: the docstring has no section {title!r}")
    return texts

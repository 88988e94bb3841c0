"""What dead runs left in the private engine: a machine that was switched off in the middle of one keeps all of it.

Whatever carries one of our labels in a daemon that has just been started belongs to a run that is dead, whatever this
machine was called then. The gate's own sweep looks after the user's engine too, so it must leave other hosts' alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scripts.provision import host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WHO = "engine"
LABELS = ("dockproof.run", "dockproof.test")
REMOVALS = {
    ("ps", "--all"): ("rm", "--force", "--volumes"),
    ("network", "ls"): ("network", "rm", "--force"),
    ("volume", "ls"): ("volume", "rm", "--force"),
}
# Images and volumes without a name, which no container uses, pile up to gigabytes.
PRUNES = (("image", "prune", "--force"), ("volume", "prune", "--force"))
MOST_CACHE = 20.0
"""Gigabytes of build cache that are kept. More goes whole: taken away in part, by the daemon's own collector or by
`--keep-storage`, it left builds without a layer that they stood on."""
CACHE = re.compile(r"Build Cache ([\d.]+)GB")
OF_A_RUN = re.compile(r"dockproof\.localhost/\S+:[0-9a-f]{10}")


def remove(env: Mapping[str, str]) -> None:
    """Remove what no living run owns; what cannot be removed is told of and left."""
    for step in (_labelled, _tagged, _unnamed, _cached):
        try:
            step(env)
        except host.ProvisionError as error:
            host.say(WHO, f"{error}; it stays")


def _labelled(env: Mapping[str, str]) -> None:
    for listing, removal in REMOVALS.items():
        filters = [[*listing, "--quiet", "--filter", f"label={label}"] for label in LABELS]
        _remove(removal, (name for each in filters for name in _docker(each, env).split()), env)


def _tagged(env: Mapping[str, str]) -> None:
    names = _docker(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], env)
    _remove(("image", "rm", "--force"), OF_A_RUN.findall(names), env)


def _unnamed(env: Mapping[str, str]) -> None:
    for command in PRUNES:
        _docker(command, env)


def _cached(env: Mapping[str, str]) -> None:
    size = CACHE.search(_docker(["system", "df", "--format", "{{.Type}} {{.Size}}"], env))
    if size and float(size[1]) > MOST_CACHE:
        host.say(WHO, f"removing {size[0]} …")
        _docker(["builder", "prune", "--all", "--force"], env)


def _remove(removal: Sequence[str], names: Iterable[str], env: Mapping[str, str]) -> None:
    if found := sorted(set(names)):
        _docker([*removal, *found], env)


def _docker(command: Sequence[str], env: Mapping[str, str]) -> str:
    return host.run(["docker", *command], f"tidy the engine (docker {' '.join(command[:2])})", env=env)

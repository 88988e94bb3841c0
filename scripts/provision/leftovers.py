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
# Images and volumes without a name, which no container uses, and build cache pile up to gigabytes. The daemon's own
# collector of build cache runs beside builds, and one then failed for want of a layer.
PRUNES = (
    ("image", "prune", "--force"),
    ("volume", "prune", "--force"),
    ("builder", "prune", "--force", "--keep-storage=10GB"),
)
OF_A_RUN = re.compile(r"dockproof\.localhost/\S+:[0-9a-f]{10}")


def remove(env: Mapping[str, str]) -> None:
    """Remove what no living run owns; what cannot be removed is told of and left."""
    for step in (_labelled, _tagged, _prune):
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


def _prune(env: Mapping[str, str]) -> None:
    for command in PRUNES:
        _docker(command, env)


def _remove(removal: Sequence[str], names: Iterable[str], env: Mapping[str, str]) -> None:
    if found := sorted(set(names)):
        _docker([*removal, *found], env)


def _docker(command: Sequence[str], env: Mapping[str, str]) -> str:
    return host.run(["docker", *command], f"tidy the engine (docker {' '.join(command[:2])})", env=env)

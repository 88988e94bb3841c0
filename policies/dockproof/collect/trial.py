"""Other containers of the same service, run under harder terms: what is asked of the engine for each."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from dockproof.facts.container import Experiment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UIDS = range(1_000_660_000, 1_000_670_000)
"""Where a random user is taken from: the range that OpenShift gives to one project."""

NO_NEW_PRIVILEGES = "no-new-privileges"

SUPERVISOR = '"$@" & while :; do wait; sleep 1; done'
"""A PID 1 that outlives its program."""


def terms(experiment: Experiment, service: Mapping[str, Any], argv: Sequence[str], *, network: bool) -> Any:
    """Return what is laid over a compose service for an experiment.

    Args:
        experiment: `HARDENED`, `ARBITRARY_UID` or `DEATH`.
        service: as compose is given it.
        argv: what the engine starts; needed for `DEATH`.
        network: whether the program needs a network.
    """
    if experiment is Experiment.ARBITRARY_UID:
        return {"user": f"{random.choice(UIDS)}:0"}  # noqa: S311 - any will do
    if experiment is Experiment.DEATH:
        words = [word.replace("$", "$$") for word in ("/bin/sh", "-c", SUPERVISOR, "sh", *argv)]
        return {"entrypoint": words, "command": []}
    return _hardened(service, network=network)


def _hardened(service: Mapping[str, Any], *, network: bool) -> dict[str, Any]:
    options = [one for one in service.get("security_opt") or () if not one.startswith(NO_NEW_PRIVILEGES)]
    changed: dict[str, Any] = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": None,
        "privileged": None,
        "security_opt": [*options, f"{NO_NEW_PRIVILEGES}:true"],
    }
    if not _has_tmp(service):
        changed["tmpfs"] = [*_list(service.get("tmpfs")), "/tmp:mode=1777"]  # noqa: S108 - of the container
    if not network:
        changed |= {"network_mode": "none", "networks": None}
    return changed


def is_hardened(service: Mapping[str, Any], *, network: bool) -> bool:
    """Whether a compose service asks for all of it already, so that its own container is the proof."""
    wanted = _hardened(service, network=network)
    plain = all(service.get(key) == value for key, value in wanted.items() if key != "security_opt")
    return plain and any(one.startswith(NO_NEW_PRIVILEGES) for one in service.get("security_opt") or ())


def _has_tmp(service: Mapping[str, Any]) -> bool:
    volumes = [one.get("target") for one in service.get("volumes") or () if isinstance(one, dict)]
    return "/tmp" in {*(each.partition(":")[0] for each in _list(service.get("tmpfs"))), *volumes}  # noqa: S108 - as above


def _list(value: str | Sequence[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


WORDS: Mapping[Experiment, str] = {
    Experiment.HARDENED: "a read-only root, no capability, no-new-privileges and a tmpfs on /tmp",
    Experiment.ARBITRARY_UID: "a random uid with group 0",
    Experiment.DEATH: "a shell as PID 1 that outlives the program",
}

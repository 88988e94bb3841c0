"""What is asked of the engine for a container under harder terms; no engine is needed to say it."""

from typing import Any

import pytest

from dockproof.collect import model, trial
from dockproof.facts.container import Experiment

HARDENED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "tmpfs": ["/tmp:size=64m"],
}


def terms(
    experiment: Experiment, service: dict[str, Any], *argv: str, network: bool = True
) -> dict[str, Any]:
    """Return the service as it is run for an experiment."""
    return model.merge(service, trial.terms(experiment, service, argv, network=network))


def test_everything_is_taken_away() -> None:
    """What the service was given goes, what it needs stays."""
    service = {
        "privileged": True,
        "cap_add": ["SYS_ADMIN"],
        "security_opt": ["seccomp=own.json"],
        "user": "1:1",
    }
    assert terms(Experiment.HARDENED, service) == {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["seccomp=own.json", "no-new-privileges:true"],
        "tmpfs": ["/tmp:mode=1777"],
        "user": "1:1",
    }


@pytest.mark.parametrize(
    "service",
    [
        {"tmpfs": "/tmp"},
        {"tmpfs": ["/tmp:size=1m"]},
        {"volumes": [{"type": "tmpfs", "target": "/tmp"}]},
    ],
)
def test_tmp_of_the_services_own_stays(service: dict[str, Any]) -> None:
    """Compose's own size and mode count."""
    assert terms(Experiment.HARDENED, service).get("tmpfs") == service.get("tmpfs")


def test_other_tmpfs_stay_beside_tmp() -> None:
    """A list replaces, so the old ones are written again."""
    assert terms(Experiment.HARDENED, {"tmpfs": "/run"})["tmpfs"] == ["/run", "/tmp:mode=1777"]


def test_program_that_needs_no_network_gets_none() -> None:
    """Networks of the service would contradict it."""
    changed = terms(Experiment.HARDENED, {"networks": {"default": None}}, network=False)
    assert changed["network_mode"] == "none"
    assert "networks" not in changed


@pytest.mark.parametrize(
    ("changed", "network", "is_it"),
    [
        ({}, True, True),
        ({"security_opt": ["no-new-privileges"]}, True, True),
        ({"security_opt": ["seccomp=x.json", "no-new-privileges=true"]}, True, True),
        ({"read_only": False}, True, False),
        ({"cap_drop": ["NET_RAW"]}, True, False),
        ({"cap_add": ["CHOWN"]}, True, False),
        ({"security_opt": []}, True, False),
        ({"tmpfs": []}, True, False),
        ({"privileged": True}, True, False),
        ({}, False, False),
        ({"network_mode": "none"}, False, True),
    ],
)
def test_hardened_service_is_known(changed: dict[str, Any], *, network: bool, is_it: bool) -> None:
    """Only one that asks for all of it needs no second container."""
    assert trial.is_hardened({**HARDENED, **changed}, network=network) is is_it


def test_uid_is_random_and_its_group_root() -> None:
    """As OpenShift gives them: never one that an image could know."""
    users = {terms(Experiment.ARBITRARY_UID, {})["user"] for _ in range(20)}
    assert len(users) > 1
    assert all(int(user.partition(":")[0]) in trial.UIDS and user.endswith(":0") for user in users)


def test_shell_outlives_the_program_that_it_starts() -> None:
    """Its text and the program's words reach the shell as they are: compose would expand a dollar sign."""
    changed = terms(Experiment.DEATH, {}, "app", "--price=5$")
    assert changed["entrypoint"][:2] == ["/bin/sh", "-c"]
    assert '"$$@"' in changed["entrypoint"][2]
    assert changed["entrypoint"][3:] == ["sh", "app", "--price=5$$"]
    assert changed["command"] == []


def test_container_beside_takes_nothing_from_the_first() -> None:
    """Fixed addresses and names are one container's alone; an alias would bring it the other's traffic."""
    service = {
        "image": "x",
        "hostname": "api",
        "mac_address": "02:42:ac:11:00:02",
        "networks": {"a": {"ipv4_address": "10.0.0.2", "aliases": ["api"], "priority": 1}, "b": None},
    }
    assert model.beside(service) == {"image": "x", "networks": {"a": {"priority": 1}, "b": {}}}
    assert model.beside({"networks": ["a"]}) == {"networks": ["a"]}

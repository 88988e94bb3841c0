"""Containers that come to no good: each is bounded in time, explained, and hides nothing of the others.

One run of the gate on tests/bad_containers/compose.yaml, and a table of what it has to say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]

COMPOSE = Path(__file__).parent / "bad_containers" / "compose.yaml"
ASKED = ("declared-ports", "exec-form", "graceful-stop", "healthcheck", "non-root", "streamed-logs")
LIMIT_SECONDS = 300


class Case(NamedTuple):
    """What the gate says of a service.

    Attributes:
        red: the policies whose runtime probe is red.
        late: policies that are red as well where the fault comes before they look.
        words: what its messages, or the log that it shows, must hold.
        dead: whether it could not be looked at.
    """

    red: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    dead: bool = False
    late: frozenset[str] = frozenset()


CASES = {
    "closes": Case(frozenset({"healthcheck"}), late=frozenset({"declared-ports"})),
    "deaf": Case(frozenset({"graceful-stop"}), ("SIGTERM did not end it within 3 s",)),
    "exits": Case(words=("ended with exit code 1", "no licence"), dead=True),
    "fills": Case(words=("ended with exit code 1", "No space left on device"), dead=True),
    "floods": Case(),
    "forks": Case(
        late=frozenset({"healthcheck"})
    ),  # whether a probe finds room for a process is the kernel's whim
    "good": Case(),
    "loops": Case(words=("ended with exit code 1", "no settings"), dead=True),
    "never": Case(frozenset({"healthcheck"}), ("never became healthy", "none.py")),
    "nobody": Case(),
    "redirects": Case(frozenset({"healthcheck"}), ("never became healthy", "302")),
    "six": Case(),
    "slow": Case(frozenset({"healthcheck"}), ("never became healthy", "timeout")),
}

Service = dict[str, Any]


@pytest.fixture(scope="module")
def services(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    """The results of one run, by service."""
    assert engine.version
    folder = tmp_path_factory.mktemp("evidence")
    select = [argument for policy in ASKED for argument in ("--select", policy)]
    argv = [sys.executable, "-m", "dockproof", "verify", "--compose", str(COMPOSE), "--no-hadolint", *select]
    run = subprocess.run(
        [*argv, "--output", str(folder)], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    assert run.returncode == 4, run.stdout + run.stderr  # three of them are dead, and that wins
    text = (folder / "results.json").read_text(encoding="utf-8")
    assert len(text) < 1_000_000, "a log of 100 MB is not evidence"
    return {service["service"]: service for service in json.loads(text)["services"]}


def runtime(service: Service) -> dict[str, str]:
    """Return the verdict of each policy's runtime probe."""
    return {
        v["policy"]: v["verdict"]
        for v in service["verdicts"]
        if v["probe"] == "runtime" and v["policy"] in ASKED
    }


def said(service: Service) -> str:
    """Return all messages and logs that the run shows of a service."""
    findings = [finding["message"] for finding in service["findings"]]
    missed = [f"{one['reason']}\n{one['log']}" for one in service["not_looked"]]
    return "\n".join([*findings, *missed])


def test_every_service_is_in_the_table(services: dict[str, Service]) -> None:
    """None was forgotten, here or there."""
    assert services.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_bad_container_is_explained(services: dict[str, Service], name: str) -> None:
    """What is wrong is red, what is right is green, and what is dead is neither."""
    case, verdicts = CASES[name], runtime(services[name])
    if case.dead:
        assert set(verdicts.values()) == {"not looked at"}
    else:
        assert {policy for policy, verdict in verdicts.items() if verdict == "failed"} - case.late == case.red
        assert "not looked at" not in verdicts.values()
    for words in case.words:
        assert words in said(services[name])

"""What the gate makes of the answers of probes that could not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from dockproof import catalog, gate
from dockproof.collect.sidecar import parse
from dockproof.config import Config
from dockproof.errors import NotLookedError
from dockproof.finding import Place, Probe
from dockproof.policy import Family, Policy, Profile, RuntimeTarget
from dockproof.verdict import Verdict, cell
from tests.catalog.imaging import image_of
from tests.catalog.running import container_of, process_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.finding import Answer


class Blind(Policy):
    """Finds something, and cannot look at the rest."""

    id = "blind"
    title = "sees"
    family = Family.OPERATION
    raises: ClassVar[bool] = False

    def runtime(self, target: RuntimeTarget) -> Iterator[Answer]:
        """Say both."""
        yield self.in_container("wrong", Place(pid=1))
        if self.raises:
            raise NotLookedError("the target is gone", "its last words")
        yield self.unseen(Probe.RUNTIME, "too dark")


class Lost(Blind):
    """Loses its target."""

    raises = True


def asked(policy: Policy, **facts: object) -> gate.Answers:
    """Ask a policy about a container."""
    return gate.ask_running([policy], RuntimeTarget(container_of(**facts), image_of()), Config())


def test_probe_that_could_not_see_all_keeps_what_it_found() -> None:
    """It fails closed with its own reason, and is no crash."""
    found = asked(Blind())
    assert [one.message for one in found.findings] == ["wrong"]
    assert found.not_looked == (gate.NotLooked("blind", "too dark"),)
    assert asked(Lost()).not_looked == (gate.NotLooked("blind", "the target is gone", "its last words"),)


def test_more_processes_than_are_looked_at_is_no_pass() -> None:
    """Of those that nobody saw, any may be root's."""
    policy = catalog.load()["non-root"]
    answers = asked(policy, truncated=True)
    seen = cell(policy, Probe.RUNTIME, Profile.PRODUCTION, answers, Config().fail_level)
    assert seen.verdict is Verdict.NOT_LOOKED
    assert "more processes run in it" in seen.reason


@pytest.mark.parametrize("name", ["no-secrets", "no-dev-tools", "streamed-logs", "verified-tls"])
def test_environment_that_cannot_be_read_is_no_pass(name: str) -> None:
    """An unreadable environment is not an empty one."""
    answers = gate.ask_running(
        [catalog.load()[name]], RuntimeTarget(container_of(process_of(environ=None)), image_of()), Config()
    )
    (missed,) = answers.not_looked
    assert missed == gate.NotLooked(name, "the environment of pid 1 could not be read")


def test_sockets_that_cannot_be_read_are_not_none() -> None:
    """Without the kernel's table nothing would seem to listen."""
    status = (
        "TmFtZToJYQpQUGlkOgkwClVpZDoJMSAxIDEgMQpHaWQ6CTEgMSAxIDEK"  # Name, PPid, Uid and Gid of process 1
    )
    dump = f"@ self\n!\n@ p/1/status\n{status}\n@ p/1/environ\n!\n@ net/tcp\n!\n@ net/udp\nIA==\n@ end\n"
    with pytest.raises(ValueError, match="/proc/net/tcp cannot be read"):
        parse(dump)
    assert parse(dump.replace("net/tcp\n!", "net/tcp\nIA==")).sockets == ()

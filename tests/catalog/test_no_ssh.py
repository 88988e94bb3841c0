from __future__ import annotations

import pytest

from dockproof.facts.image import ImageConfig
from tests.catalog.asking import red
from tests.catalog.imaging import entry, image_of, image_red
from tests.catalog.running import container_of, process_of, runtime_red, socket_of

POLICY = "no-ssh"


@pytest.mark.parametrize("port", ["22", "22/tcp", "20-30"])
def test_flags_the_exposed_port(port: str) -> None:
    """Alone or in a range."""
    assert red(POLICY, f"FROM a\nEXPOSE 8080 {port}\n") == [(2, "port")]


@pytest.mark.parametrize(
    "command",
    [
        "apt-get install -y curl openssh-server",
        "apk add --no-cache dropbear",
        "sh -c 'apt-get install -y openssh-server'",
    ],
)
def test_flags_a_server_that_is_installed(command: str) -> None:
    """In the shipped stage and in those that it is built FROM."""
    assert red(POLICY, f"FROM a AS b\nRUN {command}\nFROM b\n") == [(2, "server")]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nEXPOSE 2222 8022",
        "FROM a\nRUN apt-get install -y openssh-client",
        "FROM a\nRUN apt-get remove -y openssh-server",
        "FROM a AS b\nRUN apt-get install -y openssh-server\nFROM c",
    ],
)
def test_passes_a_client_a_removal_and_what_is_not_shipped(text: str) -> None:
    """A client is no way in."""
    assert red(POLICY, f"{text}\n") == []


def test_judges_the_images_config_and_files() -> None:
    """The port, and a server that may be run; a file of that name that may not is none."""
    found = image_red(
        POLICY, image_of([entry("/usr/sbin/sshd", 0o755)], config=ImageConfig(ports=("22/tcp",)))
    )
    assert [each.clause for each in found] == ["port", "server"]
    assert image_red(POLICY, image_of([entry("/etc/default/sshd"), entry("/sshd", 0o755, type="dir")])) == []


def test_judges_what_runs_and_listens() -> None:
    """A server on another port is a server, and whatever opens port 22 looks like one."""
    assert runtime_red(POLICY, container_of(process_of(("sshd",), comm="sshd"))) == ["server"]
    assert runtime_red(POLICY, container_of(sockets=(socket_of(22),))) == ["port"]
    assert runtime_red(POLICY, container_of(sockets=(socket_of(2222),))) == []

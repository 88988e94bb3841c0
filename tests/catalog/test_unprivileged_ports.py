from __future__ import annotations

import pytest

from dockproof.facts.image import ImageConfig
from tests.catalog.asking import red
from tests.catalog.imaging import image_of, image_red
from tests.catalog.running import container_of, runtime_red, socket_of

POLICY = "unprivileged-ports"


@pytest.mark.parametrize("ports", ["80", "443/tcp", "53/udp", "1000-1040"])
def test_flags_an_exposed_port_that_needs_a_right(ports: str) -> None:
    """Of a range the first port counts, whatever the protocol."""
    assert red(POLICY, f"FROM a\nEXPOSE 8080 {ports}\n") == [(2, None)]


@pytest.mark.parametrize(
    "text", ["FROM a\nEXPOSE 8080 1024", "FROM a\nEXPOSE $P", "FROM a AS b\nEXPOSE 80\nFROM c"]
)
def test_passes_a_high_one_an_unknown_one_and_what_is_not_shipped(text: str) -> None:
    """Nothing is guessed, and a builder opens nothing."""
    assert red(POLICY, f"{text}\n") == []


def test_judges_the_images_config() -> None:
    """Each low port is a finding."""
    found = image_red(POLICY, image_of(config=ImageConfig(ports=("22/tcp", "1023/udp", "1024/tcp"))))
    assert [each.message.split()[3].rstrip(",") for each in found] == ["22/tcp", "1023/udp"]


def test_judges_what_listens() -> None:
    """Whatever the image says, the open socket counts."""
    assert runtime_red(POLICY, container_of(sockets=(socket_of(8000), socket_of(80)))) == [None]
    assert runtime_red(POLICY, container_of(sockets=(socket_of(1024),))) == []

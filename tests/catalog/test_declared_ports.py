from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockproof.facts.image import ImageConfig
from dockproof.finding import Finding
from tests.catalog.asking import red
from tests.catalog.imaging import image_of
from tests.catalog.running import container_of, process_of, runtime_answers, runtime_red, socket_of

if TYPE_CHECKING:
    from dockproof.facts.container import Socket

POLICY = "declared-ports"
EXPOSES = image_of(config=ImageConfig(ports=("8000/tcp",)))


@pytest.mark.parametrize("port", ["8000", "8000/udp", "8000-8010/tcp"])
def test_passes_valid_ports(port: str) -> None:
    """Numbers, protocols and ranges."""
    assert red(POLICY, f"FROM alpine\nEXPOSE {port}\n") == []


def test_flags_mappings_and_upper_case() -> None:
    """A mapping is no port, and the protocol is in lower case."""
    assert red(POLICY, "FROM alpine\nEXPOSE 80:8000\n") == [(2, "no-mapping")]
    assert red(POLICY, "FROM alpine\nEXPOSE 8000/TCP\n") == [(2, "lower-case")]


@pytest.mark.parametrize(
    ("sockets", "clauses"),
    [
        ((socket_of(8000),), []),
        ((socket_of(8000, "tcp6", "::"),), []),
        ((socket_of(8000), socket_of(8000, "tcp6", "::")), []),
        ((socket_of(8000), socket_of(9000, address="127.0.0.1")), []),
        ((socket_of(8000), socket_of(9000, "tcp6", "::1")), []),
        ((socket_of(8000), socket_of(53, address="127.0.0.11")), []),
        ((socket_of(8000), socket_of(41_000, "udp")), []),
        ((socket_of(8000), socket_of(41_000)), ["undeclared"]),
        ((socket_of(8000), socket_of(9999, "udp6", "::")), ["undeclared"]),
        ((socket_of(8000, "udp"),), ["undeclared", "silent"]),
        ((), ["silent"]),
    ],
)
def test_runtime_compares_sockets_with_exposed_ports(sockets: tuple[Socket, ...], clauses: list[str]) -> None:
    """Loopback and the engine's resolver are nobody else's business; a client's UDP socket is no open port."""
    assert runtime_red(POLICY, container_of(sockets=sockets), EXPOSES) == clauses


def test_runtime_names_the_process_that_holds_the_socket() -> None:
    """Pid, command and user."""
    other = process_of(("python", "debug.py"), pid=7)
    container = container_of(process_of(), other, sockets=(socket_of(8000), socket_of(5678, pids=(7,))))
    (finding,) = runtime_answers(POLICY, container, EXPOSES)
    assert isinstance(finding, Finding)
    assert "by pid 7 (`python debug.py`, uid 10001)" in finding.message
    assert finding.place.pid == 7


def test_flags_a_port_that_fails_the_build_of_another_stage() -> None:
    """BuildKit refuses it in a stage that is only copied from, and each EXPOSE is judged once."""
    copied = "FROM a:1 AS b\nEXPOSE 80000\nFROM a:1\nCOPY --from=b /x /y\n"
    assert red(POLICY, copied) == [(2, "valid")]
    assert red(POLICY, "FROM a:1 AS b\nEXPOSE 80000\nFROM b\n") == [(2, "valid")]

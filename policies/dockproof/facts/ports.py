"""Ports of EXPOSE."""

from __future__ import annotations

from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockproof.facts.values import Value

PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_LAST = 65_535


class Port(NamedTuple):
    """A port that is exposed.

    Attributes:
        number: the number inside the container, a `range` for several (its stop is exclusive), None where it is
            unknown or malformed.
        protocol: lower case, `tcp` where none is written, "" where it is unknown or malformed.
        value: the expanded text.
    """

    number: int | range | None
    protocol: str
    value: Value


def parse_port(value: Value) -> Port:
    """Read a word of EXPOSE; `ip:host:container` forms count by the container's part, as Docker has it."""
    if value.text is None:
        return Port(None, "", value)
    numbers, slash, protocol = value.text.partition("/")
    protocol = protocol.lower() if slash and protocol else "tcp"
    number = _number(numbers.rpartition(":")[2])
    if number is None or protocol not in PROTOCOLS:
        return Port(None, "", value)
    return Port(number, protocol, value)


def _number(text: str) -> int | range | None:
    start, dash, end = text.partition("-")
    if not _is_number(start) or (dash and not _is_number(end)):
        return None
    first, last = int(start), int(end or start)
    if last > _LAST or first > last:
        return None
    return first if first == last else range(first, last + 1)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(_LAST))

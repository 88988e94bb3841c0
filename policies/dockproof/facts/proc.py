"""Reads what the kernel says under /proc of a container's processes and sockets (proc(5)).

It comes in the form in which the collector script of `dockproof.collect.sidecar` dumps it. Nothing here talks to an
engine.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import TYPE_CHECKING

from dockproof.facts import capabilities
from dockproof.facts.container import Process, Socket
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TCP_STATES = {
    0x01: "ESTABLISHED",
    0x02: "SYN_SENT",
    0x03: "SYN_RECV",
    0x04: "FIN_WAIT1",
    0x05: "FIN_WAIT2",
    0x06: "TIME_WAIT",
    0x07: "CLOSE",
    0x08: "CLOSE_WAIT",
    0x09: "LAST_ACK",
    0x0A: "LISTEN",
    0x0B: "CLOSING",
    0x0C: "NEW_SYN_RECV",
}
"""States of a TCP socket in /proc/net/tcp (net/tcp_states.h)."""

UNREADABLE = "!"
"""Stands in the dump in place of content that could not be read."""


def parse_dump(text: str) -> dict[str, bytes | None]:
    """Read the collector's dump: `@ key` lines, each followed by base64 lines or by `!`.

    The alphabet of base64 holds neither sign, so no process can forge a record with its name or arguments.

    Raises:
        ValueError: the dump is no dump, or was cut off (its last record is `@ end`).
    """
    records: dict[str, bytes | None] = {}
    for record in text.split("@ ")[1:]:
        key, *lines = record.split()
        records[key] = None if UNREADABLE in lines else _decode(key, "".join(lines))
    if "end" not in records:
        raise ValueError("the dump of /proc is cut off")
    return records


def _decode(key: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the dump of /proc is damaged at {key}: {error}") from error


def parse_processes(records: Mapping[str, bytes | None]) -> tuple[Process, ...]:
    """Build the processes of a dump, lowest pid first; those that vanished midway are left out.

    The sidecar's own have its mount namespace and are left out; of the rest, those whose ancestry ends at
    PID 1 are the target's, the others came through `docker exec` or a health probe.
    """
    pids = sorted({int(key.split("/")[1]) for key in records if key.startswith("p/")})
    sidecar = (records.get("self") or b"").decode().strip()
    found = [process for pid in pids if (process := _process(pid, records, sidecar)) is not None]
    parents = {process.pid: process.ppid for process in found}
    return tuple(p._replace(of_target=_descends(p.pid, parents)) for p in found)


def _descends(pid: int, parents: Mapping[int, int]) -> bool:
    seen: set[int] = set()
    while pid != 1 and pid in parents and pid not in seen:
        seen.add(pid)
        pid = parents[pid]
    return pid == 1


def _process(pid: int, records: Mapping[str, bytes | None], sidecar: str) -> Process | None:
    status = parse_status(records.get(f"p/{pid}/status") or b"")
    links = parse_links(records.get(f"p/{pid}/links") or b"")
    if not status or (sidecar and links.get("ns/mnt") == sidecar):
        return None
    uids, gids = (_numbers(status.get(key, ""))[:3] for key in ("Uid", "Gid"))
    stat = parse_stat(records.get(f"p/{pid}/stat") or b"")
    environ = records.get(f"p/{pid}/environ")
    return Process(
        pid=pid,
        ppid=int(status["PPid"]),
        uid=uids[1],
        gid=gids[1],
        real_uid=uids[0],
        saved_uid=uids[2],
        real_gid=gids[0],
        saved_gid=gids[2],
        groups=_numbers(status.get("Groups", "")),
        comm=status.get("Name", ""),
        argv=parse_cmdline(records.get(f"p/{pid}/cmdline") or b""),
        exe=links.get("exe", ""),
        environ=None if environ is None else parse_environ(environ),
        state=status.get("State", "?")[0],
        cap_eff=parse_capabilities(status.get("CapEff", "0")),
        cap_bnd=parse_capabilities(status.get("CapBnd", "0")),
        no_new_privs=status.get("NoNewPrivs", "0") == "1",
        seccomp=int(status.get("Seccomp", "0")),
        start=stat.start,
        cpu=stat.cpu,
        of_target=True,
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())


def parse_status(text: bytes) -> dict[str, str]:
    """Read /proc/PID/status; empty where the process vanished or its lines are not all there."""
    lines = text.decode("utf-8", "replace").split("\n")
    fields = {key: value.strip() for key, sep, value in (line.partition(":") for line in lines) if sep}
    return fields if {"PPid", "Uid", "Gid"} <= fields.keys() else {}


class Stat(NamedTuple):
    """Times of /proc/PID/stat in clock ticks."""

    start: int = 0
    cpu: int = 0


def parse_stat(text: bytes) -> Stat:
    """Read start and CPU time; the name in brackets may hold blanks and brackets itself."""
    fields = text.rpartition(b")")[2].split()
    if len(fields) < 20:  # noqa: PLR2004 - proc(5): field 22 is the start, the third follows the name
        return Stat()
    return Stat(start=int(fields[19]), cpu=sum(int(field) for field in fields[11:15]))


def parse_cmdline(text: bytes) -> tuple[str, ...]:
    """Split a command line at its NUL bytes; a program that rewrote it (nginx, postgres) gives one word."""
    words = text.decode("utf-8", "replace").rstrip("\0")
    return tuple(words.split("\0")) if words else ()


def parse_environ(text: bytes) -> dict[str, str]:
    """Read an environment; entries without `=` are no variables. The first of a name wins, as for getenv."""
    pairs = [pair.partition("=") for pair in text.decode("utf-8", "replace").split("\0")]
    return {name: value for name, sep, value in reversed(pairs) if sep and name}


def parse_links(text: bytes) -> dict[str, str]:
    """Read `ls -ln` of links under /proc/PID: name below the folder of the process to target."""
    found = re.finditer(
        r" /proc/\d+/(?P<name>[a-z0-9/]+) -> (?P<target>.*)$", text.decode("utf-8", "replace"), re.MULTILINE
    )
    return {match["name"]: match["target"] for match in found}


def parse_capabilities(mask: str) -> frozenset[str]:
    """Name the bits of a hexadecimal capability mask; bits newer than the table keep a number."""
    return frozenset(capabilities.of_bits(int(mask or "0", 16)))


def parse_sockets(records: Mapping[str, bytes | None]) -> tuple[Socket, ...]:
    """Build the sockets of a dump with the processes that hold them, by protocol, port and address."""
    holders = _holders(records)
    found = [
        socket._replace(pids=tuple(sorted(holders.get(socket.inode, ()))))
        for protocol in ("tcp", "tcp6", "udp", "udp6")
        for socket in parse_net(protocol, records.get(f"net/{protocol}") or b"")
    ]
    return tuple(sorted(found, key=lambda s: (s.protocol, s.port, s.address)))


def _holders(records: Mapping[str, bytes | None]) -> dict[int, set[int]]:
    holders: dict[int, set[int]] = {}
    for key, text in records.items():
        if key.startswith("p/") and key.endswith("/links"):
            for inode in re.findall(rb" \d+ -> socket:\[(\d+)\]", text or b""):
                holders.setdefault(int(inode), set()).add(int(key.split("/")[1]))
    return holders


def parse_net(protocol: str, table: bytes) -> Iterator[Socket]:
    """Yield the sockets of /proc/net/tcp, tcp6, udp or udp6; its first line is a heading."""
    for line in table.decode("ascii", "replace").splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 10:  # noqa: PLR2004 - the tenth field is the inode
            yield _socket(protocol, fields)


def _socket(protocol: str, fields: list[str]) -> Socket:
    address, port = fields[1].split(":")
    state = TCP_STATES.get(int(fields[3], 16), fields[3])
    if protocol.startswith("udp"):
        # A bound UDP socket shows as CLOSE; one with a peer as ESTABLISHED.
        state = "LISTEN" if state == "CLOSE" else state
    return Socket(protocol, parse_address(address), int(port, 16), state, int(fields[9]), int(fields[7]), ())


def parse_address(text: str) -> str:
    """Read an address as the kernel prints it: words of 32 bits, each little-endian."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def split_processes(processes: Iterable[Process]) -> tuple[tuple[Process, ...], tuple[Process, ...]]:
    """Part the target's processes from those that came from outside."""
    everything = tuple(processes)
    return tuple(p for p in everything if p.of_target), tuple(p for p in everything if not p.of_target)

"""What a Docker daemon leaves in the kernel's network after its end, and how to take away what ours left.

Docker keeps its bridge, its firewall chains and the forwarding switches when it stops. A record made before the first
start tells what was there already: that belongs to somebody else and stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import socket
import struct
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BRIDGE = "docker0"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
TABLES = ("filter", "nat")
FAMILIES = ("iptables", "ip6tables")
CHAIN = re.compile(r"^:(DOCKER\S*) ", re.MULTILINE)
POLICY = re.compile(r"^:FORWARD (\w+)", re.MULTILINE)
# From <linux/sockios.h> and <net/if.h>; `ip` is not on every machine.
SIOCBRDELBR, SIOCSIFFLAGS, IFNAMSIZ = 0x89A1, 0x8914, 16


@dataclass(frozen=True)
class Before:
    """What the network was before the private engine first started."""

    bridge: bool
    chains: bool
    forward_policy: str
    forwarding: str


def record(path: Path, env: Mapping[str, str]) -> None:
    """Write down what the network is, once."""
    if path.is_file():
        return
    rules = _save("iptables", "filter", env)
    policy = POLICY.search(rules)
    before = Before(
        bridge=BRIDGE in {name for _, name in socket.if_nameindex()},
        chains=bool(CHAIN.search(rules)),
        forward_policy=policy[1] if policy else "ACCEPT",
        forwarding=FORWARDING.read_text(encoding="ascii").strip(),
    )
    path.write_text(json.dumps(asdict(before)), encoding="utf-8")


def restore(path: Path, env: Mapping[str, str]) -> None:
    """Take away the bridge and the rules that were not there before; without a record nothing is touched."""
    try:
        before = Before(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return
    if not before.chains:
        for family in FAMILIES:
            _remove_rules(family, env)
        _run(["iptables", "-P", "FORWARD", before.forward_policy], env)
    if not before.bridge:
        delete_bridge(BRIDGE)
    with contextlib.suppress(OSError):
        FORWARDING.write_text(before.forwarding, encoding="ascii")


def _remove_rules(family: str, env: Mapping[str, str]) -> None:
    for table in TABLES:
        for arguments in removals(_save(family, table, env)):
            _run([family, "-t", table, *arguments], env)


def removals(saved: str) -> Iterator[list[str]]:
    """Yield the arguments that remove Docker's rules and chains from what iptables-save printed of one table."""
    for line in saved.splitlines():
        if (
            line.startswith("-A ")
            and not line.startswith("-A DOCKER")
            and re.search(r"\b(DOCKER|docker0)\b", line)
        ):
            yield ["-D", *_split(line)[1:]]
    chains = CHAIN.findall(saved)
    yield from (["-F", chain] for chain in chains)
    yield from (["-X", chain] for chain in chains)


def _split(rule: str) -> list[str]:
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rule)]


def _save(family: str, table: str, env: Mapping[str, str]) -> str:
    return _run([f"{family}-save", "-t", table], env)


def _run(command: list[str], env: Mapping[str, str]) -> str:
    """Run a table program; a kernel without that table has nothing to say or to remove."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(env), timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def delete_bridge(name: str) -> None:
    """Remove a bridge, where it is there."""
    down = struct.pack(f"{IFNAMSIZ}sh14x", name.encode(), 0)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, down)
        fcntl.ioctl(control, SIOCBRDELBR, name.encode().ljust(IFNAMSIZ, b"\0"))

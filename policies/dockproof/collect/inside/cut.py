"""Make addresses unreachable from this network namespace (`cut.py add ADDRESS…`), or reachable again (`remove`).

A route of type "unreachable" is set over netlink, so neither `ip` nor a change at the other end is needed: nobody
but this namespace notices.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys

# linux/rtnetlink.h and linux/netlink.h
MESSAGES = {"add": 24, "remove": 25}  # RTM_NEWROUTE, RTM_DELROUTE
REQUEST, ACKNOWLEDGE, CREATE, REPLACE = 0x1, 0x4, 0x400, 0x100
MAIN_TABLE, BOOT, UNREACHABLE, DESTINATION = 254, 3, 7, 1
GONE = 3  # ESRCH: such a route is not there


def change(action: str, address: str) -> None:
    """Set or remove the route of one address."""
    packed = ipaddress.ip_address(address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6  # noqa: PLR2004 - bytes of an IPv4 address
    body = struct.pack("=BBBBBBBBI", family, 8 * len(packed), 0, 0, MAIN_TABLE, BOOT, 0, UNREACHABLE, 0)
    body += struct.pack("=HH", 4 + len(packed), DESTINATION) + packed
    flags = REQUEST | ACKNOWLEDGE | (CREATE | REPLACE if action == "add" else 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), MESSAGES[action], flags, 1, 0) + body)
        (error,) = struct.unpack("=i", kernel.recv(4096)[16:20])
    if error and not (action == "remove" and -error == GONE):
        raise OSError(-error, f"the route of {address} could not be changed")


if __name__ == "__main__":
    for each in sys.argv[2:]:
        change(sys.argv[1], each)

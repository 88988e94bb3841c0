"""Linux capabilities: their names, and the attribute with which a file lends them (capabilities(7))."""

from __future__ import annotations

import struct

# fmt: off
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK",
    "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN",
    "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
    "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND",
    "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)
# fmt: on
"""Names of the capability bits, lowest first (linux/capability.h)."""

ATTRIBUTE = "security.capability"
_WORDS = {1: 1, 2: 2, 3: 2}
"""Words of 32 bits in each set, by the attribute's revision."""


def of_bits(bits: int) -> tuple[str, ...]:
    """Name the bits of a set, lowest first; bits newer than the table keep a number."""
    return tuple(
        CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"CAP_{bit}"
        for bit in range(bits.bit_length())
        if bits >> bit & 1
    )


def of_attribute(value: bytes) -> tuple[str, ...]:
    """Read the permitted set of a `security.capability` attribute (struct vfs_cap_data of linux/capability.h).

    Returns:
        The names as `getcap` writes them, `cap_net_raw`. A value that is no attribute gives the one word `unknown`: it
        lends something, and nobody can say what.
    """
    numbers = struct.unpack(f"<{len(value) // 4}I", value[: len(value) // 4 * 4])
    words = _WORDS.get(numbers[0] >> 24, 0) if numbers else 0
    if not words or len(numbers) < 1 + 2 * words:
        return ("unknown",)
    # After the revision, each word of the permitted set is followed by one of the inheritable set.
    permitted = sum(numbers[1 + 2 * word] << (32 * word) for word in range(words))
    return tuple(f"cap_{name.lower().removeprefix('cap_')}" for name in of_bits(permitted))

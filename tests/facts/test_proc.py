"""Processes and sockets: what the kernel says under /proc, read as it says it."""

import base64
import ipaddress
import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts.capabilities import CAPABILITIES
from dockproof.facts.container import ContainerFacts, Process, State
from dockproof.facts.proc import (
    parse_address,
    parse_capabilities,
    parse_cmdline,
    parse_dump,
    parse_environ,
    parse_net,
    parse_processes,
    parse_sockets,
    parse_stat,
    parse_status,
    split_processes,
)

STATUS = """Name:\t{name}
State:\tS (sleeping)
PPid:\t{ppid}
Uid:\t1\t{uid}\t3\t4
Gid:\t5\t6\t7\t8
Groups:\t50 6
CapBnd:\t00000000a80425fb
CapEff:\t0000000000000400
NoNewPrivs:\t1
Seccomp:\t2
"""


def record(key: str, content: bytes | None) -> str:
    """Return a record of the dump, None for content that could not be read."""
    return f"@ {key}\n" + ("!\n" if content is None else base64.encodebytes(content).decode())


def process(
    pid: int,
    ppid: int,
    *,
    name: str = "app",
    uid: int = 2,
    mnt: str = "mnt:[1]",
    sockets: tuple[int, ...] = (),
    environ: bytes | None = b"A=1\0",
) -> str:
    """Return the records of one process."""
    links = f"lrwxrwxrwx 1 0 0 0 Jan 1 00:00 /proc/{pid}/exe -> /usr/bin/{name}\n"
    links += f"lrwxrwxrwx 1 0 0 0 Jan 1 00:00 /proc/{pid}/ns/mnt -> {mnt}\n\n/proc/{pid}/fd/:\n"
    links += "".join(f"lrwx------ 1 0 0 64 Jan 1 00:00 {i} -> socket:[{n}]\n" for i, n in enumerate(sockets))
    return "".join(
        [
            record(f"p/{pid}/status", STATUS.format(name=name, ppid=ppid, uid=uid).encode()),
            record(f"p/{pid}/stat", b"1 (a) b) S " + b" ".join(b"%d" % number for number in range(4, 40))),
            record(f"p/{pid}/cmdline", f"/usr/bin/{name}\0--flag\0".encode()),
            record(f"p/{pid}/environ", environ),
            record(f"p/{pid}/links", links.encode()),
        ]
    )


def dump(*parts: str) -> dict[str, bytes | None]:
    """Parse a dump made of these parts by a sidecar in mount namespace 9."""
    return parse_dump(record("self", b"mnt:[9]\n") + "".join(parts) + "@ end\n")


# ---------------------------------------------------------------------------------------------- processes


def test_process_has_everything_that_the_kernel_says() -> None:
    """Ids, groups, capabilities, flags, program and arguments come out of their files."""
    (found,) = parse_processes(dump(process(1, 0)))
    assert found == Process(
        pid=1,
        ppid=0,
        uid=2,
        gid=6,
        real_uid=1,
        saved_uid=3,
        real_gid=5,
        saved_gid=7,
        groups=(50, 6),
        comm="app",
        argv=("/usr/bin/app", "--flag"),
        exe="/usr/bin/app",
        environ={"A": "1"},
        state="S",
        cap_eff=frozenset({"NET_BIND_SERVICE"}),
        cap_bnd=parse_capabilities("a80425fb"),
        no_new_privs=True,
        seccomp=2,
        start=22,
        cpu=14 + 15 + 16 + 17,
        of_target=True,
    )
    assert not found.is_root
    assert found._replace(saved_uid=0).is_root


def test_health_probe_is_no_process_of_the_target() -> None:
    """What entered by `docker exec` descends from no process of the container; its children likewise."""
    found = parse_processes(dump(process(1, 0), process(7, 1), process(20, 0), process(21, 20)))
    own, visitors = split_processes(found)
    assert [each.pid for each in own] == [1, 7]
    assert [each.pid for each in visitors] == [20, 21]


def test_sidecars_own_processes_are_left_out() -> None:
    """They have another mount namespace, also one that was orphaned to the target's PID 1."""
    found = parse_processes(dump(process(1, 0), process(30, 0, mnt="mnt:[9]"), process(31, 1, mnt="mnt:[9]")))
    assert [each.pid for each in found] == [1]


def test_process_of_another_mount_namespace_is_the_targets() -> None:
    """A child that made its own mount namespace cannot hide."""
    found = parse_processes(dump(process(1, 0), process(8, 1, mnt="mnt:[77]", uid=0)))
    assert [(each.pid, each.uid, each.of_target) for each in found] == [(1, 2, True), (8, 0, True)]


def test_process_that_vanished_midway_is_left_out() -> None:
    """Its status cannot be read any more; the others are still told."""
    gone = "".join(record(f"p/9/{name}", None) for name in ("status", "stat", "cmdline", "environ", "links"))
    assert [each.pid for each in parse_processes(dump(gone, process(1, 0)))] == [1]


def test_unreadable_environment_is_not_an_empty_one() -> None:
    """None says that nobody looked."""
    hidden, empty = parse_processes(dump(process(1, 0, environ=None), process(2, 1, environ=b"")))
    assert hidden.environ is None
    assert empty.environ == {}


def test_process_cannot_forge_a_record() -> None:
    """Names and arguments are encoded, so a line of the dump's own form in them stays text."""
    evil = "x\n@ p/1/status\n@ end"
    (found,) = parse_processes(dump(process(1, 0, name=evil)))
    assert found.argv[0] == f"/usr/bin/{evil}"


def test_cut_off_or_damaged_dump_is_refused() -> None:
    """Without its end a dump may lack the very process that matters."""
    with pytest.raises(ValueError, match="cut off"):
        parse_dump(record("self", b"x"))
    with pytest.raises(ValueError, match="damaged at a"):
        parse_dump("@ a\n&&&&\n@ end\n")


def test_own_process_reads_as_python_sees_it() -> None:
    """The parsers agree with this very process."""
    status = parse_status(Path("/proc/self/status").read_bytes())
    stat = parse_stat(Path("/proc/self/stat").read_bytes())
    assert [int(word) for word in status["Uid"].split()[:3]] == list(os.getresuid())
    assert int(status["PPid"]) == os.getppid()
    assert stat.start > 0


@given(st.binary(max_size=400))
def test_files_of_proc_read_any_bytes(text: bytes) -> None:
    """Whatever a file of /proc holds, reading it does not fail, but for numbers that are none."""
    parse_cmdline(text)
    parse_environ(text)
    parse_status(text)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), max_size=5
    )
)
def test_command_line_survives_the_kernels_form(argv: list[str]) -> None:
    """Arguments joined by NUL come back as they were."""
    assert parse_cmdline("".join(f"{word}\0" for word in argv).encode()) == tuple(argv)


def test_capability_names_are_the_kernels() -> None:
    """Bit 21 is SYS_ADMIN; a bit that is newer than the table keeps its number."""
    assert parse_capabilities(f"{1 << 21:x}") == {"SYS_ADMIN"}
    assert parse_capabilities(f"{1 << 60:x}") == {"CAP_60"}
    assert parse_capabilities("0") == frozenset()
    assert CAPABILITIES.index("CHECKPOINT_RESTORE") == 40


# ------------------------------------------------------------------------------------------------ sockets

TCP = b"""  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 555 1 0 100 0 0 10 0
   1: 0100007F:1F40 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 556 1 0 20 4 30 10 -1
"""


def test_sockets_have_owner_state_and_holders() -> None:
    """A listening socket is found with each process that holds it."""
    records = dump(process(1, 0, sockets=(555,)), process(4, 1, sockets=(3, 555)), record("net/tcp", TCP))
    listening, connected = parse_sockets(records)
    assert (listening.address, listening.port, listening.state) == ("0.0.0.0", 8000, "LISTEN")  # noqa: S104 - what it saw
    assert (listening.uid, listening.pids) == (1000, (1, 4))
    assert (connected.state, connected.is_loopback, connected.pids) == ("ESTABLISHED", True, ())


def test_sockets_of_this_machine_read_as_python_sees_them() -> None:
    """IPv4, IPv6 and UDP sockets that are open right now are found under their address and port."""
    kinds = [
        ("tcp", socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
        ("tcp6", socket.AF_INET6, socket.SOCK_STREAM, "::1"),
        ("udp", socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
    ]
    for protocol, family, kind, address in kinds:
        with socket.socket(family, kind) as server:
            try:
                server.bind((address, 0))
            except OSError:  # a machine without IPv6 has nothing to compare
                continue
            if kind is socket.SOCK_STREAM:
                server.listen()
            port = server.getsockname()[1]
            found = list(parse_net(protocol, Path("/proc/net", protocol).read_bytes()))
        assert [each.state for each in found if (each.address, each.port) == (address, port)] == ["LISTEN"]


@given(st.ip_addresses())
def test_addresses_read_back_from_the_kernels_form(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Words of 32 bits, each little-endian, are undone."""
    packed = address.packed
    text = "".join(packed[at : at + 4][::-1].hex().upper() for at in range(0, len(packed), 4))
    assert parse_address(text) == str(address)


# -------------------------------------------------------------------------------------------------- the whole


def test_main_process_is_the_first_child_of_an_init() -> None:
    """Under `init: true` PID 1 is the engine's, and the program its child."""
    first, second = parse_processes(dump(process(1, 0, name="tini"), process(6, 1)))
    facts = ContainerFacts("", "", "", "", "", State("running", running=True), processes=(first, second))
    assert facts.main == first
    assert facts._replace(init=True).main == second
    assert facts._replace(processes=()).main is None


def test_collector_script_runs_in_this_machines_shell() -> None:
    """The script that a sidecar runs gives a dump that parses, here in this machine's own pid namespace."""
    from dockproof.collect.sidecar import COLLECTOR  # noqa: PLC0415 - the parsers need nothing of it

    done = subprocess.run(
        ["/bin/sh", "-c", COLLECTOR], capture_output=True, text=True, timeout=60, check=True
    )
    records = parse_dump(done.stdout)
    own = records.get(f"p/{os.getpid()}/cmdline")
    assert own == Path("/proc/self/cmdline").read_bytes() or "truncated" in records

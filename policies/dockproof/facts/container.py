"""What a running container is: its processes, sockets, health and the outcome of experiments, as values.

The parsers here read `docker inspect`; `dockproof.facts.proc` reads processes and sockets. Nothing here talks to an
engine.
"""

from __future__ import annotations

import ipaddress
import signal
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dockproof.facts.image import HealthConfig, parse_health
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STOP_SIGNAL = "SIGTERM"
STOP_GRACE = 10.0
"""What the engine takes where neither image nor container names a stop signal or a stop timeout (in seconds)."""

NEVER = "0001-01-01T00:00:00Z"
"""What the engine writes for a time that has not come."""

_SIGNALS = {one.value: one.name for one in signal.Signals}


class Process(NamedTuple):
    """One process, as the kernel shows it.

    Attributes:
        pid: in the container's own numbering; 1 is the program that was started.
        uid: effective; `real_uid` and `saved_uid` may differ.
        gid: effective.
        groups: supplementary groups.
        comm: the kernel's short name, 15 bytes.
        argv: empty for a zombie.
        exe: path of the program in the container, "" where it cannot be read.
        environ: None where it cannot be read.
        state: the kernel's letter: R, S, D, T (stopped), Z.
        cap_eff: effective capabilities, names without `CAP_`.
        cap_bnd: bounding set, likewise.
        seccomp: 0 none, 1 strict, 2 a filter.
        start: clock ticks after the boot.
        cpu: clock ticks of CPU time used so far, its own and its reaped children's.
        of_target: whether it belongs to the program; not so are health probes, `docker exec` and the sidecar.
    """

    pid: int
    ppid: int
    uid: int
    gid: int
    real_uid: int
    saved_uid: int
    real_gid: int
    saved_gid: int
    groups: tuple[int, ...]
    comm: str
    argv: tuple[str, ...]
    exe: str
    environ: Mapping[str, str] | None
    state: str
    cap_eff: frozenset[str]
    cap_bnd: frozenset[str]
    no_new_privs: bool
    seccomp: int
    start: int
    cpu: int
    of_target: bool

    @property
    def is_root(self) -> bool:
        """Whether any of its user ids is 0: a saved 0 lets it become root again."""
        return 0 in {self.uid, self.real_uid, self.saved_uid}


class Socket(NamedTuple):
    """One socket of the container's network namespace.

    Attributes:
        protocol: `tcp`, `tcp6`, `udp` or `udp6`.
        address: as `127.0.0.1` or `::`.
        port: local port.
        state: of TCP as in `TCP_STATES`; of UDP `LISTEN` where it is bound and not connected.
        uid: owner.
        pids: processes that hold it, lowest first; empty where none could be read.
    """

    protocol: str
    address: str
    port: int
    state: str
    inode: int
    uid: int
    pids: tuple[int, ...]

    @property
    def is_loopback(self) -> bool:
        """Whether only the container itself can reach it."""
        return ipaddress.ip_address(self.address).is_loopback


class HealthLog(NamedTuple):
    """One health probe: its exit code, what it printed, how long it took and when it ended.

    Attributes:
        seconds: wall time.
        ended_after: seconds from the container's start.
    """

    exit_code: int
    output: str
    seconds: float
    ended_after: float


class Health(NamedTuple):
    """What the engine says of the container's health.

    Attributes:
        status: `starting`, `healthy`, `unhealthy`, or `none` where there is no health check.
        healthy_after: seconds from the start to the end of the first good probe, None where none was seen.
        log: the last probes, oldest first.
        config: the health check in force (of the image, or compose's own).
    """

    status: str = "none"
    healthy_after: float | None = None
    log: tuple[HealthLog, ...] = ()
    config: HealthConfig | None = None


class Experiment(StrEnum):
    """What is done to a running container, or to another container of the same image, to see how it takes it.

    `COST`: the health check is run by hand, to see what it costs.
    `WRITE`: the files are tried as the user that runs the program.
    `FREEZE`: every process of the target is stopped (SIGSTOP), later continued.
    `DEPENDENCY`: the target can reach a service that it depends on no more, later again.
    `STOP`: the engine stops it, with work in hand where the manifest says how to give it some.
    `DEATH`: another container, where a shell is PID 1: everything else in it is killed.
    `HARDENED`: another container with all that can be taken away taken away.
    `ARBITRARY_UID`: another container under a random uid with group 0.
    """

    COST = "cost"
    WRITE = "write"
    FREEZE = "freeze"
    DEPENDENCY = "dependency"
    STOP = "stop"
    DEATH = "death"
    HARDENED = "hardened"
    ARBITRARY_UID = "arbitrary-uid"

    @classmethod
    def all(cls) -> frozenset[str]:
        """Return the names of all."""
        return frozenset(each.value for each in cls)


class Outcome(NamedTuple):
    """How an experiment went.

    Attributes:
        status: health status when the wait ended: `unhealthy`, `healthy`, `starting`, or `exited` where the
            container ended by itself.
        seconds: from the blow to that status, or the whole wait.
        limit: seconds after which the container's own health check had to tell, slack included.
        detail: a sentence for the reader: what was done and seen.
        recovered: whether it was healthy again in time once the cause was gone.
        recovery: seconds from then until it was.
    """

    experiment: Experiment
    status: str
    seconds: float
    limit: float
    detail: str
    recovered: bool = False
    recovery: float = 0.0


class Cost(NamedTuple):
    """What one health probe costs, the least of several: what else the container does must not count.

    Attributes:
        cpu: seconds of CPU time, the engine's own start of the probe included; None where the engine cannot tell.
        wall: seconds of wall time.
        why: why `cpu` is None, "" otherwise.
    """

    cpu: float | None
    wall: float
    why: str = ""


class Writable(NamedTuple):
    """A file or folder that the program's user could open for writing.

    Attributes:
        type: `file` or `dir`.
        mode: permission bits.
    """

    path: str
    type: str
    mode: int


class Work(NamedTuple):
    """Work that the container had in hand when it was stopped, and what became of it.

    Attributes:
        name: a request's method and path, or the script's name.
        done: whether it was answered, or finished exactly once by somebody.
        output: what its giver said last.
    """

    name: str
    done: bool
    output: str


class Stop(NamedTuple):
    """How a container took its stop signal.

    Attributes:
        signal: as `SIGTERM`.
        grace: seconds that it has before it is killed.
        seconds: from the signal to its end.
        work: what it had in hand; empty where the manifest names none.
    """

    signal: str
    grace: float
    seconds: float
    exit_code: int
    oom_killed: bool = False
    work: tuple[Work, ...] = ()


class Trial(NamedTuple):
    """Another container of the same service, run under harder terms.

    Attributes:
        terms: what was asked of the engine, in words.
        status: `healthy`, `unhealthy`, `starting`; `running` where there is no health check; `exited`, or
            `not started` where the engine could not start it.
        seconds: from its start to that status.
        log: its last log lines and what its health check said, or the engine's words.
        facts: what it looked like, None where it ended.
    """

    experiment: Experiment
    terms: str
    status: str
    seconds: float
    log: str = ""
    facts: ContainerFacts | None = None


class State(NamedTuple):
    """The engine's view of the container: `created`, `running`, `exited`, `dead` …, and how it ended."""

    status: str
    running: bool
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    restarts: int = 0


class Mount(NamedTuple):
    """What is mounted where: type `bind`, `volume` or `tmpfs`, and whether it may be written."""

    type: str
    source: str
    destination: str
    writable: bool


class ContainerFacts(NamedTuple):
    """Everything that probes know of one running container.

    Attributes:
        service: the compose service, "" for a container started without compose.
        started_at: RFC 3339.
        user: the user it was told to run as, "" for the image's own.
        argv: what the engine was told to start.
        processes: of the target, PID 1 first.
        visitors: processes that came from outside: health probes, `docker exec`; never the sidecar's own.
        outcomes: by experiment; for a dependency `dependency:<service>`.
        trials: other containers of the same service, by experiment.
        cost: of its health check, None where that was not measured.
        writable: what its user could open for writing, None where that was not tried.
        stop: how it was stopped, None where it was not.
        not_tried: experiments that were asked for and could not be done, with the reason; of a dependency
            `dependency:<service>`.
        switched_off: experiments that the manifest does without, with the reason.
        not_needed: experiments that nobody asked for, or that can show nothing here.
        stop_signal: as `SIGTERM`.
        stop_grace: seconds between it and SIGKILL.
        logs_tail: its last log lines.
        truncated: whether there were more processes than the collector reads.
    """

    id: str
    name: str
    image_id: str
    service: str
    started_at: str
    state: State
    user: str = ""
    argv: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    visitors: tuple[Process, ...] = ()
    sockets: tuple[Socket, ...] = ()
    health: Health = Health()
    outcomes: Mapping[str, Outcome] = {}
    trials: Mapping[str, Trial] = {}
    cost: Cost | None = None
    writable: tuple[Writable, ...] | None = None
    stop: Stop | None = None
    not_tried: Mapping[str, str] = {}
    switched_off: Mapping[str, str] = {}
    not_needed: frozenset[str] = frozenset()
    stop_signal: str = STOP_SIGNAL
    stop_grace: float = STOP_GRACE
    readonly_root: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    init: bool = False
    network_mode: str = ""
    pid_mode: str = ""
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = {}
    logs_tail: str = ""
    truncated: bool = False

    def excused(self, switched_off: Iterable[str], not_needed: Iterable[str], why: str) -> ContainerFacts:
        """Say of experiments why they have no result: they were switched off, or nobody asked for them."""
        return self._replace(
            switched_off=dict.fromkeys(switched_off, why), not_needed=self.not_needed | frozenset(not_needed)
        )

    @property
    def main(self) -> Process | None:
        """The program: PID 1, or under an init its first child."""
        first = next(iter(self.processes), None)
        if first is None or not self.init:
            return first
        return next((p for p in self.processes if p.ppid == first.pid), first)

    @property
    def listening(self) -> tuple[Socket, ...]:
        """The sockets that wait for others; the engine's own resolver (127.0.0.11) is left out."""
        return tuple(s for s in self.sockets if s.state == "LISTEN" and s.address != "127.0.0.11")


# ------------------------------------------------------------------------------------------ engine's inspect


def parse_time(text: str) -> datetime | None:
    """Read the engine's time; None for one that has not come."""
    return None if text in {"", NEVER} else datetime.fromisoformat(text)


def parse_state(document: Mapping[str, Any]) -> State:
    """Read the state from `docker inspect`."""
    state = document["State"]
    return State(
        status=state["Status"],
        running=bool(state["Running"]),
        exit_code=int(state["ExitCode"]),
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        restarts=int(document.get("RestartCount") or 0),
    )


def parse_container_health(document: Mapping[str, Any]) -> Health:
    """Read health check, status and log from `docker inspect` of a container."""
    config = parse_health(document["Config"].get("Healthcheck"))
    health = document["State"].get("Health")
    if not health or config is None or config.disabled:
        return Health(config=config)
    started = parse_time(document["State"]["StartedAt"])
    log = tuple(_probe(entry, started) for entry in health.get("Log") or ())
    after = next((probe.ended_after for probe in log if probe.exit_code == 0), None)
    return Health(health["Status"], after, log, config)


def _probe(entry: Mapping[str, Any], started: datetime | None) -> HealthLog:
    begin, end = parse_time(entry["Start"]), parse_time(entry["End"])
    return HealthLog(
        exit_code=int(entry["ExitCode"]),
        output=(entry.get("Output") or "").strip(),
        seconds=(end - begin).total_seconds() if begin and end else 0.0,
        ended_after=(end - started).total_seconds() if started and end else 0.0,
    )


def parse_inspect(document: Mapping[str, Any]) -> ContainerFacts:
    """Build what `docker inspect` alone can tell of a container; processes and sockets stay empty."""
    host, config = document["HostConfig"], document["Config"]
    pairs = (pair.partition("=") for pair in config.get("Env") or ())
    return ContainerFacts(
        id=document["Id"],
        name=document["Name"].lstrip("/"),
        image_id=document["Image"],
        service=(config.get("Labels") or {}).get("com.docker.compose.service", ""),
        started_at=document["State"]["StartedAt"],
        state=parse_state(document),
        user=config.get("User") or "",
        argv=(document["Path"], *(document.get("Args") or ())),
        health=parse_container_health(document),
        readonly_root=bool(host.get("ReadonlyRootfs")),
        privileged=bool(host.get("Privileged")),
        cap_add=tuple(host.get("CapAdd") or ()),
        cap_drop=tuple(host.get("CapDrop") or ()),
        security_opt=tuple(host.get("SecurityOpt") or ()),
        init=bool(host.get("Init")),
        network_mode=host.get("NetworkMode") or "",
        pid_mode=host.get("PidMode") or "",
        mounts=tuple(_mount(entry) for entry in document.get("Mounts") or ()),
        environment={name: value for name, _, value in pairs},
        stop_signal=signal_name(config.get("StopSignal") or STOP_SIGNAL),
        stop_grace=STOP_GRACE if config.get("StopTimeout") is None else float(config["StopTimeout"]),
    )


def signal_name(text: str) -> str:
    """Return a stop signal as `SIGTERM`, however it was written (`TERM`, `sigterm`, `15`)."""
    if text.isdigit():
        return _SIGNALS.get(int(text), f"signal {int(text)}")
    return f"SIG{text.upper().removeprefix('SIG')}"


def _mount(entry: Mapping[str, Any]) -> Mount:
    source = entry.get("Name") or entry.get("Source") or ""
    return Mount(entry.get("Type", ""), source, entry["Destination"], bool(entry.get("RW")))

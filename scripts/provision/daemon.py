"""The private engine's daemon: where it keeps its things, how it starts, answers, stops and goes away whole."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.provision import host, leftovers, network, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WHO = "engine"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
CAP_SYS_RESOURCE = 24
LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes, and the daemon's own sockets lie deeper
# All that the folder of a private engine ever holds; with anything else in it, it is not removed.
OURS = frozenset({"root", "root.new", "data", "run", "client", "daemon.json", "dockerd.log", "before.json"})
# Docker's own pools hold 31 networks, fewer where the machine has routes there: too few for several runs at once.
SETTINGS = {
    "default-address-pools": [{"base": "172.16.0.0/12", "size": 24}, {"base": "192.168.0.0/16", "size": 24}],
}


@dataclass(frozen=True)
class PrivateEngine:
    """The private engine's folder in the user's cache, and everything it keeps there."""

    folder: Path

    @property
    def root(self) -> Path:
        """The unpacked programs."""
        return self.folder / "root"

    @property
    def data(self) -> Path:
        """Images, containers and volumes."""
        return self.folder / "data"

    @property
    def state(self) -> Path:
        """What lives as long as the daemon: its sockets and pid file."""
        inside = self.folder / "run"
        if len(str(inside / "exec/containerd/containerd-debug.sock")) <= LONGEST_SOCKET_PATH:
            return inside
        return Path("/run") / f"dockproof-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}"

    @property
    def socket(self) -> Path:
        """The daemon's socket."""
        return self.state / "docker.sock"

    @property
    def pidfile(self) -> Path:
        """The daemon's pid file."""
        return self.state / "dockerd.pid"

    @property
    def settings(self) -> Path:
        """The daemon's own settings (daemon.json)."""
        return self.folder / "daemon.json"

    @property
    def tidying(self) -> Path:
        """A file that is there while the daemon answers and must not be used yet."""
        return self.state / "tidying"

    @property
    def log(self) -> Path:
        """What the daemon said since it was started last."""
        return self.folder / "dockerd.log"

    @property
    def config(self) -> Path:
        """The client's settings (DOCKER_CONFIG)."""
        return self.folder / "client"

    @property
    def before(self) -> Path:
        """The record of the network before the first start."""
        return self.folder / "before.json"

    @property
    def dockerd(self) -> Path:
        """The daemon's program."""
        return self.root / "usr" / "sbin" / "dockerd"

    def version(self, timeout: float = 2.0) -> str:
        """Return the version of the daemon that answers on our socket, or ""."""
        connection = _UnixConnection(self.socket, timeout)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException, ValueError),
        ):
            connection.request("GET", "/version")
            return str(json.load(connection.getresponse()).get("Version", ""))
        return ""

    def pid(self) -> int | None:
        """Return our daemon's process id, or None where it does not run; another's process is never taken for it."""
        try:
            pid = int(self.pidfile.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if program(pid) == self.dockerd.resolve() else None

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that point a client at this engine."""
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.config),
            "PATH": unpacked.search_path(self.root) + os.pathsep + base.get("PATH", os.defpath),
        }

    def own_environment(self) -> dict[str, str]:
        """Return the environment that the unpacked programs themselves run with."""
        return {**os.environ, **self.variables(os.environ), **unpacked.library_environment(self.root)}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def program(pid: int) -> Path | None:
    """Return the program that a process runs, or None where it is gone or another user's."""
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None


def start(ours: PrivateEngine) -> str:
    """Start the daemon, wait until it answers and return its version; what runs left in it before is removed.

    Raises:
        ProvisionError: it ended, or did not answer in START_SECONDS; carries its log's last lines.
    """
    process = None
    if ours.pid() is None:
        _kill_left_over(ours)  # else a new daemon waits ten seconds for what a dead one left
        for folder in (ours.folder, ours.state):
            folder.mkdir(parents=True, exist_ok=True)
        network.record(ours.before, ours.own_environment())
        ours.tidying.touch()
        process = _spawn(ours)
    version = _wait(ours, process)
    if ours.tidying.exists():  # also where whoever began it was stopped
        leftovers.remove(ours.own_environment())
        ours.tidying.unlink()
    return version


def refuse_beside_another() -> None:
    """Raise if another daemon runs in this network namespace: a second one takes over its bridge and firewall."""
    here = Path("/proc/self/ns/net").readlink()
    for pid in _processes():
        with contextlib.suppress(OSError):
            path = program(pid)
            if path and path.name == "dockerd" and Path(f"/proc/{pid}/ns/net").readlink() == here:
                raise host.ProvisionError(
                    f"another Docker daemon runs here (pid {pid}, {path}) and two would fight over the bridge and the "
                    "firewall: make it answer with a version that can be used, or stop it"
                )


def _processes() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _spawn(ours: PrivateEngine) -> subprocess.Popen[bytes]:
    """Start the daemon in a session of its own, so that it outlives this command and its terminal."""
    ours.settings.write_text(json.dumps(SETTINGS, indent=1), encoding="utf-8")
    ours.pidfile.unlink(missing_ok=True)  # dockerd refuses to start over one whose number is in use again
    with ours.log.open("wb") as log:
        return subprocess.Popen(
            command_line(ours, lacks_resource=_lacks_resource()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=ours.own_environment(),
            start_new_session=True,
            cwd="/",
        )


def command_line(ours: PrivateEngine, *, lacks_resource: bool) -> list[str]:
    """Return the daemon's command line."""
    options = {
        "--config-file": ours.settings,
        "--data-root": ours.data,
        "--exec-root": ours.state / "exec",
        "--pidfile": ours.pidfile,
        "--host": f"unix://{ours.socket}",
        # Without CAP_SYS_RESOURCE no container may get more open files than the daemon has.
        **({"--default-ulimit": "nofile=1024:1024"} if lacks_resource else {}),
    }
    return [str(ours.dockerd), *(str(word) for option in options.items() for word in option)]


def _lacks_resource() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return not int(effective, 16) >> CAP_SYS_RESOURCE & 1


def _wait(ours: PrivateEngine, process: subprocess.Popen[bytes] | None) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if version := ours.version():
            return version
        if process is not None and process.poll() is not None:
            raise _dead(ours, f"the private engine ended with {process.returncode} as it started")
        time.sleep(0.1)
    raise _dead(ours, f"the private engine does not answer within {START_SECONDS:.0f} s")


def _dead(ours: PrivateEngine, message: str) -> host.ProvisionError:
    text = ours.log.read_text(encoding="utf-8", errors="replace") if ours.log.is_file() else ""
    return host.ProvisionError(f"{message}; its log is {ours.log}", host.tail(text))


def stop(ours: PrivateEngine) -> bool:
    """Stop the daemon and return whether it ran; its containers end with it.

    Raises:
        ProvisionError: it did not end within STOP_SECONDS.
    """
    pid = ours.pid()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    if not _until(lambda: ours.pid() is None, STOP_SECONDS):
        raise host.ProvisionError(f"the private engine (pid {pid}) does not stop within {STOP_SECONDS:.0f} s")
    return True


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def destroy(ours: PrivateEngine) -> None:
    """Remove the engine whole: containers, networks, processes, mounts, firewall rules, files."""
    if strange := sorted({path.name for path in ours.folder.iterdir()} - OURS):
        raise host.ProvisionError(f"{ours.folder} holds {strange[0]}, which is not ours: left alone")
    _empty(ours)
    stop(ours)
    _kill_left_over(ours)
    network.restore(ours.before, ours.own_environment())
    host.unmount_below(ours.folder)
    host.unmount_below(ours.state)
    shutil.rmtree(ours.state, ignore_errors=True)
    shutil.rmtree(ours.folder)


def _empty(ours: PrivateEngine) -> None:
    """Have the daemon itself remove containers and networks: it knows each interface, mount and rule of theirs.

    One that died is started again for this; where it cannot, the rest of the clean-up does what it can.
    """
    try:
        start(ours)
        env = ours.own_environment()
        if containers := host.run(["docker", "ps", "-aq"], "list containers", env=env).split():
            host.run(["docker", "rm", "-f", *containers], "remove containers", env=env)
        host.run(["docker", "network", "prune", "-f"], "remove networks", env=env)
    except host.ProvisionError as error:
        host.say(WHO, f"{error}; cleaning up without it")


def _kill_left_over(ours: PrivateEngine) -> None:
    """End processes that run one of our unpacked programs, and what those started: a dead daemon leaves them."""
    programs = str(ours.root.resolve()) + os.sep
    roots = {pid for pid in _processes() if str(program(pid) or "").startswith(programs)}
    for pid in _descendants(roots):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(roots: set[int]) -> set[int]:
    parents: dict[int, int] = {}
    for pid in _processes():
        with contextlib.suppress(OSError):
            fields = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            )
            parents[pid] = int(fields.split()[1])
    family = set(roots)
    while found := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= found
    return family

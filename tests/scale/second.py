"""A second private daemon in a network namespace of its own, from the programs that the first one was unpacked to.

It reads a unix socket and a TCP port that this machine's own namespace reaches. Its namespace belongs to a container of
the first engine, which carries the run's label; its processes live in a pid and a mount namespace that end with this
process, however it ends; and its folder is removed at the end, or by the next start.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from scripts.provision import daemon as private
from scripts.provision import engine as provision

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine

PORT = 2375
START_SECONDS = 30.0
STOP_SECONDS = 15.0
INSIDE = "/srv"
"""Where the daemon sees its folder: users that it maps may not pass through a home folder."""

LIFETIME = "900"
"""Seconds that the container with the network namespace lives at most."""

# The holder's own address is on the first daemon's bridge, so this one's networks lie elsewhere.
NETWORKS = ("--bip", "192.168.201.1/24", "--default-address-pool", "base=192.168.208.0/20,size=24")


def why_not() -> str:
    """Return why no second daemon can be had here, "" where one can."""
    if os.geteuid() != 0 or not provision.private_engine().dockerd.is_file():
        return "there is no private engine here whose programs a second daemon could run"
    missing = [name for name in ("nsenter", "setpriv", "unshare") if shutil.which(name) is None]
    return f"there is no {', '.join(missing)} here" if missing else ""


@dataclass
class SecondDaemon:
    """The daemon; use it with `with`.

    Attributes:
        engine: the first one.
        image: of the container that holds the network namespace; it needs a `sleep`.
        options: more of dockerd's command line.
        setup: shell lines that run first in its mount namespace, where they change nothing of this machine's; $FOLDER
            is a folder of their own.
    """

    engine: Engine
    image: str
    options: tuple[str, ...] = ()
    setup: str = ":"

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        with ExitStack() as stack:
            _forget_dead()
            self.folder = _folder(os.getpid())
            (self.folder / "run").mkdir(parents=True)
            stack.callback(shutil.rmtree, self.folder)
            holder = self._hold()
            stack.callback(self.engine.docker, "rm", "--force", "--volumes", holder, check=False)
            document = self.engine.inspect(holder)[0]
            address = next(iter(document["NetworkSettings"]["Networks"].values()))["IPAddress"]
            self.host, self.socket = f"tcp://{address}:{PORT}", f"unix://{self.folder}/run/docker.sock"
            self._process = self._spawn(document["State"]["Pid"])
            stack.callback(self.stop)
            self._wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it with all of its processes, and remove what it wrote."""
        self._stack.close()

    def _hold(self) -> str:
        """Start the container whose network namespace it gets."""
        flags = ["--detach", "--rm", *self.engine.lease.arguments, "--entrypoint", "sleep"]
        return self.engine.docker("run", *flags, self.image, LIFETIME).stdout.strip()

    def stop(self) -> None:
        """End it; what it wrote stays."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        if self._process.poll() is None:
            for pid in children.read_text(encoding="ascii").split():
                os.kill(int(pid), signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel ends all that lives in its pid namespace
            self._process.wait()

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")

    def _spawn(self, holder: int) -> subprocess.Popen[bytes]:
        ours = provision.private_engine()
        run = Path(INSIDE, "run")
        command = [
            str(ours.dockerd),
            "--data-root",
            f"{INSIDE}/data",
            "--exec-root",
            str(run / "exec"),
        ]
        command += [
            "--pidfile",
            str(run / "dockerd.pid"),
            "--host",
            f"unix://{run}/docker.sock",
            "--host",
            self.host,
            "--tls=false",
        ]
        command += [*NETWORKS, "--default-ulimit", "nofile=1024:1024", *self.options]
        isolated = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/proc/{holder}/ns/net"]
        isolated += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with (self.folder / "dockerd.log").open("wb") as log:
            return subprocess.Popen(
                [
                    *isolated,
                    "sh",
                    "-ec",
                    f'mount --bind "$FOLDER" {INSIDE}\n{self.setup}\nexec "$@"',
                    "dockerd",
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**ours.own_environment(), "FOLDER": str(self.folder)},
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        ask = ["docker", "--host", self.host, "version", "--format", "{{.Server.Version}}"]
        while subprocess.run(ask, capture_output=True, check=False).returncode:
            assert self._process.poll() is None, self.log[-2000:]
            assert time.monotonic() < deadline, self.log[-2000:]
            time.sleep(0.1)


def _folder(pid: int) -> Path:
    """Return the folder of a process's second daemon, on the file system of the first and short enough for sockets."""
    return provision.private_engine().folder.parent / f"second-{pid}"


def _forget_dead() -> None:
    """Remove the folders of processes that were killed; their daemons ended with them."""
    for folder in _folder(0).parent.glob("second-*"):
        pid = int(folder.name.partition("-")[2])
        if private.program(pid) is None or pid == os.getpid():
            shutil.rmtree(folder)

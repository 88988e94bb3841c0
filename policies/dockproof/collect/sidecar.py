"""A small container beside the target that shares its pid and network namespaces, so that any image can be probed.

testinfra is the assertion layer: `Sidecar.host` is a testinfra host whose commands are bounded in time. The
target's files lie under /proc/1/root. Nothing is added to the target, no local path is mounted and no published
port is used, so it works for images without a shell and on remote engines.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dockproof.collect import inside, process
from dockproof.collect.engine import LABEL_PROJECT
from dockproof.errors import NotLookedError
from dockproof.facts import proc
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns
    from dockproof.facts.container import Process, Socket

IMAGE = "python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
"""The sidecar's image. Any with a POSIX shell, base64, ls, cat and sleep will do to look; experiments on the network
and on files need its python3 too."""

VARIABLE = "DOCKPROOF_SIDECAR_IMAGE"
LIFETIME = 3600
"""Seconds after which a sidecar ends by itself, whatever happened to the run."""

COMMAND_TIMEOUT = 30.0
PULL_TIMEOUT = 300.0
MAX_PROCESSES = 1000
NOT_FOUND = 127
"""What a shell exits with where there is no such program."""

CAPABILITIES = ("SYS_PTRACE", "DAC_READ_SEARCH", "KILL", "SETUID", "SETGID")
"""To see what other users' processes are, to read their files, to stop and continue them, and to become their user."""

NET_ADMIN = "NET_ADMIN"
"""To cut the target off from another container; only where that is asked for."""

COLLECTOR = r"""
file() { printf '@ %s\n' "$1"; base64 "$2" 2>/dev/null || echo '!'; }
echo '@ self'; readlink /proc/self/ns/mnt | base64
seen=0
for folder in /proc/[0-9]*; do
  seen=$((seen + 1))
  if [ "$seen" -gt MAXIMUM ]; then echo '@ truncated'; break; fi
  pid=${folder#/proc/}
  for name in status stat cmdline environ; do file "p/$pid/$name" "$folder/$name"; done
  echo "@ p/$pid/links"; ls -ln "$folder/exe" "$folder/ns/mnt" "$folder/fd/" 2>/dev/null | base64
done
for table in tcp tcp6 udp udp6; do file "net/$table" "/proc/net/$table"; done
echo '@ end'
""".replace("MAXIMUM", str(MAX_PROCESSES))
"""Dumps what `dockproof.facts.proc.parse_dump` reads, in any POSIX shell, busybox's included."""


class Snapshot(NamedTuple):
    """The target at one moment, as the kernel shows it."""

    processes: tuple[Process, ...]
    visitors: tuple[Process, ...]
    sockets: tuple[Socket, ...]
    truncated: bool


def image_for(stand_ins: StandIns | None) -> str:
    """Return the sidecar's image: DOCKPROOF_SIDECAR_IMAGE, else a stand-in for the usual one, else that."""
    if named := os.environ.get(VARIABLE):
        return named
    for each in stand_ins.images if stand_ins else ():
        if re.match(r"(docker\.io/)?(library/)?python[:@]", each.reference):
            return each.image
    return IMAGE


class Sidecar:
    """A sidecar of one running container; a context manager that removes it.

    Attributes:
        engine: the engine.
        target: id of the container that is probed.
        name: what messages call the target.
    """

    def __init__(
        self,
        engine: Engine,
        target: str,
        *,
        image: str = IMAGE,
        name: str = "",
        project: str = "",
        capabilities: Iterable[str] = (),
    ) -> None:
        self.engine = engine
        self.target = target
        self.name = name or target[:12]
        self._image = image
        self._project = project
        self._capabilities = (*CAPABILITIES, *capabilities)
        self._id = ""
        self._started_at = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it.

        Raises:
            NotLookedError: the target does not run, or the sidecar cannot be started.
        """
        self._started_at = self._look()["State"]["StartedAt"]
        answer = self.engine.docker(*self._arguments(), timeout=PULL_TIMEOUT, check=False)
        if answer.exit_code:
            self.prove_alive()
            raise NotLookedError(
                f"the sidecar of service {self.name} could not be started from {self._image}; set {VARIABLE} to an "
                "image with a shell that this engine has or can pull",
                answer.log,
            )
        self._id = answer.stdout.split()[-1]

    def close(self) -> None:
        """Remove it; a sidecar that is gone already is no error."""
        if self._id:
            with contextlib.suppress(NotLookedError):
                self.engine.docker("rm", "--force", "--volumes", self._id, check=False)
            self._id = ""

    def _arguments(self) -> list[str]:
        flags = ["run", "--detach", "--rm", *self.engine.lease.arguments]
        flags += [f"--label={LABEL_PROJECT}={self._project}"] if self._project else []
        flags += [f"--pid=container:{self.target}", f"--network=container:{self.target}"]
        flags += ["--cap-drop=ALL", *(f"--cap-add={name}" for name in self._capabilities)]
        flags += ["--user=0:0", "--read-only", "--no-healthcheck", "--log-driver=none", "--workdir=/"]
        return [*flags, "--entrypoint=/bin/sh", self._image, "-c", f"exec sleep {LIFETIME}"]

    @cached_property
    def host(self) -> Any:
        """A testinfra host inside the sidecar; its `file` and `run` are the assertions of runtime tests.

        Commands that take longer than `COMMAND_TIMEOUT` raise NotLookedError. Bracket assertions with `alive`.
        """
        return _bounded_host(self._id)

    def file(self, path: str) -> Any:
        """Return testinfra's view of a file of the target."""
        return self.host.file(f"/proc/1/root{path}")

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Prove before and after the block that the same container lives, with the same start.

        On a dead container "does not exist" and "is not running" hold for everything, so an assertion that
        shows an absence is worth nothing without this.

        Raises:
            NotLookedError: it does not live, or was started anew; with its last log lines.
        """
        self.prove_alive()
        try:
            yield
        except Exception:
            self.prove_alive()
            raise
        self.prove_alive()

    def snapshot(self) -> Snapshot:
        """Return the target's processes and sockets as they are now.

        Raises:
            NotLookedError: the target died, or the kernel's answers could not be read.
        """
        with self.alive():
            answer = self.host.run(COLLECTOR)
            try:
                return parse(answer.stdout)
            except ValueError as error:
                raise NotLookedError(
                    f"the processes of service {self.name} could not be read: {error}", answer.stderr
                ) from error

    def python(self, program: str, *arguments: str) -> str:
        """Run one of `dockproof.collect.inside` in the sidecar and return what it printed.

        Raises:
            NotLookedError: the target died, the sidecar's image has no python3, or the program failed.
        """
        with self.alive():
            words = ["python3", "-I", "-c", inside.text(program), *arguments]
            answer = self.host.run(" ".join(map(shlex.quote, words)))
        if answer.rc == NOT_FOUND:
            raise NotLookedError(
                f"the sidecar's image {self._image} has no python3: set {VARIABLE} to one that has"
            )
        if answer.rc:
            words = answer.stderr.strip().splitlines()
            raise NotLookedError(
                f"`{program}` failed beside service {self.name}: {words[-1] if words else answer.rc}",
                answer.stderr,
            )
        return str(answer.stdout)

    def signal(self, name: str, pids: Iterable[int]) -> None:
        """Signal processes of the target by their pid there; those that are gone do not count.

        PID 1 ignores SIGSTOP from inside its own namespace: the engine must send it.
        """
        numbers = " ".join(str(pid) for pid in pids)
        if numbers:
            self.host.run(f"kill -{shlex.quote(name)} {numbers} 2>/dev/null; :")

    def _look(self) -> dict[str, Any]:
        """Return the target's inspect document.

        Raises:
            NotLookedError: it is gone or does not run.
        """
        document = self.engine.inspect(self.target)[0]
        state = document["State"]
        if not state["Running"]:
            raise died(self.engine, self.target, self.name, state["ExitCode"])
        return document

    def prove_alive(self) -> None:
        """Prove that the same container lives, with the same start.

        Raises:
            NotLookedError: it does not live, or was started anew; with its last log lines.
        """
        if self._look()["State"]["StartedAt"] != self._started_at:
            raise NotLookedError(
                f"service {self.name} was started anew while it was looked at", self.engine.logs(self.target)
            )


def died(engine: Engine, container: str, name: str, exit_code: int) -> NotLookedError:
    """Say that a container ended before it could be looked at, with its last words."""
    return NotLookedError(
        f"service {name} ended with exit code {exit_code} before it could be looked at; its last log lines say why, "
        f"`docker compose up {name}` shows it again",
        engine.logs(container) or "(it logged nothing)",
    )


def parse(dump: str) -> Snapshot:
    """Build a snapshot from the collector's dump.

    Raises:
        ValueError: it is cut off or damaged, or does not show PID 1.
    """
    records = proc.parse_dump(dump)
    own, visitors = proc.split_processes(proc.parse_processes(records))
    if not own or own[0].pid != 1:
        raise ValueError("PID 1 is not to be seen")
    for table in ("tcp", "udp"):  # those of IPv6 are not there where the kernel has none
        if records.get(f"net/{table}") is None:
            raise ValueError(f"/proc/net/{table} cannot be read")
    return Snapshot(own, visitors, proc.parse_sockets(records), "truncated" in records)


def _bounded_host(container: str) -> Any:
    """Build a testinfra host of a container whose commands cannot hang; the import takes 0.1 s, so it is late."""
    from testinfra.backend.docker import DockerBackend  # noqa: PLC0415 - as said above
    from testinfra.host import Host  # noqa: PLC0415 - as above

    class Backend(DockerBackend):  # type: ignore[misc]  # testinfra has no types
        """testinfra's docker backend, with a time limit and this package's way of ending processes."""

        def run_local(self, command: str, *args: str) -> Any:
            text = self.quote(command, *args)
            answer = process.run(
                ["/bin/sh", "-c", text], timeout=COMMAND_TIMEOUT, check=False, what="docker exec"
            )
            if answer.truncated:
                raise NotLookedError(f"a command in the sidecar printed more than {process.KEEP} bytes")
            if answer.exit_code and _engine_gone(answer.stderr):
                raise NotLookedError("the sidecar cannot be asked any more", answer.log)
            return self.result(
                answer.exit_code, self.encode(text), answer.stdout.encode(), answer.stderr.encode()
            )

    return Host(Backend(container))


def _engine_gone(words: str) -> bool:
    """Tell the engine's own refusals from a command that failed: only the latter is an answer."""
    refusals = (
        "Cannot connect to the Docker daemon",
        "No such container",
        "is not running",
        "error during connect",
    )
    return any(word in words for word in refusals)

"""Neither the build nor the container reaches into its host.

What it holds
-------------
Source, in every stage: no RUN runs with `--security=insecure` (`privileged`) or `--network=host` (`host-namespaces`);
no VOLUME and no `RUN --mount` names the socket of a container engine (`host-socket`); no WORKDIR stands at or below
`/boot`, `/dev`, `/initrd`, `/lost+found`, `/proc` or `/sys` (`workdir`); no VOLUME stands there, or is `/`, `/bin`,
`/etc`, `/lib`, `/lib64`, `/sbin` or `/usr` itself (`system-folder`). Folders below these last ones pass, as
`/usr/src/app` and `/etc/nginx`. Image: the config's working folder and volumes likewise. Runtime: the container is not
privileged, does not share the host's network or processes, and binds none of these folders, no `/run` and no engine's
socket.

Why it matters
--------------
Who holds the engine's socket, or is privileged, is root on the host. A working folder below `/proc/self/fd` was a way
out of the container (CVE-2024-21626). A volume over a system folder hides the image's own files, and keeps old ones
through updates.

How to fix it
-------------
Drop the flag, and work in a folder of your own, as `/app`. What needs images built or containers started asks an API
that grants this and no more; BuildKit runs rootless. What needs one device or one capability gets that one:
`devices:`, `cap_add:`.

References
----------
- CIS Docker Benchmark 1.6, 5.5, 5.6, 5.10, 5.16 and 5.32
- https://docs.docker.com/reference/dockerfile/#run---security
- https://nvd.nist.gov/vuln/detail/CVE-2024-21626
"""

from __future__ import annotations

import posixpath

from dockproof.catalog._rights import covers, steps
from dockproof.facts.mounts import mounts
from dockproof.finding import Place, Severity
from dockproof.policy import (
    BY_BUILD,
    BY_SOURCE,
    Clause,
    EditMutant,
    Example,
    Family,
    ImageMutant,
    Policy,
    RuntimeMutant,
    SourceMutant,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.catalog._rights import Step
    from dockproof.facts.container import Mount
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

KERNEL = ("/boot", "/dev", "/initrd", "/lost+found", "/proc", "/sys")
"""Folders of the kernel and the boot, with all below them."""
SYSTEM = frozenset({"/", "/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr"})
"""Folders of the system; what lies below them may be the application's own."""
SOCKETS = frozenset(
    {"docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock", "dockerd.sock"}
)
ENGINE_FOLDERS = frozenset(
    {"/run", "/var/run", "/run/containerd", "/run/podman", "/var/lib/docker", "/var/lib/containerd"}
)
_USER = "USER 10001:10001"


class NoHostAccess(Policy):
    """The host stays out of reach."""

    title = "the build and the container do not reach into the host"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = Severity.ERROR
    builder = Severity.ERROR
    clauses = (
        Clause("privileged", "nothing runs with all rights"),
        Clause("host-namespaces", "the host's network and processes are not shared"),
        Clause("host-socket", "no container engine's socket is mounted"),
        Clause(
            "workdir", "no WORKDIR on a folder of the kernel", same_as=("trivy:DS-0030",), claimed_by=BY_BUILD
        ),
        Clause("system-folder", "no volume or mount on a folder of the system", claimed_by=BY_SOURCE),
    )
    references = (
        "cis:5.5",
        "cis:5.6",
        "cis:5.10",
        "cis:5.16",
        "cis:5.32",
        "https://docs.docker.com/reference/dockerfile/#run---security",
        "https://nvd.nist.gov/vuln/detail/CVE-2024-21626",
    )

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge RUN's flags and mounts, WORKDIR and VOLUME where they are written."""
        for stage in target.dockerfile.stages:
            for step in steps(stage):
                if step.stage is stage and step.instruction.keyword in _ASKING:
                    for clause, message in _complaints(step):
                        yield self.at(step.instruction, message, stage=stage, clause=clause)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look at the config's working folder and volumes."""
        config = target.image.config
        workdir = posixpath.normpath(config.workdir or "/")
        if _is_kernel(workdir):
            message = f"the working folder {workdir} is the kernel's"
            yield self.in_image(message, Place(field="Config.WorkingDir"), clause="workdir")
        for volume in config.volumes:
            for clause, message in _of_volume(posixpath.normpath(volume)):
                yield self.in_image(message, Place(field="Config.Volumes"), clause=clause)

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding]:
        """Look at what the engine was told to give the container."""
        container = target.container
        if container.privileged:
            message = "the container is privileged: all capabilities, all devices, no seccomp filter"
            yield self.in_container(message, Place(field="HostConfig.Privileged"), clause="privileged")
        modes = {"NetworkMode": container.network_mode, "PidMode": container.pid_mode}
        for field in (field for field, mode in modes.items() if mode == "host"):
            place = Place(field=f"HostConfig.{field}")
            yield self.in_container(f"{field} is host", place, clause="host-namespaces")
        for mount in container.mounts:
            clause = _of_mount(mount)
            if clause:
                message = f"{mount.source} of the host is mounted on {mount.destination}"
                yield self.in_container(message, Place(path=mount.destination, field="Mounts"), clause=clause)

    example = Example(
        """
        FROM debian:13-slim
        RUN --network=host curl --fail http://localhost:8080/data > /data
        """,
        """
        FROM debian:13-slim
        COPY data /data
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("host-network", "RUN --network=host true", "begin"),
        EditMutant("socket", "VOLUME /var/run/docker.sock"),
        # of the shipped files
        SourceMutant("insecure", _USER, f"RUN --security=insecure id\n{_USER}", clause="privileged"),
        SourceMutant("network", _USER, f"RUN --network=host id\n{_USER}", clause="host-namespaces"),
        SourceMutant("socket", _USER, f"VOLUME /var/run/docker.sock\n{_USER}", clause="host-socket"),
        SourceMutant("workdir", "WORKDIR /app", "WORKDIR /proc/self/fd/8", clause="workdir"),
        SourceMutant("volume", _USER, f"VOLUME /etc\n{_USER}", "Dockerfile.worker", clause="system-folder"),
        ImageMutant("workdir-of-the-kernel", "WORKDIR /proc/self", clause="workdir"),
        ImageMutant("volume-of-the-system", 'VOLUME ["/etc/"]', clause="system-folder"),
        RuntimeMutant("all-rights", {"privileged": True}, clause="privileged"),
        RuntimeMutant(
            "settings-of-the-host",
            {"volumes": ["credentials:/run/credentials:ro", "/etc:/host:ro"]},
            clause="system-folder",
        ),
    )


_ASKING = frozenset({"RUN", "WORKDIR", "VOLUME"})


def _complaints(step: Step) -> Iterator[tuple[str, str]]:
    """Yield clause and sentence for what one instruction asks of the host."""
    instruction = step.instruction
    if instruction.keyword == "RUN" and instruction.has_flags:
        if instruction.flag("security") == "insecure":
            yield "privileged", "--security=insecure runs the build step with all rights"
        if instruction.flag("network") == "host":
            yield "host-namespaces", "--network=host gives the build step the host's network"
        paths = [path for mount in mounts(instruction) for path in (mount.target, mount.source) if path]
        yield from (("host-socket", f"a mount names {path}") for path in paths if _is_socket(path))
    elif instruction.keyword == "WORKDIR":
        if _is_kernel(step.workdir):
            yield "workdir", f"WORKDIR {step.workdir} is a folder of the kernel"
    elif instruction.keyword == "VOLUME":
        for word in instruction.words:
            text = step.stage.expand(instruction, word).text
            if text:
                yield from _of_volume(step.path(text))


def _of_volume(path: str) -> Iterator[tuple[str, str]]:
    if _is_socket(path):
        yield "host-socket", f"VOLUME {path} asks for the engine's socket"
    elif path in SYSTEM or _is_kernel(path):
        yield "system-folder", f"VOLUME {path} is a folder of the system"


def _of_mount(mount: Mount) -> str:
    """Name the clause that a mount breaks, "" for none: only binds show files of the host."""
    source = posixpath.normpath(mount.source)
    if mount.type != "bind":
        return ""
    if _is_socket(source) or source in ENGINE_FOLDERS:
        return "host-socket"
    return "system-folder" if source in SYSTEM or _is_kernel(source) else ""


def _is_socket(path: str) -> bool:
    return posixpath.basename(path) in SOCKETS


def _is_kernel(path: str) -> bool:
    return any(covers(folder, path) for folder in KERNEL)

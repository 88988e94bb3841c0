"""The image has no SSH server and opens no SSH port.

What it holds
-------------
Source: no shipped stage exposes port 22 or installs an SSH server. Image: port 22 is not in the config and no `sshd`
is in the files. Runtime: no process is an SSH server and nothing listens on port 22.

Why it matters
--------------
An SSH server in a container is a second way in with its own keys, users and updates. `docker exec` and `kubectl exec`
give a shell with the platform's own access control.

How to fix it
-------------
Remove the server and its port. What it was there for is `docker exec`, a sidecar, or a debug image.

References
----------
- CIS Docker Benchmark 1.6, 5.7
"""

from __future__ import annotations

from dockproof.facts.packages import package_calls
from dockproof.facts.shell import script
from dockproof.finding import Place, Severity
from dockproof.policy import (
    BY_BUILD,
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

    from dockproof.facts.stages import Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

SSH = 22
SERVERS = frozenset({"sshd", "dropbear"})
PACKAGES = frozenset({"openssh-server", "openssh", "dropbear", "dropbear-bin", "ssh"})
_USER = "USER 10001:10001"
_RENAMED = (
    "import runpy; open('/proc/self/comm', 'w').write('sshd'); runpy.run_module('app', run_name='__main__')"
)


class NoSsh(Policy):
    """No second way in."""

    title = "no SSH server and no SSH port"
    family = Family.LEAST_PRIVILEGE
    production = Severity.ERROR
    development = Severity.ERROR
    clauses = (
        Clause(
            "port",
            "port 22 is not exposed or open",
            same_as=("checkov:CKV_DOCKER_1", "trivy:DS-0004"),
            claimed_by=BY_BUILD,
        ),
        Clause("server", "no SSH server is installed or runs", claimed_by=BY_BUILD),
    )
    references = ("cis:5.7",)

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge ports and packages of the shipped stages."""
        for shipped in target.shipped:
            for setting in shipped.ports:
                number = setting.value.number
                if number == SSH or (isinstance(number, range) and SSH in number):
                    yield self.at(
                        setting.instruction, "EXPOSE opens the SSH port", stage=shipped, clause="port"
                    )
            for stage in shipped.lineage:
                yield from self._installs(stage)

    def _installs(self, stage: Stage) -> Iterator[Finding]:
        for instruction in stage.instructions:
            if instruction.keyword != "RUN":
                continue
            for call in package_calls(script(instruction, stage.shell_at(instruction))):
                names = sorted({p.name for p in call.packages} & PACKAGES) if call.action == "install" else []
                if names:
                    message = f"{call.manager} installs an SSH server: {', '.join(names)}"
                    yield self.at(call.command, message, stage=stage, clause="server")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Look for the port in the config and a server in the files."""
        if any(port.partition("/")[0] == str(SSH) for port in target.image.config.ports):
            place = Place(field="Config.ExposedPorts")
            yield self.in_image("the image exposes the SSH port", place, clause="port")
        for path, entry in target.image.files.items():
            if path.rpartition("/")[2] in SERVERS and entry.type == "file" and entry.mode & 0o111:
                place = Place(layer=target.image.layers[entry.layer].diff_id, path=path)
                yield self.in_image(f"{path} is an SSH server", place, clause="server")

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding]:
        """Look for a server among the processes and the port among the sockets."""
        for process in target.container.processes:
            if process.comm in SERVERS:
                message = f"`{process.comm}` is an SSH server"
                yield self.in_container(message, Place(pid=process.pid), clause="server")
        if any(socket.port == SSH for socket in target.container.listening):
            yield self.in_container("the SSH port is open", Place(field="sockets"), clause="port")

    example = Example(
        """
        FROM debian:13-slim
        EXPOSE 22 8080
        """,
        """
        FROM debian:13-slim
        EXPOSE 8080
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("port", "EXPOSE 22", also=frozenset({"unprivileged-ports"})),
        EditMutant("server", "RUN apk add --no-cache openssh-server=10.0_p1-r9", "begin"),
        # of the shipped files
        SourceMutant(
            "exposed", "EXPOSE 8000", "EXPOSE 8000 22", clause="port", also=frozenset({"unprivileged-ports"})
        ),
        SourceMutant(
            "installed",
            _USER,
            f"RUN apt-get update && apt-get install -y --no-install-recommends openssh-server=1:10.0p1-7"
            f" && rm -rf /var/lib/apt/lists/*\n{_USER}",
            clause="server",
            also=frozenset({"reproducible"}),
        ),
        ImageMutant("exposed", "EXPOSE 22", clause="port", also=frozenset({"unprivileged-ports"})),
        ImageMutant("server", "COPY --chmod=0755 <<sshd /usr/sbin/sshd\nsshd", clause="server"),
        RuntimeMutant(
            "listens",
            {"environment": {"PORT": "22"}},
            clause="port",
            also=frozenset({"declared-ports", "unprivileged-ports"}),
        ),
        RuntimeMutant(
            "server",
            {"command": ["python", "-c", _RENAMED]},
            clause="server",
        ),
    )

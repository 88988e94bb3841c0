"""Ports are above 1023, so that no right is needed to open them.

What it holds
-------------
Source: no shipped stage exposes a port below 1024, but on Windows, which asks no right for it. Image: neither does
the config. Runtime: no socket of the container listens below 1024.

Why it matters
--------------
Where `net.ipv4.ip_unprivileged_port_start` is not lowered, a port below 1024 needs CAP_NET_BIND_SERVICE or root: a
right that is kept for the sake of a number that every platform can map.

How to fix it
-------------
Listen on 8080 instead of 80 and map it where it is published.

References
----------
- CIS Docker Benchmark 1.6, 5.8
"""

from __future__ import annotations

from dockproof.finding import Place, Severity
from dockproof.policy import EditMutant, Example, Family, ImageMutant, Policy, RuntimeMutant, SourceMutant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

FIRST_UNPRIVILEGED = 1024


class UnprivilegedPorts(Policy):
    """No port that needs a right."""

    title = "ports are above 1023"
    family = Family.LEAST_PRIVILEGE
    production = Severity.WARNING
    development = Severity.INFO
    references = ("cis:5.8",)

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge the exposed ports of the shipped stages."""
        for stage in target.shipped:
            for setting in () if stage.root_base.is_windows else stage.ports:
                number = setting.value.number
                first = number.start if isinstance(number, range) else number
                if first is not None and 0 < first < FIRST_UNPRIVILEGED:
                    message = f"EXPOSE {setting.value.value.text} needs a right to be opened"
                    yield self.at(setting.instruction, message, stage=stage)

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's ports."""
        for port in target.image.config.ports:
            number = port.partition("/")[0]
            if number.isdigit() and 0 < int(number) < FIRST_UNPRIVILEGED:
                place = Place(field="Config.ExposedPorts")
                yield self.in_image(f"the image exposes {port}, which needs a right to be opened", place)

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding]:
        """Judge the listening sockets."""
        for socket in target.container.listening:
            if socket.port < FIRST_UNPRIVILEGED:
                place = Place(field="sockets", pid=socket.pids[0] if socket.pids else 0)
                yield self.in_container(f"port {socket.port}/{socket.protocol} is open", place)

    example = Example(
        """
        FROM debian:13-slim
        EXPOSE 80
        """,
        """
        FROM debian:13-slim
        EXPOSE 8080
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("port-80", "EXPOSE 80", requires=("posix",)),
        # of the shipped files
        SourceMutant("port-80", "EXPOSE 8000", "EXPOSE 80"),
        SourceMutant("range", "EXPOSE 8000", "EXPOSE 1000-1040"),
        ImageMutant("port-443", "EXPOSE 443"),
        RuntimeMutant(
            "listens-on-22", {"environment": {"PORT": "22"}}, also=frozenset({"declared-ports", "no-ssh"})
        ),
    )

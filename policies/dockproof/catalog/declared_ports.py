"""EXPOSE is valid, and the container listens on the exposed ports and on no others.

What it holds
-------------
Source: each word of EXPOSE, in any stage, is a port up to 65535 or a range (`valid`), not 0 (`not-zero`), with tcp,
udp or sctp in lower case (`lower-case`), and without an address or a port of the host (`no-mapping`: `8080:80` maps
nothing). A port whose value cannot be known is left alone; whether its variable is defined is the question of
`defined-variables`. Image: the config's ports are valid. Runtime: each socket that others can reach listens on an
exposed port, and each exposed port has one; sockets on loopback concern nobody else, nor do UDP sockets on a port
that the kernel chose for a client (32768 to 60999).

Why it matters
--------------
Firewalls, service meshes and people believe EXPOSE. A port that listens without being declared is a way in that nobody
decided on; a declared one that nobody listens on is a service that will never answer.

How to fix it
-------------
Expose what the program listens on, and bind everything else to 127.0.0.1.

References
----------
- CIS Docker Benchmark 1.6, 5.9
- https://docs.docker.com/reference/dockerfile/#expose
"""

from __future__ import annotations

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

    from dockproof.facts.container import Socket
    from dockproof.facts.ports import Port
    from dockproof.facts.stages import Setting, Stage
    from dockproof.finding import Finding
    from dockproof.policy import ImageTarget, Mutant, RuntimeTarget, SourceTarget

_LISTEN_UDP = "import socket; s=socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 9999)); "
_EPHEMERAL = range(32_768, 61_000)
_LISTEN = "import socket,time; s=socket.create_server(('0.0.0.0', 9999)); "


class DeclaredPorts(Policy):
    """What is said and what listens are the same."""

    title = "the listening ports are the exposed ones"
    family = Family.OPERATION
    production = Severity.ERROR
    development = Severity.WARNING
    clauses = (
        Clause("valid", "EXPOSE names valid ports", same_as=("hadolint:DL3011", "trivy:DS-0008")),
        Clause("not-zero", "no port is 0, on which nothing can listen", claimed_by=BY_BUILD),
        Clause("no-mapping", "EXPOSE names no host's part", same_as=("buildkit:ExposeInvalidFormat",)),
        Clause("lower-case", "the protocol is in lower case", same_as=("buildkit:ExposeProtoCasing",)),
        Clause("undeclared", "what listens is exposed", claimed_by=BY_BUILD),
        Clause("silent", "what is exposed listens", claimed_by=BY_BUILD),
    )
    references = ("cis:5.9", "https://docs.docker.com/reference/dockerfile/#expose")

    def source(self, target: SourceTarget) -> Iterator[Finding]:
        """Judge each word of EXPOSE once: the shipped stages and, because BuildKit refuses it there too, the rest."""
        seen: set[int] = set()
        for stage in (*target.shipped, *target.dockerfile.stages):
            settings = [setting for setting in stage.ports if setting.instruction.line not in seen]
            seen.update(setting.instruction.line for setting in settings)
            for setting in settings:
                yield from self._judge(setting, stage)

    def _judge(self, setting: Setting[Port], stage: Stage) -> Iterator[Finding]:
        port, text = setting.value, setting.value.value.text
        if text is None:
            return
        if ":" in text:
            message = f"EXPOSE {text} maps nothing: ports of the host are given when the image is run"
            yield self.at(setting.instruction, message, stage=stage, clause="no-mapping")
        elif port.number is None:
            message = f"EXPOSE {text} is no port: write up to 65535, with /tcp, /udp or /sctp"
            yield self.at(setting.instruction, message, stage=stage, clause="valid")
        elif port.number == 0:
            message = f"EXPOSE {text}: nothing can listen on port 0"
            yield self.at(setting.instruction, message, stage=stage, clause="not-zero")
        elif text != text.lower():
            message = f"EXPOSE {text}: the protocol is written in lower case"
            yield self.at(setting.instruction, message, stage=stage, clause="lower-case")

    def image(self, target: ImageTarget) -> Iterator[Finding]:
        """Judge the config's ports."""
        for port in target.image.config.ports:
            number = port.partition("/")[0]
            if not number.isdigit() or not 0 < int(number) <= 65_535:  # noqa: PLR2004 - the largest port there is
                place = Place(field="Config.ExposedPorts")
                clause = "not-zero" if number == "0" else "valid"
                yield self.in_image(f"the image exposes {port}, which is no port", place, clause=clause)

    def runtime(self, target: RuntimeTarget) -> Iterator[Finding]:
        """Compare what listens with what the image exposes."""
        exposed = set(target.image.config.ports)
        listening = {
            (f"{s.port}/{s.protocol.rstrip('6')}"): s
            for s in target.container.listening
            if not s.is_loopback and not _is_client(s)
        }
        for port in sorted(listening.keys() - exposed):
            socket = listening[port]
            message = f"port {port} on {socket.address} is open but not exposed{_owner(target, socket)}"
            place = Place(field="sockets", pid=socket.pids[0] if socket.pids else 0)
            yield self.in_container(message, place, clause="undeclared")
        for port in sorted(exposed - listening.keys()):
            message = f"port {port} is exposed but nothing listens on it"
            yield self.in_container(message, Place(field="sockets"), clause="silent")

    example = Example(
        """
        FROM debian:13-slim
        EXPOSE 80:8080
        """,
        """
        FROM debian:13-slim
        EXPOSE 8080
        """,
    )

    mutants: ClassVar[tuple[Mutant, ...]] = (
        # edits of any file
        EditMutant("no-such-port", "EXPOSE 80000", clause="valid"),
        # of the shipped files
        SourceMutant("too-large", "EXPOSE 8000", "EXPOSE 80000", clause="valid"),
        SourceMutant("mapping", "EXPOSE 8000", "EXPOSE 80:8000", clause="no-mapping"),
        SourceMutant("upper-case", "EXPOSE 8000", "EXPOSE 8000/TCP", clause="lower-case"),
        SourceMutant("zero", "EXPOSE 8000", "EXPOSE 0", clause="not-zero"),
        ImageMutant("port-zero", "EXPOSE 0", clause="not-zero"),
        RuntimeMutant(
            "another-port",
            {
                "command": [
                    "python",
                    "-c",
                    f"{_LISTEN}import runpy; runpy.run_module('app', run_name='__main__')",
                ]
            },
            clause="undeclared",
        ),
        RuntimeMutant(
            "open-on-udp",
            {
                "command": [
                    "python",
                    "-c",
                    f"{_LISTEN_UDP}import runpy; runpy.run_module('app', run_name='__main__')",
                ]
            },
            clause="undeclared",
        ),
        RuntimeMutant(
            "moved-port",
            {"environment": {"PORT": "22"}},
            clause="silent",
            also=frozenset({"no-ssh", "unprivileged-ports"}),
        ),
    )


def _is_client(socket: Socket) -> bool:
    """Whether it is a UDP socket that asks and waits for answers: the kernel chose its port."""
    return socket.protocol.startswith("udp") and socket.port in _EPHEMERAL


def _owner(target: RuntimeTarget, socket: Socket) -> str:
    """Name the process that holds a socket."""
    holder = next((p for p in target.container.processes if p.pid in socket.pids), None)
    return (
        f", by pid {holder.pid} (`{' '.join(holder.argv) or holder.comm}`, uid {holder.uid})"
        if holder
        else ""
    )

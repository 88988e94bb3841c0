"""What a healthy container is asked without harming it: what its health check costs, and what its user may write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dockproof.errors import NotLookedError
from dockproof.facts.container import Cost, Writable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dockproof.collect.engine import Engine
    from dockproof.collect.sidecar import Sidecar
    from dockproof.facts.container import ContainerFacts

SAMPLES = 2
"""Health probes that are run by hand; the cheapest counts."""

MOST = 200
"""Writable files that are looked for: one is enough to be wrong."""

API = "1.41"
"""Version of the engine's API that is spoken: engines from 20.10 on know it."""

NOT_CODE = (
    *("/proc", "/sys", "/dev", "/tmp", "/run", "/var/run", "/var/tmp", "/var/lib", "/var/log"),  # noqa: S108 - names
    *("/var/cache", "/var/spool"),
)
"""Folders that hold data or the kernel's own files."""


def cost(engine: Engine, facts: ContainerFacts) -> Cost:
    """Run the container's health check by hand, and read what CPU time that used from the container's accounts.

    Raises:
        NotLookedError: a probe failed: its cost would say nothing.
    """
    used, why = list[float](), ""
    for _ in range(SAMPLES):
        before, why = cpu_seconds(engine, facts.id)
        answer = engine.docker(
            "exec", facts.id, *_command(facts), timeout=30, check=False, what="health probe"
        )
        after, _why = cpu_seconds(engine, facts.id)
        if answer.exit_code:
            raise NotLookedError(f"the health check of {facts.service}, run by hand, failed", answer.log)
        if before is not None and after is not None:
            used.append(after - before)
    # The engine's own log knows the wall time without the client's way to the engine.
    wall = min((probe.seconds for probe in facts.health.log if probe.exit_code == 0), default=answer.seconds)
    return Cost(min(used) if used else None, wall, "" if used else why)


def _command(facts: ContainerFacts) -> Sequence[str]:
    """Return the health check as `docker exec` takes it; the engine runs the shell form in /bin/sh."""
    kind, *words = facts.health.config.test if facts.health.config else ("NONE",)
    return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words


def cpu_seconds(engine: Engine, container: str) -> tuple[float | None, str]:
    """Return the seconds of CPU time that a container has used, or why that is not known.

    `docker stats` tells percentages alone, so the engine's API is asked, over whatever way the client takes to it.
    """
    request = (
        f"GET /v{API}/containers/{container}/stats?stream=false&one-shot=true HTTP/1.1\r\n"
        "Host: docker\r\nConnection: close\r\n\r\n"
    )
    try:
        answer = engine.docker("system", "dial-stdio", stdin=request, timeout=15, check=False)
        document: dict[str, Any] = json.loads(
            answer.stdout[answer.stdout.index("{") : answer.stdout.rindex("}") + 1]
        )
        used = document["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    except (NotLookedError, ValueError, KeyError) as error:
        return None, f"the engine does not tell the CPU time of a container: {error}"
    # What runs has used some: a rootless engine without control groups of its own says 0.
    return (used, "") if used else (None, "the engine does not count the CPU time of containers")


def writable(facts: ContainerFacts, beside: Sidecar) -> tuple[Writable, ...]:
    """Return what the program's user could open for writing in the container's own file system, data left out.

    Raises:
        NotLookedError: it could not be tried.
    """
    main = facts.main
    if main is None:
        raise NotLookedError(f"the processes of {facts.service} are not to be seen")
    skipped: Iterable[str] = {*NOT_CODE, *(mount.destination for mount in facts.mounts)}
    groups = ",".join(map(str, main.groups))
    answer = beside.python("writable", str(main.uid), str(main.gid), groups, str(MOST), *sorted(skipped))
    return tuple(Writable(path, kind, mode) for path, kind, mode in json.loads(answer))

"""Stop a container as the engine does, with work in hand, and see what becomes of both."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from dockproof.collect import inside, process
from dockproof.collect.experiment import addresses_of
from dockproof.errors import NotLookedError
from dockproof.facts.container import Stop, Work, parse_state
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from dockproof.collect.engine import Engine
    from dockproof.collect.watch import Watch
    from dockproof.config import RequestRule, ScriptRule, StopRule
    from dockproof.facts.container import ContainerFacts

IN_HAND = "in hand"
"""The line that says that the work has begun, and the container may be stopped."""

BEGIN = 30.0
"""Seconds that work may take to be in hand."""

END = 60.0
"""Seconds that work may take to be done once the container was stopped: by itself, or by another one."""

HOLD = 1.0
"""Seconds between the stop signal and the last byte of a request in flight: it takes that much longer."""

PAUSE = 0.1
SLACK = 30.0
"""Seconds over the grace time that the engine may take to stop a container."""

ADDRESSES = "DOCKPROOF_TARGET"
"""Variable of a script: the addresses of the container that is stopped, with blanks between them."""


class Giver(NamedTuple):
    """A container that gives work and waits for its end.

    Attributes:
        names: of the work: a request each, or the script's one.
        service: what it is called in the project.
        override: laid over `base`.
        base: the compose service that it is a variant of.
        told_apart: whether its last lines say of each piece of work what was wrong, as JSON texts.
        waits: whether it waits for SIGUSR1 before it ends its work.
    """

    names: tuple[str, ...]
    service: str
    base: str
    override: Mapping[str, Any]
    told_apart: bool = False
    waits: bool = False


def givers(
    rule: StopRule, facts: ContainerFacts, document: Mapping[str, Any], folder: Path, image: str
) -> Iterator[Giver]:
    """Yield the containers that give work to a container before it is stopped.

    Args:
        rule: the work.
        facts: of the container that is stopped.
        document: what `docker inspect` says of it.
        folder: that scripts are relative to.
        image: of the sidecar; requests are made with its python3.

    Raises:
        NotLookedError: a script cannot be read.
    """
    if rule.requests:
        yield _requests(rule.requests, facts, image)
    if rule.work:
        yield _script(rule.work, facts, document, folder)


def _requests(requests: tuple[RequestRule, ...], facts: ContainerFacts, image: str) -> Giver:
    words = ["python3", "-I", "-c", inside.text("request"), str(HOLD)]
    words.append(json.dumps([request._asdict() for request in requests]))
    override = {
        **dict.fromkeys(("networks", "deploy", "volumes", "environment", "hostname")),
        "image": image,
        "user": "65534:65534",
        "network_mode": f"container:{facts.id}",
        "entrypoint": _escaped(words),
    }
    names = tuple(request.name for request in requests)
    name = f"{facts.service}-requests"
    return Giver(names, name, facts.service, {**_PLAIN, **override}, told_apart=True, waits=True)


def _script(work: ScriptRule, facts: ContainerFacts, document: Mapping[str, Any], folder: Path) -> Giver:
    try:
        text = (folder / work.script).read_text(encoding="utf-8")
    except OSError as error:
        raise NotLookedError(
            f"{work.script} (x-dockproof: stop: work) cannot be read: {error.strerror}"
        ) from None
    override = {
        "entrypoint": _escaped([*work.command, text]),
        "environment": {ADDRESSES: " ".join(addresses_of(document))},
    }
    return Giver((work.script,), f"{facts.service}-work", work.service, {**_PLAIN, **override})


# Neither the check nor the restarts of the service whose image is used.
_PLAIN: Mapping[str, Any] = {"command": [], "healthcheck": {"disable": True}, "container_name": None}


def _escaped(words: list[str]) -> list[str]:
    return [word.replace("$", "$$") for word in words]


def stop(
    engine: Engine, watch: Watch, facts: ContainerFacts, begun: list[tuple[Giver, str]], *, again: bool
) -> Callable[[], Stop]:
    """Wait until the work is in hand, stop the container, and return what waits for the work's end.

    Args:
        engine: the engine.
        watch: the events of the container's project.
        facts: of the container.
        begun: the givers with their containers.
        again: whether the container is started again, to do what it gave back.

    Raises:
        NotLookedError: the work never began, the container had ended, or the engine went away.
    """
    for giver, container in begun:
        _until_in_hand(engine, giver, container)
    before = parse_state(engine.inspect(facts.id)[0])
    if not before.running:
        # The engine takes the stop of a container that ended for a success, and it would look like a prompt one.
        raise NotLookedError(f"it had ended with exit code {before.exit_code} before it was asked to stop")
    seconds = _signalled(engine, watch, facts, [container for giver, container in begun if giver.waits])
    state = parse_state(engine.inspect(facts.id)[0])
    if again:
        engine.docker("start", facts.id, what=f"start of {facts.service}")

    def end() -> Stop:
        work = tuple(one for giver, container in begun for one in _ended(engine, giver, container))
        return Stop(facts.stop_signal, facts.stop_grace, seconds, state.exit_code, state.oom_killed, work)

    return end


def _signalled(engine: Engine, watch: Watch, facts: ContainerFacts, waiting: list[str]) -> float:
    """Stop the container, let those go on who wait for its stop signal, and return the seconds that the stop took."""
    before, seconds = watch.signals(facts.id), []

    def stopped() -> None:
        start = time.monotonic()
        engine.docker("stop", facts.id, timeout=facts.stop_grace + SLACK, what=f"stop of {facts.service}")
        seconds.append(time.monotonic() - start)

    def released() -> None:
        # A request that ends before the signal would look like one that survived it, however slow the engine is.
        watch.await_signal(facts.id, before, SLACK)
        engine.docker("kill", "--signal", "USR1", *waiting)

    process.parallel(lambda job: job(), [stopped, *([released] if waiting else [])], workers=2)
    return seconds[0]


def _until_in_hand(engine: Engine, giver: Giver, container: str) -> None:
    deadline = time.monotonic() + BEGIN
    while IN_HAND not in (said := engine.logs(container)).splitlines():
        ended = not engine.inspect(container)[0]["State"]["Running"]
        if ended or time.monotonic() > deadline:
            how = "its giver ended" if ended else f"{BEGIN:g} s went by"
            raise NotLookedError(f"{', '.join(giver.names)}: {how} before the work was in hand", said)
        process.pause(PAUSE)


def _ended(engine: Engine, giver: Giver, container: str) -> Iterator[Work]:
    """Wait for a giver's end and read what it says of each piece of its work."""
    try:
        code = engine.docker("wait", container, timeout=END, what="wait for the work's end").stdout.strip()
    except process.Cancelled:
        raise
    except NotLookedError:
        code = ""
    lines = engine.logs(container).splitlines()
    if not code:
        lines = [f"not done after {END:g} s; its last words: {' '.join(lines[-1:])}"]
    answers = [line for line in lines if line.startswith('"')]
    if giver.told_apart and len(answers) == len(giver.names):
        for name, answer in zip(giver.names, answers, strict=True):
            yield Work(name, answer == '""', answer.strip('"'))
    else:
        yield from (Work(name, code == "0", " ".join(lines[-1:])) for name in giver.names)

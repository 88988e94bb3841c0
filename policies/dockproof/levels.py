"""Where what was written, what was built and what runs say different things, though each of them may be well alone.

A policy judges each level against its property; two users that are both not root please it at all three. Here the
levels are held against each other: a difference means that one of them is not what it is taken for (another image was
built or run, a build argument or an override that nobody looked at).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.finding import Finding, Place, Probe, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dockproof.facts.container import ContainerFacts
    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.image import HealthConfig, ImageFacts
    from dockproof.facts.stages import Health, Stage

CONTRADICTION = "contradiction"


def of_build(stage: Stage, image: ImageFacts) -> Iterator[Finding]:
    """Yield where an image is not what its Dockerfile says.

    What a variable is part of is left out: a build argument may have changed it.

    Args:
        stage: the one that is shipped.
        image: what was built of it.
    """
    yield from _user(stage, image)
    yield from _ports(stage, image)
    yield from _command(stage, image)
    yield from _health(stage, image)
    yield from _base(stage, image)


def _built(clause: str, message: str, line: int) -> Finding:
    return Finding(CONTRADICTION, message, Place(line, line), Probe.IMAGE, clause, severity=Severity.ERROR)


def _is_plain(instruction: Instruction) -> bool:
    return "$" not in instruction.value


def _user(stage: Stage, image: ImageFacts) -> Iterator[Finding]:
    setting = stage.user
    if setting and _is_plain(setting.instruction) and setting.value.text != image.config.user:
        message = f"USER is {setting.value.text} in the Dockerfile and {image.config.user or 'not set'} in the image"
        yield _built("user", message, setting.instruction.span.line)


def _ports(stage: Stage, image: ImageFacts) -> Iterator[Finding]:
    if not all(_is_plain(setting.instruction) for setting in stage.ports):
        return
    said: dict[str, Instruction] = {}
    for setting in stage.ports:
        number = setting.value.number
        numbers: Sequence[int] = [] if number is None else number if isinstance(number, range) else [number]
        said |= {f"{each}/{setting.value.protocol}": setting.instruction for each in numbers}
    for port in sorted(said.keys() - set(image.config.ports)):
        yield _built("ports", f"EXPOSE {port} did not reach the image", said[port].span.line)


def _command(stage: Stage, image: ImageFacts) -> Iterator[Finding]:
    pairs = (
        ("ENTRYPOINT", stage.entrypoint, image.config.entrypoint),
        ("CMD", stage.command, image.config.command),
    )
    for keyword, setting, built in pairs:
        written = setting.value.json if setting else None
        if setting and written is not None and tuple(written) != built:
            message = f"{keyword} is {list(written)} in the Dockerfile and {list(built)} in the image"
            yield _built("command", message, setting.instruction.span.line)


def _health(stage: Stage, image: ImageFacts) -> Iterator[Finding]:
    setting, built = stage.healthcheck, image.config.healthcheck
    if setting is None:
        return
    difference = _difference(setting.value, built)
    if difference:
        message = f"HEALTHCHECK {difference}"
        yield _built("healthcheck", message, setting.instruction.span.line)


def _difference(written: Health, built: HealthConfig | None) -> str:
    """Say how a health check differs from the one that was built, "" where it does not."""
    if written.disabled or built is None or built.disabled:
        gone = built is None or built.disabled
        return "" if written.disabled == gone else f"is {'off' if gone else 'on'} in the image alone"
    if written.json is not None and ("CMD", *written.json) != built.test:
        return f"runs {list(written.json)} in the Dockerfile and {list(built.test)} in the image"
    for name in ("interval", "timeout", "start_period", "start_interval", "retries"):
        said, found = getattr(written, name), getattr(built, name)
        if said is not None and said != found:
            return f"has {name.replace('_', '-')} {said:g} in the Dockerfile and {found:g} in the image"
    return ""


def _base(stage: Stage, image: ImageFacts) -> Iterator[Finding]:
    """The digest of FROM against the one that the image says it stands on."""
    label = image.config.labels.get("org.opencontainers.image.base.digest", "")
    pinned = stage.root_base.ref.digest if stage.root_base.ref else None
    if label and pinned and label != pinned:
        message = f"FROM is pinned to {pinned}, and the image's label says that its base is {label}"
        yield _built("base", message, stage.instruction.span.line)


def of_run(
    image: ImageFacts, container: ContainerFacts, overridden: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield where a container is not what its image says.

    Args:
        image: what was built.
        container: what ran.
        overridden: keys that compose sets for the service: what it changes on purpose is no contradiction.
    """
    if container.image_id != image.id:
        message = f"the container runs {container.image_id[:19]}, and {image.id[:19]} was built"
        yield _ran("image", message, "Image")
    yield from _process_user(image, container)
    if not {"command", "entrypoint"} & set(overridden) and container.argv != image.config.argv:
        message = f"the image starts {list(image.config.argv)}, and the container {list(container.argv)}"
        yield _ran("command", message, "Config.Cmd")
    yield from _health_of_run(image, container, overridden)


def _ran(clause: str, message: str, field: str, pid: int = 0) -> Finding:
    place = Place(field=field, pid=pid)
    return Finding(CONTRADICTION, message, place, Probe.RUNTIME, clause, severity=Severity.ERROR)


def _process_user(image: ImageFacts, container: ContainerFacts) -> Iterator[Finding]:
    """What the engine was told (image or compose) against PID 1's real ids; a program may only give up rights later."""
    said, main = image.resolve_user(container.user or None), container.main
    if main is None or said.uid is None or said.uid == 0:
        return
    if (main.real_uid, main.real_gid) != (said.uid, said.gid):
        message = (
            f"USER {container.user or image.config.user} is uid {said.uid} and gid {said.gid}, "
            f"and PID {main.pid} has uid {main.real_uid} and gid {main.real_gid}"
        )
        yield _ran("user", message, "Config.User", main.pid)


def _health_of_run(
    image: ImageFacts, container: ContainerFacts, overridden: Collection[str]
) -> Iterator[Finding]:
    built, runs = image.config.healthcheck, container.health.config
    if "healthcheck" in overridden or built is None or built.disabled:
        return
    if runs is None or runs.disabled or container.health.status == "none":
        yield _ran(
            "healthcheck", "the image has a health check and the container runs without one", "State.Health"
        )
    elif runs.test != built.test:
        message = f"the image checks with {list(built.test)}, and the container with {list(runs.test)}"
        yield _ran("healthcheck", message, "Config.Healthcheck")

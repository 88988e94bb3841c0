"""Build images as a user does, with BuildKit, and say where a build failed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof.collect import engine as engines
from dockproof.collect import process
from dockproof.errors import NotLookedError, UsageError
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockproof.collect.compose import Build, Service
    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns

TIMEOUT = 900.0

TRANSFER_TIMEOUT = 600.0
"""Seconds for an image to come over from the engine that built it."""


class Failure(NamedTuple):
    """Where a build failed, as far as its log tells.

    Attributes:
        step: as `[builder 3/5] RUN false`, "" where no step was reached.
        line: of the Dockerfile, 0 where unknown.
        message: BuildKit's own sentence.
    """

    step: str
    line: int
    message: str


def build(
    engine: Engine,
    service: Service,
    stand_ins: StandIns | None = None,
    *,
    timeout: float = TIMEOUT,
    no_cache: bool = False,
    env: Mapping[str, str] | None = None,
    keep: bool = True,
) -> str:
    """Build a service's image, load it into the engine and return its id.

    The image gets no label from here, so that it is byte for byte what `docker build` makes. Two tags outside of
    it keep it: one for the run, against the clean-up of another run that tests the same image; one until the
    next build of the service, so that an image that a report names is still there to be looked at.

    Args:
        engine: the engine.
        service: of the manifest, with `build:`.
        stand_ins: what this machine has in place of a registry.
        timeout: seconds.
        no_cache: whether to build every step anew.
        env: more of the client's environment, as SOURCE_DATE_EPOCH.
        keep: whether the image outlives the run.

    Raises:
        NotLookedError: the build failed: service, Dockerfile, line, step and the last lines of its log.
        UsageError: the service builds nothing.
    """
    if service.build is None:
        raise UsageError(f"service {service.name} has no `build:`")
    tags = [engines.tag(engine.lease, service.name)]
    tags += [engines.last_tag(service.build.context, service.name)] if keep else []
    flags = _common(tags, stand_ins, no_cache=no_cache) + arguments(service.build, stand_ins)
    file, inline = str(service.build.dockerfile), service.build.inline
    where = "dockerfile_inline" if inline else file
    there = (
        engine.builder.keeper
    )  # buildx itself refuses another engine's builder but in that engine's context
    identity = _buildx(engine, flags, timeout, service.name, where, stdin=inline, env=env, context=there)
    return arrive(engine, identity, tags)


def build_on(
    engine: Engine,
    image: str,
    instructions: str,
    *,
    name: str,
    stand_ins: StandIns | None = None,
    timeout: float = TIMEOUT,
    no_cache: bool = False,
    env: Mapping[str, str] | None = None,
) -> str:
    """Build instructions on top of an image and return the new image's id; it lasts as long as the run.

    The engine itself builds it, whatever builder is selected: no other one has the image.

    Args:
        engine: the engine.
        image: id or reference of the image that stands in FROM.
        instructions: what follows FROM; with `{image}` in it, the whole Dockerfile.
        name: names the image in messages and in its tag.
        stand_ins: what this machine has in place of a registry.
        timeout: seconds.
        no_cache: whether to build every step anew.
        env: more of the client's environment, as SOURCE_DATE_EPOCH.

    Raises:
        NotLookedError: the build failed.
    """
    base = engines.tag(engine.lease, f"base-{image.removeprefix('sha256:')[:12]}")
    engine.docker("tag", image, base, what=f"tag {image}")
    text = (
        instructions.replace("{image}", base) if "{image}" in instructions else f"FROM {base}\n{instructions}"
    )
    flags = _common([engines.tag(engine.lease, name)], stand_ins, no_cache=no_cache)
    flags += ["--builder", engine.context, "-"]
    return _buildx(engine, flags, timeout, name, "Dockerfile", stdin=text, env=env)


def arguments(build: Build, stand_ins: StandIns | None = None) -> list[str]:
    """Return what compose says of a build as arguments of `docker buildx build`, the context last."""
    flags = ["--file", "-" if build.inline else str(build.dockerfile)]
    flags += ["--target", build.target] if build.target else []
    for name, value in build.args.items():
        flags += ["--build-arg", name if value is None else f"{name}={value}"]
    for name, source in (build.raw.get("additional_contexts") or {}).items():
        flags += ["--build-context", f"{name}={source}"]
    for platform in build.raw.get("platforms") or ():
        flags += ["--platform", platform]
    if not (stand_ins and stand_ins.network) and (network := build.raw.get("network")):
        flags += ["--network", network]
    return [*flags, build.raw["context"]]


def _common(tags: Sequence[str], stand_ins: StandIns | None, *, no_cache: bool = False) -> list[str]:
    flags = ["--load", "--progress", "plain", "--provenance=false", "--sbom=false"]
    return [
        *flags,
        *(["--no-cache"] if no_cache else []),
        *(word for tag in tags for word in ("--tag", tag)),
        *(stand_ins.build_arguments() if stand_ins else ()),
    ]


def _buildx(
    engine: Engine,
    flags: Sequence[str],
    timeout: float,
    name: str,
    dockerfile: str,
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    context: str = "",
) -> str:
    """Run one build, in a context of the client's where one is named, and return the image's id."""
    with process.home.temporary() as folder:
        file = Path(folder, "image-id")
        argv = [
            *(["--context", context] if context else []),
            "buildx",
            "build",
            "--iidfile",
            str(file),
            *flags,
        ]
        what = f"build of {name}"
        answer = engine.docker(*argv, timeout=timeout, check=False, what=what, stdin=stdin, env=env)
        if answer.exit_code or not file.exists():
            raise failed(name, dockerfile, answer)
        return file.read_text(encoding="ascii").strip()


def arrive(engine: Engine, identity: str, tags: Sequence[str]) -> str:
    """Return the id by which the engine knows what was built, brought over where another engine keeps it.

    Builders load what they built into the engine that the client talks to. One that is another engine's own does not;
    then the image comes by `docker save` and `docker load`, and its tags go from there. An engine whose image store
    names images by their manifests has an id of its own for what another builder made.

    Args:
        engine: the engine that is probed.
        identity: of the image, as the builder says.
        tags: of the image, the run's own first.

    Raises:
        NotLookedError: it could not be brought over, or the engine does not have it.
    """
    if engine.builder.keeper:
        _bring(engine, identity, tags)
    if engine.has_image(identity):
        return identity
    return str(engine.inspect_image(tags[0])["Id"])


def _bring(engine: Engine, identity: str, tags: Sequence[str]) -> None:
    there = ["--context", engine.builder.keeper]
    try:
        if engine.has_image(identity):
            for tag in tags:
                engine.docker("tag", identity, tag)
        else:
            _transfer(engine, there, tags)
    finally:
        engines.untag(engine, *tags)


def _transfer(engine: Engine, there: Sequence[str], tags: Sequence[str]) -> None:
    what = f"docker save of {tags[0]} from the builder {engine.builder.name}"
    with process.stream(["docker", *there, "save", *tags], timeout=TRANSFER_TIMEOUT, what=what) as archive:
        engine.docker("load", "--quiet", stdin=archive, timeout=TRANSFER_TIMEOUT)


def failed(name: str, dockerfile: str, answer: process.Completed) -> NotLookedError:
    """Say where a build failed, with the last lines of its log."""
    log = answer.stdout + answer.stderr
    if engines.lacks_plugin(log, "buildx"):
        return NotLookedError(
            "`docker buildx` is missing: install the Buildx plugin, 0.10 or newer", answer.log
        )
    failure = explain(log)
    place = f"{dockerfile}:{failure.line}" if failure.line else dockerfile
    step = f", step {failure.step}" if failure.step else ""
    message = failure.message or f"exit code {answer.exit_code}"
    return NotLookedError(f"build of {name} failed at {place}{step}: {message}", step_log(log))


_STEP = pattern(r"^#(?P<id>\d+) (?P<step>\[.+)$", re.MULTILINE)
_STEP_ERROR = pattern(r"^#(?P<id>\d+) ERROR: (?P<message>.*)$", re.MULTILINE)
_ERROR = pattern(r"^ERROR: (?:failed to build: )?(?:failed to solve: )?(?P<message>.*)$", re.MULTILINE)
_MARK = pattern(r"^\s*(?P<line>\d+) \| >>> ", re.MULTILINE)
_LINE = pattern(r"\bline (?P<line>\d+)\b")


def explain(log: str) -> Failure:
    """Find the step, the line and the sentence of a failure in a log of `--progress plain`."""
    steps = {match["id"]: match["step"] for match in _STEP.finditer(log)}
    errors = list(_STEP_ERROR.finditer(log))
    last = list(_ERROR.finditer(log))
    message = last[-1]["message"] if last else errors[-1]["message"] if errors else ""
    mark = _MARK.search(log) or _LINE.search(message)
    # A step that was cancelled because another failed is no cause.
    causes = [error for error in errors if "context canceled" not in error["message"]]
    step = steps.get(causes[0]["id"], "") if causes else ""
    return Failure(step, int(mark["line"]) if mark else 0, message)


def step_log(log: str) -> str:
    """Return the last lines of the step that failed; of the whole log where no step can be named."""
    causes = [error for error in _STEP_ERROR.finditer(log) if "context canceled" not in error["message"]]
    if not causes:
        return process.tail(log)
    prefix = f"#{causes[0]['id']} "
    lines = [line.removeprefix(prefix) for line in log.splitlines() if line.startswith(prefix)]
    return process.tail("\n".join(lines))

"""The images that a repository asks a registry for, read from its compose file and Dockerfiles."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.provision.host import ProvisionError, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

REFERENCE = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*?)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
ARG = re.compile(r"\s*ARG\s+(\w+)=(\S+)", re.IGNORECASE)
FROM = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
COPY = re.compile(r"\s*(?:COPY|ADD)\s+(?:--\S+\s+)*--from=(\S+)", re.IGNORECASE)
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
OFFICIAL = re.compile(r"^(?:(?:index\.)?docker\.io/)?(?:library/)?")


@dataclass(frozen=True, order=True)
class Reference:
    """An image's name as it is written, and what it says: repository ("python", "bitnami/redis"), tag, digest."""

    text: str
    repository: str
    tag: str
    digest: str


def parse(text: str) -> Reference:
    """Read an image reference; an official image's repository is its short name.

    Raises:
        ProvisionError: it is no reference.
    """
    match = REFERENCE.fullmatch(text)
    if match is None:
        raise ProvisionError(f"{text!r} is not an image's name")
    return Reference(text, OFFICIAL.sub("", match["name"]), match["tag"] or "latest", match["digest"] or "")


def in_dockerfile(text: str) -> Iterator[str]:
    """Yield the outside images of a Dockerfile: those of FROM and COPY --from that name no stage."""
    arguments: dict[str, str] = {}
    stages = {"scratch"}
    for line in text.splitlines():
        if match := ARG.match(line):
            arguments.setdefault(match[1], match[2].strip("\"'"))
        elif match := FROM.match(line):
            name = expand(match[1], arguments)
            if name.lower() not in stages:
                yield name
            stages |= {match[2].lower()} if match[2] else set()
        elif (match := COPY.match(line)) and not match[1].isdigit() and match[1].lower() not in stages:
            yield match[1]


def expand(text: str, arguments: Mapping[str, str]) -> str:
    """Put arguments' defaults in place of their variables; an unknown one stays as written."""
    return VARIABLE.sub(lambda match: arguments.get(match[1] or match[3], match[2] or match[0]), text)


def in_compose(project: Mapping[str, Any]) -> tuple[list[str], list[Path]]:
    """Return the outside images and the Dockerfiles of a project as `docker compose config` prints it.

    A service may run an image that another one builds: that one no registry is asked for.
    """
    services = list(project.get("services", {}).values())
    builds = [service["build"] for service in services if service.get("build")]
    made_here = {service.get("image") for service in services if service.get("build")}
    images = [service["image"] for service in services if service.get("image") and not service.get("build")]
    dockerfiles = [Path(build["context"], build.get("dockerfile", "Dockerfile")) for build in builds]
    return [image for image in images if image not in made_here], dockerfiles


def read_compose(path: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """Have Docker Compose resolve a compose file, services of every profile included."""
    command: list[str | Path] = [
        "docker",
        "compose",
        "-f",
        path,
        "--profile",
        "*",
        "config",
        "--format",
        "json",
        "--no-interpolate",
    ]
    project: dict[str, Any] = json.loads(run(command, f"read {path}", timeout=60, env=env))
    return project


def collect(sources: Iterable[str], env: Mapping[str, str]) -> list[Reference]:
    """Return the images that sources ask for: a compose file, a Dockerfile, or an image's name itself."""
    found: dict[str, Reference] = {}
    for source in sources:
        for text in _texts(source, env):
            found.setdefault(text, parse(text))
    return list(found.values())


def _texts(source: str, env: Mapping[str, str]) -> list[str]:
    path = Path(source)
    if not path.is_file():
        return [source]
    if path.suffix in {".yaml", ".yml"}:
        images, dockerfiles = in_compose(read_compose(path, env))
        return images + [text for file in dict.fromkeys(dockerfiles) for text in in_dockerfile(_read(file))]
    return list(in_dockerfile(_read(path)))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProvisionError(f"cannot read {path}: {error}") from error

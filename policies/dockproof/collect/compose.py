"""The manifest: compose.yaml as Docker Compose itself resolves it.

Only `docker compose config` is asked, which needs the client and no engine. Its YAML form is read, because
the JSON form of compose 2.26 drops `x-dockproof` from services.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.collect import process
from dockproof.collect.engine import ENVIRONMENT, lacks_plugin
from dockproof.errors import NotLookedError, UsageError
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


EXTENSION = "x-dockproof"
NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
TIMEOUT = 30.0


class Build(NamedTuple):
    """How a service's image is built.

    Attributes:
        context: absolute path of the folder; of a remote context (`remote`) the URL's text as a path.
        dockerfile: path of the Dockerfile, absolute unless the context is remote.
        target: the stage that is shipped, "" = the last.
        args: build arguments; None = taken from the environment.
        raw: everything that compose says about the build.
    """

    context: Path
    dockerfile: Path
    target: str
    args: Mapping[str, str | None]
    raw: Mapping[str, Any]

    @property
    def inline(self) -> str | None:
        """The Dockerfile's text where it stands in the compose file itself, None elsewhere."""
        text = self.raw.get("dockerfile_inline")
        return None if text is None else unescape(text)

    @property
    def remote(self) -> bool:
        """Whether the context is fetched by the builder, so that no file of it is at hand."""
        return "://" in self.raw["context"] or self.raw["context"].startswith("git@")


class Service(NamedTuple):
    """A service of the manifest.

    Attributes:
        image: reference, "" where none is named.
        build: None for a service that only uses an image.
        depends_on: name of a service to the condition it must have reached.
        healthcheck: compose's own, which stands over the image's, as written; empty where there is none.
        environment: as compose resolved it, `$$` undone; None = passed through from the host.
        ports: container ports with protocol, as `8000/tcp`.
        profiles: compose profiles under which it starts.
        x_dockproof: what compose has no word for.
        raw: the whole resolved service.
    """

    name: str
    image: str
    build: Build | None
    depends_on: Mapping[str, str]
    healthcheck: Mapping[str, Any]
    environment: Mapping[str, str | None]
    ports: tuple[str, ...]
    profiles: tuple[str, ...]
    x_dockproof: Mapping[str, Any]
    raw: Mapping[str, Any]


class Manifest(NamedTuple):
    """A resolved compose file.

    Attributes:
        path: of the file.
        name: of the compose project, as `docker compose up` would use it.
        x_dockproof: the extension at the top level.
        document: the whole resolved file.
    """

    path: Path
    name: str
    services: Mapping[str, Service]
    x_dockproof: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def built(self) -> tuple[Service, ...]:
        """The services with `build:`: the images to verify, in the file's order."""
        return tuple(service for service in self.services.values() if service.build)

    def pick(self, names: Iterable[str]) -> tuple[Service, ...]:
        """Return services by name.

        Raises:
            UsageError: there is no such service; says which there are.
        """
        names = list(names)
        for name in names:
            if name not in self.services:
                known = ", ".join(self.services) or "none"
                raise UsageError(f"{self.path} has no service {name!r}; it has {known}")
        return tuple(self.services[name] for name in names)

    def dependencies(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the services that these need, directly or not, themselves left out."""
        start = set(names)
        seen, todo = set(start), list(start)
        while todo:
            for needed in self.services[todo.pop()].depends_on:
                if needed in self.services and needed not in seen:
                    seen.add(needed)
                    todo.append(needed)
        return tuple(name for name in self.services if name in seen - start)


def find(folder: Path) -> Path:
    """Return the compose file of a folder.

    Raises:
        UsageError: there is none.
    """
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"{folder} has no compose file ({', '.join(NAMES)}); name one, or use `dockproof check`")


def plain(folder: Path) -> dict[str, Any]:
    """Return the services of a folder's compose file as they are written, by name; none where there is no file.

    Nothing is resolved and nothing is run: for what can be told without Docker.

    Raises:
        UsageError: the file cannot be read.
    """
    import yaml  # noqa: PLC0415 - 35 ms that `check` on a file need not pay

    class Loader(yaml.SafeLoader):
        """Reads compose's own tags (`!reset`, `!override`) as nothing."""

    Loader.add_multi_constructor("!", lambda *_: None)
    path = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    try:
        document = yaml.load(path.read_bytes(), Loader=Loader) if path else {}  # noqa: S506 - it is a safe one
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as a compose file: {error}") from None
    services = document.get("services") if isinstance(document, dict) else None
    return {str(name): raw for name, raw in services.items()} if isinstance(services, dict) else {}


def load(path: Path, *, timeout: float = TIMEOUT) -> Manifest:
    """Read a compose file with all of its profiles.

    Args:
        path: of the compose file.
        timeout: seconds.

    Raises:
        UsageError: the file is missing or compose refuses it, in compose's own words.
        NotLookedError: there is no `docker compose`, or it does not answer.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such compose file")
    argv = ["docker", "compose", "--file", os.fspath(path), "--profile", "*", "config"]
    answer = process.run(argv, timeout=timeout, env=ENVIRONMENT, check=False, what="docker compose config")
    if answer.exit_code:
        raise _refused(path, answer)
    return parse(answer.stdout, path)


def _refused(path: Path, answer: process.Completed) -> Exception:
    words = answer.stderr.strip()
    if lacks_plugin(words, "compose"):
        return NotLookedError(
            "`docker compose` is missing: install the Compose plugin, version 2.20 or newer",
            process.tail(words),
        )
    last = words.splitlines()[-1] if words else f"exit code {answer.exit_code}"
    return UsageError(f"{path}: docker compose refuses it: {last}")


def parse(text: str, path: Path) -> Manifest:
    """Build the manifest from what `docker compose config` prints.

    Raises:
        NotLookedError: it is no mapping of services.
    """
    import yaml  # noqa: PLC0415 - 35 ms that `check` on a file need not pay

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(text, Loader=loader)  # noqa: S506 - both loaders are safe ones
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
        raise NotLookedError(f"{path}: docker compose resolved it to no services", process.tail(text))
    services = {name: _service(name, raw) for name, raw in document["services"].items()}
    return Manifest(path, document.get("name") or "", services, document.get(EXTENSION) or {}, document)


def _service(name: str, raw: Mapping[str, Any]) -> Service:
    environment = raw.get("environment") or {}
    return Service(
        name=name,
        image=raw.get("image") or "",
        build=_build(raw["build"]) if raw.get("build") else None,
        depends_on={
            needed: (how or {}).get("condition", "service_started")
            for needed, how in (raw.get("depends_on") or {}).items()
        },
        healthcheck=raw.get("healthcheck") or {},
        environment={key: None if value is None else unescape(value) for key, value in environment.items()},
        ports=tuple(f"{port['target']}/{port.get('protocol', 'tcp')}" for port in raw.get("ports") or ()),
        profiles=tuple(raw.get("profiles") or ()),
        x_dockproof=raw.get(EXTENSION) or {},
        raw=raw,
    )


def _build(raw: Mapping[str, Any]) -> Build:
    arguments = raw.get("args") or {}
    args = {name: None if value is None else unescape(value) for name, value in arguments.items()}
    file = Path(raw.get("dockerfile") or "Dockerfile")
    build = Build(Path(raw["context"]), file, raw.get("target") or "", args, raw)
    return build if build.remote else build._replace(dockerfile=build.context / file)


def unescape(value: object) -> str:
    """Undo the `$$` that compose writes for a dollar sign, so that its output can be read again by compose."""
    return str(value).replace("$$", "$")

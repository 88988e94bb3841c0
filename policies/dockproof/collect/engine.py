"""The container engine: found, asked, and left as it was.

Everything goes through the `docker` command, so DOCKER_HOST, DOCKER_CONTEXT, TLS and SSH work as users know
them. Whatever a run creates carries the labels of its lease; the next run on this machine removes what a
killed one left.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from dockproof.collect import process
from dockproof.errors import NotLookedError
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OLDEST = (23, 0)
"""The first engine with BuildKit as its own builder."""

START_INTERVAL = (25, 0)
"""The first engine that honours a health check's start interval."""

OWN_DRIVER = "docker"
"""The buildx driver that builds inside an engine."""

MODES = {
    "rootless": (
        "the engine is rootless: root in a container is one user of its machine, and limits of memory and processes "
        "hold only where its control groups are delegated to it"
    ),
    "userns": (
        "the engine maps users (userns-remap): user ids are those inside the container, and root in a container is "
        "nobody outside it"
    ),
}
"""What of an engine's way to run containers changes what the gate sees of them, by the name in `docker info`."""

ROUNDS = 4
"""How often a clean-up looks whether something is left."""

LABEL_RUN = "dockproof.run"
LABEL_HOST = "dockproof.host"
LABEL_PROJECT = "dockproof.project"
REPOSITORY = "dockproof.localhost"
"""Repository of the tags that a run gives to images for a while; no registry answers to it."""

INSTALL = (
    "Install Docker 23 or newer (https://docs.docker.com/engine/install/) and start it, or point DOCKER_HOST "
    "or DOCKER_CONTEXT at an engine that runs."
)

# Answers must not depend on the user's language, terminal or hints.
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "DOCKER_CLI_HINTS": "false",
    "NO_COLOR": "1",
    "BUILDKIT_PROGRESS": "plain",
}


def cache_folder(name: str) -> Path:
    """Return (and make) a folder below the user's cache folder; a temporary one where that is read-only."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base).expanduser() / "dockproof" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    private = Path(tempfile.gettempdir()) / f"dockproof-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.lstat().st_uid != os.getuid() or not stat.S_ISDIR(private.lstat().st_mode):
        raise NotLookedError(
            f"{private} is another user's, and {folder} cannot be written: set XDG_CACHE_HOME"
        )
    (private / name).mkdir(exist_ok=True)
    return private / name


class Builder(NamedTuple):
    """The builder that `docker buildx` has selected.

    Attributes:
        name: of the builder.
        driver: `docker`, `docker-container`, `kubernetes`, `remote` …
        keeper: context of the engine that keeps what is built, "" where the engine that is probed gets it. A builder
            of the driver `docker` is an engine's own; it keeps its images there, whatever `--load` says.
    """

    name: str
    driver: str
    keeper: str = ""

    def words(self, context: str) -> str:
        """Say how images come from it to a context's engine; "" for that engine's own builder."""
        if self.keeper:
            return f"images are built by the engine {self.keeper} and come to {context} by docker save and docker load"
        if self.driver == OWN_DRIVER:
            return ""
        return f"images are built by builder {self.name} ({self.driver}) and loaded into the engine {context}"


class Engine:
    """An engine that answered.

    Attributes:
        version: of the server, as `26.1.5`.
        context: name of the CLI's context.
        os: of the server.
        architecture: of the server, as Docker spells it (`amd64`).
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        server = document["Server"]
        self.version: str = server["Version"]
        self.context: str = document.get("Client", {}).get("Context") or "default"
        self.os: str = server.get("Os", "linux")
        self.architecture: str = server.get("Arch", "")

    def __repr__(self) -> str:
        return f"<Engine {self.version} {self.context}>"

    @classmethod
    def connect(cls, timeout: float = 10) -> Engine:
        """Find the engine that the user's own `docker` talks to.

        Raises:
            NotLookedError: no client, no server, none in time, or too old a one; says what to do.
        """
        try:
            answer = process.run(
                ["docker", "version", "--format", "json"], timeout=timeout, env=ENVIRONMENT, check=False
            )
        except NotLookedError as error:
            raise NotLookedError(
                f"no container engine answers{_asked()}: {error}. {INSTALL}", error.log
            ) from error
        return cls(_server(answer))

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor version of the server."""
        return _number(self.version)

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """What the engine says of itself (`docker info`); empty where it does not."""
        try:
            answer = self.docker("info", "--format", "json", timeout=15, check=False)
            document: dict[str, Any] = json.loads(answer.stdout)
        except (NotLookedError, ValueError):
            return {}
        return document

    @property
    def lacks(self) -> tuple[str, ...]:
        """What this engine cannot do that the gate would use, a sentence each with what that means."""
        found = []
        if self.number < START_INTERVAL:
            known = ".".join(map(str, START_INTERVAL))
            found.append(
                f"the engine is Docker {self.version}, which knows no start interval ({known} does): health checks are "
                "waited for at their own pace, so `verify` takes minutes longer"
            )
        modes = {option.partition(",")[0] for option in self.info.get("SecurityOptions") or ()}
        found += [sentence for mode, sentence in MODES.items() if f"name={mode}" in modes]
        if _named("DOCKER_HOST") and (context := _named("DOCKER_CONTEXT")):
            found.append(
                f"DOCKER_HOST is set, so docker does not look at DOCKER_CONTEXT={context}: unset one of the two"
            )
        return tuple(found)

    @cached_property
    def builder(self) -> Builder:
        """The builder that `docker buildx` has selected; the engine's own where it does not say."""
        fields: dict[str, str] = {}
        said = ""
        with contextlib.suppress(NotLookedError):
            said = self.docker("buildx", "inspect", timeout=30, check=False).stdout
        for line in said.splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(), value.strip())
        name, driver = fields.get("Name") or self.context, fields.get("Driver") or OWN_DRIVER
        endpoint = fields.get("Endpoint") or self.context
        other = driver == OWN_DRIVER and endpoint != self.context and not self._is(endpoint)
        return Builder(name, driver, endpoint if other else "")

    def _is(self, context: str) -> bool:
        """Whether a context leads to this same engine."""
        ask = ["info", "--format", "{{.ID}}"]
        there = self.docker("--context", context, *ask, timeout=15, check=False).stdout.strip()
        return bool(there) and there == self.info.get("ID")

    def docker(
        self,
        *arguments: str,
        timeout: float = 60,
        check: bool = True,
        what: str = "",
        stdin: str | IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> process.Completed:
        """Run `docker ARGUMENTS…`.

        Raises:
            NotLookedError: it failed (with `check`) or did not end in time.
        """
        return process.run(
            ["docker", *arguments],
            timeout=timeout,
            check=check,
            what=what or f"docker {' '.join(arguments[:2])}",
            stdin=stdin,
            env={**ENVIRONMENT, **(env or {})},
        )

    def inspect(self, *names: str, kind: str = "container") -> list[dict[str, Any]]:
        """Return what the engine knows of containers, images, networks or volumes, in the order asked.

        Raises:
            NotLookedError: one of them does not exist.
        """
        answer = self.docker("inspect", "--type", kind, *names, timeout=30, what=f"inspect {' '.join(names)}")
        documents: list[dict[str, Any]] = json.loads(answer.stdout)
        return documents

    def inspect_image(self, reference: str) -> dict[str, Any]:
        """Return what the engine knows of an image that it has.

        Raises:
            NotLookedError: it does not have it, or could not say.
        """
        answer = self.docker("image", "inspect", reference, timeout=30, check=False)
        if answer.exit_code and "no such image" not in answer.stderr.lower():
            last = answer.stderr.strip().rpartition("\n")[2]
            raise NotLookedError(f"the engine could not say what image {reference} is: {last}", answer.log)
        if answer.exit_code:
            raise NotLookedError(
                f"the engine has no image {reference}: build it, or `docker pull {reference}`", answer.log
            )
        document: dict[str, Any] = json.loads(answer.stdout)[0]
        return document

    def has_image(self, reference: str) -> bool:
        """Tell whether the engine has an image without pulling it."""
        answer = self.docker("image", "inspect", "--format", "{{.Id}}", reference, timeout=30, check=False)
        return answer.exit_code == 0

    def versions(self) -> dict[str, str]:
        """Return the versions of the engine and of the tools that talk to it."""
        compose = self.docker("compose", "version", "--short", timeout=10, check=False).stdout.strip()
        buildx = self.docker("buildx", "version", timeout=10, check=False).stdout.split()
        known = {"engine": self.version, "compose": compose, "buildx": buildx[1] if len(buildx) > 1 else ""}
        if self.builder.words(self.context):
            known["builder"] = f"{self.builder.name} ({self.builder.driver})"
        return {name: version for name, version in known.items() if version}

    def logs(self, container: str, lines: int = process.TAIL_LINES) -> str:
        """Return a container's last log lines, "" where it cannot be asked any more."""
        try:
            answer = self.docker("logs", "--tail", str(lines), container, timeout=15, check=False)
        except NotLookedError:
            return ""
        return "" if answer.exit_code else process.tail(answer.stdout + answer.stderr, lines)

    def alive(self) -> bool:
        """Tell whether the engine still answers."""
        try:
            Engine.connect(timeout=5)
        except NotLookedError:
            return False
        return True

    @property
    def host(self) -> str:
        """The engine's address, for tools that know DOCKER_HOST but no contexts; "" = the default one."""
        if host := os.environ.get("DOCKER_HOST"):
            return host
        answer = self.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", check=False)
        return "" if answer.exit_code else answer.stdout.strip()

    @cached_property
    def lease(self) -> Lease:
        """This process's own mark on whatever it creates; taking it removes what killed runs left."""
        lease = Lease()
        atexit.register(self.close)
        sweep(self, lease)
        return lease

    def close(self) -> None:
        """Remove whatever this run created and is still there, and give the lease back."""
        lease: Lease | None = self.__dict__.pop("lease", None)
        if lease is None:
            return
        atexit.unregister(self.close)
        try:
            with process.undisturbed():
                remove(self, lease.id)
                if "builder" in self.__dict__ and self.builder.keeper:
                    untag(self, lease.id)
        finally:
            lease.release()  # what could not be removed is the next run's to sweep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lacks_plugin(words: str, plugin: str) -> bool:
    """Whether these are the client's words for a plugin that it does not have.

    Older clients say that it is no command; newer ones take its flags for their own and print their own usage.
    """
    refusals = (f"'{plugin}' is not a docker command", f"unknown command: docker {plugin}")
    return any(each in words for each in refusals) or "Usage:  docker [OPTIONS] COMMAND" in words


def _server(answer: process.Completed) -> dict[str, Any]:
    """Read `docker version`; no server, or one that is too old, is an error with the way out."""
    try:
        document: dict[str, Any] = json.loads(answer.stdout)
    except ValueError:
        document = {}
    if answer.exit_code or not document.get("Server"):
        raise _no_server(document, answer)
    version = document["Server"]["Version"]
    if _number(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise NotLookedError(f"the engine is Docker {version}; {oldest} or newer is needed. {INSTALL}")
    return document


def _no_server(document: Mapping[str, Any], answer: process.Completed) -> NotLookedError:
    """Say which engine was asked for, what the client said, and what to do."""
    words = answer.stderr.strip().splitlines()
    said = words[-1] if words else f"exit code {answer.exit_code}"
    before = process.tail(
        "\n".join(words[:-1])
    )  # the last line stands in the message, what is on stdout is the client
    if "context not found" in said:
        return NotLookedError(
            f"docker knows no such context{_asked()}; `docker context ls` lists those that it knows",
            before,
        )
    if "client version" in said:
        pinned = _named("DOCKER_API_VERSION")
        mend = f"unset DOCKER_API_VERSION (it is {pinned})" if pinned else "update the older of the two"
        return NotLookedError(
            f"the engine{_asked()} and the docker client have no version of the API in common: {said}. Do: {mend}",
            before,
        )
    where = _asked(document.get("Client", {}).get("Context", ""))
    said = said.removesuffix("Is the docker daemon running?").rstrip(" .")  # what to do comes behind it
    return NotLookedError(f"no container engine answers{where}: {said}. {INSTALL}", before)


def _asked(current: str = "") -> str:
    """Name the engine that was asked for, as part of a sentence; "" for the client's own default.

    Args:
        current: the context that the client named, in force where the environment names nothing.
    """
    if host := _named("DOCKER_HOST"):
        return f" at {host} (DOCKER_HOST)"
    if context := _named("DOCKER_CONTEXT"):
        return f" in context {context} (DOCKER_CONTEXT)"
    return f" in context {current} (docker context use)" if current not in {"", "default"} else ""


def _named(variable: str) -> str:
    return os.environ.get(variable, "")


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


# ------------------------------------------------------------------------------- who owns what on the engine


class Lease:
    """A run's name, held by a lock that the kernel lets go of when the process dies, however it dies.

    Attributes:
        id: ten hexadecimal digits, unique to this run.
    """

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        while self._file is None:  # a sweep may have taken the new file for a dead run's
            self.id = secrets.token_hex(5)
            self._file = _lock(_path(self.id))
        self.folder.mkdir(mode=0o700)
        process.home.move(self.id, self.folder)

    @property
    def folder(self) -> Path:
        """The folder of the run's temporary files, its tools' included."""
        return _path(self.id).with_suffix("")

    @property
    def labels(self) -> dict[str, str]:
        """The labels of everything that the run creates."""
        return {LABEL_RUN: self.id, LABEL_HOST: host_name()}

    @property
    def arguments(self) -> list[str]:
        """The labels as arguments of `docker run` and the like."""
        return [f"--label={name}={value}" for name, value in self.labels.items()]

    def release(self) -> None:
        """Give it back; its file goes."""
        if self._file is not None:
            if process.home.run == self.id:
                process.home.move()
            _forget_files(self.id, self._file)
            self._file = None


def host_name() -> str:
    """Name this machine and this user's cache folder: leases of others cannot be judged from here."""
    return hashlib.sha256(f"{socket.gethostname()}:{cache_folder('runs')}".encode()).hexdigest()[:12]


def _path(identity: str) -> Path:
    return cache_folder("runs") / f"{identity}.lock"


def _lock(path: Path) -> IO[str] | None:
    """Take a lock without waiting; None where a living process holds it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:  # else its last holder has just removed it
            return file
    except OSError:
        pass
    file.close()
    return None


def _forget_files(run: str, lock: IO[str]) -> None:
    """Remove the files of a run whose lock is held, the lock last."""
    shutil.rmtree(_path(run).with_suffix(""), ignore_errors=True)
    _path(run).unlink(missing_ok=True)
    lock.close()


def sweep(engine: Engine, lease: Lease) -> list[str]:
    """Remove what dead runs of this machine and user left here and on the engine; return their ids.

    Their tools go first: a `docker compose up` that lives on would go on creating.
    """
    dead = []
    here = {path.stem for path in cache_folder("runs").glob("*.lock")}
    there = _runs(engine)
    for run in sorted((here | there) - {lease.id}):
        file = _lock(_path(run))
        if file is not None:
            process.end_all_of(run)
            if run in there or run in _runs(engine):
                remove(engine, run)
            _forget_files(run, file)
            dead.append(run)
    _forget(engine)
    return dead


def _runs(engine: Engine) -> set[str]:
    """Ids of the runs of this machine and user that have something on the engine."""
    mine = f"label={LABEL_HOST}={host_name()}"
    label = f'{{{{.Label "{LABEL_RUN}"}}}}'
    listings = process.parallel(
        lambda command: engine.docker(*command).stdout.split(),
        [
            ["ps", "--all", "--filter", mine, "--format", label],
            ["network", "ls", "--filter", mine, "--format", label],
            ["volume", "ls", "--filter", mine, "--format", label],
            ["image", "ls", "--filter", f"reference={REPOSITORY}/{host_name()}/*", "--format", "{{.Tag}}"],
        ],
        workers=2,
    )
    return {run for listing in listings for run in listing if re.fullmatch(r"[0-9a-f]{10}", run)}


def tag(lease: Lease, name: str) -> str:
    """Name an image for the time of a run, so that FROM and tools that want a name can say it."""
    return f"{_name(name)}:{lease.id}"


def last_tag(folder: Path, name: str) -> str:
    """Name an image until its next build, or until the folder that it was built from is gone."""
    found = f"{_name(f'{folder.name}-{name}')}:last"
    note = cache_folder("last") / hashlib.sha256(found.encode()).hexdigest()[:16]
    note.write_text(json.dumps({"tag": found, "folder": str(folder)}), encoding="utf-8")
    return found


def _forget(engine: Engine) -> None:
    """Drop the last images of folders that are gone."""
    for note in cache_folder("last").iterdir():
        with contextlib.suppress(OSError, ValueError, KeyError, NotLookedError):
            known = json.loads(note.read_text(encoding="utf-8"))
            if not Path(known["folder"]).exists():
                engine.docker("image", "rm", known["tag"], check=False)
                note.unlink(missing_ok=True)


def _name(name: str) -> str:
    safe = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "image"
    return f"{REPOSITORY}/{host_name()}/{safe}"


def remove(engine: Engine, run: str, project: str = "") -> None:
    """Remove the containers, networks, volumes and tags of a run, or of one compose project of it.

    Bounded, and goes on after a failure: what is left is tried again by the next run's sweep.

    Raises:
        NotLookedError: something is still there, with its name and the engine's words.
    """
    for _ in range(ROUNDS):
        problems, found = _remove_round(engine, run, project)
        if not found:
            return
        # What the engine was still creating when its client was stopped shows up a moment later.
    if problems:
        raise NotLookedError(f"could not remove everything that run {run} created", "\n".join(problems))


def _remove_round(engine: Engine, run: str, project: str) -> tuple[list[str], bool]:
    """Remove what is there; return what went wrong, and whether anything was there."""
    filters = ["--filter", f"label={LABEL_RUN}={run}"]
    filters += ["--filter", f"label={LABEL_PROJECT}={project}"] if project else []
    problems: list[str] = []
    seen = False
    for listing, removal in (
        (["ps", "--all", "--quiet", "--no-trunc", *filters], ["rm", "--force", "--volumes"]),
        (["network", "ls", "--quiet", *filters], ["network", "rm", "--force"]),
        (["volume", "ls", "--quiet", *filters], ["volume", "rm", "--force"]),
    ):
        found = engine.docker(*listing, timeout=30).stdout.split()
        seen = seen or bool(found)
        problems += _remove(engine, found, removal)
    if not project:
        found = _images(engine, run)
        seen = seen or bool(found)
        problems += _remove(engine, found, ["image", "rm", "--force"])
    return problems, seen


def _images(engine: Engine, run: str) -> list[str]:
    """Tags of the run, and images that other tools made from its labelled ones."""
    named = f"reference={REPOSITORY}/{host_name()}/*:{run}"
    form = "{{.Repository}}:{{.Tag}}"
    tags = engine.docker("image", "ls", "--filter", named, "--format", form, timeout=30).stdout.split()
    labelled = ["--filter", f"label={LABEL_RUN}={run}", "--filter", "dangling=true"]
    return tags + engine.docker("image", "ls", "--quiet", "--no-trunc", *labelled, timeout=30).stdout.split()


def untag(engine: Engine, *names: str) -> None:
    """Remove tags from the engine that builds, by name or by run, with those that dead runs left there."""
    there = ("--context", engine.builder.keeper)
    listing = ["image", "ls", "--filter", f"reference={REPOSITORY}/{host_name()}/*"]
    known = engine.docker(
        *there, *listing, "--format", "{{.Repository}}:{{.Tag}}", check=False
    ).stdout.split()
    gone = [
        each
        for each in known
        if {each, each.rpartition(":")[2]} & {*names} or _is_dead(each.rpartition(":")[2])
    ]
    _remove(engine, gone, [*there, "image", "rm"])


def _is_dead(run: str) -> bool:
    """Whether a run's lock can be taken; False for what is no run's name."""
    file = _lock(_path(run)) if re.fullmatch(r"[0-9a-f]{10}", run) else None
    if file is None:
        return False
    _path(run).unlink(missing_ok=True)
    file.close()
    return True


def _remove(engine: Engine, names: Iterable[str], removal: Sequence[str]) -> list[str]:
    """Remove things by name; what is gone already does not count. Return what went wrong."""
    names = list(names)
    if not names:
        return []
    try:
        answer = engine.docker(*removal, *names, timeout=60, check=False)
    except NotLookedError as error:
        return [str(error)]
    gone = ("no such", "not found", "already in progress")
    lines = answer.stderr.splitlines() if answer.exit_code else []
    return [line for line in lines if not any(word in line.lower() for word in gone)]

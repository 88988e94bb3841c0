"""What a built image is: its config, history, layers and files, as values that probes can ask.

Nothing here reads an engine or a disk; `dockproof.collect.image` builds these values.
"""

from __future__ import annotations

import re
from functools import cached_property

from dockproof.facts import capabilities
from dockproof.facts.accounts import Group, ResolvedUser, User, parse_group, parse_passwd, resolve_user
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from dockproof.facts.blame import Blame
    from dockproof.facts.stages import Stage

NANOSECONDS = 1e9
MAX_LINKS = 40


class HealthConfig(NamedTuple):
    """The health check of an image or container, with the engine's defaults filled in.

    Attributes:
        test: as in the config: `("CMD", …)`, `("CMD-SHELL", "…")` or `("NONE",)`.
        interval: seconds between probes once started.
        timeout: seconds that one probe may take.
        start_period: seconds after the start in which failures do not count.
        start_interval: seconds between probes in the start period (engines from 25 on).
        retries: failures in a row that make it unhealthy.
    """

    test: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    start_interval: float = 5.0
    retries: int = 3

    @property
    def disabled(self) -> bool:
        """Whether it says `NONE`, or nothing at all."""
        return not self.test or self.test[0] == "NONE"

    @property
    def time_to_unhealthy(self) -> float:
        """Seconds from the moment the service is dead until the engine must call it unhealthy, at most.

        A probe that has just passed, then `retries` intervals, each followed by a probe that times out.
        """
        return self.retries * (self.interval + self.timeout)

    @property
    def time_to_healthy(self) -> float:
        """Seconds from the start after which a container that is not healthy has failed its own check."""
        return self.start_period + self.time_to_unhealthy


class ImageConfig(NamedTuple):
    """How the image says it wants to be run.

    Attributes:
        user: as written, "" where none is set.
        ports: as `8000/tcp`, in order of port.
        shell: the shell of shell-form instructions, empty where none is set.
        created: RFC 3339 time, "" where unknown.
        architecture: as Go spells it (`amd64`, `arm64`); `variant` tells its version (`v8`), "" where none is set.
        args_escaped: whether the command was written in shell form on Windows.
        author: of the old MAINTAINER, "" where none is set.
        stop_timeout: seconds between the stop signal and the kill, None where the engine's default holds.
    """

    user: str = ""
    env: Mapping[str, str] = {}
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    healthcheck: HealthConfig | None = None
    workdir: str = ""
    labels: Mapping[str, str] = {}
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    created: str = ""
    os: str = ""
    architecture: str = ""
    args_escaped: bool = False
    variant: str = ""
    author: str = ""
    stop_timeout: int | None = None

    @property
    def platform(self) -> str:
        """`os/architecture[/variant]`, as --platform takes it."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def argv(self) -> tuple[str, ...]:
        """What the engine runs: the entrypoint followed by the command."""
        return self.entrypoint + self.command


class HistoryEntry(NamedTuple):
    """One step of the image's history.

    Attributes:
        created_by: the instruction, as the builder recorded it.
        empty: whether it made no layer.
        layer: index of the layer that it made, None for an empty one.
    """

    created_by: str
    empty: bool
    layer: int | None
    comment: str = ""
    created: str = ""


class FileEntry(NamedTuple):
    """One file of one layer.

    Attributes:
        path: absolute, without a trailing slash; "/" is the root.
        type: `file`, `dir`, `link`, `hardlink`, `char`, `block` or `fifo`.
        mode: permission bits, setuid, setgid and sticky included (0o7777).
        size: bytes; 0 for anything but a file.
        mtime: seconds since 1970.
        link: target of a link as written; of a hardlink, its absolute path.
        layer: index of the layer that it comes from.
        digest: `sha256` of a file's content in hexadecimal digits; "" where it is not known, and for other types.
        xattrs: extended attributes, name to value in hexadecimal digits, as `(("security.capability", "0100…"),)`.
    """

    path: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: str
    layer: int
    digest: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()

    @property
    def is_setuid(self) -> bool:
        """Whether it is a file that runs as its owner or group."""
        return self.type in {"file", "hardlink"} and bool(self.mode & 0o6000)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that it lends to whoever runs it, as `cap_net_raw`, lowest number first."""
        value = dict(self.xattrs).get(capabilities.ATTRIBUTE)
        return capabilities.of_attribute(bytes.fromhex(value)) if value is not None else ()

    @property
    def is_world_writable(self) -> bool:
        """Whether anybody may write it; links have no rights of their own."""
        return self.type != "link" and bool(self.mode & 0o002)

    def writable_by(self, uid: int, gids: Iterable[int]) -> bool:
        """Tell whether the permission bits let this user write it (root always may)."""
        if uid == 0:
            return True
        if self.uid == uid:
            return bool(self.mode & 0o200)
        return bool(self.mode & (0o020 if self.gid in set(gids) else 0o002))


class Layer(NamedTuple):
    """One layer: what it adds, and what it takes away from those below.

    Attributes:
        index: 0 is the lowest.
        diff_id: digest of the uncompressed layer, as `sha256:…`.
        size: bytes of its files.
        history: the step that made it, None where the history does not tell.
        entries: its files, in the archive's order.
        whiteouts: absolute paths that it deletes.
        opaque: folders whose lower content it hides whole.
        replaced: files that a later entry of the same layer replaces; no engine makes such layers.
    """

    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody asks a layer for
    diff_id: str
    size: int
    history: HistoryEntry | None
    entries: tuple[FileEntry, ...]
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    replaced: tuple[FileEntry, ...] = ()


class Hidden(NamedTuple):
    """A file of a layer that no container sees: its bytes are shipped all the same.

    Attributes:
        entry: the file.
        layer: index of the layer that hides it.
        how: `replaced` (another entry of its path), `deleted` (a whiteout, of it or of a folder around it), `opaque`
            (its folder's lower content is hidden) or `covered` (a folder around it became something else).
    """

    entry: FileEntry
    layer: int
    how: str


class Package(NamedTuple):
    """An installed package.

    Attributes:
        manager: `dpkg`, `apk`, `rpm`, `python` or `npm`.
        path: the file that says so: a database, or the package's own metadata.
    """

    name: str
    version: str
    manager: str
    path: str = ""


class ImageFacts:
    """Everything that probes know of one image.

    Attributes:
        reference: what the user calls it.
        id: the engine's image id, `sha256:…`.
        repo_digests: `name@sha256:…` of the registries it is known from.
        history: oldest first.
        layers: lowest first.
        size: bytes, as the engine counts them (0 where no engine did).
        texts: content of the text files that were kept, by (layer, path).
        beside: a sentence for each kind of thing that its archive holds beside it, and that nobody looked at.
    """

    def __init__(
        self,
        *,
        reference: str,
        id: str,  # noqa: A002 - the engine's word
        config: ImageConfig,
        history: tuple[HistoryEntry, ...] = (),
        layers: tuple[Layer, ...] = (),
        size: int = 0,
        repo_digests: tuple[str, ...] = (),
        texts: Mapping[tuple[int, str], bytes] | None = None,
    ) -> None:
        self.beside: tuple[str, ...] = ()
        self.reference = reference
        self.id = id
        self.config = config
        self.history = history
        self.layers = layers
        self.size = size
        self.repo_digests = repo_digests
        self.texts: Mapping[tuple[int, str], bytes] = {} if texts is None else texts

        self._blames: list[Blame] = []
        self.databases: dict[tuple[int, str], frozenset[str]] = {}
        """Names in a layer's package database, as far as they were asked for (`facts.installed`)."""

    def __repr__(self) -> str:
        return f"<ImageFacts {self.reference} {self.id[:19]} layers={len(self.layers)}>"

    def blame(self, base: ImageFacts | None = None, stage: Stage | None = None) -> Blame:
        """Return where its parts come from, worked out once for a base and a stage of its Dockerfile."""
        from dockproof.facts.blame import Blame  # noqa: PLC0415 - it reads these values

        for known in self._blames:
            if known.base is base and known.stage is stage:
                return known
        self._blames.append(Blame(self, base, stage))
        return self._blames[-1]

    @cached_property
    def files(self) -> Mapping[str, FileEntry]:
        """The merged view, by absolute path: later layers win, whiteouts applied."""
        return merge(self.layers)

    @cached_property
    def hidden(self) -> tuple[Hidden, ...]:
        """What no container sees any more, lowest hiding layer first: what shipped bytes are wasted on."""
        found: list[Hidden] = []
        merge(self.layers, found)
        return tuple(found)

    def find(self, path: str) -> FileEntry | None:
        """Return the entry at a path with links followed inside the image; None where there is none."""
        resolved = self.resolve(path)
        return None if resolved is None else self.files.get(resolved)

    def resolve(self, path: str) -> str | None:
        """Follow every link of a path inside the image; None for a loop. The last part may be missing."""
        todo, done = _parts(path)[::-1], ""
        for _ in range(MAX_LINKS + len(todo)):
            if not todo:
                return done or "/"
            part = todo.pop()
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            entry = self.files.get(f"{done}/{part}")
            if entry is None or entry.type != "link":
                done = f"{done}/{part}"
                continue
            if entry.link.startswith("/"):
                done = ""
            todo += _parts(entry.link)[::-1]
        return None

    def read(self, path: str) -> bytes | None:
        """Return the content of a text file in the merged view; None where it is missing or was not kept.

        Facts keep files without NUL bytes up to a size (`dockproof.collect.layer.TEXT_LIMIT`).
        """
        entry = self.find(path)
        if entry is not None and entry.type == "hardlink":
            entry = self.find(entry.link)
        return None if entry is None else self.texts.get((entry.layer, entry.path))

    def contents(self, layers: Iterable[Layer] | None = None) -> Iterator[tuple[FileEntry, bytes]]:
        """Yield each kept text file of the layers (all by default) with its content, deleted ones too."""
        for layer in self.layers if layers is None else layers:
            for entry in layer.entries:
                text = self.texts.get((layer.index, entry.path)) if entry.type == "file" else None
                if text is not None:
                    yield entry, text
            for number, entry in enumerate(layer.replaced):
                text = self.texts.get((layer.index, replaced_text(entry.path, number)))
                if text is not None:
                    yield entry, text

    @cached_property
    def users(self) -> Mapping[str, User]:
        """/etc/passwd by name; the first entry of a name wins, as for the engine."""
        entries = parse_passwd(self.read("/etc/passwd") or b"")
        return {user.name: user for user in reversed(entries)}

    @cached_property
    def groups(self) -> Mapping[str, Group]:
        """/etc/group by name; the first entry of a name wins."""
        entries = parse_group(self.read("/etc/group") or b"")
        return {group.name: group for group in reversed(entries)}

    @cached_property
    def packages(self) -> tuple[Package, ...]:
        """Installed packages that dpkg, apk, rpm, Python's and npm's metadata know of, sorted."""
        from dockproof.facts import installed  # noqa: PLC0415 - few questions need it

        return tuple(sorted(set(installed.packages(self))))

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """A sentence for each package database that is there and could not be read."""
        from dockproof.facts import installed  # noqa: PLC0415 - as above

        return tuple(installed.unread(self))

    def package_layer(self, package: Package) -> int | None:
        """Return the index of the layer that brought a package; an upgrade in a later one does not count."""
        from dockproof.facts import installed  # noqa: PLC0415 - as above

        return installed.layer_of(self, package)

    @cached_property
    def os_release(self) -> Mapping[str, str]:
        """/etc/os-release as a mapping, empty where the image has none."""
        return parse_os_release(self.read("/etc/os-release") or b"")

    def resolve_user(self, text: str | None = None) -> ResolvedUser:
        """Say who a USER text (the config's own by default) is in this image."""
        passwd = self.read("/etc/passwd")
        group = self.read("/etc/group")
        return resolve_user(
            self.config.user if text is None else text,
            None if passwd is None else parse_passwd(passwd),
            None if group is None else parse_group(group),
        )

    def is_based_on(self, base: ImageFacts) -> bool:
        """Tell whether the base's layers are this image's lowest ones."""
        own = [layer.diff_id for layer in self.layers]
        below = [layer.diff_id for layer in base.layers]
        return own[: len(below)] == below

    def own_layers(self, base: ImageFacts | None) -> tuple[Layer, ...]:
        """Return the layers that stand over the base; all where it is unknown or not this image's base."""
        if base is None or not self.is_based_on(base):
            return self.layers
        return self.layers[len(base.layers) :]

    def layer_files(self, layer: Layer) -> Iterator[FileEntry]:
        """Yield the entries of a layer that are still visible in the merged view."""
        return (entry for entry in layer.entries if self.files.get(entry.path) is entry)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def replaced_text(path: str, number: int) -> str:
    """Return what the text of a replaced file is kept under: no path of an image has a NUL byte."""
    return f"{path}\0{number}"


def merge(layers: Iterable[Layer], hidden: list[Hidden] | None = None) -> dict[str, FileEntry]:
    """Stack layers into the tree that a container sees, by absolute path.

    Deletions of a layer reach the layers below it only, never its own files. What a layer hides is added to `hidden`.
    """
    tree: dict[str, FileEntry] = {}
    for layer in layers:
        gone = dict.fromkeys(layer.whiteouts, "deleted") | dict.fromkeys(_replaced(tree, layer), "covered")
        if gone or layer.opaque:
            _delete(tree, gone, layer, hidden)
        if hidden is not None:
            hidden += _overwritten(tree, layer)
        tree.update((entry.path, entry) for entry in layer.entries)
    return tree


def _replaced(tree: Mapping[str, FileEntry], layer: Layer) -> Iterator[str]:
    """Folders of the lower tree that this layer replaces by something that is none."""
    for entry in layer.entries:
        if entry.type != "dir" and (old := tree.get(entry.path)) is not None and old.type == "dir":
            yield entry.path


def _delete(
    tree: dict[str, FileEntry], gone: Mapping[str, str], layer: Layer, hidden: list[Hidden] | None
) -> None:
    """Take away what whiteouts, opaque folders and replaced folders of a layer hide."""
    folders = {path.rstrip("/"): "opaque" for path in layer.opaque} | {**gone}
    prefixes = tuple(f"{path}/" for path in folders)
    for path in [path for path in tree if path in gone or path.startswith(prefixes)]:
        if path != "/":
            entry = tree.pop(path)
            if hidden is not None:
                hidden.append(Hidden(entry, layer.index, _how(path, gone, folders)))


def _how(path: str, gone: Mapping[str, str], folders: Mapping[str, str]) -> str:
    if path in gone:
        return gone[path]
    return next(how for folder, how in folders.items() if path.startswith(f"{folder}/"))


def _overwritten(tree: Mapping[str, FileEntry], layer: Layer) -> Iterator[Hidden]:
    """Lower files that an entry of this layer stands in place of; a folder above a folder hides nothing."""
    for entry in layer.entries:
        old = tree.get(entry.path)
        if old is not None and not (old.type == entry.type == "dir"):
            yield Hidden(old, layer.index, "replaced")


# ------------------------------------------------------------------------------------------------- config


def parse_config(document: Mapping[str, Any]) -> ImageConfig:
    """Build the config from an image's own JSON (`config`, `created`, `os`, …), as archives hold it.

    `docker image inspect` spells the outer keys with capitals; both are read. Null counts as absent.
    """
    outer = {str(key).lower(): value for key, value in document.items()}
    config: Mapping[str, Any] = outer.get("config") or {}
    return ImageConfig(
        user=config.get("User") or "",
        env=_environment(config.get("Env") or ()),
        command=_words(config.get("Cmd")),
        entrypoint=_words(config.get("Entrypoint")),
        healthcheck=parse_health(config.get("Healthcheck")),
        workdir=config.get("WorkingDir") or "",
        labels=dict(config.get("Labels") or {}),
        ports=tuple(sorted(config.get("ExposedPorts") or (), key=_port_key)),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        stop_signal=config.get("StopSignal") or None,
        shell=_words(config.get("Shell")),
        on_build=_words(config.get("OnBuild")),
        created=outer.get("created") or "",
        os=outer.get("os") or "",
        architecture=outer.get("architecture") or "",
        args_escaped=bool(config.get("ArgsEscaped")),
        variant=outer.get("variant") or "",
        author=outer.get("author") or "",
        stop_timeout=config.get("StopTimeout"),
    )


def _words(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Read a command as engines write it: a list, a bare string (old ones), or null."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _environment(pairs: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _port_key(port: str) -> tuple[int, str]:
    number = port.partition("/")[0]
    return (int(number) if number.isascii() and number.isdigit() else 0, port)


def parse_health(check: Mapping[str, Any] | None) -> HealthConfig | None:
    """Read a health check with its times in nanoseconds; 0 and absent mean the engine's default."""
    if not check or not check.get("Test"):
        return None
    default = HealthConfig(())
    return HealthConfig(
        test=_words(check["Test"]),
        interval=_seconds(check.get("Interval"), default.interval),
        timeout=_seconds(check.get("Timeout"), default.timeout),
        start_period=_seconds(check.get("StartPeriod"), default.start_period),
        start_interval=_seconds(check.get("StartInterval"), default.start_interval),
        retries=int(check.get("Retries") or default.retries),
    )


def _seconds(nanoseconds: float | None, default: float) -> float:
    return nanoseconds / NANOSECONDS if nanoseconds else default


def parse_history(steps: Iterable[Mapping[str, Any]] | None) -> tuple[HistoryEntry, ...]:
    """Read the history of an image's JSON, oldest first, and number the layers that its steps made."""
    entries, layer = [], 0
    for step in steps or ():
        empty = bool(step.get("empty_layer"))
        entries.append(
            HistoryEntry(
                created_by=step.get("created_by") or "",
                empty=empty,
                layer=None if empty else layer,
                comment=step.get("comment") or "",
                created=step.get("created") or "",
            )
        )
        layer += not empty
    return tuple(entries)


# ------------------------------------------------------------------------------------------ small databases


def parse_os_release(text: bytes) -> dict[str, str]:
    """Read os-release: `KEY=value`, quotes removed, comments and odd lines left out."""
    found = re.finditer(r"^([A-Za-z0-9_]+)=(.*)$", text.decode("utf-8", "replace"), re.MULTILINE)
    return {match[1]: match[2].strip().strip("\"'") for match in found}

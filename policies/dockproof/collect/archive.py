"""Read images where they lie: a stream of `docker save`, an archive on disk (docker-archive, OCI archive), or a folder.

A stream is read once, front to back: its blobs come in any order and only the manifest at the end says which is what,
so each is taken for what it looks like, JSON or a layer. On disk only what the chosen image needs is read. Everything
is compared with the digests that name it, and nothing outside the archive or folder is ever opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import os
import posixpath
import stat
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from dockproof.collect import image_shape, tar
from dockproof.collect import layer as layers
from dockproof.collect.tar import ArchiveError
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dockproof.collect.layer import LayerDraft, Pack

JSON_LIMIT = 8 * 1024 * 1024
"""Bytes of the largest config or manifest."""

DOCUMENTS_LIMIT = 64 * 1024 * 1024
"""Bytes of all JSON blobs that a stream may bring."""

DEPTH = 4
"""How deep indexes may lie in indexes."""

LAYERS_LIMIT = 1024
ALIASES = 8
IGNORED = frozenset({"VERSION", "oci-layout", "repositories"})
MANIFEST, INDEX = "manifest.json", "index.json"

ATTESTATION = "vnd.docker.reference.type"
"""The annotation by which BuildKit tells an attestation from an image."""

_BLOB = pattern(r"(?:^|/)blobs/sha256/([0-9a-f]{64})$")
_DIGEST = pattern(r"sha256:[0-9a-f]{64}")
_CONFIG = pattern(r"(?:^|/)([0-9a-f]{64})\.json$")


class Draft(NamedTuple):
    """One image of an archive: its id, its own JSON, and its layers from the lowest; images may share layers.

    Attributes:
        beside: sentences about what else the archive holds.
    """

    id: str
    config: Mapping[str, Any]
    layers: tuple[LayerDraft, ...]
    beside: tuple[str, ...] = ()


class Source(Protocol):
    """Where the blobs of an archive come from, by name."""

    def text(self, name: str) -> bytes | None:
        """Return a JSON blob, None where there is none of that name."""

    def layer(self, name: str) -> LayerDraft:
        """Return a layer."""


class _Named(NamedTuple):
    """An image that a manifest or index names.

    Attributes:
        config: name of its JSON's blob.
        layers: names of its layers' blobs.
        label: what the archive calls it, "" for nothing.
    """

    config: str
    layers: tuple[str, ...]
    label: str


class _Listed(NamedTuple):
    """What a manifest or index names.

    Attributes:
        images: the images.
        others: how many attestations, signatures and other artifacts it names too.
    """

    images: list[_Named]
    others: int = 0


def read_stream(stream: IO[bytes], pack: Pack, platform: str = "") -> list[Draft]:
    """Read an archive from a stream to its end and return the images for the platform, all of its manifest.

    Args:
        stream: the archive, compressed or not; its `read` gives all bytes that are asked for.
        pack: takes the texts.
        platform: `os/architecture[/variant]`, "" = any; of an index, the machine's own.

    Raises:
        ArchiveError: it is no image archive, is cut off, or holds what images do not hold.
    """
    return _drafts(_Stream(stream, pack), pack, platform)


def read_path(path: Path, pack: Pack, platform: str = "") -> list[Draft]:
    """Read an archive on disk, or a folder of the OCI layout (or of what `docker save` wrote), likewise.

    Raises:
        ArchiveError: as above, or it is neither a file nor a folder.
        OSError: it cannot be read.
    """
    if path.is_dir():
        return _drafts(_Disk(_Folder(path), pack), pack, platform)
    with contextlib.closing(_opened(path)) as file:
        packed = layers.Metered(cast("IO[bytes]", file))
        inner = layers.unpacked(io.BufferedReader(packed, layers.BUFFER))
        if inner is not None:
            meter = layers.Metered(inner, packed)
            try:
                return read_stream(io.BufferedReader(meter, layers.BUFFER), pack, platform)
            except layers.DAMAGE as error:
                raise ArchiveError(f"the archive's compressed data is damaged: {error}") from error
        file.seek(0)
        return _drafts(_Disk(_File(file), pack), pack, platform)


def _opened(path: Path) -> io.BufferedReader:
    """Open a regular file; a pipe or device would hang or never end.

    Raises:
        ArchiveError: it is something else.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ArchiveError("it is no file but a device, pipe or folder")
    return io.BufferedReader(io.FileIO(handle, "rb"), layers.BUFFER)


# -------------------------------------------------------------------------------------------------- sources


class _Stream:
    """The blobs of a stream, all read; what is no layer is complained about when it is asked for as one."""

    def __init__(self, stream: IO[bytes], pack: Pack) -> None:
        self._texts: dict[str, bytes] = {}
        self._layers: dict[str, LayerDraft | ArchiveError] = {}
        self._aliases: dict[str, str] = {}
        self._pack = pack
        for member, body in tar.members(stream):
            name = _clean(member.name)
            if member.type in {"link", "hardlink"}:
                self._aliases[name] = _target(member)
            elif member.type == "file" and posixpath.basename(name) not in IGNORED:
                self._blob(name, member.size, body)
        if sum(map(len, self._texts.values())) > DOCUMENTS_LIMIT:
            raise ArchiveError(f"the archive holds more than {DOCUMENTS_LIMIT >> 20} MiB of JSON")

    def _blob(self, name: str, size: int, body: tar.Body) -> None:
        stream = io.BufferedReader(body, layers.BUFFER)
        head = stream.peek(tar.BLOCK)
        # A layer may begin with a file named `[id].js`.
        if head[:1] in {b"{", b"["} and not tar.is_header(head):
            if size <= JSON_LIMIT and sum(map(len, self._texts.values())) <= DOCUMENTS_LIMIT:
                self._texts[name] = stream.read()
        else:
            try:
                self._layers[name] = layers.read(stream, self._pack)
            except ArchiveError as error:
                self._layers[name] = error
        stream.detach()

    def text(self, name: str) -> bytes | None:
        return self._texts.get(_follow(name, self._texts, self._aliases))

    def layer(self, name: str) -> LayerDraft:
        found = self._layers.get(_follow(name, self._layers, self._aliases))
        if found is None:
            raise _lacking(name)
        if isinstance(found, ArchiveError):
            raise found
        return found


class _Opener(Protocol):
    """Opens blobs on disk by name."""

    def open(self, name: str) -> tuple[IO[bytes], int] | None:
        """Return a blob's stream and size, None where there is none of that name."""


class _Disk:
    """The blobs of a file or folder, read when they are asked for."""

    def __init__(self, opener: _Opener, pack: Pack) -> None:
        self._opener = opener
        self._pack = pack
        self._known: dict[str, LayerDraft] = {}

    def text(self, name: str) -> bytes | None:
        found = self._opener.open(name)
        if found is None:
            return None
        with contextlib.closing(found[0]) as stream:
            if found[1] > JSON_LIMIT:
                raise ArchiveError(
                    f"{name} has more than {JSON_LIMIT >> 20} MiB, which no config or manifest has"
                )
            return tar.exactly(stream, found[1])

    def layer(self, name: str) -> LayerDraft:
        if name not in self._known:
            found = self._opener.open(name)
            if found is None:
                raise _lacking(name)
            with contextlib.closing(found[0]) as stream:
                self._known[name] = layers.read(stream, self._pack)
        return self._known[name]


class _Folder:
    """An image's folder; links that lead out of it are refused."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def open(self, name: str) -> tuple[IO[bytes], int] | None:
        path = self._root / _clean(name)
        try:
            if not path.resolve(strict=True).is_relative_to(self._root):
                raise ArchiveError(f"{name} leads out of the image's folder")
            stream = _opened(path.resolve())
        except FileNotFoundError:
            return None
        except (RuntimeError, NotADirectoryError):  # a loop of links; a file where a folder should be
            return None
        return stream, os.fstat(stream.fileno()).st_size


class _File:
    """An archive on disk: its entries are listed first, then read where they lie."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        self._aliases: dict[str, str] = {}
        for member, _ in tar.members(file):
            name = _clean(member.name)
            if member.type in {"link", "hardlink"}:
                self._aliases[name] = _target(member)
            elif member.type == "file":
                self._places[name] = (file.tell(), member.size)

    def open(self, name: str) -> tuple[IO[bytes], int] | None:
        place = self._places.get(_follow(name, self._places, self._aliases))
        if place is None:
            return None
        self._file.seek(place[0])
        return io.BufferedReader(tar.Body(self._file, place[1]), layers.BUFFER), place[1]


def _clean(name: str) -> str:
    """Return a name from the archive's root; one that climbs stays below it."""
    return posixpath.normpath(f"/{name}").lstrip("/")


def _target(member: tar.Member) -> str:
    folder = posixpath.dirname(_clean(member.name)) if member.type == "link" else ""
    return _clean(posixpath.join(folder, member.link))


def _follow(name: str, known: Mapping[str, object], aliases: Mapping[str, str]) -> str:
    """Follow links between blobs (older engines link a layer that two images share)."""
    name = _clean(name)
    for _ in itertools.repeat(None, ALIASES):
        if name in known:
            break
        name = aliases.get(name, "")
    return name


def _lacking(name: str) -> ArchiveError:
    return ArchiveError(f"the archive is cut off or damaged: it lacks {name[:100]}, which its manifest names")


# ------------------------------------------------------------------------------------------------ manifests


def _drafts(source: Source, pack: Pack, platform: str) -> list[Draft]:
    try:
        listed = _listed(source)
        platforms = _by_platform(listed.images, source)
        chosen = _choose(platforms, platform)
        beside = tuple(_beside(platforms, chosen, listed.others))
        drafts = [_draft(source, one)._replace(beside=beside) for some in chosen.values() for one in some]
    except (KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"this is no image archive: its manifest has no {error}") from error
    pack.flush()
    return drafts


def _draft(source: Source, named: _Named) -> Draft:
    """Read one image and compare everything with the digests that name it."""
    if len(named.layers) > LAYERS_LIMIT:
        raise ArchiveError(f"the image has {len(named.layers)} layers; no engine makes more than 127")
    text = _needed(source, named.config)
    digest = "sha256:" + hashlib.sha256(text).hexdigest()
    _same(named.config, digest)
    config = _json(named.config, text)
    if wrong := image_shape.problem(config):
        raise ArchiveError(f"the image's config is none that an engine takes: {wrong[:200]}")
    found = tuple(source.layer(name) for name in named.layers)
    diff_ids = (config.get("rootfs") or {}).get("diff_ids") or []
    if len(diff_ids) != len(found):
        raise ArchiveError(f"its config names {len(diff_ids)} layers, its archive {len(found)}")
    for name, diff_id, each in zip(named.layers, diff_ids, found, strict=True):
        _same(name, each.packed_digest)
        if each.digest != diff_id:
            raise ArchiveError(f"a layer is damaged: its config says {diff_id}, its content is {each.digest}")
    return Draft(digest, config, found)


def _same(name: str, digest: str) -> None:
    """Compare a blob with the digest in its name.

    Raises:
        ArchiveError: it is another.
    """
    match = _BLOB.search(name) or _CONFIG.search(name)
    if match and digest != f"sha256:{match[1]}":
        raise ArchiveError(f"the blob sha256:{match[1]} is damaged: its content is {digest}")


def _needed(source: Source, name: str) -> bytes:
    text = source.text(name)
    if text is None:
        raise _lacking(name)
    return text


def _json(name: str, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{name[:100]} in the archive is no JSON: {error}") from error


def _listed(source: Source) -> _Listed:
    """Return the images of the manifest of `docker save`, else of the OCI index, and what the index names too."""
    manifest, index = source.text(MANIFEST), source.text(INDEX)
    if manifest is not None:
        return _Listed(list(_of_manifest(_json(MANIFEST, manifest))), _others(source, index))
    if index is None:
        raise ArchiveError("this is no image archive: it has neither manifest.json nor index.json")
    found = list(_of_index(source, _json(INDEX, index), DEPTH))
    return _Listed([one for one in found if one], found.count(None))


def _of_manifest(manifest: Any) -> Iterator[_Named]:
    for entry in manifest:
        label = ", ".join(entry.get("RepoTags") or ())
        yield _Named(_text(entry["Config"]), tuple(map(_text, entry["Layers"] or ())), label)


def _others(source: Source, index: bytes | None) -> int:
    """Count what the index names that is no image; one that is no index, beside a sound manifest, names nothing."""
    with contextlib.suppress(ArchiveError, LookupError, TypeError, AttributeError):
        return list(_of_index(source, _json(INDEX, index or b"{}"), DEPTH)).count(None)
    return 0


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"name in {value!r}")
    return value


def _of_index(source: Source, index: Mapping[str, Any], depth: int) -> Iterator[_Named | None]:
    """Follow an OCI index; None for each attestation, signature or other artifact, which is no image."""
    for entry in index["manifests"]:
        name = _blob_name(entry)
        text = source.text(name)
        if text is None:
            continue  # an index names platforms that nobody copied along
        _same(name, "sha256:" + hashlib.sha256(text).hexdigest())
        document = _json(name, text)
        if "manifests" in document:
            if depth:
                yield from _of_index(source, document, depth - 1)
        elif "layers" in document:
            yield _named(entry, document)


def _named(entry: Mapping[str, Any], document: Mapping[str, Any]) -> _Named | None:
    """Return the image that a manifest is of, None where it is an artifact's."""
    platform, notes = entry.get("platform") or {}, entry.get("annotations") or {}
    layers, config = document["layers"], document.get("config")
    told_apart = platform.get("os") == "unknown" or ATTESTATION in notes or document.get("artifactType")
    if (
        told_apart
        or config is None
        or not _is_typed(config, "image")
        or not all(_is_typed(one, "tar") for one in layers)
    ):
        return None
    label = notes.get("org.opencontainers.image.ref.name", "")
    return _Named(_blob_name(config), tuple(map(_blob_name, layers)), str(label))


def _is_typed(descriptor: Mapping[str, Any], word: str) -> bool:
    """Whether a blob is an image's, as far as its media type tells: charts, signatures and SBOMs have their own."""
    kind = descriptor.get("mediaType")
    return not kind or word in kind


def _blob_name(descriptor: Mapping[str, Any]) -> str:
    digest = _text(descriptor["digest"])
    if not _DIGEST.fullmatch(digest):
        raise ArchiveError(f"{digest[:100]!r} is no digest of a blob")
    return "blobs/" + digest.replace(":", "/")


# ----------------------------------------------------------------------------------------------- platforms


def _by_platform(images: list[_Named], source: Source) -> dict[str, list[_Named]]:
    found: dict[str, list[_Named]] = {}
    for one in dict.fromkeys(one._replace(label="") for one in images):
        found.setdefault(_platform(_json(one.config, _needed(source, one.config))), []).append(one)
    return found


def _choose(images: Mapping[str, list[_Named]], platform: str) -> dict[str, list[_Named]]:
    """Pick the images of the platform: the one asked for, else the machine's own where there are several.

    Raises:
        ArchiveError: there is none; says which there are.
    """
    if not images:
        raise ArchiveError("the archive holds no image")
    wanted = platform or ("" if len(images) == 1 else host_platform())
    found = {name: some for name, some in images.items() if matches(name, wanted)}
    if not found:
        hint = "" if platform else "; say which with --platform"
        raise ArchiveError(
            f"the archive holds no image for {wanted}, but for {', '.join(sorted(images))}{hint}"
        )
    return found


def _beside(
    images: Mapping[str, list[_Named]], chosen: Mapping[str, list[_Named]], others: int
) -> Iterator[str]:
    """Say what of an archive is not looked at."""
    left = sorted(images.keys() - chosen.keys())
    if left:
        looked = ", ".join(sorted(chosen))
        yield f"only {looked} was looked at; the archive is for {', '.join(left)} too (--platform)"
    if others:
        what = "an artifact that is no image" if others == 1 else f"{others} artifacts that are no images"
        yield f"the archive holds {what} (attestation, signature or the like)"


def _platform(config: Mapping[str, Any]) -> str:
    """Return `os/architecture[/variant]` of an image's own JSON."""
    return "/".join(str(config[key]) for key in ("os", "architecture", "variant") if config.get(key))


def host_platform() -> str:
    """Return the platform that engines on this machine run, `linux/…`."""
    machine = os.uname().machine
    return "linux/" + {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}.get(
        machine, machine
    )


def matches(platform: str, wanted: str) -> bool:
    """Tell whether a platform is the wanted one; a variant that either leaves open is any."""
    one, two = platform.lower().split("/"), wanted.lower().split("/") if wanted else []
    return all(a == b for a, b in zip(one, two, strict=False)) and len(two) != 1

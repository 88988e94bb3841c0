"""Read an image archive (`docker save`, docker-archive, OCI archive) in one pass of its stream.

Blobs come in any order and only the manifest at the end says which is what, so each is taken for what it looks
like: JSON, or a layer. Memory holds the list of files; their texts go to a file as they come (`Texts`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import posixpath
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from dockproof.collect import tar
from dockproof.collect.tar import ArchiveError
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_LIMIT = 1024 * 1024
"""Bytes of the largest text file whose content facts keep."""

DATABASES = frozenset({"/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed"})
DATABASE_LIMIT = 64 * TEXT_LIMIT
"""Package databases are read whatever their size, up to here."""

JSON_LIMIT = 16 * 1024 * 1024
BLOCK = 512 * 1024
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
IGNORED = frozenset({"VERSION", "oci-layout", "repositories"})
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

Row = tuple[str, str, int, int, int, int, int, str]
"""Path, type, mode, uid, gid, size, mtime, link: `FileEntry` without its layer."""

Span = tuple[int, int, int, int]
"""Where a text lies: offset and length of its block in the file, offset and length in the block."""


class LayerDraft(NamedTuple):
    """What one layer's archive holds; `texts` maps paths to where their content lies."""

    rows: list[Row]
    whiteouts: list[str]
    opaque: list[str]
    texts: dict[str, Span]


class Draft(NamedTuple):
    """One image of an archive: its id, its own JSON, and its layers from the lowest; images may share layers."""

    id: str
    config: Mapping[str, Any]
    layers: tuple[LayerDraft, ...]


class Pack:
    """Writes texts one after the other into compressed blocks of a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._offset = file.tell()
        self._block: list[bytes] = []
        self._size = 0
        self._waiting: list[tuple[dict[str, Span], str, int, int]] = []

    def add(self, spans: dict[str, Span], path: str, text: bytes) -> None:
        """Keep a text; its place is entered into `spans` once its block is written."""
        self._waiting.append((spans, path, self._size, len(text)))
        self._block.append(text)
        self._size += len(text)
        if self._size >= BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write the open block."""
        if not self._waiting:
            return
        data = zlib.compress(b"".join(self._block), 1)
        self._file.write(data)
        for spans, path, offset, length in self._waiting:
            spans[path] = (self._offset, len(data), offset, length)
        self._offset += len(data)
        self._block, self._size, self._waiting = [], 0, []


class Texts(Mapping[tuple[int, str], bytes]):
    """The kept texts by (layer, path), read from their file when asked for."""

    BLOCKS = 16

    def __init__(self, read: Callable[[int, int], bytes], layers: list[dict[str, Span]]) -> None:
        """Take the spans of each layer and a function that returns (offset, length) of the file."""
        self._read = read
        self._layers = layers
        self._cache: OrderedDict[int, bytes] = OrderedDict()

    def __getitem__(self, key: tuple[int, str]) -> bytes:
        layer, path = key
        if not 0 <= layer < len(self._layers):
            raise KeyError(key)
        offset, length, start, size = self._layers[layer][path]
        return self._block(offset, length)[start : start + size]

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return ((index, path) for index, spans in enumerate(self._layers) for path in spans)

    def __len__(self) -> int:
        return sum(map(len, self._layers))

    def _block(self, offset: int, length: int) -> bytes:
        """Return a block uncompressed; the last few are remembered, since neighbours are asked together."""
        if offset not in self._cache:
            self._cache[offset] = zlib.decompress(self._read(offset, length))
            while len(self._cache) > self.BLOCKS:
                self._cache.popitem(last=False)
        return self._cache[offset]


class _Blobs(NamedTuple):
    """What an archive's members turned out to be, by name."""

    documents: dict[str, Any]
    digests: dict[str, str]
    layers: dict[str, LayerDraft]
    aliases: dict[str, str]


def read(stream: IO[bytes], pack: Pack, platform: str = "") -> list[Draft]:
    """Read an image archive to its end and return its images.

    Args:
        stream: the archive; its `read` gives all bytes that are asked for.
        pack: takes the texts.
        platform: `os/architecture` to pick where an OCI archive holds several images, "" = the first.

    Raises:
        ArchiveError: it is no image archive, is cut off, or holds what images do not hold.
    """
    blobs = _Blobs({}, {}, {}, {})
    for member, body in tar.members(stream):
        name = posixpath.normpath(member.name).lstrip("/")
        if member.type in {"link", "hardlink"}:
            folder = posixpath.dirname(name) if member.type == "link" else ""
            blobs.aliases[name] = posixpath.normpath(posixpath.join(folder, member.link))
        elif member.type == "file" and posixpath.basename(name) not in IGNORED:
            _blob(name, member.size, body, blobs, pack)
    pack.flush()
    return [_draft(blobs, config, names) for config, names in _manifest(blobs.documents, platform)]


def _draft(blobs: _Blobs, config: str, names: list[str]) -> Draft:
    return Draft(
        id=_lookup(blobs.digests, blobs.aliases, config),
        config=_lookup(blobs.documents, blobs.aliases, config),
        layers=tuple(_lookup(blobs.layers, blobs.aliases, name) for name in names),
    )


def _blob(name: str, size: int, body: tar.Body, blobs: _Blobs, pack: Pack) -> None:
    """Read one blob as what it looks like: JSON, or a layer."""
    stream = io.BufferedReader(body, 256 * 1024)
    head = stream.peek(4)[:4]
    if head[:1] in {b"{", b"["}:
        if size <= JSON_LIMIT:
            text = stream.read()
            blobs.documents[name] = _json(name, text)
            blobs.digests[name] = "sha256:" + hashlib.sha256(text).hexdigest()
    elif head == ZSTD:
        raise ArchiveError(f"layer {name} is compressed with zstd; `docker save` of the classic store is not")
    elif head[:2] == GZIP:
        with gzip.GzipFile(fileobj=stream) as plain:
            blobs.layers[name] = layer(io.BufferedReader(plain, 256 * 1024), pack)
    else:
        blobs.layers[name] = layer(stream, pack)
    stream.detach()


def _json(name: str, text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArchiveError(f"{name} in the archive is no JSON: {error}") from error


def layer(stream: IO[bytes], pack: Pack) -> LayerDraft:
    """Read one layer's tar.

    Raises:
        ArchiveError: it is no tar, is cut off, or an entry leaves the image's root.
    """
    draft = LayerDraft([], [], [], {})
    try:
        for member, body in tar.members(stream):
            _entry(member, body, draft, pack)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArchiveError(f"a layer's compressed data is damaged: {error}") from error
    return draft


def _entry(member: tar.Member, body: tar.Body, draft: LayerDraft, pack: Pack) -> None:
    path = absolute(member.name)
    folder, _, name = path.rpartition("/")
    if name.startswith(WHITEOUT):
        if name == OPAQUE:
            draft.opaque.append(folder or "/")
        elif not name.startswith(WHITEOUT * 2):
            draft.whiteouts.append(f"{folder}/{name.removeprefix(WHITEOUT)}")
        return
    kind, size = member.type, member.size if member.type == "file" else 0
    link = absolute(member.link) if kind == "hardlink" else member.link
    draft.rows.append((path, kind, member.mode, member.uid, member.gid, size, member.mtime, link))
    if kind == "file" and size <= (DATABASE_LIMIT if path in DATABASES else TEXT_LIMIT):
        text = body.content()
        if b"\0" not in text:
            pack.add(draft.texts, path, text)


def absolute(name: str) -> str:
    """Return an entry's path from the image's root.

    Raises:
        ArchiveError: it leaves the root.
    """
    name = name.removeprefix("./")
    if "/../" in f"/{name}/":
        raise ArchiveError(f"the archive holds a path that leaves its folder: {name[:200]!r}")
    if "//" in name or "/./" in f"/{name}/":
        name = "/".join(part for part in name.split("/") if part not in {"", "."})
    return f"/{name.strip('/')}"


def _manifest(documents: Mapping[str, Any], platform: str) -> list[tuple[str, list[str]]]:
    """Return the names of the config and of the layers, image by image."""
    try:
        if manifest := documents.get("manifest.json"):
            return [(entry["Config"], list(entry["Layers"] or ())) for entry in manifest]
        return [_oci(documents, documents["index.json"], platform)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"this is no image archive: its manifest has no {error}") from error


def _oci(documents: Mapping[str, Any], index: Mapping[str, Any], platform: str) -> tuple[str, list[str]]:
    """Follow an OCI index to the image of the platform; attestations are no images."""
    for entry in index["manifests"]:
        where = entry.get("platform") or {}
        named = f"{where.get('os')}/{where.get('architecture')}"
        if where.get("os") == "unknown" or (platform and where and named != platform):
            continue
        document = documents[_blob_name(entry)]
        if "manifests" in document:
            return _oci(documents, document, platform)
        return _blob_name(document["config"]), [_blob_name(blob) for blob in document["layers"]]
    raise ArchiveError(f"the archive holds no image for {platform or 'any platform'}")


def _blob_name(descriptor: Mapping[str, Any]) -> str:
    digest: str = descriptor["digest"]
    return "blobs/" + digest.replace(":", "/")


def _lookup(blobs: Mapping[str, Any], aliases: Mapping[str, str], name: str) -> Any:
    """Return a blob by name, through links (older engines link a layer that two images share)."""
    for _ in itertools.repeat(None, 8):
        if name in blobs:
            return blobs[name]
        name = aliases.get(name, "")
    raise ArchiveError("the archive is cut off or damaged: it lacks a blob that its manifest names")

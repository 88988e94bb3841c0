"""Image facts from one stream over `docker save`, kept in the user's cache folder by image id.

A cache file holds the texts in compressed blocks, then the list of files, then a footer that proves it whole;
one that is cut off or damaged is made anew. It is JSON and zlib, so a foreign file can at worst be wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import struct
import tempfile
import threading
import time
import weakref
import zlib
from typing import IO, TYPE_CHECKING, Any

from dockproof.collect import archive, process
from dockproof.collect.engine import cache_folder
from dockproof.errors import NotLookedError
from dockproof.facts.image import FileEntry, ImageFacts, Layer, parse_config, parse_history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dockproof.collect.engine import Engine

TIMEOUT = 300.0
FORMAT = 2
"""Grows whenever the content of a cache file changes its meaning."""

MAGIC = b"dockproof image facts\n"
FOOTER = struct.Struct(">QQ32s")
"""Offset and length of the file list, and its SHA-256."""

_guard, _saving = threading.Lock(), threading.Lock()
_pending: dict[str, None] = {}

CACHE_LIMIT = 1024**3
"""Bytes of cache files; those that were not used for longest go."""


def facts(engine: Engine, reference: str, *, timeout: float = TIMEOUT) -> ImageFacts:
    """Return everything that is known of an image that the engine has.

    Raises:
        NotLookedError: the engine has no such image, or its archive could not be read.
    """
    document = engine.inspect_image(reference)
    path = _path(document["Id"])
    header = _load(path)
    if header is None:
        _fetch(document["Id"], timeout)
        header = _load(path)
    if header is None:
        raise NotLookedError(f"image facts of {reference} were not kept in {path.parent}: is the disk full?")
    return _build(header, path, document, reference)


def prefetch(engine: Engine, references: Sequence[str], *, timeout: float = TIMEOUT) -> None:
    """Get ready to answer `facts` for several images from one stream, in which layers that they share stand once.

    Raises:
        NotLookedError: the engine has no such image, or the archive could not be read.
    """
    ids = dict.fromkeys(engine.inspect_image(reference)["Id"] for reference in references)
    missing = [identity for identity in ids if _load(_path(identity)) is None]
    if missing:
        _save(missing, timeout)


def from_archive(path: Path) -> ImageFacts:
    """Return the facts of an image archive on disk, without any engine.

    Raises:
        NotLookedError: it cannot be read, or is no archive of one image.
    """
    texts = io.BytesIO()
    try:
        with path.open("rb") as stream:
            drafts = archive.read(stream, archive.Pack(texts))
    except OSError as error:
        raise NotLookedError(f"{path} cannot be read: {error.strerror}") from error
    if len(drafts) != 1:
        raise NotLookedError(f"{path} holds {len(drafts)} images; save one")
    buffer = texts.getbuffer()
    header = _pick(_header(drafts), drafts[0].id)
    kept = archive.Texts(lambda offset, length: bytes(buffer[offset : offset + length]), _spans(header))
    return _assemble(header, kept, reference=str(path), identity=drafts[0].id)


def _path(identity: str) -> Path:
    return cache_folder("images") / f"{identity.removeprefix('sha256:')}.v{FORMAT}"


# ---------------------------------------------------------------------------------------------- cache files


def _fetch(identity: str, timeout: float) -> None:
    """Stream an image, together with those that other threads asked for while the last stream ran.

    One stream at a time: two would halve each other's speed, and write shared layers twice.
    """
    with _guard:
        _pending[identity] = None
    with _saving:
        with _guard:
            _pending.pop(identity, None)
        if _load(_path(identity)) is not None:
            return
        with _guard:
            others = list(_pending)
            _pending.clear()
        if others:
            with contextlib.suppress(NotLookedError):  # one of the others may be gone; then each is alone
                _save([identity, *others], timeout)
        if _load(_path(identity)) is None:
            _save([identity], timeout)


def _save(ids: Sequence[str], timeout: float) -> None:
    """Stream images once and write one cache file under each of their names; nobody ever sees half of one."""
    folder = cache_folder("images")
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC)
            what = f"docker save of {', '.join(identity[:19] for identity in ids)}"
            with process.stream(["docker", "save", *ids], timeout=timeout, what=what) as stream:
                drafts = archive.read(stream, archive.Pack(file))
                _drain(stream)
            if len(ids) == len(drafts) == 1:
                # Some image stores name an image by its manifest; a single one is known all the same.
                drafts = [drafts[0]._replace(id=ids[0])]
            _finish(file, _header(drafts))
        for draft in drafts:
            _publish(name, _path(draft.id))
    except OSError as error:
        raise NotLookedError(f"image facts could not be written to {folder}: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 - a handle's name, no path object at hand
    evict(folder)


def _publish(name: str, path: Path) -> None:
    """Give a finished file a name of its own, in place of what stood there."""
    fresh = path.with_name(f".new-{secrets.token_hex(6)}")
    os.link(name, fresh)
    fresh.replace(path)


def _drain(stream: IO[bytes]) -> None:
    """Read the padding that follows the end of the archive, so that the writer ends well."""
    while stream.read(1024 * 1024):
        pass


def _header(drafts: Sequence[archive.Draft]) -> dict[str, Any]:
    """Return the file list: every layer once, and the images by id with the numbers of their layers."""
    numbers: dict[int, int] = {}
    layers: list[dict[str, Any]] = []
    for layer in (layer for draft in drafts for layer in draft.layers):
        if numbers.setdefault(id(layer), len(layers)) == len(layers):
            layers.append(layer._asdict())
    images = {
        draft.id: {"config": draft.config, "layers": [numbers[id(layer)] for layer in draft.layers]}
        for draft in drafts
    }
    return {"images": images, "layers": layers}


def _pick(header: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """Return one image of a file list with its own layers."""
    image = header["images"][identity]
    return {"config": image["config"], "layers": [header["layers"][number] for number in image["layers"]]}


def _finish(file: IO[bytes], header: Mapping[str, Any]) -> None:
    data = zlib.compress(json.dumps(header, separators=(",", ":")).encode("utf-8", "surrogatepass"), 1)
    offset = file.tell()
    file.write(data)
    file.write(FOOTER.pack(offset, len(data), hashlib.sha256(data).digest()))


def _load(path: Path) -> dict[str, Any] | None:
    """Return config and layers of the image that a cache file is named for; None where there is no whole one."""
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            file.seek(-FOOTER.size, os.SEEK_END)
            offset, length, digest = FOOTER.unpack(file.read(FOOTER.size))
            file.seek(offset)
            data = file.read(length)
        if hashlib.sha256(data).digest() != digest:
            return None
        header = _pick(json.loads(zlib.decompress(data)), "sha256:" + path.name.partition(".")[0])
    except (OSError, ValueError, KeyError, zlib.error, struct.error):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return header


def evict(folder: Path) -> None:
    """Keep the cache bounded: drop the files that were not used for longest, and leftovers of killed runs."""
    with contextlib.suppress(OSError):
        seen: dict[int, int] = {}
        for file in sorted(folder.glob("*.v*"), key=lambda file: file.stat().st_mtime, reverse=True):
            state = file.stat()
            seen[state.st_ino] = state.st_size  # images of one stream share their file
            if sum(seen.values()) > CACHE_LIMIT:
                file.unlink(missing_ok=True)
        for file in folder.glob(".new-*"):
            if file.stat().st_mtime < time.time() - TIMEOUT:
                file.unlink(missing_ok=True)


# -------------------------------------------------------------------------------------------------- values


def _build(header: Mapping[str, Any], path: Path, document: Mapping[str, Any], reference: str) -> ImageFacts:
    """Build facts whose texts are read from the cache file when asked for.

    The file is held open while its texts can be asked for, so that it may be evicted meanwhile.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    texts = archive.Texts(lambda offset, length: os.pread(handle, length, offset), _spans(header))
    weakref.finalize(texts, os.close, handle)
    built = _assemble(header, texts, reference=reference, identity=document["Id"])
    built.size = int(document.get("Size") or 0)
    built.repo_digests = tuple(document.get("RepoDigests") or ())
    return built


def _spans(header: Mapping[str, Any]) -> list[dict[str, archive.Span]]:
    return [layer["texts"] for layer in header["layers"]]


def _assemble(
    header: Mapping[str, Any], texts: Mapping[tuple[int, str], bytes], *, reference: str, identity: str
) -> ImageFacts:
    config = header["config"]
    history = parse_history(config.get("history"))
    steps = {step.layer: step for step in history if step.layer is not None}
    diff_ids = (config.get("rootfs") or {}).get("diff_ids") or []
    if len(diff_ids) != len(header["layers"]):
        raise NotLookedError(
            f"{reference}: its config names {len(diff_ids)} layers, its archive {len(header['layers'])}"
        )
    layers = tuple(
        Layer(
            index=index,
            diff_id=diff_id,
            size=sum(row[5] for row in layer["rows"]),
            history=steps.get(index),
            entries=tuple(FileEntry._make((*row, index, "", ())) for row in layer["rows"]),
            whiteouts=tuple(layer["whiteouts"]),
            opaque=tuple(layer["opaque"]),
        )
        for index, (diff_id, layer) in enumerate(zip(diff_ids, header["layers"], strict=True))
    )
    return ImageFacts(
        reference=reference,
        id=identity,
        config=parse_config(config),
        history=history,
        layers=layers,
        texts=texts,
        size=sum(layer.size for layer in layers),
    )

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
import struct
import tempfile
import time
import weakref
import zlib
from typing import IO, TYPE_CHECKING, Any

from dockproof.collect import archive, process
from dockproof.collect.engine import cache_folder
from dockproof.errors import NotLookedError
from dockproof.facts.image import FileEntry, ImageFacts, Layer, parse_config, parse_history

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dockproof.collect.engine import Engine

TIMEOUT = 300.0
FORMAT = 1
"""Grows whenever the content of a cache file changes its meaning."""

MAGIC = b"dockproof image facts\n"
FOOTER = struct.Struct(">QQ32s")
"""Offset and length of the file list, and its SHA-256."""

KEEP = 40
"""Images that the cache holds; the ones that were not used for longest go."""


def facts(engine: Engine, reference: str, *, timeout: float = TIMEOUT) -> ImageFacts:
    """Return everything that is known of an image that the engine has.

    Raises:
        NotLookedError: the engine has no such image, or its archive could not be read.
    """
    document = engine.inspect_image(reference)
    path = _path(document["Id"])
    header = _load(path)
    if header is None:
        _save(document["Id"], path, timeout)
        header = _load(path)
    if header is None:
        raise NotLookedError(
            f"image facts of {reference} could not be kept in {path.parent}: is the disk full?"
        )
    return _build(header, path, document, reference)


def from_archive(path: Path) -> ImageFacts:
    """Return the facts of an image archive on disk, without any engine.

    Raises:
        NotLookedError: it cannot be read, or is no image archive.
    """
    texts = io.BytesIO()
    try:
        with path.open("rb") as stream:
            draft = archive.read(stream, archive.Pack(texts))
    except OSError as error:
        raise NotLookedError(f"{path} cannot be read: {error.strerror}") from error
    buffer = texts.getbuffer()
    kept = archive.Texts(
        lambda offset, length: bytes(buffer[offset : offset + length]), _spans(_header(draft))
    )
    identity = "sha256:" + hashlib.sha256(json.dumps(draft.config, sort_keys=True).encode()).hexdigest()
    return _assemble(_header(draft), kept, reference=str(path), identity=identity)


def _path(identity: str) -> Path:
    return cache_folder("images") / f"{identity.removeprefix('sha256:')}.v{FORMAT}"


# ---------------------------------------------------------------------------------------------- cache files


def _save(identity: str, path: Path, timeout: float) -> None:
    """Stream the image once and write its cache file; nobody ever sees half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC)
            command = ["docker", "save", identity]
            with process.stream(command, timeout=timeout, what=f"docker save of {identity[:19]}") as stream:
                draft = archive.read(stream, archive.Pack(file))
                _drain(stream)
            _finish(file, _header(draft))
        os.replace(name, path)  # noqa: PTH105 - a handle's name, no path object at hand
    except OSError as error:
        raise NotLookedError(
            f"image facts could not be written to {path.parent}: {error.strerror}"
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 - as above
    _evict(path.parent)


def _drain(stream: IO[bytes]) -> None:
    """Read the padding that follows the end of the archive, so that the writer ends well."""
    while stream.read(1024 * 1024):
        pass


def _header(draft: archive.Draft) -> dict[str, Any]:
    return {
        "config": draft.config,
        "layers": [layer._asdict() for layer in draft.layers],
    }


def _finish(file: IO[bytes], header: Mapping[str, Any]) -> None:
    data = zlib.compress(json.dumps(header, separators=(",", ":")).encode("utf-8", "surrogatepass"), 1)
    offset = file.tell()
    file.write(data)
    file.write(FOOTER.pack(offset, len(data), hashlib.sha256(data).digest()))


def _load(path: Path) -> dict[str, Any] | None:
    """Return the file list of a cache file; None where there is none, or not a whole one."""
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
        header: dict[str, Any] = json.loads(zlib.decompress(data))
    except (OSError, ValueError, zlib.error, struct.error):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return header


def _evict(folder: Path) -> None:
    """Keep the cache bounded: drop the files that were not used for longest, and leftovers of killed runs."""
    with contextlib.suppress(OSError):
        files = sorted(folder.glob("*.v*"), key=lambda file: file.stat().st_mtime, reverse=True)
        stale = [file for file in folder.glob(".new-*") if file.stat().st_mtime < time.time() - TIMEOUT]
        for file in (*files[KEEP:], *stale):
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
            entries=tuple(FileEntry._make((*row, index)) for row in layer["rows"]),
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

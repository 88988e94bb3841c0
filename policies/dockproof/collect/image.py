"""Image facts from a stream over `docker save`, or from an archive or folder on disk; kept in the user's cache folder.

A cache file holds the texts in compressed blocks, then the list of files, then a footer that proves it whole; one that
is cut off, damaged, of another layout or another user's is made anew. It is named for the image's id; that of an
archive for its path, size and times, so that a changed one is read again. Where the folder cannot be written, because
its disk is full or a file in it is another's, a folder of this run's own takes its place.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
import struct
import tempfile
import threading
import time
import weakref
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dockproof.collect import archive, layer, process
from dockproof.collect.engine import cache_folder
from dockproof.errors import NotLookedError
from dockproof.facts.image import FileEntry, ImageFacts, Layer, parse_config, parse_history

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockproof.collect.engine import Engine
    from dockproof.facts.image import HistoryEntry

TIMEOUT = 300.0
MAGIC = b"dockproof image facts\n"
FOOTER = struct.Struct(">QQI")
"""Offset and length of the file list, and the CRC-32 of all before it: every run looks, and damage is chance."""

NO_FILE = (
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What reading a cache file raises that is not there, not ours, damaged, or of another layout: it is made anew."""

_guard, _saving = threading.Lock(), threading.Lock()
_pending: dict[str, None] = {}

FOLDER_LIMIT = 20_000
"""Files of the largest image folder."""

CACHE_LIMIT = 1024**3
"""Bytes of cache files; those that were not used for longest go."""


def facts(engine: Engine, reference: str, *, platform: str = "", timeout: float = TIMEOUT) -> ImageFacts:
    """Return everything that is known of an image that the engine has.

    Args:
        engine: the engine.
        reference: a name or an id.
        platform: `os/architecture[/variant]` that it must be for, "" = any.
        timeout: seconds for the stream over it.

    Raises:
        NotLookedError: the engine has no such image, it is for another platform, or its archive could not be read.
    """
    document = engine.inspect_image(reference)
    there = "/".join(document[key] for key in ("Os", "Architecture", "Variant") if document.get(key))
    if not archive.matches(there, platform):
        raise NotLookedError(
            f"the engine's {reference} is for {there}, not for {platform}; "
            f"`docker pull --platform {platform} {reference}` gets the other one"
        )
    identity: str = document["Id"]
    built = _kept(_path(identity), reference)
    if built is None:
        _fetch(identity, timeout)
        built = _fresh(identity, reference)
    built.id = document["Id"]
    built.size = int(document.get("Size") or 0)
    built.repo_digests = tuple(document.get("RepoDigests") or ())
    return built


def prefetch(engine: Engine, references: Sequence[str], *, timeout: float = TIMEOUT) -> None:
    """Get ready to answer `facts` for several images from one stream, in which layers that they share stand once.

    Raises:
        NotLookedError: the engine has no such image, or the archive could not be read.
    """
    ids = dict.fromkeys(engine.inspect_image(reference)["Id"] for reference in references)
    missing = [identity for identity in ids if _kept(_path(identity)) is None]
    if missing:
        _save(missing, timeout)


def from_archive(path: Path, platform: str = "") -> ImageFacts:
    """Return the facts of an image archive or image folder on disk, without any engine.

    Args:
        path: a docker-archive, an OCI archive (either may be compressed), or a folder of the OCI layout.
        platform: `os/architecture[/variant]`; "" = the only one there is, else this machine's.

    Raises:
        NotLookedError: it cannot be read, is damaged, or is no archive of one image for that platform.
    """
    try:
        stamp = _stamp(path, platform)
        built = _kept(_path(stamp), str(path))
        if built is None:
            _keep(lambda pack: _read(path, pack, platform), lambda _: stamp)
            built = _fresh(stamp, str(path))
    except OSError as error:
        raise NotLookedError(f"{path}: cannot be read: {error.strerror}") from error
    except NotLookedError as error:
        raise type(error)(f"{path}: {error}") from error
    return built


def _read(path: Path, pack: layer.Pack, platform: str) -> list[archive.Draft]:
    try:
        return archive.read_path(path, pack, platform)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise NotLookedError(f"cannot be read: {error.strerror}") from error


def _stamp(path: Path, platform: str) -> str:
    """Return a digest that changes whenever the archive, or a file of the folder, may have changed.

    Raises:
        OSError: it cannot be looked at.
        NotLookedError: the folder holds too many files to be an image's.
    """
    sha = hashlib.sha256(f"{path.resolve()}\0{platform}".encode("utf-8", "surrogateescape"))
    for name, state in sorted(_states(path)):
        parts = (name, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        sha.update(repr(parts).encode())
    return sha.hexdigest()


def _states(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    if not path.is_dir():
        yield "", path.stat()
        return
    count = 0
    for folder, _, names in os.walk(path):
        count += len(names)
        if count > FOLDER_LIMIT:
            raise NotLookedError(
                f"the folder holds more than {FOLDER_LIMIT} files; an image's layout does not"
            )
        for name in names:
            yield f"{folder}/{name}", os.lstat(f"{folder}/{name}")


def _path(identity: str) -> Path:
    return _folder() / f"{identity.removeprefix('sha256:')}.v{_format()}"


@functools.cache
def _format() -> str:
    """Name the layout of a cache file by the code that writes it: what other code wrote is never read."""
    names = ("archive.py", "image.py", "layer.py", "tar.py")
    sources = (Path(__file__).with_name(name).read_bytes() for name in names)
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


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
        if _kept(_path(identity)) is not None:
            return
        with _guard:
            others = list(_pending)
            _pending.clear()
        if others:
            with contextlib.suppress(NotLookedError):  # one of the others may be gone; then each is alone
                _save([identity, *others], timeout)
        if _kept(_path(identity)) is None:
            _save([identity], timeout)


def _save(ids: Sequence[str], timeout: float) -> None:
    """Stream images once and write one cache file under each of their names."""

    def read(pack: layer.Pack) -> list[archive.Draft]:
        what = f"docker save of {', '.join(identity[:19] for identity in ids)}"
        with process.stream(["docker", "save", *ids], timeout=timeout, what=what) as stream:
            drafts = archive.read_stream(stream, pack)
            _drain(stream)
        # Some image stores name an image by its manifest; a single one is known all the same.
        return [drafts[0]._replace(id=ids[0])] if len(ids) == len(drafts) == 1 else drafts

    _keep(read, lambda draft: draft.id, many=True)


_spare: list[Path] = []
"""The folder of this run's own, once the user's could not be written."""


def _folder() -> Path:
    return _spare[0] if _spare else cache_folder("images")


def _own_folder() -> None:
    """Let this run keep its facts in a folder of its own, which goes with it."""
    folder = tempfile.mkdtemp(prefix="dockproof-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _spare.append(Path(folder))


def _keep(
    read: Callable[[layer.Pack], list[archive.Draft]],
    name_of: Callable[[archive.Draft], str],
    *,
    many: bool = False,
) -> None:
    """Read images and write one cache file for each of their ids; nobody ever sees half of one.

    Raises:
        NotLookedError: they cannot be read or written, or are several where one is meant.
    """
    try:
        try:
            _write(read, name_of, many=many)
        except OSError:
            if _spare:
                raise
            _own_folder()
            _write(read, name_of, many=many)
    except OSError as error:
        raise NotLookedError(f"image facts could not be written to {_folder()}: {error.strerror}") from error


def _write(
    read: Callable[[layer.Pack], list[archive.Draft]], name_of: Callable[[archive.Draft], str], *, many: bool
) -> None:
    folder = _folder()
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(handle, "w+b") as file:
            file.write(MAGIC)
            drafts = read(layer.Pack(file))
            if not many and len(drafts) != 1:
                raise NotLookedError(f"it holds {len(drafts)} images; save one alone")
            _finish(file, _header(drafts))
        for draft in drafts:
            _publish(name, _path(name_of(draft)))
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
    for one in (one for draft in drafts for one in draft.layers):
        if numbers.setdefault(id(one), len(layers)) == len(layers):
            kept = {name: getattr(one, name) for name in ("whiteouts", "opaque", "texts")}
            rows, replaced = (
                [row if row[-1] else row[:-1] for row in some] for some in (one.rows, one.replaced)
            )
            layers.append({**kept, "rows": rows, "replaced": replaced})
    images = {
        draft.id: {
            "config": draft.config,
            "layers": [numbers[id(one)] for one in draft.layers],
            "beside": draft.beside,
        }
        for draft in drafts
    }
    return {"images": images, "layers": layers}


def _pick(header: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """Return one image of a file list with its own layers; the only one, where none is of that name."""
    images = header["images"]
    if identity not in images:
        (identity,) = images
    layers = [header["layers"][number] for number in images[identity]["layers"]]
    return {**images[identity], "id": identity, "layers": layers}


def _finish(file: IO[bytes], header: Mapping[str, Any]) -> None:
    data = layer.compress(json.dumps(header, separators=(",", ":")).encode())
    offset = file.tell()
    file.write(data)
    checksum = _checksum(file, offset + len(data))
    file.seek(0, os.SEEK_END)
    file.write(FOOTER.pack(offset, len(data), checksum))


def _kept(path: Path, reference: str = "") -> ImageFacts | None:
    """Return the facts that a cache file holds; None where there is no whole one of ours."""
    try:
        found = _opened(path, reference)
        os.utime(path)
    except NO_FILE:
        return None
    return found


def _fresh(identity: str, reference: str) -> ImageFacts:
    """Open what was just kept.

    Raises:
        NotLookedError: the folder does not give back what was written to it.
    """
    path = _path(identity)
    try:
        return _opened(path, reference)
    except (OSError, ValueError) as error:
        raise NotLookedError(
            f"image facts of {reference} cannot be read back from {path.parent}: {error}; "
            "name another folder with XDG_CACHE_HOME"
        ) from error


def _opened(path: Path, reference: str) -> ImageFacts:
    """Read a cache file.

    It is held open while its texts can be asked for, so that it may be evicted meanwhile.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not ours, damaged or of another layout; so are the other errors of `NO_FILE`.
    """
    with path.open("rb") as file:
        header = _list_of(file, path.name)
        handle = os.dup(file.fileno())
    try:
        return _build(header, handle, reference)
    except BaseException:
        os.close(handle)
        raise


def _list_of(file: io.BufferedReader, name: str) -> dict[str, Any]:
    """Return the file list of the image that a cache file is named for, if nothing of the file is damaged."""
    if os.fstat(file.fileno()).st_uid != os.geteuid():
        raise ValueError("another user's file may say anything")
    end = file.seek(-FOOTER.size, os.SEEK_END)
    offset, length, checksum = FOOTER.unpack(file.read())
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC or offset + length != end or _checksum(file, end) != checksum:
        raise ValueError("it is damaged")
    file.seek(offset)
    return _pick(json.loads(layer.decompress(file.read(length))), "sha256:" + name.partition(".")[0])


def _checksum(file: IO[bytes], end: int) -> int:
    """Return the CRC-32 of a file up to an offset."""
    file.seek(0)
    value = 0
    while chunk := file.read(min(layer.BUFFER, end - file.tell())):
        value = zlib.crc32(chunk, value)
    return value


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


def _build(header: Mapping[str, Any], handle: int, reference: str) -> ImageFacts:
    """Build facts whose texts are read from the cache file when asked for; its handle is closed with them."""
    config = header["config"]
    history = parse_history(config.get("history"))
    layers = _layers(header, config["rootfs"]["diff_ids"] if header["layers"] else [], history)
    spans = [one["texts"] for one in header["layers"]]
    texts = layer.Texts(lambda offset, length: os.pread(handle, length, offset), spans)
    facts = ImageFacts(
        reference=reference,
        id=header["id"],
        config=parse_config(config),
        history=history,
        layers=layers,
        texts=texts,
        size=sum(one.size for one in layers),
    )
    facts.beside = tuple(header["beside"])
    weakref.finalize(texts, os.close, handle)
    return facts


def _layers(
    header: Mapping[str, Any], diff_ids: Sequence[str], history: Sequence[HistoryEntry]
) -> tuple[Layer, ...]:
    """Build the layers; a history that tells of more or fewer of them tells nothing of any."""
    steps = {step.layer: step for step in history if step.layer is not None}
    if len(steps) != len(diff_ids):
        steps = {}
    return tuple(
        Layer(
            index=index,
            diff_id=diff_id,
            size=sum(row[5] for row in (*one["rows"], *one["replaced"])),
            history=steps.get(index),
            entries=tuple(map(functools.partial(_entry, index), one["rows"])),
            whiteouts=tuple(one["whiteouts"]),
            opaque=tuple(one["opaque"]),
            replaced=tuple(map(functools.partial(_entry, index), one["replaced"])),
        )
        for index, (diff_id, one) in enumerate(zip(diff_ids, header["layers"], strict=True))
    )


def _entry(index: int, row: Sequence[Any]) -> FileEntry:
    xattrs = tuple((name, value) for name, value in row[9]) if len(row) > 9 else ()  # noqa: PLR2004 - the row's width
    return FileEntry._make((*row[:8], index, row[8], xattrs))

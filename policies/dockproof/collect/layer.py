"""Read one layer: its tar becomes a list of files, whiteouts and kept texts, and its digest.

Memory holds the list of files; their texts go to a file as they come (`Pack`, `Texts`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast

from dockproof.collect import tar
from dockproof.collect.tar import ArchiveError
from dockproof.facts.image import replaced_text
from dockproof.facts.installed import DATABASES
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable  # type: ignore[attr-defined]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT_LIMIT = 1024 * 1024
"""Bytes of the largest text file whose content facts keep."""

DATABASE_LIMIT = 64 * TEXT_LIMIT
"""Package databases are kept whatever their size, up to here."""

NAMES_LIMIT = 256 * 1024 * 1024
"""Bytes of one image's names and links, and 64 for each entry: beyond is a bomb of names."""

GROWTH_FLOOR, GROWTH = 1024**3, 100
"""A layer of more than a gigabyte that grows more than this many times as it is unpacked is a bomb."""

TRAILER = 1024 * 1024
"""Bytes that may follow the end of a layer's tar: writers fill their last record."""

BUFFER = 256 * 1024
BLOCK = 512 * 1024
LEVEL = -3
"""Of compression: twice as fast as 1, for a fifth more bytes."""

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

Row = tuple[str, str, int, int, int, int, int, str, str, tuple[tuple[str, str], ...]]
"""Path, type, mode, uid, gid, size, mtime, link, digest, xattrs: `FileEntry` without its layer."""

Span = tuple[int, int, int, int]
"""Where a text lies: offset and length of its block in the file, offset and length in the block."""


class LayerDraft(NamedTuple):
    """What one layer's archive holds.

    Attributes:
        replaced: files that a later entry of their path replaces; their texts lie under `replaced_text`.
        texts: path to where its content lies.
        digest: of the plain tar, as `sha256:…`.
        packed_digest: of the blob as it is stored; the same for one that is not compressed.
    """

    rows: list[Row]
    whiteouts: list[str]
    opaque: list[str]
    replaced: list[Row]
    texts: dict[str, Span]
    digest: str
    packed_digest: str


class Pack:
    """Writes texts one after the other into compressed blocks of a file, and counts what an image's names cost."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._offset = file.tell()
        self._block: list[bytes] = []
        self._size = 0
        self._waiting: list[tuple[dict[str, Span], str, int, int]] = []
        self._names = 0

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
        data = compress(b"".join(self._block))
        self._file.write(data)
        for spans, path, offset, length in self._waiting:
            spans[path] = (self._offset, len(data), offset, length)
        self._offset += len(data)
        self._block, self._size, self._waiting = [], 0, []

    def count(self, path: str, link: str) -> None:
        """Count the names of an entry.

        Raises:
            ArchiveError: the image has too many, or too long ones.
        """
        self._names += len(path) + len(link) + 64
        if self._names > NAMES_LIMIT:
            raise ArchiveError(f"the names of the image's files need more than {NAMES_LIMIT >> 20} MiB")


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
            self._cache[offset] = decompress(self._read(offset, length))
            while len(self._cache) > self.BLOCKS:
                self._cache.popitem(last=False)
        return self._cache[offset]


def compress(data: bytes) -> bytes:
    """Compress for the cache, quickly."""
    return zstd.compress(data, LEVEL)


def decompress(data: bytes) -> bytes:
    """Give back what `compress` took.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return zstd.decompress(data)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error


class Metered(io.RawIOBase):
    """Reads another stream, counts its bytes and takes their digest."""

    def __init__(self, stream: IO[bytes], packed: Metered | None = None) -> None:
        """Take the stream, and where it unpacks something, what it unpacks."""
        self._stream = stream
        self._packed = packed
        self._sha = hashlib.sha256()
        self.count = 0

    @property
    def digest(self) -> str:
        """Of what was read so far, as `sha256:…`."""
        return "sha256:" + self._sha.hexdigest()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer.

        Raises:
            ArchiveError: what is unpacked grows beyond all bounds.
        """
        view = memoryview(buffer)
        count: int = self._stream.readinto(view)  # type: ignore[attr-defined]  # every stream has it
        self._sha.update(view[:count])
        self.count += count
        if self._packed and self.count > max(GROWTH_FLOOR, GROWTH * self._packed.count):
            raise ArchiveError(
                f"a layer of {self._packed.count >> 20} MiB grows beyond {self.count >> 20} MiB as it is unpacked"
            )
        return count


DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError)
"""What decompressors raise."""


def unpacked(stream: io.BufferedReader[Any]) -> IO[bytes] | None:
    """Return a stream of what is compressed in another one; None where it is not compressed.

    Raises:
        ArchiveError: it is compressed in a form that images do not use.
    """
    head = stream.peek(6)[:6]
    if head.startswith(GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    if head.startswith(ZSTD):
        return cast("IO[bytes]", zstd.ZstdFile(stream))
    if head.startswith((b"BZh", b"\xfd7zXZ\0")):
        raise ArchiveError("it is compressed with bzip2 or xz; layers are plain, gzip or zstd")
    return None


def read(stream: IO[bytes], pack: Pack) -> LayerDraft:
    """Read a layer's blob, compressed or not, to its end.

    Raises:
        ArchiveError: it is no tar, is cut off, grows beyond all bounds, or an entry leaves the image's root.
    """
    packed = Metered(stream)
    buffered = io.BufferedReader(packed, BUFFER)
    draft = LayerDraft([], [], [], [], {}, "", "")
    rows: dict[str, Row] = {}
    try:
        inner = unpacked(buffered)
        plain = packed if inner is None else Metered(inner, packed)
        source = buffered if inner is None else io.BufferedReader(plain, BUFFER)
        for member, body in tar.members(source):
            _entry(member, body, draft, rows, pack)
        _end(source)
        _end(buffered)
    except DAMAGE as error:
        raise ArchiveError(f"a layer's compressed data is damaged: {error}") from error
    return draft._replace(rows=list(rows.values()), digest=plain.digest, packed_digest=packed.digest)


def _end(stream: IO[bytes]) -> None:
    """Read what follows a layer's tar: it counts for the digest, and must not hide anything big.

    Raises:
        ArchiveError: there is too much of it.
    """
    if len(stream.read(TRAILER + 1)) > TRAILER:
        raise ArchiveError("a layer goes on behind the end of its archive: something is hidden there")


def _entry(member: tar.Member, body: tar.Body, draft: LayerDraft, rows: dict[str, Row], pack: Pack) -> None:
    path = absolute(member.name)
    folder, _, name = path.rpartition("/")
    if name.startswith(WHITEOUT):
        pack.count(path, "")
        if name == OPAQUE:
            draft.opaque.append(folder or "/")
        elif not name.startswith(WHITEOUT * 2):
            draft.whiteouts.append(f"{folder}/{name.removeprefix(WHITEOUT)}")
        return
    kind = member.type
    link = absolute(member.link) if kind == "hardlink" else member.link
    pack.count(path, link)
    if path in rows:
        _put_aside(rows.pop(path), draft, pack)
    digest = _content(path, member.size, body, draft, pack) if kind == "file" else ""
    numbers = member.mode, member.uid, member.gid, member.size, member.mtime
    rows[path] = (path, kind, *numbers, link, digest, member.xattrs)


def _put_aside(row: Row, draft: LayerDraft, pack: Pack) -> None:
    """Keep a file that a later entry replaces: no container sees it, but its bytes are shipped."""
    if row[1] == "file":
        pack.flush()
        if row[0] in draft.texts:
            draft.texts[replaced_text(row[0], len(draft.replaced))] = draft.texts.pop(row[0])
        draft.replaced.append(row)


def _content(path: str, size: int, body: tar.Body, draft: LayerDraft, pack: Pack) -> str:
    """Return the digest of a file, and keep its content where it is a text or a package database."""
    if size > (DATABASE_LIMIT if path in DATABASES else TEXT_LIMIT):
        sha = hashlib.sha256()
        while chunk := body.read(BUFFER):
            sha.update(chunk)
        return sha.hexdigest()
    text = body.content()
    if b"\0" not in text or path in DATABASES:
        pack.add(draft.texts, path, text)
    return hashlib.sha256(text).hexdigest()


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

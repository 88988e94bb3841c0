"""The packages of an rpm database in its SQLite form (rpm 4.16 and later: Fedora 33, RHEL 9, openSUSE 15.3 with it).

Python's own SQLite reads the table; each row is an rpm header, of which name, version and release are taken. The
layout of a header is that of rpm's manual, https://rpm-software-management.github.io/rpm/manual/hregions.html. The
older forms, Berkeley DB and ndb, are read by no well-kept library: they count as not read.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct

NAME, VERSION, RELEASE, EPOCH = 1000, 1001, 1002, 1003
STRING, INT32 = 6, 4

JOURNAL = slice(18, 20)
"""Bytes of a database's head that say how it is written: 2 is a write-ahead log, which memory has not."""

STEPS = 5_000_000
"""Steps of SQLite's machine for one database: a hostile one must not run for ever."""

_ENTRY = struct.Struct(">4I")


def packages(database: bytes) -> list[tuple[str, str]] | None:
    """Return name and `[epoch:]version-release` of each package; None where the database cannot be read."""
    if not database.startswith(b"SQLite format 3\0"):
        return None
    plain = bytearray(database)
    plain[JOURNAL] = b"\1\1"
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(bytes(plain))
            connection.execute("PRAGMA trusted_schema = OFF")
            left = iter(range(STEPS // 1000))
            connection.set_progress_handler(lambda: next(left, None) is None, 1000)
            rows = connection.execute("SELECT blob FROM Packages").fetchall()
        return sorted(_package(row[0]) for row in rows)
    except (sqlite3.Error, struct.error, ValueError, TypeError, MemoryError):
        return None


def _package(header: bytes) -> tuple[str, str]:
    """Read one header: two counts, the index, then the store that the index points into."""
    count, size = struct.unpack_from(">2I", header)
    start = 8 + count * _ENTRY.size
    if len(header) < start + size:
        raise ValueError("an rpm header is cut off")
    store, found = header[start : start + size], {}
    for tag, kind, offset, _ in _ENTRY.iter_unpack(header[8:start]):
        if tag in {NAME, VERSION, RELEASE} and kind == STRING:
            found[tag] = store[offset : store.index(b"\0", offset)].decode("utf-8", "replace")
        elif tag == EPOCH and kind == INT32:
            found[tag] = f"{struct.unpack_from('>I', store, offset)[0]}:"
    if NAME not in found:
        raise ValueError("an rpm header has no name")
    return found[NAME], f"{found.get(EPOCH, '')}{found.get(VERSION, '')}-{found.get(RELEASE, '')}"

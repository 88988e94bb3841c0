"""Packages of an image: what rpm, npm, Python, dpkg and apk leave, and what cannot be read of it."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts import rpm
from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts, Layer
from dockproof.facts.installed import RPM_FOLDERS

DATABASE = zlib.decompress(Path(__file__).parent.joinpath("data", "rpmdb.sqlite.z").read_bytes())
"""Written by rpm 4.18.0 of Debian bookworm: two packages of its rpmbuild, one with an epoch, `rpm -i --justdb`."""


def image(texts: dict[str, bytes]) -> ImageFacts:
    """Return an image of one layer with these files."""
    entries = tuple(FileEntry(path, "file", 0o644, 0, 0, len(text), 0, "", 0) for path, text in texts.items())
    return ImageFacts(
        reference="x",
        id="x",
        config=ImageConfig(),
        layers=(Layer(0, "sha256:0", 1, None, entries),),
        texts={(0, path): text for path, text in texts.items()},
    )


@pytest.mark.parametrize("folder", RPM_FOLDERS)
def test_reads_the_database_that_rpm_wrote(folder: str) -> None:
    """Name, epoch, version and release, wherever a distribution keeps the database."""
    facts = image({f"{folder}rpmdb.sqlite": DATABASE})
    assert [(one.name, one.version, one.manager) for one in facts.packages] == [
        ("hello-1", "1.1-2", "rpm"),
        ("hello-2", "3:1.2-2", "rpm"),
    ]
    assert facts.unread == ()


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"/var/lib/rpm/Packages": b"\0\0"}, "/var/lib/rpm/Packages is Berkeley DB"),
        ({"/usr/lib/sysimage/rpm/Packages.db": b"RpmP"}, "Packages.db is ndb"),
        ({"/var/lib/rpm/rpmdb.sqlite": DATABASE[:5000]}, "rpmdb.sqlite is damaged"),
        ({"/var/lib/rpm/rpmdb.sqlite": b""}, "rpmdb.sqlite is damaged"),
    ],
    ids=["bdb", "ndb", "cut", "empty"],
)
def test_database_that_cannot_be_read_is_said(texts: dict[str, bytes], words: str) -> None:
    """No packages because nobody could read them is not the same as no packages."""
    facts = image(texts)
    assert facts.packages == ()
    (sentence,) = facts.unread
    assert sentence.startswith("rpm database not read: ")
    assert words in sentence


def test_hostile_database_ends(tmp_path: Path) -> None:
    """A view that counts for ever in place of the table is stopped."""
    path = tmp_path / "x.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE VIEW Packages AS WITH RECURSIVE c(blob) AS (SELECT 1 UNION ALL SELECT blob+1 FROM c) SELECT * FROM c"
    )
    connection.close()
    assert rpm.packages(path.read_bytes()) is None


@given(st.binary(max_size=64), st.integers(0, len(DATABASE) - 1))
def test_any_damage_gives_packages_or_none(noise: bytes, at: int) -> None:
    """Whatever bytes a database has, reading it ends, and never with a crash."""
    damaged = bytearray(DATABASE)
    damaged[at : at + len(noise)] = noise
    found = rpm.packages(bytes(damaged))
    assert found is None or all(isinstance(name, str) for name, _ in found)


def test_python_and_npm_packages_are_found_where_they_lie() -> None:
    """Wheels, eggs of distributions, scoped and nested npm packages; what is no package of theirs is none."""
    facts = image(
        {
            "/venv/lib/python3.13/site-packages/fast_api-0.1.dist-info/METADATA": b"",
            "/usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO": b"",
            "/app/node_modules/left-pad/package.json": b'{"version": "1.3.0"}',
            "/app/node_modules/@a/b/package.json": b'{"version": "2"}',
            "/app/node_modules/@a/b/node_modules/c/package.json": b"{",
            "/app/node_modules/d/lib/package.json": b'{"version": "9"}',
            "/app/package.json": b'{"version": "9"}',
        }
    )
    assert {(one.name, one.version, one.manager) for one in facts.packages} == {
        ("fast_api", "0.1", "python"),
        ("six", "1.16.0", "python"),
        ("left-pad", "1.3.0", "npm"),
        ("@a/b", "2", "npm"),
        ("c", "", "npm"),
    }


def test_distroless_keeps_a_file_a_package() -> None:
    """A file of status.d tells of a package, its checksums do not."""
    facts = image(
        {
            "/var/lib/dpkg/status.d/base": b"Package: base-files\nVersion: 12\n",
            "/var/lib/dpkg/status.d/base.md5sums": b"Package: no\n",
        }
    )
    assert [(one.name, one.path) for one in facts.packages] == [("base-files", "/var/lib/dpkg/status.d/base")]

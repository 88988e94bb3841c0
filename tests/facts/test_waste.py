"""Wasted bytes by cause; and dive, the tool that others measure them with, finds the same in the same archives."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from dockproof.collect import image
from dockproof.facts import waste
from tests.collect import archives
from tests.facts.dive import as_dive_counts, dive

if TYPE_CHECKING:
    from pathlib import Path


def test_dive_finds_the_same_bytes(tmp_path: Path) -> None:
    """Overwritten, changed in its rights alone, deleted, and made anew."""
    layers: list[archives.Layer] = [
        {"keep": b"k" * 700, "base": b"x" * 10},
        {"a": b"a" * 1000, "b": b"b" * 2000, "d": None, "d/c": b"c" * 3000, "d/d": b"d" * 500},
        {"a": b"a" * 1000, "b": b"B" * 2500, "d/.wh.c": b""},
        {"b": b"3" * 100, "d/c": b"n" * 60, ".wh.keep": b""},
    ]
    path = archives.docker_archive(tmp_path / "x.tar", [archives.layer(one) for one in layers])
    facts = image.from_archive(path)
    assert as_dive_counts(facts) == dive(path) == {"/a": 2000, "/b": 4600, "/d/c": 3060, "/keep": 700}
    found = {(one.cause, one.entry.path, one.size, one.layer) for one in waste.wasted(facts.layers)}
    assert found == {
        ("rights-changed", "/a", 1000, 2),
        ("overwritten", "/b", 2000, 2),
        ("overwritten", "/b", 2500, 3),
        ("hidden", "/d/c", 3000, 2),
        ("hidden", "/keep", 700, 3),
    }


@pytest.mark.parametrize("seed", range(8))
def test_dive_agrees_on_generated_archives(seed: int, tmp_path: Path) -> None:
    """Twelve layers of files that come, change and go."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    there: set[str] = set()
    layers: list[dict[str, bytes | str | None]] = []
    for _ in range(12):
        files: dict[str, bytes | str | None] = {}
        for name in chance.sample([f"f{number}" for number in range(20)], 6):
            if name in there and chance.random() < 0.3:
                files[f".wh.{name}"] = b""
                there.discard(name)
            else:
                files[name] = bytes([chance.randrange(3)]) * chance.choice([1, 10, 3000])
                there.add(name)
        layers.append(files)
    path = archives.docker_archive(tmp_path / "x.tar", [archives.layer(one) for one in layers])
    facts = image.from_archive(path)
    ours = as_dive_counts(facts)
    assert ours == dive(path)
    assert len(ours) > 10


def test_own_layers_alone_waste_nothing_of_the_base(tmp_path: Path) -> None:
    """The base's bytes are there anyway."""
    layers = [
        archives.layer({"a": b"a" * 9}),
        archives.layer({"a": b"b" * 9}),
        archives.layer({"b": b"b" * 9}),
    ]
    facts = image.from_archive(archives.docker_archive(tmp_path / "x.tar", layers))
    assert waste.total(waste.wasted(facts.layers)) == 9
    assert waste.total(waste.wasted(facts.layers[1:])) == 0
    assert [(one.entry.path, one.layer) for one in waste.duplicates(facts.layers[1:])] == [("/b", 2)]


METADATA = b"Name: One-Two\nVersion: 2\n"
STATUS = b"Package: libone\nStatus: install ok installed\nVersion: 1.0-1\n\n"


def test_package_files_of_installed_packages_are_waste(tmp_path: Path) -> None:
    """Of any version; those of nothing installed, of caches, of the base and of tools that bring theirs are not."""
    site = "usr/local/lib/python3.13/site-packages"
    layers: list[archives.Layer] = [
        {"var/lib/dpkg/status": STATUS, "base/libone_1.0-1_amd64.deb": b"d" * 7},
        {
            f"{site}/one_two-2.dist-info/METADATA": METADATA,
            "wheels/one_two-2-py3-none-any.whl": b"w" * 100,
            "wheels/One.Two-1-py3-none-any.whl": b"v" * 20,
            "wheels/three-1-py3-none-any.whl": b"t" * 50,
            "tmp/libone_1.0-1_amd64.deb": b"d" * 30,
            "var/cache/apt/archives/libone_1.0-1_amd64.deb": b"d" * 30,
            f"{site}/virtualenv/seed/one_two-2-py3-none-any.whl": b"s" * 9,
        },
    ]
    path = archives.docker_archive(tmp_path / "x.tar", [archives.layer(one) for one in layers])
    facts = image.from_archive(path)
    found = {(one.entry.path, one.size, one.layer) for one in waste.package_files(facts.layers[1:], facts)}
    assert found == {
        ("/wheels/one_two-2-py3-none-any.whl", 100, 1),
        ("/wheels/One.Two-1-py3-none-any.whl", 20, 1),
        ("/tmp/libone_1.0-1_amd64.deb", 30, 1),
    }

"""Wasted bytes by cause; and dive, the tool that others measure them with, finds the same in the same archives.

dive adds up all copies of a path that stands in several layers, the one that is still seen too; we count the bytes that
nobody sees. So of each path dive's bytes are ours and those of the file that is left. Files of a folder that is deleted
whole it does not count at all.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof.collect import image
from dockproof.facts import waste
from tests.collect import archives

if TYPE_CHECKING:
    from dockproof.facts.image import ImageFacts

DIVE = Path(sys.prefix) / "bin" / "dive"


def dive(archive: Path) -> dict[str, int]:
    """Return the bytes of every path that dive calls inefficient, those without any left out."""
    report = archive.with_suffix(".json")
    command = [str(DIVE), f"docker-archive://{archive}", "--json", str(report)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    about = json.loads(report.read_text(encoding="utf-8"))["image"]
    found = {one["file"]: one["sizeBytes"] for one in about["fileReference"] if one["sizeBytes"]}
    assert about["inefficientBytes"] == sum(found.values())
    return found


def as_dive_counts(facts: ImageFacts) -> dict[str, int]:
    """Return our wasted bytes by path, and those of what is left at each."""
    found: dict[str, int] = {}
    for one in waste.wasted(facts.layers):
        path = one.entry.path
        left = facts.files.get(path)
        found[path] = found.get(path, left.size if left and left.type == "file" else 0) + one.size
    return found


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

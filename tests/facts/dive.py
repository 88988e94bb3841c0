"""dive, the tool that others measure wasted bytes with, on an archive; and our own figures as it counts.

dive adds up all copies of a path that stands in several layers, the one that is still seen too; we count the bytes that
nobody sees. So of each path dive's bytes are ours and those of the file that is left. Files of a folder that is deleted
whole it does not count at all.
"""

from __future__ import annotations

import json
import posixpath
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof.facts import waste

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


def left_out(facts: ImageFacts) -> set[str]:
    """Return the paths of our waste that dive leaves out: those of folders that a later layer deletes or empties."""
    deleted = {path for layer in facts.layers for path in (*layer.whiteouts, *layer.opaque)}
    return {path for path in as_dive_counts(facts) if not deleted.isdisjoint(_folders(path))}


def added(facts: ImageFacts, found: dict[str, int]) -> set[str]:
    """Return the paths that dive adds to the waste although what they hid was empty: only what is seen has bytes."""
    entries = ((layer, entry) for layer in facts.layers for entry in layer.entries)
    empty = {
        entry.path for layer, entry in entries if entry != facts.files.get(entry.path) and not entry.size
    }
    return {path for path in empty if path in found and found[path] == facts.files[path].size}


def _folders(path: str) -> set[str]:
    """Return all folders around a path but the root."""
    found = set()
    while (path := posixpath.dirname(path)) != "/":
        found.add(path)
    return found

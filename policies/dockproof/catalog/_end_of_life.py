"""When releases of distributions, languages and databases end: `data/end_of_life.json`, and what an image says it is.

The data's date is `as_of`; `scripts/refresh-end-of-life` brings it up to date. What is not in it is not known.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockproof.facts.image import ImageFacts
    from dockproof.facts.images import ImageRef

PATH = Path(__file__).parents[1] / "data" / "end_of_life.json"
_VERSION = pattern(r"v?(\d+(?:\.\d+)*)")


class Release(NamedTuple):
    """A release that something says it is of.

    Attributes:
        kind: `distribution`, or `release` of a language or a database.
        title: as "Debian".
        cycle: as "12" or "3.13".
        end: its last day, ISO date.
        told_by: what says so, as "the tag 3.13-slim-trixie".
    """

    kind: str
    title: str
    cycle: str
    end: str
    told_by: str


@cache
def data() -> Mapping[str, Any]:
    """Return the whole file: `as_of`, `source` and `products` by endoflife.date's names."""
    document: Mapping[str, Any] = json.loads(PATH.read_text("utf-8"))
    return document


def of_reference(ref: ImageRef) -> Iterator[Release]:
    """Give the releases that an image's name and tag tell: of `python:3.9-slim-buster` Python 3.9 and Debian 10."""
    tag = ref.tag or ""
    for product in data()["products"].values():
        named = any(ref.path == image or ref.path.endswith(f"/{image}") for image in product["images"])
        text = _VERSION.match(tag) if named else None
        cycle = _cycle(product, text[1] if text else "") or _from_parts(product, tag)
        if cycle:
            yield _release(product, cycle, f"the tag {tag}")


def of_image(image: ImageFacts) -> Iterator[Release]:
    """Give the releases that an image tells by its os-release and by the variables of Docker's own images."""
    system = image.os_release
    for product in data()["products"].values():
        if product["kind"] == "distribution":
            version = system.get("VERSION_ID", "") if system.get("ID") == product["os_release"] else ""
            told_by = "/etc/os-release"
        else:
            version, told_by = image.config.env.get(product["variable"], ""), product["variable"]
        if cycle := _cycle(product, version):
            yield _release(product, cycle, told_by)


def _cycle(product: Mapping[str, Any], version: str) -> str:
    """Find the cycle of a version, the longest first: `3.13.1`, `3.13`, `3`; "" for one that is not known."""
    parts = version.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((one for one in candidates if one in product["cycles"]), "")


def _from_parts(product: Mapping[str, Any], tag: str) -> str:
    """Find a distribution among the parts of a tag: a code name, or `alpine3.19`."""
    codenames, suffix = product.get("codenames", {}), product.get("suffix", "-")
    for part in tag.split("-"):
        if part in codenames:
            return str(codenames[part])
        if part.startswith(suffix) and (cycle := _cycle(product, part.removeprefix(suffix))):
            return cycle
    return ""


def _release(product: Mapping[str, Any], cycle: str, told_by: str) -> Release:
    return Release(product["kind"], product["title"], cycle, product["cycles"][cycle], told_by)

"""When releases of distributions, languages and databases end: `data/end_of_life.json`, and what an image says it is.

The data's date is `as_of`; `scripts/refresh-end-of-life` brings it up to date. What is not in it is not known.
"""

from __future__ import annotations

import json
import os
from functools import cache, lru_cache

from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from dockproof.facts.image import ImageFacts
    from dockproof.facts.images import ImageRef

_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - pathlib costs the start 3 ms
PATH = os.path.join(_PACKAGE, "data", "end_of_life.json")  # noqa: PTH118 - as above
_VERSION = pattern(r"v?(\d+(?:\.\d+)*)")
_NAME_AND_VERSION = pattern(r"(?<![a-z0-9])([a-z]+)-?(\d+(?:\.\d+)*)(?![a-z0-9])")


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
    with open(PATH, encoding="utf-8") as file:  # noqa: PTH123 - as above
        document: Mapping[str, Any] = json.load(file)
    return document


@cache
def _named() -> Mapping[str, Mapping[str, Any]]:
    """Return the products by the names of their images."""
    return {image: product for product in data()["products"].values() for image in product["images"]}


@cache
def _code_named() -> Mapping[str, tuple[Mapping[str, Any], str]]:
    """Return distribution and cycle by the code names that a tag may say: `bookworm`."""
    return {
        name: (product, cycle)
        for product in data()["products"].values()
        for name, cycle in product.get("codenames", {}).items()
    }


@cache
def _suffixed() -> Mapping[str, Mapping[str, Any]]:
    """Return the distributions by what stands in front of their versions: `alpine3.19`, `ubuntu-22.04`, `ubi8`."""
    return {product["suffix"]: product for product in data()["products"].values() if "suffix" in product}


@lru_cache(maxsize=256)  # many files are built FROM the same images
def of_reference(ref: ImageRef) -> tuple[Release, ...]:
    """Give the releases that an image's name and tag tell: of `python:3.9-slim-buster` Python 3.9 and Debian 10."""
    found = {(release.title, release.cycle): release for release in _told_by(ref)}
    return tuple(found.values())


def _told_by(ref: ImageRef) -> Iterator[Release]:
    tag = ref.tag or ""
    told_by = f"the tag {tag}"
    yield from _versioned(ref.path, f"the name {ref.familiar}")
    product = _named().get("/".join(ref.path.rsplit("/", 2)[-2:])) if tag else None
    version = _VERSION.match(tag)
    if product and version and (cycle := _cycle(product, version[1])):
        yield _release(product, cycle, told_by)
    for part in tag.split("-"):
        if part in _code_named():
            distribution, cycle = _code_named()[part]
            yield _release(distribution, cycle, told_by)
    yield from _versioned(tag, told_by)


def _versioned(text: str, told_by: str) -> Iterator[Release]:
    """Give the distributions that a tag or a repository names with their versions."""
    for found in _NAME_AND_VERSION.finditer(text):
        product = _suffixed().get(found[1])
        if product and (cycle := _cycle(product, found[2])):
            yield _release(product, cycle, told_by)


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


def _release(product: Mapping[str, Any], cycle: str, told_by: str) -> Release:
    return Release(product["kind"], product["title"], cycle, product["cycles"][cycle], told_by)

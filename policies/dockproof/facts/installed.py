"""The packages of an image, read from what their managers leave in it: dpkg, apk, rpm, Python and npm.

Databases are read in each layer that holds one, so that a package is blamed on the layer that brought it and not on
the one that wrote the database last.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockproof.facts.image import Package
from dockproof.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.facts.image import FileEntry, ImageFacts

DPKG = "/var/lib/dpkg/status"
DPKG_FOLDER = "/var/lib/dpkg/status.d/"
"""Where distroless images keep a file a package."""

APK = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
RPM_FOLDERS = ("/var/lib/rpm/", "/usr/lib/sysimage/rpm/", "/usr/share/rpm/")
RPM = tuple(f"{folder}rpmdb.sqlite" for folder in RPM_FOLDERS)
RPM_OLD = {"Packages": "Berkeley DB", "Packages.db": "ndb"}

DATABASES = frozenset({DPKG, *APK, *RPM})
"""Files that facts keep whatever their size and content."""

_DISTRIBUTION = pattern(
    r"/(?P<name>[^/]+?)-(?P<version>[^/-]+)(?:-py[\d.]+)?\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?)$"
)
_NPM = pattern(r"/node_modules/(?P<name>(?:@[^/]+/)?[^/@]+)/package\.json$")


def packages(image: ImageFacts) -> Iterator[Package]:
    """Yield what is installed in the merged view."""
    for path in (DPKG, *APK, *RPM):
        entry = image.find(path)
        if entry is not None:
            yield from _of_database(image, entry)
    for path, entry in image.files.items():
        yield from _of_file(image, path, entry)


def _of_file(image: ImageFacts, path: str, entry: FileEntry) -> Iterator[Package]:
    """Yield the package that a file of its own tells of."""
    if path.startswith(DPKG_FOLDER):
        if not path.endswith(".md5sums") and entry.type != "dir":
            yield from parse_dpkg(image.read(path) or b"", path)
    elif path.endswith(("/METADATA", "/PKG-INFO", ".egg-info")):
        if match := _DISTRIBUTION.search(path):
            yield Package(match["name"], match["version"], "python", path)
    elif path.endswith("/package.json") and (match := _NPM.search(path)):
        yield Package(match["name"], _npm_version(image.read(path)), "npm", path)


def _npm_version(text: bytes | None) -> str:
    try:
        document = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return ""
    version = document.get("version") if isinstance(document, dict) else None
    return version if isinstance(version, str) else ""


def _of_database(image: ImageFacts, entry: FileEntry) -> Iterator[Package]:
    """Yield the packages of a database as one layer holds it."""
    text = image.texts.get((entry.layer, entry.path), b"")
    if entry.path.endswith(".sqlite"):
        from dockproof.facts import rpm  # noqa: PLC0415 - few images have one

        yield from (Package(name, version, "rpm", entry.path) for name, version in rpm.packages(text) or ())
    elif entry.path.startswith("/var/lib/dpkg/"):
        yield from parse_dpkg(text, entry.path)
    else:
        yield from parse_apk(text, entry.path)


def unread(image: ImageFacts) -> Iterator[str]:
    """Yield a sentence for each package database that is there and cannot be read."""
    for path in RPM:
        entry = image.find(path)
        if entry is not None:
            from dockproof.facts import rpm  # noqa: PLC0415 - few images have one

            if rpm.packages(image.texts.get((entry.layer, entry.path), b"")) is None:
                yield f"rpm database not read: {path} is damaged, or larger than what is kept of a file"
    for folder in RPM_FOLDERS:
        for name, form in RPM_OLD.items():
            if image.find(folder + name) is not None and image.find(f"{folder}rpmdb.sqlite") is None:
                yield f"rpm database not read: {folder}{name} is {form}; its packages are not known"


def layer_of(image: ImageFacts, package: Package) -> int | None:
    """Return the lowest layer from which on upward a package stands in its database, or that holds its own file."""
    if package.path not in DATABASES:
        entry = image.files.get(package.path)
        return entry.layer if entry else None
    lowest: int | None = None
    for layer in image.layers:
        entry = next((one for one in layer.entries if one.path == package.path), None)
        if entry is not None:
            is_there = package.name in _named(image, entry)
            lowest = (layer.index if lowest is None else lowest) if is_there else None
    return lowest


def _named(image: ImageFacts, entry: FileEntry) -> frozenset[str]:
    """Return the packages of one layer's database, read once for an image."""
    known = image.databases
    key = (entry.layer, entry.path)
    if key not in known:
        known[key] = frozenset(one.name for one in _of_database(image, entry))
    return known[key]


# ---------------------------------------------------------------------------------------------- the formats


def _stanzas(text: bytes) -> Iterator[dict[str, str]]:
    """Yield the stanzas of a database of `Key: value` or `K:value` lines; continuation lines are dropped."""
    for stanza in text.decode("utf-8", "replace").split("\n\n"):
        pairs = (line.partition(":") for line in stanza.splitlines() if line and not line[0].isspace())
        yield {key: value.strip() for key, _, value in pairs}


def parse_dpkg(text: bytes, path: str = "") -> Iterator[Package]:
    """Yield the packages of a dpkg status file that are installed (all, where it has no Status field)."""
    for stanza in _stanzas(text):
        state = stanza.get("Status", "installed").split()[-1:]
        if "Package" in stanza and state == ["installed"]:
            yield Package(stanza["Package"], stanza.get("Version", ""), "dpkg", path)


def parse_apk(text: bytes, path: str = "") -> Iterator[Package]:
    """Yield the packages of apk's installed database."""
    for stanza in _stanzas(text):
        if "P" in stanza:
            yield Package(stanza["P"], stanza.get("V", ""), "apk", path)

"""Bytes that layers hold for nothing, each with its cause.

`Waste` is about files that no container can see any more, and about content that is stored more than once. Layers are
compared with each other alone, so that with the own layers given, the base's bytes count for nothing.
"""

from __future__ import annotations

import posixpath
import re

from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockproof.facts.image import FileEntry, Hidden, ImageFacts, Layer

OVERWRITTEN, CHANGED, HIDDEN, DUPLICATE = "overwritten", "rights-changed", "hidden", "duplicate"
INSTALLED = "only-installed"
CAUSES = (OVERWRITTEN, CHANGED, HIDDEN, DUPLICATE, INSTALLED)

MANAGERS = {".whl": "python", ".deb": "dpkg", ".rpm": "rpm", ".apk": "apk"}
"""The manager that installs a file of this ending."""

KEPT = frozenset({"cache", ".cache", "site-packages", "dist-packages", "ensurepip", "python-wheels"})
"""Folders whose package files are another policy's matter, or a tool's own: ensurepip installs from its own."""


class Waste(NamedTuple):
    """A file whose bytes are shipped for nothing.

    Attributes:
        cause: `overwritten` (a later layer holds other content at its path), `rights-changed` (the same content, with
            another owner, mode or time), `hidden` (a later layer deletes it), `duplicate` (its content stands at
            another path, or again in the same layer), `only-installed` (an installed package came in it).
        entry: the file that holds the bytes.
        layer: number of the layer that is to blame: the one that hides the file, or holds the copy.
        by: what stands in its way: the later file, the other copy; None where it is deleted.
    """

    cause: str
    entry: FileEntry
    layer: int
    by: FileEntry | None = None

    @property
    def size(self) -> int:
        """Bytes for nothing."""
        return self.entry.size

    @property
    def change(self) -> str:
        """What a later layer changed of a file whose content it kept."""
        old, new = self.entry, self.by
        if self.cause != CHANGED or new is None:
            return ""
        if (old.uid, old.gid) != (new.uid, new.gid):
            return f"owner {old.uid}:{old.gid} to {new.uid}:{new.gid}"
        if old.mode != new.mode:
            return f"mode {old.mode:04o} to {new.mode:04o}"
        return "time alone" if old.mtime != new.mtime else "nothing"


def wasted(layers: Sequence[Layer]) -> Iterator[Waste]:
    """Yield every file of these layers that a higher one of them hides or stores again, lowest layer to blame first."""
    from dockproof.facts.image import merge  # noqa: PLC0415 - `check` reads no image and must start quickly

    hidden: list[Hidden] = []
    merge(layers, hidden)
    at = {layer.index: {entry.path: entry for entry in layer.entries} for layer in layers}
    for one in hidden:
        if one.entry.type == "file" and one.entry.size:
            by = at[one.layer].get(one.entry.path) if one.how == "replaced" else None
            yield Waste(_cause(one.entry, by), one.entry, one.layer, by)
    for layer in layers:
        entries = at[layer.index]
        for old in layer.replaced:
            if old.type == "file" and old.size:
                by = entries.get(old.path)
                yield Waste(_cause(old, by), old, layer.index, by)


def _cause(old: FileEntry, new: FileEntry | None) -> str:
    if new is None:
        return HIDDEN
    return CHANGED if new.type == "file" and old.digest and old.digest == new.digest else OVERWRITTEN


def duplicates(layers: Sequence[Layer]) -> Iterator[Waste]:
    """Yield every visible file whose content another visible file of these layers has, but for the first of them.

    Hard links share their bytes, so they are no copies.
    """
    from dockproof.facts.image import merge  # noqa: PLC0415 - reading an image; every check loads this module

    first: dict[str, FileEntry] = {}
    seen: Mapping[str, FileEntry] = merge(layers)
    for entry in sorted(seen.values(), key=lambda entry: (entry.layer, entry.path)):
        if entry.type == "file" and entry.size and entry.digest:
            original = first.setdefault(entry.digest, entry)
            if original is not entry:
                yield Waste(DUPLICATE, entry, entry.layer, original)


def package_files(layers: Sequence[Layer], image: ImageFacts) -> Iterator[Waste]:
    """Yield every visible file of these layers that a package of the image came in, whatever its version."""
    own = {layer.index for layer in layers}
    installed = {(one.manager, _plain(one.name)) for one in image.packages}
    for path, entry in image.files.items():
        manager = MANAGERS.get(path[-4:])
        if manager is None or entry.layer not in own or entry.type != "file":
            continue
        package = manager, _plain(_package(posixpath.basename(path), manager))
        if package in installed and KEPT.isdisjoint(path.split("/")):
            yield Waste(INSTALLED, entry, entry.layer)


def _package(name: str, manager: str) -> str:
    """Return the package that a file's name tells: `a-1-py3-none-any.whl`, `a_1_amd64.deb`, `a-1-r0.apk`."""
    if manager == "python":
        return name.partition("-")[0]
    return name.partition("_")[0] if manager == "dpkg" else name.rsplit("-", 2)[0]


def _plain(name: str) -> str:
    """Return a name as Python's index compares it; no other manager has two that differ in this alone."""
    return re.sub(r"[-_.]+", "-", name).lower()


def total(wastes: Iterable[Waste]) -> int:
    """Return the bytes of some waste."""
    return sum(one.size for one in wastes)

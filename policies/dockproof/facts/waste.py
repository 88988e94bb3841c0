"""Bytes that layers hold for nothing, each with its cause.

`Waste` is about files that no container can see any more, and about content that is stored more than once. Layers are
compared with each other alone, so that with the own layers given, the base's bytes count for nothing.
"""

from __future__ import annotations

from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dockproof.facts.image import FileEntry, Hidden, Layer

OVERWRITTEN, CHANGED, HIDDEN, DUPLICATE = "overwritten", "rights-changed", "hidden", "duplicate"
CAUSES = (OVERWRITTEN, CHANGED, HIDDEN, DUPLICATE)


class Waste(NamedTuple):
    """A file whose bytes are shipped for nothing.

    Attributes:
        cause: `overwritten` (a later layer holds other content at its path), `rights-changed` (the same content, with
            another owner, mode or time), `hidden` (a later layer deletes it), `duplicate` (its content stands at
            another path, or again in the same layer).
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


def total(wastes: Iterable[Waste]) -> int:
    """Return the bytes of some waste."""
    return sum(one.size for one in wastes)

"""What two clean builds of one Dockerfile have in common, and where they differ; pure values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTENT, RIGHTS, TIME, ONE = "content", "mode or owner", "time alone", "being there at all"
"""How a file of two builds may differ, the worst first: a difference in content hides one in time."""
KINDS = (CONTENT, RIGHTS, ONE, TIME)


class Trace(NamedTuple):
    """What a layer's archive says of one entry; `digest` is of its content, or its link's target."""

    kind: str
    mode: int
    uid: int
    gid: int
    digest: str
    mtime: int

    def differs(self, other: Trace) -> str:
        """Say how it differs from another build's, "" where it does not."""
        if (self.kind, self.digest) != (other.kind, other.digest):
            return CONTENT
        if self[1:4] != other[1:4]:
            return RIGHTS
        return "" if self.mtime == other.mtime else TIME


class Difference(NamedTuple):
    """One file that is not the same in both builds.

    Attributes:
        layer: index of the layer, 0 is the lowest.
        path: absolute.
        how: one of `KINDS`.
    """

    layer: int
    path: str
    how: str


class Reproduction(NamedTuple):
    """Two builds of one Dockerfile, the second clean and from a copy with other file times and another umask.

    Attributes:
        first: id of the image that was built as usual.
        second: id of the image that was built again.
        layers: diff ids of the first one's layers, lowest first.
        steps: the instruction that made each of them, "" where the history does not tell.
        config: names of the fields of the config that differ, as `config.Labels`; layers and history aside.
        differences: the files that differ, by layer and path.
    """

    first: str
    second: str
    layers: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether both are one image."""
        return self.first == self.second

    def groups(self) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """Yield layer, kind of difference and paths, by layer, the worst kind first."""
        found: dict[tuple[int, str], list[str]] = {}
        for one in self.differences:
            found.setdefault((one.layer, one.how), []).append(one.path)
        for layer, how in sorted(found, key=lambda key: (key[0], KINDS.index(key[1]))):
            yield layer, how, tuple(found[layer, how])


def compare(first: Mapping[str, Trace], second: Mapping[str, Trace], layer: int) -> Iterator[Difference]:
    """Yield the differences of one layer, by path."""
    for path in sorted(first.keys() | second.keys()):
        before, after = first.get(path), second.get(path)
        how = before.differs(after) if before and after else ONE
        if how:
            yield Difference(layer, path, how)


def fields(first: Mapping[str, object], second: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the names of the fields that differ, layers and history aside: they are told file by file."""
    for name in sorted(first.keys() | second.keys()):
        before, after = first.get(name), second.get(name)
        if name in {"rootfs", "history"} or before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from fields(before, after, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def unequal(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Return the indexes of the layers whose diff ids are not the same, or that one build alone has."""
    longest = max(len(first), len(second))
    pad = [""] * longest
    pairs = zip([*first, *pad][:longest], [*second, *pad][:longest], strict=True)
    return [index for index, (before, after) in enumerate(pairs) if before != after]

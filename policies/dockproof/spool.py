"""A list that lies in a temporary file: what is known of a thousand files must not stand in memory all at once."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from dockproof.generic import Generic, T

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Packed(bytes):
    """A value that another process has pickled already."""


def packed(value: object) -> Packed:
    """Pickle a value for a spool."""
    return Packed(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


class Spool(Sequence[Any], Generic[T]):
    """Values in the order in which they were added, each read anew when it is asked for.

    The file has no name that anybody else could open, and goes with the list.
    """

    def __init__(self, values: Iterable[T | Packed] = ()) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the list
        weakref.finalize(self, self._file.close)
        self._starts = array("Q")
        for value in values:
            self._starts.append(self._written(value))

    def _written(self, value: T | Packed) -> int:
        start = self._file.seek(0, 2)
        self._file.write(value if isinstance(value, Packed) else packed(value))
        return start

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._read(start) for start in self._starts[index]]
        return self._read(self._starts[index])

    def __setitem__(self, index: int, value: T) -> None:
        self._starts[index] = self._written(value)

    def __iter__(self) -> Iterator[T]:
        return map(self._read, self._starts)

    def _read(self, start: int) -> T:
        self._file.seek(start)
        value: T = pickle.load(self._file)  # noqa: S301 - nobody else can have written it
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of any list

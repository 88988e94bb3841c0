"""`Generic` and a type variable for type checkers; at run time a class that is indexed for nothing.

`typing` is a seventh of `import argparse, yaml`, within twice of which a check of one file has to start, and what a
start imports needs nothing else of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic, TypeVar

    T = TypeVar("T")
else:
    T = None

    class Generic:
        """Base of a class that holds values of one type."""

        def __class_getitem__(cls, _kind: object) -> type:
            return cls


__all__ = ["Generic", "T"]

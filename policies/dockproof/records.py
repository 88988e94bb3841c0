"""`NamedTuple` that is quick to define: to type checkers `typing.NamedTuple` itself, at run time the same tuple class.

`typing.NamedTuple` compiles the annotations of each class when it is defined, 0.2 ms a class. The package has a hundred
of them, and `check` of one file must not take longer than twice an `import yaml`. Annotations stay text here.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple
else:

    class _Definition(type):
        """Turns a class body into a tuple class with the body's methods."""

        def __new__(cls, name: str, _bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = body.get("__annotations__", {})
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body.pop("__module__"))  # noqa: PYI024 - its maker
            cell = body.pop("__classcell__", None)
            if cell is not None:  # a method says super() or __class__
                cell.cell_contents = made
            for key, value in body.items():
                setattr(made, key, value)
            return made

    NamedTuple = type.__new__(
        _Definition, "NamedTuple", (), {"__doc__": "Base of a class statement: see the module."}
    )

__all__ = ["NamedTuple"]

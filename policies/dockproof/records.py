"""`NamedTuple` that is quick to define: to type checkers `typing.NamedTuple` itself, at run time the same tuple class.

`typing.NamedTuple` compiles the annotations of each class when it is defined, and `collections.namedtuple` its
constructor. The package has over a hundred of them, one check makes values of a few, and `check` of one file must not
take longer than twice an `import yaml`: annotations stay text here, and the first value of a class compiles its
constructor.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, Self
else:
    try:
        from _collections import _tuplegetter as _field
    except ImportError:  # only CPython has it; collections.namedtuple does the same
        from operator import itemgetter

        def _field(index: int, doc: str) -> property:
            return property(itemgetter(index), doc=doc)

    class _Record(tuple):
        """What all records share: the methods of a named tuple."""

        __slots__ = ()

        def __new__(cls, *values: Any, **named: Any) -> Self:
            """Make the first value of a class, for which its constructor is compiled."""
            cls.__new__ = staticmethod(_constructor(cls))
            return cls(*values, **named)

        @classmethod
        def _make(cls, values: Any) -> Self:
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes: Any) -> Self:
            fields, values = self._fields, list(self)
            for field, value in changes.items():
                if field not in fields:
                    raise ValueError(f"Got unexpected field names: {[*changes.keys() - set(fields)]!r}")
                values[fields.index(field)] = value
            return tuple.__new__(type(self), values)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            parts = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({parts})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

    def _constructor(cls: type) -> Any:
        """Compile `__new__` with the fields as its arguments, which is what makes it quick to call."""
        names = ", ".join(cls._fields)
        made = eval(f"lambda _cls, {names}: _new(_cls, ({names},))", {"_new": tuple.__new__})  # noqa: S307 - field names
        made.__defaults__ = tuple(cls._field_defaults.values())
        made.__name__ = "__new__"
        made.__qualname__ = f"{cls.__qualname__}.__new__"
        return made

    class _Definition(type):
        """Turns a class body into a tuple class with the body's methods."""

        def __new__(cls, name: str, _bases: tuple[type, ...], body: dict[str, Any]) -> type:
            fields = tuple(body.get("__annotations__", ()))
            body["_fields"] = body["__match_args__"] = fields
            body["_field_defaults"] = {field: body.pop(field) for field in fields if field in body}
            body["__slots__"] = ()
            for index, field in enumerate(fields):
                body[field] = _field(index, f"Alias for field number {index}")
            return type(name, (_Record,), body)

    NamedTuple = type.__new__(
        _Definition, "NamedTuple", (), {"__doc__": "Base of a class statement: see the module."}
    )

__all__ = ["NamedTuple"]

"""Reads tables of settings strictly: what TOML and YAML give, checked key by key.

Each error is a `UsageError` that names the file, the key and the nearest name that exists.
"""

from __future__ import annotations

from collections.abc import Mapping

from dockproof.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from enum import Enum
    from typing import Any, Self, TypeVar

    from dockproof.policy import Policy

    _EnumT = TypeVar("_EnumT", bound=Enum)

NAMES_OF_TOOLS = frozenset({"hadolint", "waiver"})
"""What findings are named for that come from no policy."""


class Table:
    """Reads one table strictly: each key is asked for by name, and leaving it with keys unasked is an error."""

    def __init__(self, data: object, where: str, path: str, name: str = "") -> None:
        self.where, self.path, self.name = where, path, name
        self.data: dict[str, Any] = {}
        if not isinstance(data, dict):
            raise self.error("", f"must be a table, not {_kind(data)}")
        for key, value in data.items():
            self._add(str(key), value)
        self._asked: dict[str, None] = {}

    def _add(self, key: str, value: object) -> None:
        plain = key.replace("-", "_")
        if plain in self.data:
            raise self.error(key, "is there twice, once with - and once with _")
        self.data[plain] = value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        left = [key for key in self.data if key not in self._asked]
        if left and error is None:
            raise self.error(left[0], f"is not known{nearest(left[0], self._asked)}")

    def error(self, key: str, message: str) -> UsageError:
        """Return an error at a key of this table; "" = the table itself."""
        path = ".".join(
            part for part in (self.path, key.replace("_", "-") if self.path != "x-dockproof" else key) if part
        )
        return UsageError(f"{self.where}: {path}: {message}" if path else f"{self.where}: {message}")

    def has(self, key: str) -> bool:
        """Whether a key is there; it counts as known from now on."""
        plain = key.replace("-", "_")
        self._asked[plain] = None
        return self.data.get(plain) is not None

    def get(self, key: str, kind: type | tuple[type, ...], words: str) -> Any:
        """Return a value of a type, None where the key is missing."""
        if not self.has(key):
            return None
        value = self.data[key.replace("-", "_")]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"must be {words}, not {_kind(value)}")
        return value

    def text(self, key: str) -> str:
        """Return a text, "" where the key is missing."""
        return self.get(key, str, "a text") or ""

    def path_text(self, key: str) -> str:
        """Return the text of a path, "" where the key is missing."""
        text = self.text(key)
        if "\0" in text:
            raise self.error(key, "is no path: it holds a NUL character")
        return text

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.get(key, bool, "true or false")
        return default if value is None else bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone counts as a list of one."""
        value = self.get(key, (list, str), "a list of texts")
        items = [value] if isinstance(value, str) else value or []
        for item in items:
            if not isinstance(item, str) or not item:
                raise self.error(key, f"must be a list of texts, not of {_kind(item)}")
        return tuple(items)

    def words(self, key: str, allowed: Iterable[str]) -> tuple[str, ...]:
        """Return a list of texts out of a closed set."""
        allowed = tuple(allowed)
        for item in self.texts(key):
            if item not in allowed:
                raise self.error(
                    key, f"{item!r} is not known{nearest(item, allowed)}; allowed: {', '.join(allowed)}"
                )
        return self.texts(key)

    def choice(self, key: str, kind: type[_EnumT]) -> _EnumT | None:
        """Return a member of an enumeration, None where the key is missing."""
        text = self.get(key, str, "a text")
        allowed = [str(member.value) for member in kind]
        if text is not None and text not in allowed:
            raise self.error(
                key, f"{text!r} is not known{nearest(text, allowed)}; allowed: {', '.join(allowed)}"
            )
        return None if text is None else kind(text)

    def policies(self, key: str, known: Collection[str]) -> frozenset[str]:
        """Return ids of policies, each with or without a clause."""
        for name in self.texts(key):
            self.known_policy(name, known, key)
        return frozenset(self.texts(key))

    def known_policy(self, name: str, known: Collection[str], key: str = "") -> None:
        """Check a policy's id."""
        problem = unknown_policy(name, known)
        if problem:
            raise self.error(key, problem)

    def date(self, key: str) -> str | None:
        """Return an ISO date; TOML and YAML know dates of their own, and compose turns them into times."""
        if not self.has(key):
            return None
        value = self.data[key]
        text = value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else None
        if text is None:
            raise self.error(key, f"must be a date as 2027-01-31, not {_kind(value)}")
        return str(text).removesuffix("T00:00:00Z")

    def size(self, key: str) -> int | None:
        """Return a number of bytes, written as `120MB`, `30 MiB` or a whole number."""
        value = self.get(key, (int, str), "a size as 120MB")
        if value is None:
            return None
        from dockproof.facts import sizes  # noqa: PLC0415 - few configurations set one

        size = sizes.parse(value)
        if size is None:
            raise self.error(key, f"{value!r} is no size: write 120MB")
        return size

    def like(self, key: str, default: object) -> Any:
        """Return a value of the type of a policy's default; a list becomes the default's own kind of collection."""
        if isinstance(default, list | tuple | set | frozenset):
            return type(default)(self.texts(key))
        kinds: Mapping[type, Callable[[], Any]] = {
            bool: lambda: self.flag(key, default=bool(default)),
            int: lambda: self.get(key, int, "a whole number"),
            float: lambda: self.get(key, (int, float), "a number"),
            str: lambda: self.text(key),
            dict: lambda: dict(self.get(key, dict, "a table")),
        }
        read = kinds.get(type(default), lambda: self.data[key.replace("-", "_")])
        return read()

    def table(self, key: str) -> Table:
        """Return the table under a key, an empty one where the key is missing."""
        data = self.data[key] if self.has(key) else {}
        return Table(data, self.where, self._below(key), key)

    def tables_of(self, key: str) -> list[Table]:
        """Return the tables of a table of tables; each has its key as name."""
        data = self.data[key] if self.has(key) else {}
        if not isinstance(data, dict):
            raise self.error(key, f"must be a table, not {_kind(data)}")
        return [
            Table(one, self.where, self._below(f'{key}."{name}"'), str(name)) for name, one in data.items()
        ]

    def list_of_tables(self, key: str) -> list[Table]:
        """Return the tables of a list."""
        items: Sequence[object] = self.get(key, list, "a list of tables") or ()
        return [Table(one, self.where, self._below(f"{key}[{i}]")) for i, one in enumerate(items)]

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def unknown_policy(name: str, known: Mapping[str, Policy] | Collection[str]) -> str:
    """Say that an id is no policy, or has no such clause, with the nearest one; "" where all is well."""
    policy, _, clause = name.partition("/")
    tool, _, rule = name.partition(":")
    if tool == "hadolint" and rule and not clause:
        return ""
    if policy not in known and policy not in NAMES_OF_TOOLS:
        return f"{policy!r} is no policy{nearest(policy, [*known, *NAMES_OF_TOOLS])}; `dockproof policies` lists them"
    if clause and isinstance(known, Mapping) and policy in known:
        clauses = [one.name for one in known[policy].clauses]
        return (
            ""
            if clause in clauses
            else f"clause {clause!r} of {policy} is not known{nearest(clause, clauses)}"
        )
    return ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean "…"?` for the name that comes closest, "" where none comes close."""
    import difflib  # noqa: PLC0415 - only an error pays for it

    close = difflib.get_close_matches(name, list(known), n=1)
    return f', did you mean "{close[0]}"?' if close else ""


def _kind(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "nothing" if value is None else type(value).__name__)

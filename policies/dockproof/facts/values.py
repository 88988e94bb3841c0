"""Values of variables: known, unknown or empty, and where each came from.

Scopes are BuildKit's. ARG before the first FROM is visible in FROM lines alone, until a stage declares it again. In
a stage ENV and ARG write into one table, the later line wins, and a stage built FROM another begins with that
one's table. What the base image itself sets is not known from here.
"""

from __future__ import annotations

from bisect import bisect_left

from dockproof.facts.lexer import LENGTH_LIMIT, TOO_LONG, ExpansionError, Found, Lexer, choose
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

PLATFORM_ARGUMENTS = frozenset(
    f"{side}{part}"
    for side in ("BUILD", "TARGET")
    for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
) | {"TARGETSTAGE"}
"""Set by BuildKit itself: in FROM lines always, in a stage once declared."""

PROXY_ARGUMENTS = frozenset(
    name
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (proxy, proxy.lower())
)
"""Accepted as build arguments without any ARG."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of an empty image."""

_NOTES_LIMIT = 16


class Origin(NamedTuple):
    """Where a value came from.

    `kind` is ARG, ENV, build-arg, predefined or base; `line` is None where no line of the file set it.
    """

    kind: str
    line: int | None


class Value(NamedTuple):
    """An expanded text.

    Attributes:
        text: None where it is unknown; "" is known to be empty.
        missing: the names without a known value that an unknown text hangs on.
        origins: what its variables came from; at most 16.
        undefined: the names that nothing in sight defines, where the text itself says no default.
        error: why BuildKit refuses to expand it, "" where it does not.
    """

    text: str | None
    missing: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    undefined: tuple[str, ...] = ()
    error: str = ""

    @property
    def known(self) -> bool:
        """Whether the text is known, empty or not."""
        return self.text is not None

    def set_by(self, origin: Origin) -> Value:
        """The value as a variable holds it that a line has set: that line is its first origin."""
        origins = (origin, *self.origins[: _NOTES_LIMIT - 1])
        return Value(self.text, self.missing, origins, self.undefined, self.error)


class Variable(NamedTuple):
    """A name in a scope; `is_set` is None where it depends on the base image."""

    value: Value
    is_set: bool | None
    declared: bool = True


_ABSENT = Variable(Value(""), is_set=False, declared=False)


class Table:
    """The names of one stage, or of the part before the first FROM, through time.

    Args:
        parent: the table that this one begins with.
        open_world: an image that is not at hand may set more names.
        predefined: what is there before the first line.

    Attributes:
        versions: what this table sets, with the positions.
        inherited: answers from further out.
        known: all names that any table of the family sets; most names that are asked for in vain are none.
    """

    __slots__ = ("inherited", "known", "open_world", "parent", "versions")

    def __init__(
        self,
        parent: Table | None = None,
        *,
        open_world: bool = False,
        predefined: dict[str, Variable] | None = None,
    ) -> None:
        self.parent = parent
        self.open_world: bool = parent.open_world if parent else open_world
        self.known: set[str] = parent.known if parent else set(predefined or ())
        self.inherited: dict[str, Variable] = predefined or {}
        self.versions: dict[str, list[tuple[int, Variable]]] = {}

    def define(self, name: str, variable: Variable, position: int) -> None:
        """Set a name; what stands behind `position` sees it."""
        self.known.add(name)
        self.versions.setdefault(name, []).append((position, variable))

    def get(self, name: str, position: int | None = None) -> Variable:
        """What holds at `position`, at the end for None."""
        versions = self.versions.get(name)
        if versions:
            last = len(versions) if position is None else bisect_left(versions, position, key=_position_of)
            if last:
                return versions[last - 1][1]
        return self._from_parents(name) if name in self.known else self.outside(name)

    def _from_parents(self, name: str) -> Variable:
        """Climb without recursion and remember the answer in every table on the way."""
        climbed: list[Table] = []
        table: Table = self
        while name not in table.inherited:
            climbed.append(table)
            if table.parent is None:
                variable = table.outside(name)
                break
            table = table.parent
            if versions := table.versions.get(name):
                variable = versions[-1][1]
                break
        else:
            variable = table.inherited[name]
        for one in climbed:
            one.inherited[name] = variable
        return variable

    def outside(self, name: str) -> Variable:
        """What holds of a name that no line of the file sets."""
        if not self.open_world:
            return _ABSENT
        if name == "PATH":
            return Variable(Value(None, (name,), (Origin("base", None),)), is_set=True)
        return Variable(Value(None, (name,)), is_set=None, declared=False)


def _position_of(version: tuple[int, Variable]) -> int:
    return version[0]


class Budget:
    """Bounds what the variables of one file may hold together, for texts that grow line by line."""

    LIMIT = 1 << 24

    __slots__ = ("_spent",)

    def __init__(self) -> None:
        self._spent = 0

    def take(self, name: str, value: Value) -> Value:
        """The value, or an unknown one where the budget is spent."""
        self._spent += len(value.text or "")
        if self._spent <= self.LIMIT or not value.text:
            return value
        error = f"the values of the file's variables hold more than {self.LIMIT} characters together"
        return Value(None, (name,), value.origins, value.undefined, error)


class Scope(NamedTuple):
    """What is visible at one place: a table at a time."""

    table: Table
    position: int | None = None

    def get(self, name: str) -> Variable:
        """What is known of a name here."""
        return self.table.get(name, self.position)


_DEFAULTS = frozenset("-+")  # these say what holds when the name is unset
_GUARDS = _DEFAULTS | {"?"}  # these show that the author knows that it may be


class _Notes:
    """A lookup that remembers what was asked."""

    __slots__ = ("missing", "origins", "scope", "undefined")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.missing: dict[str, None] = {}
        self.origins: dict[Origin, None] = {}
        self.undefined: dict[str, None] = {}

    def look(self, name: str, modifier: str) -> Found:
        value, is_set, declared = self.scope.get(name)
        if value.origins:
            self.origins.update(dict.fromkeys(value.origins))
        if not declared and modifier not in _GUARDS:
            self.undefined[name] = None
        if value.text is None and not (modifier in _DEFAULTS and is_set is False):
            self.missing.update(dict.fromkeys(value.missing or (name,)))
        return Found(value.text, is_set)

    def value(self, text: str | None, error: str = "") -> Value:
        missing = tuple(self.missing)[:_NOTES_LIMIT] if text is None else ()
        return Value(
            text, missing, tuple(self.origins)[:_NOTES_LIMIT], tuple(self.undefined)[:_NOTES_LIMIT], error
        )


_SPECIAL = {"\\": frozenset("$'\"\\"), "`": frozenset("$'\"`")}
_NAME = "[A-Za-z_][A-Za-z0-9_]*+"
_WORD = "[A-Za-z0-9_./:,@ -]*+"
_VARIABLE = pattern(rf"\$(?:({_NAME})|\{{({_NAME})(?:(:?)([-+])({_WORD}))?\}})")


# Most texts of a file are plain, several policies ask for each, and the same short ones stand in many files.
_PLAIN: dict[str, dict[str, Value]] = {escape: {} for escape in _SPECIAL}
_KEPT, _SHORT = 1024, 256


def plain(text: str, escape: str = "\\") -> Value | None:
    """The value of a text that holds nothing to expand, no variable, quote or escape; None of any other."""
    known = _PLAIN[escape]
    value = known.get(text)
    if value is None and _SPECIAL[escape].isdisjoint(text):
        value = Value(text)
        if len(text) < _SHORT:
            if len(known) >= _KEPT:
                known.clear()
            known[text] = value
    return value


def expand(text: str, scope: Scope, escape: str = "\\") -> Value:
    """Expand one text as BuildKit expands a single argument: variables, quotes, escapes."""
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    known = plain(inner, escape)
    if known is not None:
        return known
    notes = _Notes(scope)
    try:
        value = _expand_simple(inner, notes)
        return value or notes.value(Lexer(text, notes.look, escape).run().text)
    except ExpansionError as error:
        return notes.value(None, str(error))


_QUOTING = frozenset("\"'\\`")


def _expand_simple(text: str, notes: _Notes) -> Value | None:
    """What nearly all texts hold: `$NAME`, `${NAME}`, `${NAME:-text}`; with the results of the lexer, but faster.

    None for a text that holds anything else.
    """
    if not text.isascii() or not _QUOTING.isdisjoint(text):
        return None
    variables = list(_VARIABLE.finditer(text))
    if len(variables) != text.count("$"):
        return None
    parts: list[str | None] = []
    end = 0
    for match in variables:
        bare, braced, colon, modifier, word = match.groups()
        name = bare or braced
        found = notes.look(name, modifier or "")
        parts += (
            text[end : match.start()],
            choose(name, found, word, modifier, colon=bool(colon)) if modifier else found.text,
        )
        end = match.end()
    parts.append(text[end:])
    known = [part for part in parts if part is not None]
    if sum(map(len, known)) > LENGTH_LIMIT:
        raise ExpansionError(TOO_LONG)
    return notes.value("".join(known) if len(known) == len(parts) else None)


_ONE_WORD = pattern("[A-Za-z0-9/:.-]+")


def expand_words(text: str, scope: Scope, escape: str = "\\") -> tuple[Value, ...]:
    """Expand a text that may fall into several words (EXPOSE); one unknown value where a part is unknown."""
    if _ONE_WORD.fullmatch(text):
        return (Value(text),)
    notes = _Notes(scope)
    try:
        words = Lexer(text, notes.look, escape).run().words
    except ExpansionError as error:
        return (notes.value(None, str(error)),)
    return (notes.value(None),) if words is None else tuple(notes.value(word) for word in words)

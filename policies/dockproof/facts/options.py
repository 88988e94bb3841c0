"""Tell a command's options, their values and its operands apart.

That needs the program's own table: in `apt-get install -t sid curl` the word `sid` is a value, in `apk add -U sid` it
would be a package.
"""

from __future__ import annotations

from dockproof.facts.shell_words import ending
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockproof.facts.shell_words import Word


class Table(NamedTuple):
    """Which options of a program take a value.

    Attributes:
        short: the letters of those with one dash: "ot" for `-o x` and `-t x`.
        long: the names of those that may stand apart from their value, with their dashes: `--output`.
        words: options are whole words behind one dash too, as Go's `-ldflags`; letters do not cluster.
    """

    short: str = ""
    long: frozenset[str] = frozenset()
    words: bool = False


def table(short: str = "", long: str = "", *, words: bool = False) -> Table:
    """Make a table of letters and of long names, which are separated by blanks and lack their dashes."""
    dashes = "-" if words else "--"
    return Table(short, frozenset(f"{dashes}{name}" for name in long.split()), words)


class Option(NamedTuple):
    """An option as given: `-t sid` is ("-t", "sid", the word that holds the value)."""

    name: str
    value: str | None
    word: Word
    """The value as a word, or the option's own word where it has none."""


class Arguments(NamedTuple):
    """A command's words behind its name, told apart."""

    options: tuple[Option, ...]
    operands: tuple[Word, ...]

    def values(self, *names: str) -> tuple[Option, ...]:
        """The options of these names that have a value, in order."""
        return tuple(option for option in self.options if option.name in names and option.value is not None)

    def has(self, *names: str) -> bool:
        """Tell whether one of these options is given."""
        return any(option.name in names for option in self.options)


def read_arguments(words: Sequence[Word], known: Table) -> Arguments:
    """Tell options, values and operands apart; what stands behind `--` is operands."""
    options: list[Option] = []
    operands: list[Word] = []
    following = iter(words)
    for word in following:
        text = word.text
        if text == "--":
            operands += following
        elif text[:1] != "-" or text == "-":
            operands.append(word)
        elif text[:2] == "--" or known.words:
            options.append(_long(word, following, known))
        else:
            options += _cluster(word, following, known)
    return Arguments(tuple(options), tuple(operands))


def _long(word: Word, following: Iterator[Word], known: Table) -> Option:
    name, equals, value = word.text.partition("=")
    if equals:
        return Option(name, value, ending(word, value))
    names: Iterable[str] = (name, f"-{name}", name[1:]) if known.words else (name,)
    if any(one in known.long for one in names):
        given = next(following, None)
        if given is not None:
            return Option(name, given.text, given)
    return Option(name, None, word)


def _cluster(word: Word, following: Iterator[Word], known: Table) -> list[Option]:
    """Read `-qy`, `-ofile`, `-qo file` and `-o=file`."""
    found: list[Option] = []
    text = word.text
    for at in range(1, len(text)):
        name, rest = f"-{text[at]}", text[at + 1 :]
        if text[at] in known.short:
            given = None if rest else next(following, None)
            if given is not None:
                return [*found, Option(name, given.text, given)]
            value = rest.removeprefix("=")
            return [*found, Option(name, value if rest else None, ending(word, value))]
        if rest.startswith("="):
            return [*found, Option(name, rest[1:], ending(word, rest[1:]))]
        found.append(Option(name, None, word))
    return found

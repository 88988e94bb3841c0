"""The values that a shell script is made of: words, redirections, commands and pipelines.

They are slots classes with their positions kept as offsets, because a Dockerfile makes hundreds of them and
only a finding asks where one stands: `span` looks it up then.
"""

from __future__ import annotations

from bisect import bisect_right

from dockproof.facts.span import Span
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

_EXPANDED = pattern(r"[$`]")
_CLUSTER = pattern(r"-[A-Za-z0-9]*")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Locate = Callable[[int], tuple[int, int]]


class Source:
    """A script's text, and where each of its characters stands in the Dockerfile.

    A script need not stand in the Dockerfile as it reaches the shell: quotes and escapes of an outer string are
    gone, a heredoc is put back behind its command. So the text is a row of segments, and each knows its place.
    """

    __slots__ = ("_segments", "_starts", "masked", "text")

    def __init__(self, text: str, segments: Sequence[tuple[int, Locate, int]], masked: str = "") -> None:
        """Take segments as (offset in `text`, function to (line, column), that function's offset for it).

        `masked` is the text with a variable of the same length for each substitution whose commands were already read.
        """
        self.text = text
        self.masked = masked or text
        self._segments = segments
        self._starts: list[int] | None = None

    def locate(self, offset: int) -> tuple[int, int]:
        """Give the line and column, counted from 1, of the character at `offset`."""
        if self._starts is None:
            self._starts = [segment[0] for segment in self._segments]
        start, locate, base = self._segments[max(bisect_right(self._starts, offset) - 1, 0)]
        return locate(base + offset - start)

    def span(self, start: int, end: int) -> Span:
        """Give the place of the characters from `start` to before `end`."""
        line, column = self.locate(start)
        if end <= start:
            return Span(line, column, line, column)
        end_line, end_column = self.locate(end - 1)
        return Span(line, column, end_line, end_column + 1)


Piece = tuple[int, int, bool]
"""A stretch of a word's text that stands in the source as it is: its offset in the word's text, that in the source's
text, and whether it holds a substitution, whose commands were already read. Plain tuples, because there are many."""


class Word:
    """One word of a command as the shell would hand it on, but for expansions, which are kept as written."""

    __slots__ = ("end", "literal", "pieces", "source", "start", "text")

    def __init__(
        self,
        text: str,
        start: int,
        end: int,
        source: Source,
        *,
        literal: bool = True,
        pieces: list[Piece] | None = None,
    ) -> None:
        self.text = text
        """The word without its quotes and escapes."""
        self.start = start
        self.end = end
        self.source = source
        self.literal = literal
        """Whether it holds no parameter, command or arithmetic expansion."""
        self.pieces = pieces

    @property
    def raw(self) -> str:
        """The word as written, quotes and all."""
        return self.source.text[self.start : self.end]

    @property
    def span(self) -> Span:
        """Where it stands in the Dockerfile."""
        return self.source.span(self.start, self.end)

    def __repr__(self) -> str:
        return f"Word({self.text!r}{'' if self.literal else ', literal=False'})"


class Redirect(NamedTuple):
    """A redirection, as `2>/dev/null` or `<<EOF` with the heredoc's body."""

    fd: int | None
    operator: str
    target: Word
    start: int
    end: int
    body: list[Word]
    """The heredoc's text as one word; empty when it is no heredoc or has no end."""

    @property
    def span(self) -> Span:
        """Where it stands, without a heredoc's body."""
        return self.target.source.span(self.start, self.end)


class ShellError(NamedTuple):
    """Something that a shell would refuse, or that was not looked into."""

    message: str
    source: Source
    offset: int

    @property
    def span(self) -> Span:
        """The character that it begins at."""
        return self.source.span(self.offset, self.offset + 1)

    @property
    def line(self) -> int:
        """The line that it begins on."""
        return self.source.locate(self.offset)[0]


class Pipeline:
    """Commands whose output runs into the next one; asked for that of a lone command, it is a pipeline of one."""

    __slots__ = ("elements", "negated", "outer", "outer_position", "redirects")

    def __init__(self, outer: Pipeline | None, outer_position: int) -> None:
        self.elements: list[Command | tuple[Command, Command] | None] = []
        """Each element: a simple command, or the first and last one of a compound command, if it has any."""
        self.outer = outer
        """The pipeline that the enclosing compound command is an element of."""
        self.outer_position = outer_position
        self.negated = False
        self.redirects: tuple[Redirect, ...] = ()
        """Redirections of a compound command among the elements."""

    def __len__(self) -> int:
        return len(self.elements)

    def __bool__(self) -> bool:
        return True

    @property
    def commands(self) -> tuple[Command, ...]:
        """The first simple command of each element."""
        return tuple(_first(element) for element in self.elements if element)

    def after(self, position: int) -> Command | None:
        """Give the command that the element at `position` pipes into, also through enclosing groups."""
        pipeline: Pipeline | None = self
        while pipeline is not None:
            following = [element for element in pipeline.elements[position + 1 : position + 2] if element]
            if following:
                return _first(following[0])
            position = pipeline.outer_position
            pipeline = pipeline.outer
        return None

    def before(self, position: int) -> Command | None:
        """Give the command whose output the element at `position` reads, also through enclosing groups."""
        pipeline: Pipeline | None = self
        while pipeline is not None:
            element = pipeline.elements[position - 1] if 0 < position <= len(pipeline.elements) else None
            if element:
                return element[1] if isinstance(element, tuple) else element
            position = pipeline.outer_position
            pipeline = pipeline.outer
        return None


def _first(element: Command | tuple[Command, Command]) -> Command:
    return element[0] if isinstance(element, tuple) else element


class Command:
    """One simple command: its words as the program gets them, and what surrounds it."""

    __slots__ = (
        "_outer",
        "_outer_position",
        "_pipeline",
        "after",
        "assignments",
        "end",
        "feeds",
        "inside",
        "name",
        "path",
        "position",
        "redirects",
        "shell_options",
        "source",
        "start",
        "words",
        "wrappers",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - the parser alone makes one, thousands of times
        self,
        source: Source,
        start: int,
        after: str,
        inside: tuple[str, ...],
        shell_options: frozenset[str],
        feeds: Command | None,
        pipeline: Pipeline | None,
        outer: Pipeline | None,
        outer_position: int,
    ) -> None:
        """Made by the parser; a command alone has no `pipeline` until someone asks for it, for most never do."""
        self.source = source
        self.start = start
        self.end = start
        self.name = ""
        """The program's name without its folder, behind wrappers such as sudo; empty for a bare assignment."""
        self.path = ""
        """The program as written, with its folder."""
        self.words: Sequence[Word] = ()
        """The program's name and its arguments; empty for a bare assignment or redirection."""
        self.wrappers: tuple[str, ...] = ()
        """The names of the programs that start it, outermost first: sudo, env, xargs and their like."""
        self.assignments: Sequence[tuple[str, Word]] = ()
        self.redirects: Sequence[Redirect] = ()
        self.after = after
        """The operator that leads to it: one of && || ; & | or empty for the first. A newline counts as `;`."""
        self.inside = inside
        """The constructs around it, outermost first: subshell, if, while, for, case, `function f`, substitution,
        `sh -c`, heredoc."""
        self.shell_options = shell_options
        """The options that `set` or the shell's own call put in force: letters (e, u, x) and names (pipefail)."""
        self._pipeline = pipeline
        self._outer = outer
        self._outer_position = outer_position
        self.position = 0 if pipeline is None else len(pipeline.elements)
        """Its element's place in the pipeline, counted from 0."""
        self.feeds = feeds
        """The command that gets its output as a part of a word, as `sh -c "$(…)"`, or as a file, as `sh <(…)`."""

    def __repr__(self) -> str:
        return f"Command({' '.join(word.raw for word in self.words)!r})"

    def add_assignment(self, name: str, value: Word) -> None:
        """Add an assignment; only the parser does."""
        if isinstance(self.assignments, list):
            self.assignments.append((name, value))
        else:
            self.assignments = [(name, value)]

    def add_redirect(self, redirect: Redirect) -> None:
        """Add a redirection; only the parser does."""
        if isinstance(self.redirects, list):
            self.redirects.append(redirect)
        else:
            self.redirects = [redirect]

    @property
    def text(self) -> str:
        """The command as written, with wrappers, assignments and redirections."""
        return self.source.text[self.start : self.end]

    @property
    def span(self) -> Span:
        """Where it stands in the Dockerfile, wrappers, assignments and redirections included."""
        return self.source.span(self.start, self.end)

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that it is an element of."""
        if self._pipeline is None:
            self._pipeline = Pipeline(self._outer, self._outer_position)
            self._pipeline.elements.append(self)
        return self._pipeline

    @property
    def within(self) -> Pipeline | None:
        """The innermost pipeline that something else is part of too, if there is one."""
        return self._outer if self._pipeline is None else self._pipeline

    def release(self) -> None:
        """See `Dockerfile.release`."""
        self._pipeline = self._outer = None

    @property
    def piped_into(self) -> Command | None:
        """The command that reads its output through a pipe."""
        if self._pipeline is not None:
            return self._pipeline.after(self.position)
        return None if self._outer is None else self._outer.after(self._outer_position)

    @property
    def piped_from(self) -> Command | None:
        """The command whose output it reads through a pipe."""
        if self._pipeline is not None:
            return self._pipeline.before(self.position)
        return None if self._outer is None else self._outer.before(self._outer_position)

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the name that are no options; an option's separate value counts as an argument."""
        ended, found = False, []
        for word in self.words[1:]:
            if word.text == "--" and not ended:
                ended = True
            elif ended or word.text[:1] != "-" or word.text == "-":
                found.append(word)
        return tuple(found)

    def has(self, *names: str) -> bool:
        """Tell whether one of the options (`-y`, `--yes`) is given: alone, in a cluster (`-qy`) or with a value."""
        return any(_matches(word.text, name) for word in self._before_dashes() for name in names)

    def option(self, *names: str) -> str | None:
        """Give the value of the first of the options that is given: `--x=y`, `--x y`, `-o y`, `-oy` or `-qo y`."""
        words = self._before_dashes()
        for at, word in enumerate(words):
            for name in names:
                value = _value(word.text, name)
                if value is not None:
                    return value
                if _matches(word.text, name) and at + 1 < len(words):
                    return words[at + 1].text
        return None

    def _before_dashes(self) -> Sequence[Word]:
        words = self.words[1:]
        ends = (at for at, word in enumerate(words) if word.text == "--")
        return words[: next(ends, len(words))]


def _matches(text: str, name: str) -> bool:
    if text == name or (name.startswith("--") and text.startswith(f"{name}=")):
        return True
    return _in_cluster(text, name) > 0


def _in_cluster(text: str, name: str) -> int:
    """Find a one-letter option in `-qy` or `-qO-`; 0 where it is not."""
    if len(name) != 2 or text[:1] != "-" or text[:2] == "--":  # noqa: PLR2004  # a dash and a letter
        return 0
    letters = _CLUSTER.match(text)
    return text.find(name[1], 1, letters.end() if letters else 0) if name[1] != "-" else 0


def _value(text: str, name: str) -> str | None:
    """Give the value that is glued to the option, None where the next word has to be it."""
    if name.startswith("--"):
        return text[len(name) + 1 :] if text.startswith(f"{name}=") else None
    at = _in_cluster(text, name)
    return text[at + 1 :].removeprefix("=") or None if at > 0 else None


def ending(word: Word, text: str) -> Word:
    """Make a word of the last characters of another, as the value of `--name=value`; it is as literal as the other."""
    raw = word.source.text[word.start : word.end]
    start = word.end - len(text) if text and raw.endswith(text) else word.start
    return Word(text, start, word.end, word.source, literal=word.literal or not _EXPANDED.search(text))


def join(words: Iterable[Word]) -> Source:
    """Put words together, a blank between them, as a script of its own; what was already read in them is masked."""
    texts: list[str] = []
    masked: list[str] = []
    segments: list[tuple[int, Locate, int]] = []
    length = 0
    for word in words:
        _add(word, length, masked, segments)
        texts.append(word.text)
        masked.append(" ")
        length += len(word.text) + 1
    return Source(" ".join(texts), segments, "".join(masked[:-1]))


def _add(word: Word, at: int, masked: list[str], segments: list[tuple[int, Locate, int]]) -> None:
    locate = word.source.locate
    pieces = word.pieces or [(0, word.start, False)]
    ends = [piece[0] for piece in pieces[1:]] + [len(word.text)]
    for (offset, source, opaque), end in zip(pieces, ends, strict=True):
        segments.append((at + offset, locate, source))
        text = word.text[offset:end]
        masked.append("$" + "_" * (len(text) - 1) if opaque else text)

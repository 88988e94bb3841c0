r"""A Dockerfile as BuildKit reads it: instructions, comments, directives, stages and problems.

`parse` takes any text or bytes, never raises, and costs time in proportion to the size. dockerfile-parse does the
splitting into keyword and arguments; `lines` prepares the text for it and keeps the true places beside it.

Example:
    >>> file = parse("FROM debian:13 AS build\nRUN id\n")
    >>> [instruction.keyword for instruction in file.instructions]
    ['FROM', 'RUN']
    >>> file.stages[0].name
    'build'
"""

from __future__ import annotations

from bisect import bisect_right
from io import BytesIO

from dockproof.facts.lazy import lazy
from dockproof.facts.lines import JoinedLine, Piece, Reader, fold
from dockproof.facts.span import Comment, Directive, Heredoc, Problem, Span
from dockproof.facts.stages import External, Stage, build_stages, global_scope, syntax_of
from dockproof.facts.words import (
    KEYWORDS,
    SPACE,
    NotStringsError,
    RawFlag,
    RawWord,
    parse_json,
    split_flags,
    split_health,
    split_once,
    split_plain,
    split_quoted,
    split_texts,
)
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dockproof.facts.values import Scope

__all__ = [
    "Comment",
    "Directive",
    "Dockerfile",
    "Flag",
    "Heredoc",
    "Instruction",
    "Pair",
    "Problem",
    "Span",
    "parse",
]

_MAYBE_JSON = frozenset(["ADD", "CMD", "COPY", "ENTRYPOINT", "HEALTHCHECK", "RUN", "SHELL", "VOLUME"])
_LISTS = frozenset(["ADD", "COPY", "EXPOSE", "FROM", "VOLUME"])
_PAIRS = frozenset(["ARG", "ENV", "LABEL"])


_KEYWORDS_BY_FOLD = {keyword.lower(): keyword for keyword in KEYWORDS}


def _upper(keyword: str) -> str:
    """The known keyword, or upper case, unless Python makes one of it that BuildKit does not know."""
    known = _KEYWORDS_BY_FOLD.get(fold(keyword))
    if known:
        return known
    upper = keyword.upper()
    return keyword if upper in KEYWORDS else upper


class Flag(NamedTuple):
    """A flag: `--from=x` is ("from", "x"), `--link` is ("link", None); quotes are removed."""

    name: str
    value: str | None
    span: Span


class Pair(NamedTuple):
    """A name of ENV, LABEL or ARG with its raw value: unexpanded, quotes as written.

    `value` is None for an ARG without default; `legacy` marks the old form `ENV name value`.
    """

    name: str
    value: str | None
    span: Span
    legacy: bool


Place = tuple[int, str, tuple[int, int] | None]
"""Index, escape character, and line and column where that is not the joined line's own start."""


class Instruction:
    """One instruction.

    Attributes:
        keyword: upper case, as `COPY`; of an unknown instruction too.
        keyword_text: the keyword as written.
        value: the arguments behind the flags, lines joined as BuildKit joins them, comments inside removed.
        json: the strings of the exec form (of HEALTHCHECK: of its command), None for the shell form.
        json_refused: the arguments are a JSON array of more than strings, which BuildKit refuses.
        trigger: the inner instruction of ONBUILD, None elsewhere.
        has_flags: whether there is any flag.
        index: its place among the file's instructions, 0-based; an inner one has its outer one's.
        escape: the escape character of the file.
    """

    # What most instructions have not, so that making one costs little.
    json: tuple[str, ...] | None = None
    json_refused = False
    trigger: Instruction | None = None
    has_flags = False
    _raw_flags: Sequence[RawFlag] = ()

    def __init__(self, line: JoinedLine, keyword: str, raw: str, raw_at: int, place: Place) -> None:
        """Made by `parse`: `raw` is what follows the keyword and `raw_at` its offset in the joined line."""
        self.keyword_text = keyword
        self.keyword = keyword if keyword in KEYWORDS else _upper(keyword)
        self.index, self.escape, self._start = place
        self._line = line
        self._raw_at = raw_at
        if raw[:2] == "--":
            self._raw_flags, rest = split_flags(raw)
            self.has_flags = bool(self._raw_flags)
            raw, raw_at = raw[rest:], raw_at + rest
        self.value = raw.strip(SPACE)
        self._at = raw_at if raw.startswith(self.value) else raw_at + len(raw) - len(raw.lstrip(SPACE))
        if "[" in self.value and self.keyword in _MAYBE_JSON:
            self._read_json()
        if self.keyword == "ONBUILD" and self.value:
            self.trigger = self._read_trigger(line)

    @lazy
    def span(self) -> Span:
        """From the keyword to the last character, here-documents included."""
        line = self._line
        start = self._start or (line.start, line.column)
        return Span(*start, line.end, len(line.last.rstrip("\r")) + 1)

    @property
    def line(self) -> int:
        """The first line of its span."""
        return self._start[0] if self._start else self._line.start

    def _read_json(self) -> None:
        text = self.value
        if self.keyword == "HEALTHCHECK":
            text = text[split_health(text) :]
        try:
            self.json = parse_json(text)
        except NotStringsError:
            self.json_refused = True

    @property
    def heredocs(self) -> tuple[Heredoc, ...]:
        """Its here-documents."""
        return self._line.heredocs

    @property
    def comments(self) -> tuple[Comment, ...]:
        """The comment lines directly above it, without a blank line between."""
        return self._line.comments

    @property
    def inner_comments(self) -> tuple[Comment, ...]:
        """The comment lines between its lines."""
        return self._line.inner_comments

    @property
    def blank_lines(self) -> tuple[int, ...]:
        """Numbers of the blank lines between its lines."""
        return self._line.blank_lines

    def _read_trigger(self, line: JoinedLine) -> Instruction | None:
        """Read ONBUILD's inner instruction; a chained one stays closed, because BuildKit refuses the chain."""
        if line.inner:
            return None
        line.inner = True
        parts = split_once(self.value)
        keyword, raw, raw_at = parts or (self.value, "", len(self.value))
        return Instruction(line, keyword, raw, self._at + raw_at, (self.index, self.escape, self.locate(0)))

    def __repr__(self) -> str:
        return f"<Instruction {self.keyword} line {self.line}>"

    @lazy
    def flags(self) -> tuple[Flag, ...]:
        """Its flags in order."""
        return tuple([self._make_flag(raw) for raw in self._raw_flags])

    def _make_flag(self, raw: RawFlag) -> Flag:
        name, equals, value = raw.text[2:].partition("=")
        offset = self._raw_at - self._at
        return Flag(name, value if equals else None, self.span_of(offset + raw.start, offset + raw.end))

    def flag(self, name: str) -> str | None:
        """The value of the first flag of that name: "" without a value, None when absent."""
        for flag in self.flags:
            if flag.name == name:
                return flag.value or ""
        return None

    @lazy
    def words(self) -> tuple[str, ...]:
        """The arguments as BuildKit splits them for this instruction, unexpanded.

        Exec form: the strings. COPY, ADD, EXPOSE, FROM, VOLUME: cut at white space. ENV, LABEL, ARG: cut outside
        quotes, quotes kept. HEALTHCHECK: the type, then its command. ONBUILD: the inner keyword, then its words.
        All others: the whole text as one.
        """
        if self.json is not None:
            return (*self._health_type(), *self.json)
        if self.trigger:
            return (self.trigger.keyword_text, *self.trigger.words)
        if self.keyword in _LISTS:
            return split_texts(self.value)
        return tuple([word.text for word in self._plain_words])

    def _health_type(self) -> tuple[str, ...]:
        return (self.value[: self.value.find("[")].strip(SPACE),) if self.keyword == "HEALTHCHECK" else ()

    @property
    def word_spans(self) -> tuple[Span, ...]:
        """Where each of `words` stands; the whole arguments for strings of the exec form."""
        if self.json is not None or self.trigger:
            return (self.span_of(0, len(self.value)),) * len(self.words)
        return tuple(self.span_of(word.start, word.end) for word in self._plain_words)

    @lazy
    def _plain_words(self) -> Sequence[RawWord]:
        text = self.value
        if self.keyword in _PAIRS:
            return split_quoted(text, self.escape)
        if self.keyword in _LISTS or self.keyword not in KEYWORDS:
            return split_plain(text)
        cut = split_health(text) if self.keyword == "HEALTHCHECK" else 0
        words = [RawWord(text[:cut].rstrip(SPACE), 0, len(text[:cut].rstrip(SPACE)))] if cut else []
        return [*words, RawWord(text[cut:], cut, len(text))] if text[cut:] else words

    @lazy
    def pairs(self) -> tuple[Pair, ...]:
        """The names and raw values of ENV, LABEL and ARG, () elsewhere.

        What has no `=` where there must be one is left out.
        """
        return tuple(self._read_pairs()) if self.keyword in _PAIRS else ()

    def _read_pairs(self) -> list[Pair]:
        words = self._plain_words
        if self.keyword != "ARG" and words and "=" not in words[0].text:
            parts = split_once(self.value)
            span = self.span_of(0, len(self.value))
            return [Pair(parts[0], parts[1], span, legacy=True)] if parts else []
        pairs: list[Pair] = []
        for word in words:
            name, equals, value = word.text.partition("=")
            if equals or self.keyword == "ARG":
                span = self.span_of(word.start, word.end)
                pairs.append(Pair(name, value if equals else None, span, legacy=False))
        return pairs

    def locate(self, offset: int) -> tuple[int, int]:
        """The line and column of the file where the character at `offset` of `value` stands."""
        return _locate(self._line, self._at + offset)

    def locator(self) -> Callable[[int], tuple[int, int]]:
        """`locate` as a function that does not hold the instruction, for what the instruction holds."""
        line, start = self._line, self._at
        return lambda offset: _locate(line, start + offset)

    def span_of(self, start: int, end: int) -> Span:
        """The span of `value[start:end]`."""
        line, column = self.locate(start)
        if not self._line.pieces:
            return Span(line, column, line, column + max(end - start, 0))
        if end <= start:
            return Span(line, column, line, column)
        end_line, end_column = self.locate(end - 1)
        return Span(line, column, end_line, end_column + 1)

    @property
    def effective(self) -> Instruction:
        """What is judged: the inner instruction of ONBUILD, else itself."""
        return self.trigger or self


def _locate(line: JoinedLine, at: int) -> tuple[int, int]:
    """The line and column of the file where the character at an offset of a joined line stands."""
    if not line.pieces:
        return line.start, line.column + at
    start, number, column = line.pieces[bisect_right(line.pieces, at, key=_offset_of) - 1]
    return number, column + at - start


def _offset_of(piece: Piece) -> int:
    return piece.offset


class Dockerfile:
    """The facts of one file. Build it with `parse`.

    Attributes:
        path: as given to `parse`.
        text: the whole text; bytes that are no UTF-8 are U+FFFD, one for each.
        lines: its lines without line ends.
        escape: the escape character in force.
        directives: the parser directives in force.
        instructions: all of them in order.
        comments: all of them, in order, those inside instructions too.
        build_arguments: values given from outside (`--build-arg`).
    """

    def __init__(self, text: str, exact: str, path: str, build_arguments: Mapping[str, str]) -> None:
        """Made by `parse`: `exact` is the text with bytes that are no UTF-8 as Python's surrogate escapes."""
        reader = Reader(text)
        self._exact = exact
        self.path = path
        self.text = text
        self.lines = (
            tuple(line.rstrip("\r") for line in reader.lines) if "\r" in text else tuple(reader.lines)
        )
        self.escape = reader.escape
        self.directives = tuple(reader.directives)
        self.comments = tuple(reader.comments)
        self.build_arguments = build_arguments
        self.instructions = tuple(_instructions(reader))
        self._reader_problems = reader.problems

    def __repr__(self) -> str:
        return f"<Dockerfile {self.path}>"

    def release(self) -> None:
        """Let go of facts that hold one another in circles; nobody may ask them any more.

        The rest goes with the last who holds it, and Python finds nothing that it would have to search for.
        """
        for instruction in self.instructions:
            scripts = vars(instruction.effective).get("_scripts")
            if scripts:
                for script in scripts.values():
                    script.release()
        for stage in self.__dict__.get("stages", ()):
            vars(stage).clear()

    @lazy
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_FEED.finditer(self.text))]

    def source(self, span: Span) -> str:
        """The text at a span."""
        return self.text[self._offset(span.line, span.column) : self._offset(span.end_line, span.end_column)]

    def source_bytes(self, span: Span) -> bytes:
        """The bytes of the file at a span, also where they are no UTF-8."""
        start, end = self._offset(span.line, span.column), self._offset(span.end_line, span.end_column)
        return self._exact[start:end].encode("utf-8", "surrogateescape")

    def _offset(self, line: int, column: int) -> int:
        return self._line_starts[line - 1] + column - 1

    @lazy
    def problems(self) -> tuple[Problem, ...]:
        """What BuildKit would refuse, in the order of lines; empty when it accepts the file."""
        from dockproof.facts.validate import validate  # noqa: PLC0415  # keeps the import of the facts short

        found = [*self._reader_problems, *validate(self)]
        return tuple(sorted(found, key=lambda problem: problem.line))

    @lazy
    def arguments(self) -> tuple[Instruction, ...]:
        """The ARG instructions before the first FROM."""
        first = next(
            (one.index for one in self.instructions if one.keyword == "FROM"), len(self.instructions)
        )
        return tuple(one for one in self.instructions[:first] if one.keyword == "ARG")

    @lazy
    def scope(self) -> Scope:
        """What FROM lines see: the names that BuildKit sets and the ARG before the first FROM."""
        return global_scope(self)

    @lazy
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order; none where there is no FROM."""
        return build_stages(self)

    @lazy
    def syntax(self) -> External | None:
        """The frontend image that the syntax line names, None without one."""
        return syntax_of(self)

    @lazy
    def externals(self) -> tuple[External, ...]:
        """All that the file takes from elsewhere: the syntax line's image, then that of each stage.

        What an ONBUILD takes stands once, although the stages built on it take it too.
        """
        first = (self.syntax,) if self.syntax else ()
        found = [*first, *(external for stage in self.stages for external in stage.externals)]
        return tuple(dict.fromkeys(found) if any(stage.triggers for stage in self.stages) else found)

    def target(self, name: str | None = None) -> Stage:
        """A stage by name (any casing) or index, the last one for None.

        Raises:
            KeyError: there is no such stage; the message holds the names there are.
        """
        if name is None and self.stages:
            return self.stages[-1]
        found = self.stages[0].sibling(name or "") if self.stages else None
        if found is None:
            known = ", ".join(stage.name or str(stage.index) for stage in self.stages)
            raise KeyError(f"no stage {name or 'at all'}; the file has: {known or 'none'}")
        return found

    def shipped(self, targets: Sequence[str] = ()) -> tuple[Stage, ...]:
        """The named targets, or the last stage; () where the file has no stage.

        Raises:
            KeyError: a target that is no stage.
        """
        if not targets:
            return self.stages[-1:]
        return tuple(dict.fromkeys(self.target(name) for name in targets))

    def needed(self, targets: Sequence[str] = (), *, by_chance: bool = False) -> frozenset[int]:
        """Indexes of all stages that a shipped one needs by FROM, COPY --from or a mount, itself included.

        Of a FROM whose variable has no known value all the stages that it may mean are needed.

        Args:
            targets: the shipped stages, the last one where none is named.
            by_chance: so are those that another value than the one in the file would choose.

        Raises:
            KeyError: a target that is no stage.
        """
        found: set[int] = set()
        waiting = list(self.shipped(targets))
        while waiting:
            stage = waiting.pop()
            if stage.index not in found:
                found.add(stage.index)
                waiting += [external.stage for external in stage.externals if external.stage]
                if by_chance or stage.base.value.text is None:
                    waiting += stage.base.choices
        return frozenset(found)


def parse(
    source: str | bytes, path: str = "Dockerfile", build_arguments: Mapping[str, str] | None = None
) -> Dockerfile:
    """Read a Dockerfile.

    Args:
        source: the whole text, or the bytes of the file.
        path: how reports name it.
        build_arguments: values given from outside (`--build-arg`).

    Returns:
        Its facts. Nothing is raised: what BuildKit would refuse is in `problems`.
    """
    exact = source.decode("utf-8", "surrogateescape") if isinstance(source, bytes) else source
    if exact.isascii():
        return Dockerfile(exact, exact, path, build_arguments or {})
    text = _SURROGATES.sub("\ufffd", exact)
    if not isinstance(source, bytes):
        exact = text  # a surrogate in a text is no byte
    return Dockerfile(text, exact, path, build_arguments or {})


_SURROGATES = pattern("[\ud800-\udfff]")
_LINE_FEED = pattern("\n")
_SEPARATING = "\t\v\f\r "  # what ends a keyword: ASCII alone, so that a no-break space stays part of it
_SENTINEL = " ."
# White space to Python and not to BuildKit, or not where a keyword ends: hidden from dockerfile-parse.
_PYTHON_SPACE = dict.fromkeys(
    map(ord, "\x1c\x1d\x1e\x1f" + "".join(char for char in SPACE if not char.isascii())), "_"
)
_PYTHON_CONTROLS = pattern("[\x1c-\x1f]")


def _instructions(reader: Reader) -> Iterator[Instruction]:
    """Let dockerfile-parse split each joined line, and put its answer beside the true places."""
    texts = [line.text.lstrip(SPACE) for line in reader.joined]
    places = _split(texts)
    escape = reader.escape
    for index, line in enumerate(reader.joined):
        text = texts[index]
        at = places[text]
        lead = len(line.text) - len(text)
        yield Instruction(line, text[:at].rstrip(_SEPARATING), text[at:], lead + at, (index, escape, None))


_KNOWN: dict[str, int] = {}
_MOST, _SHORT = 2048, 256


def _split(texts: list[str]) -> Mapping[str, int]:
    """Offsets of the arguments behind each keyword, by the text; short ones stay known: many files have the same."""
    found = {text: at for text in texts if (at := _KNOWN.get(text)) is not None} | {"": 0}
    unknown = [text for text in texts if text not in found]
    if unknown:
        new = dict(zip(unknown, _split_keywords(unknown), strict=True))
        if len(_KNOWN) > _MOST:
            _KNOWN.clear()
        _KNOWN.update((text, at) for text, at in new.items() if len(text) < _SHORT)
        found |= new
    return found


def _split_keywords(texts: list[str]) -> list[int]:
    """Offsets of the arguments behind each keyword.

    A sentinel ends every line, so that an escape there continues nothing and a keyword alone is no odd line.
    """
    from dockproof.facts.splitter import DockerfileParser  # noqa: PLC0415  # not before there is a file

    feed = "".join(f"{text}{_SENTINEL}\n" for text in texts)
    if not feed.isascii() or _PYTHON_CONTROLS.search(feed):
        feed = feed.translate(_PYTHON_SPACE)
    parser = DockerfileParser(fileobj=BytesIO(feed.encode("utf-8")))
    values = [entry["value"] for entry in parser.structure]
    return [len(text) + len(_SENTINEL) - len(value) for text, value in zip(texts, values, strict=True)]

"""The pre-pass: which physical lines make up each instruction, as BuildKit's parser joins them.

dockerfile-parse knows no here-documents and joins lines a little differently, so it is handed one line for each
instruction (dockerfile.py). What it cannot know is found here: directives, the byte order mark, comments and
blank lines between and inside instructions, here-document bodies, and where every joined piece stood.
"""

from __future__ import annotations

from dockproof.facts.heredoc import Opening, openings
from dockproof.facts.lexer import ExpansionError
from dockproof.facts.span import Comment, Directive, Heredoc, Problem, Span
from dockproof.facts.words import SPACE, NotStringsError, parse_json, split_flags, split_once
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_LIMIT = 65_535
"""Bytes of a line; a longer one makes BuildKit refuse the file."""

_DIRECTIVE_SPACE = "\t\n\f\r "  # around the name and the value of a directive
_TRAILING = frozenset(SPACE)  # what may stand behind an escape, or is cut off
_DIRECTIVE_NAMES = frozenset({"syntax", "escape", "check"})
_HEREDOC_KEYWORDS = frozenset({"run", "copy", "add"})


class Piece(NamedTuple):
    """A part of a joined line: its offset there, and the line and column it came from."""

    offset: int
    line: int
    column: int


class JoinedLine:
    """One instruction before it is split.

    Attributes:
        text: its lines joined, escapes at line ends, comments between them and white space around it gone.
        start: its first physical line, 1-based.
        end: its last one, here-document bodies included.
        last: that line as it stands.
        column: 1-based column of its first character.
        pieces: where the parts of `text` came from, in order; none for a line that stands as it is.
        heredocs: its here-documents.
        comments: those directly above it, without a blank line between.
        inner_comments: those between its lines.
        blank_lines: numbers of the blank lines between its lines.
        inner: an ONBUILD of it has been opened.
    """

    # Most lines are one piece with nothing special about them: these stand for what is not set.
    pieces: Sequence[Piece] = ()
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[Comment, ...] = ()
    inner_comments: tuple[Comment, ...] = ()
    blank_lines: tuple[int, ...] = ()
    inner = False

    def __init__(self, text: str, start: int, column: int) -> None:
        self.text = text
        self.start = start
        self.end = start
        self.column = column
        self.last = text


class Reader:
    """Reads a whole text once, in order.

    Attributes:
        lines: the physical lines without their line feeds.
        joined: the instructions.
        comments, directives, problems: what else there is.
        escape: the escape character in force.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        if not self.lines[-1]:
            self.lines.pop()
        self.joined: list[JoinedLine] = []
        self.comments: list[Comment] = []
        self.directives: list[Directive] = []
        self.problems: list[Problem] = []
        self.escape = "\\"
        self._at = 0
        self._directives_open = True
        self._above: list[Comment] = []
        self._read()

    def refuse(self, line: int, message: str, clause: str, end_line: int = 0, column: int = 1) -> None:
        """Note what BuildKit would refuse."""
        self.problems.append(Problem(line, end_line or line, column, message, clause))

    def _read(self) -> None:
        lines = self.lines
        if lines and max(map(len, lines)) > LINE_LIMIT // 4:
            self._refuse_long_lines()
        total = len(lines)
        while self._at < total:
            line = lines[self._at]
            skip = self._at == 0 and line[:1] == "\ufeff"  # one byte order mark, on the first line alone
            rest = line[1:].lstrip(SPACE) if skip else line.lstrip(SPACE)
            if not rest:
                self._above.clear()
                self._directives_open = False
                self._at += 1
            elif rest[0] == "#":
                self._read_comment(rest, len(line) - len(rest) + 1)
                self._at += 1
            else:
                self._directives_open = False
                self._read_instruction(rest, len(line) - len(rest) + 1)
        if not self.joined:
            self.refuse(max(len(lines), 1), "the file holds no instruction", "syntax")

    def _refuse_long_lines(self) -> None:
        for number, line in enumerate(self.lines, 1):
            if len(line) > LINE_LIMIT or len(line.encode("utf-8", "replace")) > LINE_LIMIT:
                self.refuse(number, f"the line is longer than {LINE_LIMIT} bytes", "syntax")

    def _read_comment(self, rest: str, column: int) -> None:
        rest = rest.rstrip("\r")
        if self._directives_open:
            if self._read_directive(rest):
                return
            self._directives_open = False
        comment = Comment(self._at + 1, column, rest[1:].strip(SPACE))
        self.comments.append(comment)
        self._above.append(comment)

    def _read_directive(self, rest: str) -> bool:
        name, _, text = rest[1:].lstrip(SPACE).partition("=")
        name, value = name.rstrip(_DIRECTIVE_SPACE), text.strip(_DIRECTIVE_SPACE) or text[-1:]
        if not name.isascii() or name.lower() not in _DIRECTIVE_NAMES or not value:
            return False
        name = name.lower()
        line = self._at + 1
        if any(directive.name == name for directive in self.directives):
            self.refuse(line, f"the directive {name} stands twice", "directive")
            return True
        self.directives.append(Directive(name, value, line))
        if name == "escape":
            self._set_escape(value, line)
        return True

    def _set_escape(self, value: str, line: int) -> None:
        if value in {"\\", "`"}:
            self.escape = value
        else:
            self.refuse(
                line, f"the escape directive takes a backslash or a backtick, not {value!r}", "directive"
            )

    def _cut_escape(self, line: str) -> str | None:
        """The line without the escape at its end, None where it does not continue."""
        line = line.rstrip("\r").rstrip(" \t")
        if line.endswith(self.escape) and not line.endswith(self.escape * 2):
            return line[:-1]
        return None

    def _read_instruction(self, rest: str, column: int) -> None:
        self._at += 1
        joined = JoinedLine(rest, self._at, column)
        if self._above:
            joined.comments = tuple(self._above)
            self._above.clear()
        # Nearly all last lines end in neither: they need no closer look.
        if rest[-1] == self.escape or rest[-1] in _TRAILING:
            cut = self._cut_escape(rest)
            if cut is not None:
                self._join(joined, cut)
                joined.end = self._at
            joined.text = joined.text.rstrip(SPACE)
        self.joined.append(joined)
        if "<<" in joined.text:
            self._read_heredocs(joined)
        joined.last = self.lines[joined.end - 1]

    def _join(self, joined: JoinedLine, text: str) -> None:
        """Read the lines that continue the instruction; comments and blank lines end nothing."""
        texts = [text]
        length = len(text)
        joined.pieces = pieces = [Piece(0, joined.start, joined.column)]
        comments: list[Comment] = []
        blanks: list[int] = []
        while self._at < len(self.lines):
            line = self.lines[self._at]
            self._at += 1
            rest = line.lstrip(SPACE)
            if not rest:
                blanks.append(self._at)
            elif rest[0] == "#":
                comments.append(Comment(self._at, len(line) - len(rest) + 1, rest[1:].strip(SPACE)))
            else:
                cut = self._cut_escape(line)
                pieces.append(Piece(length, self._at, 1))
                texts.append(line.rstrip("\r") if cut is None else cut)
                length += len(texts[-1])
                if cut is None:
                    break
        joined.text = "".join(texts)
        if comments:
            joined.inner_comments = tuple(comments)
            self.comments += comments
        if blanks:
            joined.blank_lines = tuple(blanks)

    def _read_heredocs(self, joined: JoinedLine) -> None:
        if not _takes_heredocs(joined.text):
            return
        try:
            found = openings(joined.text)
        except ExpansionError as error:
            self.refuse(
                joined.start, f"the here-document's name cannot be read: {error}", "heredoc", joined.end
            )
            return
        joined.heredocs = tuple(self._read_body(opening, joined) for opening in found)
        joined.end = self._at

    def _read_body(self, opening: Opening, joined: JoinedLine) -> Heredoc:
        start = self._at
        while self._at < len(self.lines):
            line = self.lines[self._at].rstrip("\r")
            self._at += 1
            if (line.lstrip("\t") if opening.chomp else line) == opening.name:
                return self._heredoc(opening, start, self._at - 1)
        self.refuse(
            joined.start,
            f"no line ends the here-document {opening.name}",
            "heredoc",
            max(self._at, joined.end),
        )
        return self._heredoc(opening, start, self._at)

    def _heredoc(self, opening: Opening, start: int, stop: int) -> Heredoc:
        body = self.lines[start:stop]
        text = "".join(f"{line}\n" for line in body)
        end_column = len(body[-1]) + 1 if body else 1
        span = Span(start + 1, 1, max(stop, start + 1), end_column)
        return Heredoc(opening.name, text, opening.expand, opening.chomp, opening.fd, span)


def _takes_heredocs(text: str) -> bool:
    """Whether the instruction may open here-documents: RUN, COPY or ADD, also under ONBUILD, no JSON form."""
    keyword, rest = _split_keyword(text)
    if keyword == "onbuild":
        keyword, rest = _split_keyword(rest)
    if keyword not in _HEREDOC_KEYWORDS:
        return False
    try:
        return parse_json(rest) is None
    except NotStringsError:
        return False


def _split_keyword(text: str) -> tuple[str, str]:
    """The keyword in lower case and what follows its flags."""
    parts = split_once(text.strip(SPACE))
    if parts is None:
        return fold(text.strip(SPACE)), ""
    return fold(parts[0]), parts[1][split_flags(parts[1])[1] :].strip(SPACE)


def fold(keyword: str) -> str:
    """Lower case as Go has it, character by character: the dotted capital I becomes a plain i."""
    return keyword.lower() if keyword.isascii() else keyword.replace("\u0130", "i").lower()

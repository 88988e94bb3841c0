"""Read the words of a POSIX shell script, with bash's quotes and expansions.

What stands in a substitution is commands: the parser (`dockproof.facts.shell_parser`) reads those, through the hooks
that it overrides.
"""

from __future__ import annotations

import re

from dockproof.facts.shell_words import Piece, Source, Word, join
from dockproof.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NESTING = 24
"""Substitutions within substitutions that are looked into: each takes a few frames of the interpreter's stack."""
ARITHMETIC_DEPTH = 8
ARITHMETIC_REACH = 2000
"""The parentheses and characters within which `((` must close as `))` to be arithmetic and not two subshells."""

WORD, OPERATOR, COMMENT = 1, 2, 3
# Blanks and joined lines, then: a plain word up to a delimiter, an operator, or a comment. Anything else starts
# a word with quotes or expansions in it.
TOKEN = pattern(
    r"(?:[ \t\r]++|\\\r?\n)*+"
    r"(?:((?!\#|[0-9]++[<>])[^ \t\r\n;&|<>()$`'\"\\]++)(?=[ \t\r\n;&|<>()]|\Z)"
    r"|(&&|\|\||;;&|;;|;&|\|&|&>>|&>|[<>]\(|[0-9]*+(?:<<<|<<-|<<|>>|<&|>&|<>|>\||[<>])|[;&|()\n])"
    r"|(\#[^\n]*+))?"
)
_PLAIN = pattern(r"[^ \t\r\n;&|<>()$`'\"\\]++")
_QUOTED = pattern(r"[^\"$`\\]++")
_NAME = pattern(r"\$(?:[A-Za-z_][A-Za-z_0-9]*+|[0-9@*#?$!-])")
_BACKTICKS = pattern(r"(?:[^`\\]++|\\.)*+", re.DOTALL)
_ANSI_C = pattern(r"(?:[^'\\]++|\\.)*+", re.DOTALL)
_BRACED = pattern(r"[^}\\'\"$`]++")
_JOINED_LINE = pattern(r"\\\r?\n")
_BACKTICKS_PART = pattern(r"\\([`$\\])|[^\\]++|\\")
_ANSI_C_PART = pattern(r"\\.|[^\\]++|\\", re.DOTALL)
_PARENTHESIS = pattern(r"\\.|'[^']*'|[()]", re.DOTALL)
_ENDS_WORD = frozenset(" \t\r\n;&|<>()")
_PROTECTED = ("$", "`", '"', "\\")
EXPANDS = pattern(r"\$\(|`|\\|\$\{")
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "E": "\x1b",
}


class Draft:
    """A word that is being put together."""

    __slots__ = ("length", "literal", "parts", "pieces")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.pieces: list[Piece] = []
        self.length = 0
        self.literal = True

    def add(self, text: str, source: int, *, opaque: bool = False) -> None:
        """Add characters that stand in the source, as they are, from this offset on."""
        self.pieces.append((self.length, source, opaque))
        self.parts.append(text)
        self.length += len(text)

    def expand(self, text: str, source: int, *, opaque: bool) -> None:
        """Add an expansion."""
        self.literal = False
        self.add(text, source, opaque=opaque)

    def word(self, start: int, end: int, source: Source) -> Word:
        """Make the word that the parts are."""
        end = min(end, len(source.text))
        return Word("".join(self.parts), start, end, source, literal=self.literal, pieces=self.pieces)


class WordReader:
    """Reads words from one text. A subclass reads the commands within them, and keeps the errors."""

    __slots__ = ("nesting", "source", "text")

    def __init__(self, source: Source, nesting: int) -> None:
        self.source = source
        self.text = source.masked
        self.nesting = nesting

    # ---- hooks

    def error(self, message: str, offset: int) -> None:
        """Note what a shell would refuse."""
        raise NotImplementedError

    def commands(self, position: int) -> int:
        """Read the commands of a substitution that begins before `position`, and its parenthesis."""
        raise NotImplementedError

    def text_of_commands(self, source: Source) -> None:
        """Read the commands of a substitution that is a text of its own."""
        raise NotImplementedError

    def expansions(self, source: Source, draft: Draft) -> int:
        """Read a text as if in double quotes, one level deeper, into the draft; return where it ends."""
        raise NotImplementedError

    # ---- words

    def loose_word(self, position: int) -> tuple[Word | None, int]:
        """Read the next word, if one stands here; it is not added to the command."""
        found = TOKEN.match(self.text, position)
        assert found is not None  # noqa: S101  # every part of the pattern is optional
        kind, end = found.lastindex, found.end()
        if kind == WORD:
            start = found.start(WORD)
            return Word(found[WORD], start, end, self.source), end
        if kind == OPERATOR:
            start = found.start(OPERATOR)
            return self.word(start) if found[OPERATOR] in ("<(", ">(") else (None, start)
        if kind == COMMENT or end >= len(self.text):
            return None, end
        return self.word(end)

    def word(self, start: int) -> tuple[Word, int]:
        """Read one word with quotes and expansions, and where it ends."""
        text, size, position, draft = self.text, len(self.text), start, Draft()
        if text.startswith(("<(", ">("), start):
            position = self.substitution(start + 2)
            draft.expand(text[start:position], start, opaque=True)
        while position < size:
            here = text[position]
            if here in _ENDS_WORD:
                break
            position = _PARTS.get(here, WordReader.plain)(self, position, draft)
        return draft.word(start, position, self.source), position

    def plain(self, position: int, draft: Draft) -> int:
        """Add characters that mean themselves."""
        found = _PLAIN.match(self.text, position)
        end = found.end() if found else position + 1
        draft.add(self.text[position:end], position)
        return end

    def escape(self, position: int, draft: Draft) -> int:
        """Add what a backslash protects; at the end of a line it joins the next one."""
        found = _JOINED_LINE.match(self.text, position)
        if found:
            return found.end()
        escaped = self.text[position + 1 : position + 2]
        if not escaped:
            draft.add("\\", position)  # nothing to protect: it stands for itself
            return position + 1
        draft.add(escaped, position + 1)
        return position + 2

    def single(self, position: int, draft: Draft) -> int:
        """Add a string in single quotes."""
        end = self.text.find("'", position + 1)
        if end < 0:
            self.error("no quote closes the string", position)
            end = len(self.text)
        draft.add(self.source.text[position + 1 : end], position + 1)
        return min(end + 1, len(self.text))

    def double(self, position: int, draft: Draft) -> int:
        """Add a string in double quotes."""
        return self.quoted(position + 1, draft, closer='"')

    def dollar(self, position: int, draft: Draft) -> int:
        """Add an expansion, or one of bash's strings that begin with a dollar."""
        following = self.text[position + 1 : position + 2]
        if following == '"':
            return self.double(position + 1, draft)
        return self.ansi_c(position, draft) if following == "'" else self.expansion(position, draft)

    def expand_backticks(self, position: int, draft: Draft) -> int:
        """Add a substitution in backticks."""
        return self.expansion(position, draft)

    def ansi_c(self, position: int, draft: Draft) -> int:
        r"""Add bash's $'…', its one-letter escapes decoded and the others kept."""
        start = position + 2
        found = _ANSI_C.match(self.text, start)
        end = found.end() if found else start
        for part in _ANSI_C_PART.finditer(self.text, start, end):
            text = part[0]
            draft.add(_ESCAPES.get(text[1:], text) if text[0] == "\\" else text, part.start())
        if end >= len(self.text):
            self.error("no quote closes the string", position)
        return min(end + 1, len(self.text))

    def quoted(self, position: int, draft: Draft, *, closer: str) -> int:
        """Add text in which only expansions and some escapes mean something, up to the closer or the end."""
        text, size, start = self.text, len(self.text), position
        while position < size:
            here = text[position]
            if here == closer:
                return position + 1
            if here in "$`":
                position = self.expansion(position, draft, quoted=True)
            elif here == "\\":
                position = self.quoted_escape(position, draft)
            else:
                found = _QUOTED.match(text, position)
                end = found.end() if found else position + 1
                draft.add(text[position:end], position)
                position = end
        if closer:
            self.error("no quote closes the string", start - 1)
        return size

    def quoted_escape(self, position: int, draft: Draft) -> int:
        """Take a backslash in double quotes, which protects few characters and else means itself."""
        found = _JOINED_LINE.match(self.text, position)
        if found:
            return found.end()
        if self.text[position + 1 : position + 2] in _PROTECTED:
            return self.escape(position, draft)
        draft.add("\\", position)
        return position + 1

    # ---- expansions

    def expansion(self, position: int, draft: Draft, *, quoted: bool = False) -> int:
        """Add what a dollar or a backtick begins; it is kept as written, and the commands in it are read."""
        text = self.text
        following = text[position + 1 : position + 2]
        if text[position] == "`":
            end = self.backticks(position)
        elif following == "(":
            end = self.arithmetic(position + 1) or self.substitution(position + 2)
        elif following == "{":
            end = self.braced(position + 2, quoted=quoted)
        else:
            found = _NAME.match(text, position)
            if found is None:
                draft.add("$", position)
                return position + 1
            end = found.end()
            raw = self.source.text[position:end]
            draft.expand(raw, position, opaque=raw != found[0])
            return end
        raw = text[position:end]
        draft.expand(raw, position, opaque="$(" in raw or "`" in raw)
        return end

    def substitution(self, position: int) -> int:
        """Read or pass over a substitution that begins before `position`, and its parenthesis."""
        return self.skip(position) if self.nesting >= MAX_NESTING else self.commands(position)

    def skip(self, position: int) -> int:
        """Pass over a substitution that is nested too deep to be read."""
        self.error("substitutions are nested too deep to be looked into", position)
        depth = 1
        for found in _PARENTHESIS.finditer(self.text, position):
            depth += {"(": 1, ")": -1}.get(found[0], 0)
            if depth == 0:
                return found.end()
        return len(self.text)

    def backticks(self, position: int) -> int:
        """Read the commands between backticks."""
        found = _BACKTICKS.match(self.text, position + 1)
        end = found.end() if found else position + 1
        if end >= len(self.text):
            self.error("no backtick closes the substitution", position)
        if self.nesting < MAX_NESTING:
            draft = Draft()
            for part in _BACKTICKS_PART.finditer(self.text, position + 1, end):
                at = part.start(1) if part[1] else part.start()
                draft.add(part[1] or part[0], at)
            self.text_of_commands(join([draft.word(position + 1, end, self.source)]))
        return min(end + 1, len(self.text))

    def braced(self, position: int, *, quoted: bool) -> int:
        """Pass over a parameter expansion up to its brace; substitutions in it are read."""
        text, size, start, draft = self.text, len(self.text), position, Draft()
        if self.nesting >= MAX_NESTING:
            self.error("expansions are nested too deep to be looked into", position)
            return text.find("}", position) + 1 or size
        self.nesting += 1
        while position < size and text[position] != "}":
            here = text[position]
            if here in "$`":
                position = self.expansion(position, draft, quoted=quoted)
            elif here in '\\"' or (here == "'" and not quoted):
                position = _PARTS[here](self, position, draft)
            else:
                found = _BRACED.match(text, position)
                position = found.end() if found else position + 1
        self.nesting -= 1
        if position >= size:
            self.error("no brace closes the expansion", start)
        return min(position + 1, size)

    def arithmetic(self, position: int) -> int:
        """Pass over `((…))` at `position`, reading substitutions in it; 0 where no arithmetic stands there."""
        if not self.text.startswith("((", position):
            return 0
        end = _arithmetic_end(self.text, position)
        if end and self.nesting < MAX_NESTING and EXPANDS.search(self.text, position, end):
            source = Source(self.text[position + 2 : end - 2], [(0, self.source.locate, position + 2)])
            self.expansions(source, Draft())
        return end


def _arithmetic_end(text: str, start: int) -> int:
    """Find where `((…))` ends, 0 where it does not close as arithmetic does; the search is bounded."""
    depth, inner_close = 0, -1
    for found in _PARENTHESIS.finditer(text, start, start + ARITHMETIC_REACH):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth > ARITHMETIC_DEPTH:
            return 0
        if depth == 0:
            return found.end() if inner_close == found.start() else 0
        if depth == 1 and found[0] == ")":
            inner_close = found.end()
    return 0


_PARTS: dict[str, Callable[[WordReader, int, Draft], int]] = {
    '"': WordReader.double,
    "'": WordReader.single,
    "\\": WordReader.escape,
    "$": WordReader.dollar,
    "`": WordReader.expand_backticks,
}

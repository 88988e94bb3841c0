"""Places in a Dockerfile and what can be said about one."""

from __future__ import annotations

from dockproof.records import NamedTuple


class Span(NamedTuple):
    """A piece of the file: 1-based lines and columns, columns count characters, `end_column` is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Edit(NamedTuple):
    """One change of a text.

    Attributes:
        span: what is replaced; an empty one is a place to insert at.
        old: the text that stands there, so that an edit of another text is noticed.
        new: what replaces it.
    """

    span: Span
    old: str
    new: str


class Comment(NamedTuple):
    """A comment line; `text` lacks the `#` and the white space around it."""

    line: int
    column: int
    text: str


class Directive(NamedTuple):
    """A parser directive (`syntax`, `escape` or `check`, in lower case) with its value."""

    name: str
    value: str
    line: int


class Problem(NamedTuple):
    """What BuildKit would refuse, in our words.

    Attributes:
        line: first line of the instruction.
        end_line: last line of it.
        column: 1-based column of what is wrong.
        message: the reason, one sentence without a full stop.
        clause: the kind of mistake: `syntax`, `instruction`, `flag`, `arguments`, `json`, `heredoc`,
            `directive`, `onbuild`, `stage` or `value`.
    """

    line: int
    end_line: int
    column: int
    message: str
    clause: str


class Heredoc(NamedTuple):
    """A here-document.

    Attributes:
        name: the word that ends it.
        text: the body as it stands in the file, leading tabs included, line ends included.
        expand: variables in the body are expanded, because no part of the word was quoted.
        chomp: leading tabs are dropped (`<<-`).
        fd: the number before `<<`, 0 without one.
        span: the lines of the body, the closing word left out; empty bodies end where they start.
    """

    name: str
    text: str
    expand: bool
    chomp: bool
    fd: int
    span: Span

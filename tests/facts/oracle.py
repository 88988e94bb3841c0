"""BuildKit's parser as the PyPI package `dockerfile` wraps it, and our facts in the same words.

The package wraps an older BuildKit. Where it differs from today's, as the probes show, `outdated` says so.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import dockerfile as buildkit

from dockproof.facts.lines import fold
from dockproof.facts.words import KEYWORDS, split_health

if TYPE_CHECKING:
    from dockproof.facts.dockerfile import Dockerfile, Instruction


class Node(NamedTuple):
    """One instruction in BuildKit's words: first and last line, flags, values, JSON form, here-documents."""

    keyword: str
    trigger: str | None
    start: int
    end: int
    flags: tuple[str, ...]
    values: tuple[str, ...]
    json: bool
    heredocs: tuple[tuple[str, str, int], ...]


_BLANK_BEHIND_MARK = re.compile(r"<<[ \t\r]")
_CHECK = re.compile(r"#\s*check\s*=", re.IGNORECASE)
_ODD_BLANK = re.compile(r"(?i)#\s*[^\x00-\x0a\x0c-\x7f]\s*(?:escape|syntax)\s*=")
_SPLIT_CHARACTER = re.compile(r"(?is)healthcheck.*[^\x00-\x7f]")
_LONG_NUMBER = re.compile(r"[0-9]{9,}<<")


_NEWER = (
    (_BLANK_BEHIND_MARK, "`<< E` opens a here-document in newer releases only"),
    (re.compile("\0"), "the package hands the text over as a C string, which ends at NUL"),
    (_CHECK, "`# check=` is a directive in newer releases only"),
    (_ODD_BLANK, "a directive may stand behind any white space in newer releases only"),
    (
        _SPLIT_CHARACTER,
        "BuildKit cuts HEALTHCHECK inside a character, which the package cannot hand to Python",
    ),
    (_LONG_NUMBER, "the package hands a large descriptor over as -1"),
)


def outdated(text: str, file: Dockerfile) -> str:
    """Why the oracle's answer does not count for this text, "" where it does."""
    if any(_has_tail(one.effective) for one in file.instructions):
        return "text behind a JSON array makes it the shell form in newer releases only"
    return next((reason for pattern, reason in _NEWER if pattern.search(text)), "")


def _has_tail(one: Instruction) -> bool:
    """Whether a JSON array is followed by more, which older releases overlooked."""
    text = one.value
    if one.keyword == "HEALTHCHECK":
        text = text[split_health(text) :]
    if one.json is not None or text[:1] != "[":
        return False
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except ValueError:
        return False
    return end < len(text)


def ask(text: str) -> list[Node] | str:
    """BuildKit's answer, or its error."""
    try:
        commands = buildkit.parse_string(text)
    except buildkit.GoParseError as error:
        return str(error)
    return [_from_oracle(command) for command in commands]


def _from_oracle(command: Any) -> Node:
    keyword = command.cmd or ""
    known = fold(command.sub_cmd or keyword).upper() in KEYWORDS and "\u017f" not in (
        command.sub_cmd or keyword
    )
    heredocs = tuple((one.name, one.content, one.file_descriptor) for one in command.heredocs)
    values = tuple(command.value) if known and command.value != ("",) else ()
    flags = tuple(command.flags)
    trigger = command.sub_cmd
    return Node(keyword, trigger, command.start_line, command.end_line, flags, values, command.json, heredocs)


def facts(file: Dockerfile) -> list[Node]:
    """Ours in the same words."""
    return [_from_facts(instruction) for instruction in file.instructions]


def _from_facts(one: Instruction) -> Node:
    inner = one.effective
    flags = tuple(f"--{flag.name}" + ("" if flag.value is None else f"={flag.value}") for flag in one.flags)
    # The package hands over none of ONBUILD; that their bodies were read shows in the last line.
    shown = () if one.trigger else one.heredocs
    heredocs = tuple((heredoc.name, heredoc.text, heredoc.fd) for heredoc in shown)
    trigger = one.trigger.keyword_text if one.trigger else None
    values = tuple(_values(inner)) if inner.keyword in KEYWORDS else ()
    span = one.span
    return Node(
        one.keyword_text, trigger, span.line, span.end_line, flags, values, inner.json is not None, heredocs
    )


def _values(one: Instruction) -> list[str]:
    if one.keyword == "ONBUILD":
        return []  # a chain, which BuildKit reads no further
    if one.keyword in {"ENV", "LABEL"}:
        return [text for pair in one.pairs for text in (pair.name, pair.value or "")]
    return list(one.words)

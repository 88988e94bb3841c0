"""A text that is written otherwise and means the same has the same findings."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile
from tests.facts.fuzzing import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dockproof.facts.dockerfile import Instruction

SEED = Path(__file__).parents[1] / "seed"


def _texts() -> list[str]:
    made = [text for one in catalog.load().values() if one.example for text in one.example.files]
    return made + [path.read_text() for path in sorted(SEED.glob("Dockerfile*"))]


TEXTS = _texts()


@cache
def _flagged(text: str) -> frozenset[tuple[str, str | None]]:
    target = gate.target_of(parse(text), Profile.PRODUCTION)
    answers = gate.ask(catalog.load().values(), Probe.SOURCE, target, Config())
    assert not answers.not_looked, answers.not_looked[0].log
    found = {(one.policy, one.clause) for one in answers.findings}
    return frozenset(found - {("current-syntax", "from-as")})  # AS is to be written as FROM is


def _each(text: str, write: Callable[[str], str]) -> str:
    """Rewrite the instructions that are no here-document's, from the last to the first."""
    lines = text.split("\n")
    for one in reversed(parse(text).instructions):
        if not one.heredocs:
            at, end = _lines(one)
            lines[at:end] = write("\n".join(lines[at:end])).split("\n")
    return "\n".join(lines)


def _lines(one: Instruction) -> tuple[int, int]:
    return one.span.line - 1, one.span.end_line


def _backticks(text: str) -> str:
    """Use the other escape character, where the text has no backslash but those at the ends of lines."""
    plain = text.replace("\\\n", "\n")
    if "\\" in plain or "`" in plain or plain.startswith("# "):
        return text
    return "# escape=`\n" + text.replace("\\\n", "`\n")


def _heredoc(one: str) -> str:
    """Write a RUN of commands joined by && as a here-document that stops at the first failure."""
    found = re.fullmatch(r"RUN ([a-z][^\\\n|;'\"$]*)", one)
    commands = found[1].replace(" && ", "\n") if found else ""
    return f"RUN <<EOF\nset -e\n{commands}\nEOF" if found else one


REWRITES: Mapping[str, Callable[[str], str]] = {
    "blanks behind the keyword": lambda text: _each(text, lambda one: re.sub(r"^(\w+) ", r"\1   ", one)),
    "a tab behind the keyword": lambda text: _each(text, lambda one: re.sub(r"^(\w+) ", "\\1\t", one)),
    "continued behind the keyword": lambda text: _each(
        text, lambda one: re.sub(r"^(RUN|COPY|ENV|CMD) ", r"\1 \\\n  ", one)
    ),
    "comments in the continuation": lambda text: _each(text, lambda one: one.replace("\\\n", "\\\n# why\n")),
    "keywords in lower case": lambda text: _each(
        text, lambda one: re.sub(r"^(ONBUILD +)?\w+", lambda word: word[0].lower(), one)
    ),
    "joints over lines": lambda text: _each(
        text, lambda one: one.replace(" && ", " \\\n && ") if one.startswith("RUN ") else one
    ),
    "blanks at the ends of lines": lambda text: _each(text, lambda one: one.replace("\\\n", "\\  \n") + "  "),
    "the other escape character": _backticks,
    "here-documents": lambda text: _each(text, _heredoc),
    "commands in parentheses": lambda text: _each(
        text, lambda one: re.sub(r"^RUN ([a-z][^\\\n]*)$", r"RUN ( \1 )", one)
    ),
    "commands quoted": lambda text: _each(text, lambda one: re.sub(r"^RUN ([a-z-]+) ", r'RUN "\1" ', one)),
    "an indented file": lambda text: _each(text, lambda one: f"  {one}"),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "blank lines between": lambda text: _each(text, lambda one: f"{one}\n"),
}


@fuzz(150)
@given(
    st.sampled_from(TEXTS), st.lists(st.sampled_from(sorted(REWRITES)), min_size=1, max_size=3, unique=True)
)
def test_findings_stay_when_the_text_is_written_otherwise(text: str, names: list[str]) -> None:
    """Neither more findings nor fewer, in policy and clause."""
    written = text
    for name in names:
        written = REWRITES[name](written)
    assert _flagged(written) == _flagged(text)


def test_every_rewrite_changes_something() -> None:
    """A rewrite that fits no text would compare nothing."""
    assert [name for name, write in REWRITES.items() if all(write(text) == text for text in TEXTS)] == []

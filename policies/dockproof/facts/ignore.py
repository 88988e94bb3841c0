"""Ignore files with Docker's own matching rules (moby/patternmatcher), as BuildKit applies them to a context.

A path is ignored when the last rule that matches it, or a folder above it, is no `!` rule. Patterns are cleaned like
paths, so that `/a`, `./a` and `a/` are all `a`; `*` and `?` stop at a slash, `**` does not.
"""

from __future__ import annotations

import posixpath
import re

from dockproof.facts.words import SPACE
from dockproof.patterns import pattern
from dockproof.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_LINE = 64 * 1024
"""Bytes of one line, from which on Docker refuses the file."""
MAX_PATH = 4096
"""Characters of a path that are looked at; no file system here has longer ones."""
_FEW_STARS = 2
"""Wildcards of unbounded length up to which a regular expression stays fast."""

_CLASS = pattern(r"\[\^?(?:(?:\\.|[^\]\\\-])(?:-(?:\\.|[^\]\\\-]))?)+\]", re.DOTALL)
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CLASSES = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[0-9A-Za-z_]",
    "W": "[^0-9A-Za-z_]",
    "s": "[\t\n\f\r ]",
    "S": "[^\t\n\f\r ]",
    "b": r"\b",
    "B": r"\B",
    "A": r"\A",
    "z": r"\Z",
}
_RANGE = pattern(r"(\\.|[^\\])(?:-(\\.|[^\\]))?", re.DOTALL)
_WILD = pattern(r"[*?\[\\]")


class PatternError(ValueError):
    """A pattern that Docker refuses; the message says why."""


class Rule(NamedTuple):
    """One line of an ignore file.

    Attributes:
        pattern: cleaned, without the `!`.
        negated: the line begins with `!`: what it matches is taken after all.
        line: its number, from 1.
        matches: tells whether a path (no leading slash) matches the pattern itself.
        prefix: what every path that it matches begins with.
        exact: the pattern matches that one path alone.
    """

    pattern: str
    negated: bool
    line: int
    matches: Callable[[str], bool]
    prefix: str
    exact: bool

    def may_match_below(self, folder: str) -> bool:
        """Tell whether some path below the folder could match."""
        below = f"{folder}/"
        return self.prefix.startswith(below) or (not self.exact and below.startswith(self.prefix))


class IgnoreProblem(NamedTuple):
    """A line that Docker refuses."""

    line: int
    message: str


class State(NamedTuple):
    """What is known of a folder: whether it is ignored, and which rules match it or a folder above."""

    ignored: bool
    matched: tuple[bool, ...]


class IgnoreFile:
    """The rules of a .dockerignore.

    Attributes:
        rules: in order.
        problems: lines that Docker refuses; it would not build, the other lines are judged nevertheless.
    """

    def __init__(self, rules: tuple[Rule, ...], problems: tuple[IgnoreProblem, ...]) -> None:
        self.rules = rules
        self.problems = problems
        self.root = State(ignored=False, matched=(False,) * len(rules))
        self._negated = tuple(rule for rule in rules if rule.negated)

    def ignores(self, path: str) -> bool:
        """Tell whether a path below the context's root is ignored, itself or by a folder above it."""
        state, at = self.root, ""
        for name in clean(path[:MAX_PATH]).strip("/").split("/"):
            at = f"{at}/{name}" if at else name
            state = self.enter(at, state)
        return state.ignored

    def enter(self, path: str, above: State) -> State:
        """Judge a path, given what is known of the folder above it."""
        ignored, matched = False, []
        for rule, inherited in zip(self.rules, above.matched, strict=True):
            # Docker asks a rule only where it could change the verdict, and its folders' matches hold for the path.
            match = inherited or (rule.negated == ignored and rule.matches(path))
            if match:
                ignored = not rule.negated
            matched.append(match)
        return State(ignored, tuple(matched))

    def hides(self, folder: str, state: State) -> bool:
        """Tell whether an ignored folder need not be walked: no `!` rule can bring back something below it."""
        return state.ignored and not any(rule.may_match_below(folder) for rule in self._negated)


def parse(source: str | bytes) -> IgnoreFile:
    """Read an ignore file's text. Nothing is raised: what Docker refuses is in `problems`."""
    text = source.decode("utf-8", "replace") if isinstance(source, bytes) else source
    rules: list[Rule] = []
    problems: list[IgnoreProblem] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        try:
            rule = _rule(line, number)
        except PatternError as error:
            problems.append(IgnoreProblem(number, str(error)))
        else:
            rules += [rule] if rule else []
    return IgnoreFile(tuple(rules), tuple(problems))


def _rule(line: str, number: int) -> Rule | None:
    if len(line.encode("utf-8", "replace")) > MAX_LINE:
        raise PatternError("the line is too long")
    pattern = line.strip(SPACE)
    if line.startswith("#") or not pattern:
        return None
    negated = pattern.startswith("!")
    pattern = pattern[1:].strip(SPACE) if negated else pattern
    pattern = clean(pattern) if pattern else ""
    if negated and pattern in ("", "/"):
        raise PatternError("'!' without a pattern")
    pattern = pattern[1:] if len(pattern) > 1 and pattern.startswith("/") else pattern
    matches = compile_pattern(pattern)
    wild = _WILD.search(pattern)
    return Rule(
        pattern, negated, number, matches, pattern[: wild.start()] if wild else pattern, exact=not wild
    )


def clean(path: str) -> str:
    """Clean a path as Go does: no doubled or trailing slash, no `.`, and `..` resolved where possible."""
    path = posixpath.normpath(path) if path else "."
    return path[1:] if path.startswith("//") else path


# ---- patterns


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Make the function that tells whether a path matches.

    Raises:
        PatternError: a class without its end, or a backslash at the end.
    """
    _check(pattern)
    if not _WILD.search(pattern):
        return pattern.__eq__
    one_sided = _one_sided(pattern)
    if one_sided:
        return one_sided
    tokens = list(_tokens(pattern))
    if sum(one in _UNBOUNDED for one in tokens) <= _FEW_STARS:
        return _as_function(re.compile("".join(tokens), re.DOTALL))
    return _States(tokens).matches


def _as_function(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    fullmatch = pattern.fullmatch
    return lambda path: fullmatch(path) is not None


def _one_sided(pattern: str) -> Callable[[str], bool] | None:
    """Take `**/name` and `name/**` without another wildcard: Docker compares the end or the beginning as text."""
    leads, ends = pattern.startswith("**"), pattern.endswith("**")
    text = pattern[2:] if leads else pattern[:-2]
    if leads == ends or _WILD.search(text):
        return None
    if ends:
        return lambda path: path.startswith(text)
    return lambda path: path.endswith(text) or (text.startswith("/") and path == text[1:])


def _check(pattern: str) -> None:
    """Refuse what Go's filepath.Match refuses."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
            if at >= len(pattern):
                raise PatternError(f"a backslash ends the pattern {pattern!r}")
        elif pattern[at] == "[":
            found = _CLASS.match(pattern, at)
            if found is None:
                raise PatternError(f"a class without its end in the pattern {pattern!r}")
            at = found.end() - 1
        at += 1


_ANY = r".*"
_NAME = r"[^/]*"
_DEEP = r"(?:.*/)?"
_UNBOUNDED = frozenset({_ANY, _NAME, _DEEP})


def _tokens(pattern: str) -> Iterator[str]:
    """Cut a pattern into pieces of a regular expression, each a wildcard or one character."""
    at = 0
    while at < len(pattern):
        here = pattern[at]
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("/", at + 2) else 2
            yield _DEEP if at < len(pattern) else _ANY
            continue
        if here == "[":
            found = _CLASS.match(pattern, at)
            at = found.end() if found else at + 1
            yield _class(found[0] if found else here)
            continue
        if here == "\\":
            at += 1
            here = _escaped(pattern[at])
        elif here == "*":
            here = _NAME
        elif here == "?":
            here = "[^/]"
        elif here == "^":
            here = r"\A"  # Docker leaves it to the regular expression
        else:
            here = re.escape(here)
        at += 1
        yield here


def _literal(text: str) -> str:
    """Give the character that a class's member stands for."""
    return _CONTROLS.get(text[1:], text[-1])


def _escaped(char: str) -> str:
    """Translate an escaped character: Docker hands letters on to its regular expressions, where some mean classes.

    Raises:
        PatternError: a letter or digit that no regular expression knows behind a backslash.
    """
    if char.isascii() and not char.isalnum():
        return re.escape(char)
    meaning = _CONTROLS.get(char) or _CLASSES.get(char)
    if meaning is None:
        raise PatternError(f"'\\{char}' means nothing in a pattern")
    return meaning


def _class(text: str) -> str:
    """Translate a class; one that no character can be in matches nothing."""
    negated = text.startswith("[^")
    parts = []
    for low, high in _RANGE.findall(text[2 if negated else 1 : -1]):
        first, last = _literal(low), _literal(high or low)
        if first <= last:
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
    if not parts:
        return r"[\s\S]" if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"


class _States:
    """Matches pieces of a pattern without going back, for patterns of many wildcards.

    State 2i stands before piece i, state 2i+1 within it where it is a wildcard of unbounded length.
    """

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.single = [None if one in _UNBOUNDED else re.compile(one, re.DOTALL) for one in tokens]

    def matches(self, path: str) -> bool:
        states = self._close({0})
        for char in path:
            states = self._close({after for state in states for after in self._step(state, char)})
            if not states:
                return False
        return 2 * len(self.tokens) in states

    def _close(self, states: set[int]) -> set[int]:
        """Add what is reached without a character: behind a wildcard that takes none."""
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            at = state // 2
            if state % 2 == 0 and at < len(self.tokens) and self.single[at] is None:
                new = {state + 1, state + 2} - states
            elif state % 2 and self.tokens[at] != _DEEP:
                new = {state + 1} - states
            else:
                continue
            states |= new
            waiting += new
        return states

    def _step(self, state: int, char: str) -> tuple[int, ...]:
        at = state // 2
        if at >= len(self.tokens):
            return ()
        single, token = self.single[at], self.tokens[at]
        if single is not None:
            return (state + 2,) if single.fullmatch(char) else ()
        if state % 2 == 0 or (token == _NAME and char == "/"):
            return ()
        return (state, state + 1) if token == _DEEP and char == "/" else (state,)

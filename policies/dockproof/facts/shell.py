r"""Shell scripts of a Dockerfile: the commands that RUN, CMD, ENTRYPOINT and HEALTHCHECK start.

`script` gives them, whatever form they are written in: shell form, exec form, heredocs, `sh -c` strings. docs/facts.md
shows what a policy does with them.

Example:
    >>> from dockproof.facts.dockerfile import parse
    >>> file = parse("FROM debian:13\nRUN apt-get update && sudo apt-get install -y curl | tee log\n")
    >>> [(one.name, one.after, one.wrappers) for one in script(file.instructions[1]).commands]
    [('apt-get', '', ()), ('apt-get', '&&', ('sudo',)), ('tee', '|', ())]
"""

from __future__ import annotations

import re
from _weakref import ref  # `weakref` has the same, and costs the start 0.5 ms
from bisect import bisect_right
from functools import lru_cache
from itertools import dropwhile

from dockproof.facts import shell_wrappers
from dockproof.facts.heredoc import read_word
from dockproof.facts.lexer import ExpansionError
from dockproof.facts.shell_parser import Result, parse, parse_exec
from dockproof.facts.shell_words import Command, Piece, Pipeline, Redirect, ShellError, Source, Word
from dockproof.facts.words import split_health
from dockproof.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dockproof.facts.dockerfile import Instruction
    from dockproof.facts.downloads import Download
    from dockproof.facts.packages import PackageCall
    from dockproof.facts.span import Heredoc

__all__ = ["DEFAULT_SHELL", "Command", "Pipeline", "Redirect", "Script", "ShellError", "Word", "script"]

DEFAULT_SHELL = ("/bin/sh", "-c")
_KEYWORDS = frozenset({"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"})
_OTHER_SHELLS = {"powershell": "PowerShell", "pwsh": "PowerShell", "cmd": "the Windows command prompt"}
_JSON_STRING = pattern(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_JSON_PART = pattern(r"\\u[0-9a-fA-F]{4}|\\.|[^\\]++", re.DOTALL)
_HEREDOC_LINE = pattern(r"\t*+([^\n]*+\n?)")


def held(reference: ref[Instruction]) -> Instruction:
    """Give the instruction that something read from it refers to.

    Raises:
        ReferenceError: it is gone, because nothing holds its Dockerfile any more.
    """
    instruction = reference()
    if instruction is None:
        raise ReferenceError("the Dockerfile that this was read from is gone: keep it")
    return instruction


class Script:
    """The commands that one instruction starts.

    Attributes:
        posix: whether a POSIX shell (or no shell, in exec form) reads it; otherwise nothing was looked into.
        reason: why it was not looked into, as "SHELL is PowerShell, not a POSIX shell"; empty otherwise.
        exec_form: it is a JSON array, started without a shell.
        commands: every simple command in the order of the text, those in subshells, substitutions, `sh -c` strings and
            heredocs read by a shell included.
        errors: what a shell would refuse; the commands around it are there nevertheless.
        options: the shell options that it starts with, as `Command.shell_options`.
        text: what the shell gets.
    """

    __slots__ = (
        "calls",
        "commands",
        "downloads",
        "errors",
        "exec_form",
        "options",
        "posix",
        "reason",
        "text",
        "written_in",
    )

    def __init__(self, instruction: Instruction, text: str = "", reason: str = "") -> None:
        # A weak reference, because the instruction holds this script: else both would wait for the collector.
        self.written_in = ref(instruction)
        self.text = text
        self.reason = reason
        self.posix = not reason
        self.exec_form = False
        self.options: frozenset[str] = frozenset()
        self.commands: tuple[Command, ...] = ()
        self.errors: tuple[ShellError, ...] = ()
        # Filled by packages.package_calls and downloads.downloads when they are first asked.
        self.calls: tuple[PackageCall, ...] | None = None
        self.downloads: tuple[Download, ...] | None = None

    def __repr__(self) -> str:
        return f"<Script of {len(self.commands)} commands>"

    @property
    def instruction(self) -> Instruction:
        """The instruction that was read.

        Raises:
            ReferenceError: the Dockerfile is gone, because nothing else holds it.
        """
        return held(self.written_in)

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """Every pipeline, an enclosing one before those within; a command that stands alone is in none."""
        found: dict[int, Pipeline] = {}
        for command in self.commands:
            new: list[Pipeline] = []
            pipeline = command.within
            while pipeline is not None and id(pipeline) not in found:
                new.append(pipeline)
                pipeline = pipeline.outer
            found.update((id(one), one) for one in reversed(new))
        return tuple(found.values())

    def release(self) -> None:
        """See `Dockerfile.release`."""
        for command in self.commands:
            command.release()

    def named(self, *names: str) -> tuple[Command, ...]:
        """The commands with one of these names."""
        return tuple([command for command in self.commands if command.name in names])


def script(instruction: Instruction, shell: tuple[str, ...] | None = None) -> Script:
    """Read what an instruction starts.

    Args:
        instruction: RUN, CMD, ENTRYPOINT or HEALTHCHECK, or ONBUILD of them; any other one gives no commands.
        shell: the SHELL in force there, as `Stage.shell_at(instruction)` gives it; None is `/bin/sh -c`.

    Returns:
        Its commands. Nothing is raised: what a shell would refuse is in `errors`.
    """
    instruction = instruction.effective
    # Every policy asks, so the answer stays with the instruction, and goes with it.
    facts = instruction.__dict__
    kept: dict[tuple[str, ...] | None, Script] = facts.get("_scripts", {})
    if shell not in kept:
        kept[shell] = _read(instruction, shell)
        facts["_scripts"] = kept
    return kept[shell]


def _read(instruction: Instruction, shell: tuple[str, ...] | None) -> Script:
    if instruction.keyword not in _KEYWORDS or _is_health_none(instruction):
        return Script(instruction)
    if instruction.json is not None:
        return _exec_form(instruction, instruction.json)
    source, reason, options = _shell_form(instruction, shell or DEFAULT_SHELL)
    found = Script(instruction, source.text, reason)
    if found.posix:
        found.options = options
        result = Result()
        parse(source, result, options=options)
        _fill(found, result)
    return found


def _fill(found: Script, result: Result) -> None:
    found.commands = tuple(result.commands)
    found.errors = tuple(result.errors)


def _is_health_none(instruction: Instruction) -> bool:
    return instruction.keyword == "HEALTHCHECK" and instruction.value[:4].upper() == "NONE"


def _exec_form(instruction: Instruction, strings: Sequence[str]) -> Script:
    source = Source(instruction.value, [(0, instruction.locator(), 0)])
    found = Script(instruction, instruction.value)
    found.exec_form = True
    result = Result()
    if strings:
        parse_exec(source, _json_words(source, strings), result)
    _fill(found, result)
    return found


def _json_words(source: Source, strings: Sequence[str]) -> list[Word]:
    """Make words of the array's strings; each knows where its characters stand behind JSON's escapes."""
    places = _JSON_STRING.finditer(source.text, max(source.text.find("["), 0))
    return [
        Word(text, found.start(), found.end(), source, pieces=_json_pieces(found, text))
        for text, found in zip(strings, places, strict=False)
    ]


def _json_pieces(found: re.Match[str], text: str) -> list[Piece]:
    if "\\" not in found[1]:
        return [(0, found.start(1), False)]
    pieces, offset = [], 0
    for part in _JSON_PART.finditer(found[1]):
        pieces.append((min(offset, len(text)), found.start(1) + part.start(), False))
        offset += 1 if part[0][0] == "\\" else len(part[0])
    return pieces


def _shell_form(instruction: Instruction, shell: Sequence[str]) -> tuple[Source, str, frozenset[str]]:
    """Put together what the shell gets, why it is no POSIX shell, and the options that it is called with."""
    reason, options = _judge(tuple(shell), "SHELL")
    if instruction.heredocs and _is_heredoc(instruction.value):
        # BuildKit hands the first body alone to the shell, or runs it as a program when it names its interpreter.
        body = instruction.heredocs[0]
        source = _body(body)
        if body.text.startswith("#!"):
            reason, options = _judge_shebang(body.text)
        return source, reason, options
    cut = split_health(instruction.value) if instruction.keyword == "HEALTHCHECK" else 0
    text = instruction.value[cut:]
    segments: list[tuple[int, Callable[[int], tuple[int, int]], int]] = [(0, instruction.locator(), cut)]
    for heredoc in instruction.heredocs:
        segments.append((len(text) + 1, _body_place(heredoc), 0))
        text = f"{text}\n{heredoc.text}{heredoc.name}"
    return Source(text, segments), reason, options


def _is_heredoc(value: str) -> bool:
    """Whether the whole of the value is one `<<WORD`."""
    try:
        return "<<" in value and read_word(value) is not None
    except ExpansionError:
        return False


def _body(heredoc: Heredoc) -> Source:
    """Make a script of a heredoc's body, leading tabs dropped where it says so."""
    place = _body_place(heredoc)
    if not heredoc.chomp:
        return Source(heredoc.text, [(0, place, 0)])
    parts, segments, length = [], [], 0
    for line in _HEREDOC_LINE.finditer(heredoc.text):
        segments.append((length, place, line.start(1)))
        parts.append(line[1])
        length += len(line[1])
    return Source("".join(parts), segments)


def _body_place(heredoc: Heredoc) -> Callable[[int], tuple[int, int]]:
    """Make the function from an offset in a heredoc's text to its line and column in the file."""
    starts: list[int] = []

    def place(offset: int) -> tuple[int, int]:
        if not starts:
            starts.append(0)
            starts.extend(found.end() for found in re.finditer("\n", heredoc.text))
        line = bisect_right(starts, offset) - 1
        return heredoc.span.line + line, offset - starts[line] + 1

    return place


@lru_cache(maxsize=64)
def _judge(words: tuple[str, ...], what: str) -> tuple[str, frozenset[str]]:
    """Find the POSIX shell among the words of SHELL or a shebang: why there is none, and the options it gets."""
    names = [re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe") for word in words]
    for at, name in enumerate(names):
        if name in shell_wrappers.SHELLS:
            return "", shell_wrappers.options_in(words[at + 1 :])
    name = names[0] if names else ""
    return f"{what} is {_OTHER_SHELLS.get(name, name or 'empty')}, not a POSIX shell", frozenset()


def _judge_shebang(text: str) -> tuple[str, frozenset[str]]:
    words = text[2:].partition("\n")[0].split()
    if words and words[0].endswith("/env"):
        rest = dropwhile(lambda word: word.startswith("-") or "=" in word, words[1:])
        words = list(rest) or words
    return _judge(tuple(words), "the heredoc's interpreter")

"""The environment that a command of a RUN is started with, as far as the file tells."""

from __future__ import annotations

from dockproof.facts.shell_words import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockproof.catalog._runs import Run
    from dockproof.facts.shell_words import Command, Word

_EXPORTS = frozenset({"export", "declare", "typeset"})


def value_of(run: Run, command: Command, *names: str) -> str | None:
    """Return the value of the first of these variables that the command gets; None where none is known to be set.

    Its own `NAME=value cmd` counts first, then an `export` before it, then ARG and ENV of the stage. An empty value
    is "".
    """
    given = dict([*_exported_before(run, command), *command.assignments])
    for name in names:
        if name in given:
            return expanded(run, given[name])
        value = run.stage.expand(run.instruction, f"${{{name}}}")
        if value.text is not None and not value.undefined:
            return value.text
    return None


def exports(command: Command) -> Iterator[tuple[str, Word]]:
    """Give the names and values that `export NAME=value` sets."""
    if command.name in _EXPORTS:
        for word in command.arguments:
            name, equals, value = word.text.partition("=")
            if equals:
                yield name, ending(word, value)


def expanded(run: Run, word: Word) -> str | None:
    """Expand a word with the file's variables; None where it hangs on one without a known value, or on a command."""
    if word.literal:
        return word.text
    by_command = "$(" in word.text or "`" in word.text
    return None if by_command else run.stage.expand(run.instruction, word.text).text


def _exported_before(run: Run, command: Command) -> Iterator[tuple[str, Word]]:
    for one in run.script.commands:
        if one is command:
            return
        yield from exports(one)

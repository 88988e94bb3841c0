"""Our reading of shell scripts against bash itself and against tree-sitter's grammar, on generated scripts.

`DOCKPROOF_FUZZ=20000` makes the runs long; by default they are short and fixed.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dockproof.facts.shell_parser import Result, parse
from dockproof.facts.shell_words import Command, Source
from tests.facts.fuzzing import LONG, fuzz

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter

BASH = shutil.which("bash") or "bash"
RUN = fuzz(100)


def read(text: str) -> Result:
    """Read a script that stands alone."""
    result = Result()
    parse(Source(text, [(0, lambda offset: (1, offset + 1), 0)]), result)
    return result


def bash(*arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run bash without any program to be found, so that nothing of a generated script does anything."""
    return subprocess.run(
        [BASH, "--norc", "--noprofile", *arguments],
        input=text.encode(),
        capture_output=True,
        timeout=20,
        check=False,
        cwd="/",
        env={"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"},
    )


# ---- words: bash tells what a command gets

_PLAIN = st.text("abcXYZ019_-+=:,./@%^", min_size=1, max_size=6)
_INSIDE = st.text("ab $`\\\"'*;&|<>(){}#\t!", max_size=6)


def _single(text: str) -> str:
    return "'" + text.replace("'", "") + "'"


def _double(text: str) -> str:
    return '"' + re.sub(r'([$`\\"!])', r"\\\1", text).replace("\\!", "!") + '"'


_PART = st.one_of(
    _PLAIN,
    _INSIDE.map(_single),
    _INSIDE.map(_double),
    st.sampled_from(
        ["\\ ", "\\;", "\\'", '\\"', "\\$", "\\\\", "\\a", "\\\n", "$%", "{}", "a#b", "$'x\\ty'", '$"z"']
    ),
)
_WORD = st.lists(_PART, min_size=1, max_size=4).map("".join).filter(lambda text: not text.startswith("#"))
_COMMAND = st.lists(_WORD, max_size=4).map(lambda words: " ".join(["cmd", *words]))


@RUN
@given(st.lists(_COMMAND, min_size=1, max_size=6), st.sampled_from([" && ", "; ", "\n", " ;\n# x 'y\n"]))
def test_gives_the_words_that_bash_gives(commands: list[str], separator: str) -> None:
    """Every word is what bash hands to the program, quotes and escapes taken away."""
    text = separator.join(commands)
    handler = "command_not_found_handle() { printf '%s\\0' \"$@\"; printf '\\n\\0'; }; set -f +B\n"
    done = bash("-c", handler + text)
    truth = [line.split("\0")[:-1] for line in done.stdout.decode().split("\n\0")[:-1]]
    found = read(text)
    assert found.errors == []
    assert [[word.text for word in command.words] for command in found.commands] == truth


# ---- structure: what was generated, what bash prints of it, what tree-sitter sees


class Node(NamedTuple):
    """A generated list of commands: its text, and each command's words and surroundings in order."""

    text: str
    commands: tuple[tuple[str, tuple[str, ...]], ...]


def _within(node: Node, label: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((words, (label, *inside) if label else inside) for words, inside in node.commands)


def _simple(number: int, words: list[str]) -> Node:
    text = " ".join([f"c{number}", *words])
    return Node(text, ((text, ()),))


_LEAF = st.builds(
    _simple,
    st.integers(0, 9),
    st.lists(
        st.sampled_from(
            [
                "-a",
                "b/c",
                "'d e'",
                '"f $G"',
                "$H",
                "${I:-j}",
                "k=l",
                "2m",
                "*.n",
                "\\;",
                "if",
                "done",
                "{x,y}",
            ]
        ),
        max_size=3,
    ),
)


def _compound(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.tuples(children, st.sampled_from([" && ", " || ", "; ", " | ", "\n", " &\n"]), children).map(
            lambda it: Node(f"{it[0].text}{it[1]}{it[2].text}", it[0].commands + it[2].commands)
        ),
        children.map(
            lambda it: Node(
                f"({it.text})" if not it.text.startswith("(") else f"( {it.text} )", _within(it, "subshell")
            )
        ),
        children.map(lambda it: Node(f"{{ {it.text}; }}", it.commands)),
        children.map(lambda it: Node(f"! {it.text}", it.commands)),
        st.tuples(children, children, children).map(
            lambda it: Node(
                f"if {it[0].text}; then {it[1].text}\nelse {it[2].text}; fi",
                _within(it[0], "if") + _within(it[1], "if") + _within(it[2], "if"),
            )
        ),
        st.tuples(st.sampled_from(["while", "until"]), children, children).map(
            lambda it: Node(
                f"{it[0]} {it[1].text}; do {it[2].text}; done", _within(it[1], it[0]) + _within(it[2], it[0])
            )
        ),
        children.map(lambda it: Node(f"for x in a 'b c' $d; do\n  {it.text}\ndone", _within(it, "for"))),
        st.tuples(children, children).map(
            lambda it: Node(
                f"case $x in a|'b c') {it[0].text};; (*) {it[1].text}\n;; esac",
                _within(it[0], "case") + _within(it[1], "case"),
            )
        ),
        children.map(lambda it: Node(f"f() {{ {it.text}; }}", _within(it, "function f"))),
        children.map(lambda it: Node(f"{{ {it.text}; }} > out 2>&1", it.commands)),
        st.tuples(_LEAF, children).map(
            lambda it: Node(
                f'{it[0].text} "x$({it[1].text})y"',
                ((f'{it[0].text} "x$({it[1].text})y"', ()), *_within(it[1], "substitution")),
            )
        ),
    )


_SCRIPT = st.recursive(_LEAF, _compound, max_leaves=8)


def _fits(node: Node) -> bool:
    """`a &` may stand only where a newline may, and `! (x)` within a pipeline is an error to bash."""
    return bash("-n", "-c", node.text).returncode == 0


@RUN
@given(_SCRIPT.filter(_fits))
def test_finds_the_commands_that_were_generated(node: Node) -> None:
    """Every command is found in order, as written, with the constructs around it."""
    found = read(node.text)
    assert found.errors == []
    assert [(command.text, command.inside) for command in found.commands] == list(node.commands)


@RUN
@given(_SCRIPT.filter(_fits))
@example(Node("cat <<E | sh\nx $(y)\nE\nz", ()))
@example(Node("a <<-'E' && b\n\tx\n\tE\nc", ()))
def test_reads_what_bash_prints_as_what_it_read(node: Node) -> None:
    """Bash prints a function's body in its own layout: the same commands, to us too."""
    printed = bash("-c", f"g() {{\n{node.text}\n}}\ndeclare -f g").stdout.decode()
    theirs, ours = read(printed), read(f"g() {{\n{node.text}\n}}")
    assert theirs.errors == []
    assert sorted(map(_shape, theirs.commands)) == sorted(map(_shape, ours.commands))


def _shape(command: Command) -> tuple[str, ...]:
    # Bash lays out substitutions too: their words differ in white space, and in the word `function`.
    return (*(re.sub(r"\bfunction\s|[\s;(]+", "", word.text) for word in command.words), *command.inside)


@cache
def _grammar() -> tree_sitter.Parser:
    import tree_sitter  # noqa: PLC0415 - one test needs it
    import tree_sitter_bash  # noqa: PLC0415 - as above

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def _tree_commands(text: str) -> Iterator[str]:
    """The commands that tree-sitter finds, as written; nothing where it does not understand the text."""
    root = _grammar().parse(text.encode()).root_node
    waiting = [] if root.has_error else [root]
    while waiting:
        node = waiting.pop()
        if node.type == "command":
            yield (node.text or b"").decode()
        waiting += reversed(node.children)


@RUN
@given(_SCRIPT.filter(_fits))
def test_agrees_with_tree_sitter(node: Node) -> None:
    """Where tree-sitter understands a script, it finds the same commands."""
    assume("! " not in node.text)  # it takes `! {` and `! for` for the names of commands
    theirs = list(_tree_commands(node.text))
    if theirs:
        assert [command.text for command in read(node.text).commands if command.words] == theirs


# ---- acceptance: bash -n

_TOKENS = st.lists(
    st.sampled_from(
        [
            *[
                "a",
                "b",
                "'c'",
                '"d"',
                "$e",
                ";",
                "&&",
                "||",
                "|",
                "&",
                "(",
                ")",
                "{",
                "}",
                "if",
                "then",
                "else",
                "elif",
                "fi",
                "for",
                "x",
                "in",
                "do",
                "done",
                "while",
                "case",
                "esac",
                ";;",
                "!",
            ],
            *[
                ">",
                "<",
                "2>",
                ">>",
                "f()",
                "#",
                "$(",
                "${",
                "$((1))",
                "<<E",
                "E",
                "=",
                "A=1",
                "function",
                "time",
            ],
            "\n",
            "\\\n",
        ]
    ),
    max_size=12,
).map(" ".join)


@RUN
@given(_TOKENS)
def test_accepts_what_bash_accepts(text: str) -> None:
    """A script that bash accepts has no error here."""
    done = bash("-n", "-c", text)
    if done.returncode == 0 and not done.stderr:
        assert [error.message for error in read(text).errors] == []


@pytest.mark.parametrize(
    "text",
    [
        "case x in esac",
        "case x in\n a) ;;\nesac",
        "case x in (a|b) c;; *) d; esac",
        "a() (b)",
        "a()\n{ b; }",
        "function a { b; }",
        "function a() { b; }",
        "for ((i=0; i<3; i++)); do a; done",
        "for x do a; done",
        "for x; do a; done",
        "for x in; do a; done",
        "select x in a b; do c; done",
        "while a; b; do c; done",
        "a <<E\nE",
        "a <<E; b <<F\nx\nE\ny\nF\nc",
        "a <<-E\n\t\tE",
        "a <<'E F'\nE F\n",
        "a=(b c $(d)) e",
        "a=(\n# x\nb\n) && c",
        "a[1]=b c",
        "a+=b c",
        "[[ a == b && ( c < d || ! e ) ]]",
        "[[ a =~ ^(b|c)$ ]] && d",
        "[[ -n a\n]]",
        "! ;",
        "if ! time ; then a; fi",
        "((a < b)) && c",
        "a $((1 << 2))",
        "a $(( (1 + 2) * 3 ))",
        "a $( (b) )",
        "a ${b:-${c:-d}}",
        "a ${b//x/y} ${#c} ${d%%e} ${f:1:2} ${!g} ${h[@]}",
        'a "${b:-"c d"}"',
        'a "${b:-it\'s}"',
        "a `b \\`c\\` d`",
        'a "`b "c"`"',
        "a $(b # c )\n)",
        "a $(case x in y) b;; esac)",
        "a <(b) >(c)",
        "a &> b",
        "a |& b",
        "a >| b",
        "a <> b",
        "a {x}> b",
        "a 2>&1 >&-",
        "! a",
        "time a | b",
        "time -p a",
        "coproc a",
        "a &\nb",
        "a;\n\n;b"[:2],
        "{ a; } | { b; }",
        "(a) > b < c",
        "if a; then b; fi > c",
        "if (a) then b; fi",
        "until a; do b; done & c",
        "a \\\n  b",
        "a # b\\\nc",
        "#!/bin/sh\na",
        "a $'b\\'c'",
        'a $"b"',
        "a @(b|c) !(d)",
        "a {b,c} {1..3}",
        "{a; b",
        "a }",
        "a then",
        "echo if",
        "x=if y",
        "> a",
        "a=b",
        "a=$(b) c=`d`",
        "export a=(b)"[:8],
        "a'b'\"c\"d\\ e",
    ],
)
def test_accepts_constructs(text: str) -> None:
    """Each construct of bash's grammar is read without an error, where bash accepts it."""
    options = ["-O", "extglob"] if "@(" in text else []
    if bash(*options, "-n", "-c", text).returncode == 0:
        assert [error.message for error in read(text).errors] == []


# ---- scripts that people wrote


def _scripts() -> Iterator[Path]:
    """The shell scripts among this machine's programs; every system with a shell has some."""
    for folder in ("/usr/bin", "/usr/sbin", "/etc/init.d", "/usr/lib/git-core"):
        for path in sorted(Path(folder).glob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    head = file.read(32)
                if re.match(rb"#! ?/(?:usr/)?bin/(?:ba|da)?sh\b", head):
                    yield path


def test_reads_real_scripts_as_bash_does() -> None:
    """Scripts of the system have the commands that bash prints of them; where bash accepts one, so do we."""
    texts = [path.read_text("utf-8", "replace") for path in itertools.islice(_scripts(), 40)]
    assert texts
    for text in texts:
        wrapped = f"g() {{\n{text}\n}}\n"
        if "\0" in text or bash("-n", "-c", wrapped).returncode or bash("-n", "-c", text).returncode:
            continue
        ours, theirs = (
            read(wrapped),
            read(bash("-r", "-c", f"{wrapped}declare -f g").stdout.decode("utf-8", "replace")),
        )
        assert ours.errors == []
        assert Counter(map(_outline, ours.commands)) == Counter(map(_outline, theirs.commands))


def _outline(command: Command) -> tuple[str, ...]:
    """The words but for layout, and the surroundings; bash prints elif as an if within else, `[[ x ]]` with -n."""
    words = [re.sub(r"[\s;(\\]+", "", word.text) for word in command.words if word.text != "-n"]
    return (*words, *(label for label in command.inside if label != "if"))


# ---- any text, in linear time

_BITS = [
    *(
        "(",
        ")",
        "{ ",
        "}",
        "$(",
        "`",
        '"',
        "'",
        "${",
        "$((",
        "))",
        "<<E\n",
        "E\n",
        "\\",
        "\n",
        ";",
        "|",
        "&&",
    ),
    *(
        "if ",
        "then ",
        "fi ",
        "case x in ",
        "a) ",
        ";; ",
        "esac ",
        "[[ ",
        "]] ",
        "a ",
        "=(",
        "<(",
        "$'",
        "\0",
        "é",
    ),
    *("sh -c '", 'sh -c "', "eval ", "find -exec ", "sudo "),
]
_MORE_BITS = [
    *("((a ", "f() ", "! ", "a=b ", "a | ", "(a;", "{ a; ", "sh <<E | ", "> ", "2>&1 ", "trap 'a' ", "$(a) "),
]


@RUN
@given(st.lists(st.sampled_from(_BITS), max_size=40).map("".join) | st.text(max_size=60))
@example("sh -c 'sh -c '\\")
def test_fuzz_never_raises_and_keeps_places(text: str) -> None:
    """Whatever stands there is read; every place lies within the text, and every command's text is where it says."""
    result = read(text)
    for command in result.commands:
        assert 1 <= command.span.column <= command.span.end_column <= len(text) + 1
        for word in command.words:
            assert word.span.end_column <= len(text) + 1
        assert command.piped_into is not command
        assert command.piped_from is not command


BITS = [*_BITS, *_MORE_BITS]


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("bit", BITS)
def test_fuzz_reads_what_is_made_to_be_slow(bit: str) -> None:
    """Ten thousand nested or repeated constructs, in a long run a line of 1 MB, are read through."""
    count = 1_000_000 // len(bit) if LONG else 10_000
    for command in read(bit * count).commands[:1000]:
        assert command.piped_into is not command

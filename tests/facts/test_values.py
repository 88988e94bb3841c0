"""Expansion of variables as BuildKit expands them, and what is known, unknown or empty."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockproof.facts.dockerfile import parse
from dockproof.facts.lexer import DEPTH_LIMIT, ExpansionError, Found, Lexer
from dockproof.facts.values import Origin, Scope, Table, Value, Variable, expand, expand_words

NAMES = {"A": "abc", "E": "", "P": "foo.tar.gz", "S": "a b", "D": "/a/b/c", "Q": "a*b?c\\d"}


def scope(names: dict[str, str] | None = None, *, open_world: bool = False) -> Scope:
    """A scope in which the names are set."""
    table = Table(open_world=open_world)
    for name, text in (NAMES if names is None else names).items():
        table.define(name, Variable(Value(text), is_set=True), 0)
    return Scope(table)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("x", "x"),
        ("$A", "abc"),
        ("${A}d", "abcd"),
        ("$Ad", ""),
        ("$U", ""),
        ("x$", "x$"),
        ("$", "$"),
        ("$1a", "a"),
        ("$12a", "a"),
        ("$@x", "x"),
        ("${A:-x}", "abc"),
        ("${U:-x}", "x"),
        ("${U-x}", "x"),
        ("${E:-x}", "x"),
        ("${E-x}", ""),
        ("${A:+x}", "x"),
        ("${A+x}", "x"),
        ("${U:+x}", ""),
        ("${U+x}", ""),
        ("${E:+x}", ""),
        ("${E+x}", "x"),
        ("${A:?no}", "abc"),
        ("${E?no}", ""),
        ("${U:-$A}", "abc"),
        ("${U:-${E:-${A}}}", "abc"),
        ("${U:-'a}'}", "a}"),
        ('${U:-"$A}"}', "abc}"),
        ("${U:-a\\}b}", "a}b"),
        ("${P#*.}", "tar.gz"),
        ("${P##*.}", "gz"),
        ("${P%.*}", "foo.tar"),
        ("${P%%.*}", "foo"),
        ("${P#x}", "foo.tar.gz"),
        ("${P#fo?}", ".tar.gz"),
        ("${P%g?}", "foo.tar."),
        ("${D##*/}", "c"),
        ("${D%/*}", "/a/b"),
        ("${D%%/*}", ""),
        ("${A#}", "abc"),
        ("${A%}", "abc"),
        ("${A#*}", "abc"),
        ("${A##*}", ""),
        ("${Q#a\\*}", "b?c\\d"),
        ("${Q%\\\\d}", "a*b?c"),
        ("${Q##*\\?}", "c\\d"),
        ("${A/b/x}", "axc"),
        ("${A/b/}", "ac"),
        ("${D//\\//-}", "-a-b-c"),
        ("${D/\\//-}", "-a/b/c"),
        ("${P//./}", "footargz"),
        ("${P/.*/!}", "foo!"),
        ("${P//?/x}", "xxxxxxxxxx"),
        ("${A/x/y}", "abc"),
        ("${A//b/$E}", "ac"),
        ("${A//b/$P}", "afoo.tar.gzc"),
        ("${A/b/a\\}b}", "aa\\}bc"),
        ("'$A'", "$A"),
        ('"$A"', "abc"),
        ("\"'$A'\"", "'abc'"),
        ("\\$A", "$A"),
        ('"\\$A"', "$A"),
        ('"\\x"', "\\x"),
        ('"\\""', '"'),
        ("\\x", "x"),
        ("a\\", "a"),
        ("'a\\'", "a\\"),
        ("$S", "a b"),
        ("a<<b", "a<<b"),
        ("${A}<", "abc<"),
    ],
)
def test_expands_as_buildkit(text: str, result: str) -> None:
    """Every form of a substitution, quotes and escapes."""
    value = expand(text, scope())
    assert (value.text, value.error) == (result, "")


def test_takes_the_backtick_for_the_escape() -> None:
    """With `# escape=` the backslash is a plain character."""
    assert expand("`$A\\$A", scope(), "`").text == "$A\\abc"
    assert expand('"`"\\"', scope(), "`").text == '"\\'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${A", "missing '}'"),
        ("${", "missing '}'"),
        ("${}", "bad substitution"),
        ("${:-x}", "bad substitution"),
        ("${{A}}", "bad substitution"),
        ("${A^}", "unsupported modifier '^'"),
        ("${A:=x}", "unsupported modifier :="),
        ("${A:-x", "before the closing }"),
        ("${A/b}", "before the closing /"),
        ("${A#\\x}", "invalid escape"),
        ("'a", "single quote"),
        ('"a', "double quote"),
        ("${U:?who}", "U: who"),
        ("${U?}", "U: must be set"),
        ("${E:?}", "E: must be set"),
        ("${A:-" * (DEPTH_LIMIT + 1) + "}" * (DEPTH_LIMIT + 1), "inside each other"),
    ],
)
def test_says_why_a_text_cannot_be_expanded(text: str, reason: str) -> None:
    """An error is a value with its reason, not an exception."""
    value = expand(text, scope())
    assert value.text is None
    assert reason in value.error


@pytest.mark.parametrize(
    ("text", "words"),
    [("80 $S", ["80", "a", "b"]), ("'a b' c", ["a b", "c"]), ('""', []), ("$E", []), ("a\\ b", ["a b"])],
)
def test_splits_what_expands_to_several_words(text: str, words: list[str]) -> None:
    """White space of values separates words, quoted white space does not."""
    assert [value.text for value in expand_words(text, scope())] == words


_NAMES_AROUND = {**NAMES, "LONG": "x" * 30_000}
_PARTS = st.sampled_from(
    [
        "$A", "${A}", "$E", "${U}", "${U:-x}", "${E-x y}", "${A:+/z}", "$LONG", "$A1", "${A_}", "$1", "$$", "$", "{",
        "}",
        '"', "'", "\\", "`", "<", ":-", "é", "a b", "/x", "${A:?n}", "${A#a}", "${A//b/c}", "${", "${A:-$E}",
        '${U:-"q"}',
    ]
)  # fmt: skip
_AROUND = st.sampled_from([scope(_NAMES_AROUND), scope(_NAMES_AROUND, open_world=True)])


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.lists(_PARTS, max_size=6), st.sampled_from(["", '"']), st.sampled_from(["\\", "`"]), _AROUND)
def test_takes_no_short_cut_that_changes_the_result(
    parts: list[str], quote: str, escape: str, around: Scope
) -> None:
    """The fast path for plain texts and plain variables gives what the lexer gives."""
    text = f"{quote}{''.join(parts)}{quote}"
    value = expand(text, around, escape)
    assert (value.text, value.error) == _lexed(text, around, escape)


def _lexed(text: str, around: Scope, escape: str) -> tuple[str | None, str]:
    try:
        return Lexer(text, lambda name, _: _found(around, name), escape).run().text, ""
    except ExpansionError as error:
        return None, str(error)


def _found(around: Scope, name: str) -> Found:
    variable = around.get(name)
    return Found(variable.value.text, variable.is_set)


_PLAIN = st.text("ab./-", max_size=8)
_PATTERN = st.text("ab./*?-", max_size=6).map(lambda text: text.replace("/", "\\/"))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(_PLAIN, st.sampled_from(["#", "##", "%", "%%"]), _PATTERN), min_size=20, max_size=40)
)
def test_trims_as_bash(cases: list[tuple[str, str, str]]) -> None:
    """Prefix and suffix patterns mean what they mean to a shell."""
    forms = [(value, f"${{V{operator}{pattern}}}") for value, operator, pattern in cases]
    assert [expand(form, scope({"V": value})).text for value, form in forms] == _bash(forms)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(_PLAIN, st.sampled_from(["/", "//"]), _PATTERN, _PLAIN), min_size=20, max_size=40))
def test_replaces_as_bash(cases: list[tuple[str, str, str, str]]) -> None:
    """Replacements mean what they mean to a shell; an empty pattern, which bash never matches, is left out."""
    forms = [
        (value, f"${{V{operator}{pattern}/{text.replace('/', '')}}}")
        for value, operator, pattern, text in cases
        if pattern and not (operator == "/" and pattern.startswith(("\\/", "#", "%")))
        # Where a pattern of stars alone has matched all, bash matches the empty end once more.
        if pattern.strip("*")
    ]
    assert [expand(form, scope({"V": value})).text for value, form in forms] == _bash(forms)


def _bash(forms: list[tuple[str, str]]) -> list[str]:
    script = "".join(f"V='{value}'; printf '%s\\n' \"{form}\"\n" for value, form in forms)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.split("\n")[:-1]


def at_end(text: str, expression: str, build_arguments: dict[str, str] | None = None) -> Value:
    """The value of an expression in front of the last instruction of a file."""
    file = parse(f"{text}\nRUN end\n", build_arguments=build_arguments)
    return file.stages[-1].expand(file.instructions[-1], expression)


def test_keeps_unknown_and_empty_apart() -> None:
    """What an image may set is unknown, what nothing can set is empty."""
    assert at_end("FROM a", "$X") == Value(None, ("X",), (), ("X",))
    assert at_end("FROM scratch", "$X") == Value("", (), (), ("X",))
    assert at_end("FROM scratch\nENV X=", "$X") == Value("", (), (Origin("ENV", 2),))


def test_does_not_guess_behind_an_unknown_name() -> None:
    """Defaults do not help where the base image may set the name."""
    assert at_end("FROM a", "${X:-y}").text is None
    assert at_end("FROM a", "${X:+y}").text is None
    assert at_end("FROM scratch", "${X:-y}") == Value("y")


def test_awaits_an_argument_without_default() -> None:
    """A bare ARG is unknown by itself; a default in the text holds for it."""
    assert at_end("FROM a\nARG X", "$X") == Value(None, ("X",), (Origin("ARG", 2),))
    assert at_end("FROM a\nARG X", "${X:-y}") == Value("y", (), (Origin("ARG", 2),))
    assert at_end("FROM a\nARG X", "${X:+y}").text == ""
    assert at_end("FROM a\nARG X", "${X:?say}") == Value(None, ("X",), (Origin("ARG", 2),))
    assert at_end("FROM a\nARG X", "$X", {"X": "1"}) == Value("1", (), (Origin("build-arg", None),))


def test_shows_an_argument_in_its_stage_alone() -> None:
    """ARG before FROM is visible in a stage once it is declared there again."""
    assert at_end("ARG X=1\nFROM scratch", "$X").undefined == ("X",)
    assert at_end("ARG X=1\nFROM scratch\nARG X", "$X") == Value("1", (), (Origin("ARG", 1),))
    assert at_end("ARG X=1\nFROM scratch\nARG X=2", "$X") == Value("2", (), (Origin("ARG", 3),))
    assert at_end("FROM scratch\nARG X=1\nFROM scratch", "$X").undefined == ("X",)


def test_lets_the_later_line_win() -> None:
    """ENV and ARG write into one table; a bare ARG changes nothing."""
    assert at_end("FROM a\nARG X=1\nENV X=2", "$X").text == "2"
    assert at_end("FROM a\nENV X=2\nARG X=1", "$X").text == "1"
    assert at_end("FROM a\nENV X=2\nARG X", "$X").text == "2"
    assert at_end("FROM a\nARG X=1\nARG X=3", "$X").text == "3"


def test_inherits_names_through_stages() -> None:
    """A stage built FROM another begins with its names, ARG included."""
    text = "FROM scratch AS a\nARG X=1\nENV Y=$X\nFROM a AS b\nENV Y=$Y$X\nFROM b"
    value = at_end(text, "$X$Y")
    assert value.text == "111"
    assert value.origins == (Origin("ARG", 2), Origin("ENV", 5), Origin("ENV", 3))


def test_sees_no_name_of_the_same_env() -> None:
    """Names of one ENV are expanded with what stood before it, names of one ARG in order."""
    assert at_end("FROM scratch\nENV X=1 Y=$X", "$Y").text == ""
    assert at_end("FROM scratch\nARG X=1 Y=$X", "$Y").text == "1"


def test_expands_with_what_stands_in_front() -> None:
    """The scope is the one at the instruction, not at the end of the stage."""
    file = parse("FROM scratch\nENV X=1\nUSER $X\nENV X=2\nUSER $X\n")
    stage = file.stages[0]
    assert [stage.expand(file.instructions[at], "$X").text for at in (1, 2, 4)] == ["", "1", "2"]


def test_knows_the_names_that_buildkit_sets() -> None:
    """Platform names are set in FROM lines, unknown by default, and in a stage once declared."""
    file = parse("FROM --platform=$BUILDPLATFORM a-$TARGETARCH\n")
    assert file.stages[0].platform == Value(None, ("BUILDPLATFORM",), (Origin("predefined", None),))
    assert file.stages[0].base.value.missing == ("TARGETARCH",)
    assert at_end("FROM scratch", "$TARGETARCH").undefined == ("TARGETARCH",)
    assert at_end("FROM scratch\nARG TARGETARCH", "$TARGETARCH").missing == ("TARGETARCH",)
    assert at_end("FROM scratch\nARG TARGETARCH", "$TARGETARCH", {"TARGETARCH": "arm64"}).text == "arm64"


def test_knows_the_path_of_an_empty_image_alone() -> None:
    """PATH is set everywhere, with a known value in an empty image."""
    assert (
        at_end("FROM scratch", "$PATH").text == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert at_end("FROM a", "$PATH") == Value(None, ("PATH",), (Origin("base", None),))


def test_expands_globals_in_order() -> None:
    """ARG before FROM may use those above it."""
    file = parse("ARG A=1\nARG B=$A.2\nFROM x:${B}\n")
    assert file.stages[0].base.value == Value("x:1.2", (), (Origin("ARG", 2), Origin("ARG", 1)))


def test_gives_up_on_texts_that_explode() -> None:
    """Names that double line by line end in an unknown value, not in a full memory."""
    lines = "\n".join(f"ENV A{n + 1}=$A{n}$A{n}" for n in range(60))
    value = at_end(f"FROM scratch\nENV A0=xxxx\n{lines}", "$A60")
    assert value.text is None


def test_bounds_what_many_names_hold_together() -> None:
    """Very many long values end in an unknown one with a reason."""
    lines = "\n".join(f"ENV A{n}=$A" for n in range(600))
    file = parse(f"FROM scratch\nENV A={'x' * 40_000}\n{lines}\n")
    assert file.stages[0].scope_at(file.instructions[-1]).get("A598").value.error

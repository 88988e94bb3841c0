"""Instructions, comments, directives and places, against BuildKit's answers to the probes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dockproof.facts.dockerfile import Instruction, parse
from dockproof.facts.words import KEYWORDS
from tests.facts.places import rebuild, rebuild_bytes

CASES = json.loads((Path(__file__).parent / "data" / "parser_probes.json").read_text())["cases"]


def _values(one: Instruction) -> list[str]:
    if one.keyword in {"ENV", "LABEL"}:
        return [
            text for pair in one.pairs for text in (pair.name, pair.value or "", "" if pair.legacy else "=")
        ]
    return list(one.words) if one.keyword in KEYWORDS else []


def _node(one: Instruction) -> dict[str, Any]:
    inner = one.effective
    node = {
        "cmd": one.keyword_text,
        "start": one.span.line,
        "end": one.span.end_line,
        "flags": [f"--{flag.name}" + ("" if flag.value is None else f"={flag.value}") for flag in one.flags],
        "values": _values(inner),
        "json": inner.json is not None,
    }
    if one.trigger:
        node["sub"] = one.trigger.keyword_text
    if one.heredocs:
        node["heredocs"] = [
            {"name": h.name, "content": h.text, "expand": h.expand, "chomp": h.chomp, "fd": h.fd}
            for h in one.heredocs
        ]
    if one.comments:
        node["comments"] = [comment.text for comment in one.comments]
    return node


def _expected(node: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in node.items() if key != "original"}
    values = [] if node["values"] in (None, [""]) else node["values"]
    return kept | {"flags": node["flags"] or [], "values": values}


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_reads_probe_as_buildkit(case: dict[str, Any]) -> None:
    """Each probe gives BuildKit's instructions, or a problem where BuildKit gives an error."""
    file = parse(base64.b64decode(case["b64"]))
    expect = case["expect"]
    refused = "error" in expect or "instruction_error" in expect
    assert bool(file.problems) == refused
    if "error" in expect:
        return
    assert [_node(one) for one in file.instructions] == [_expected(node) for node in expect["nodes"]]
    assert file.escape == expect["escape"]
    blanks = sum(bool(one.blank_lines) for one in file.instructions)
    assert blanks == expect["empty_continuation_warnings"]


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_names_the_line_that_buildkit_names(case: dict[str, Any]) -> None:
    """A problem sits on the line of BuildKit's own message, where that has one."""
    message = case["expect"].get("instruction_error", "")
    if "on line " not in message:
        return
    line = int(message.split("on line ")[1].split(":")[0])
    assert line in {problem.line for problem in parse(base64.b64decode(case["b64"])).problems}


def only(text: str) -> Instruction:
    """The one instruction behind FROM."""
    file = parse(f"FROM a\n{text}")
    assert len(file.instructions) == 2, file.instructions
    return file.instructions[1]


def test_tells_flags_and_their_places() -> None:
    """Flags have names, unquoted values and spans; the arguments follow."""
    one = only('COPY --from=b --link --chown="1 2" x \\\n  /y\n')
    assert [(flag.name, flag.value) for flag in one.flags] == [
        ("from", "b"),
        ("link", None),
        ("chown", "1 2"),
    ]
    assert (one.flag("from"), one.flag("link"), one.flag("chmod")) == ("b", "", None)
    assert one.flags[2].span == (2, 22, 2, 35)
    assert one.words == ("x", "/y")
    assert one.word_spans[1] == (3, 3, 3, 5)


def test_locates_joined_text_in_the_file() -> None:
    """An offset of the joined value leads back to the line and column it came from."""
    one = only("RUN apt \\\n# c\n\n  && curl \\\r\n\t&& id\r\n")
    assert [one.locate(one.value.index(word)) for word in ("apt", "curl", "id")] == [(2, 5), (5, 6), (6, 5)]
    assert one.span == (2, 1, 6, 7)
    assert one.blank_lines == (4,)
    assert [comment.line for comment in one.inner_comments] == [3]


def test_locates_inside_flags_that_fall_apart() -> None:
    """A flag beyond ASCII is cut byte by byte, and what follows keeps its place."""
    one = only("RUN --x=é\xa0b id\n")
    assert one.flags[0].span == (2, 5, 2, 10)
    assert one.locate(one.value.index("id"))[0] == 2


def test_keeps_the_keyword_as_written() -> None:
    """Casing is kept beside the upper case form."""
    one = only("cOpY a b")
    assert (one.keyword, one.keyword_text) == ("COPY", "cOpY")


def test_keeps_what_go_takes_for_part_of_the_keyword() -> None:
    """A no-break space belongs to the keyword, which makes it an unknown one."""
    assert only("USER\xa0 u").keyword_text == "USER\xa0"


def test_takes_the_turkish_capital_for_an_i() -> None:
    """Go's lower case of the dotted capital I is a plain i."""
    assert only("MA\u0130NTA\u0130NER x").keyword == "MAINTAINER"


def test_gives_onbuild_its_inner_instruction() -> None:
    """The trigger has its own keyword, flags, value and place; a chain stays closed."""
    one = only("ONBUILD  RUN --network=none <<E\nid\nE\n")
    inner = one.effective
    assert (inner.keyword, inner.value, inner.flag("network")) == ("RUN", "<<E", "none")
    assert inner.span == (2, 10, 4, 2)
    assert inner.locate(0) == (2, 29)
    assert inner.heredocs[0].text == "id\n"
    assert only("ONBUILD ONBUILD RUN id").effective.trigger is None


def test_gives_heredocs_their_lines() -> None:
    """A body's span holds its lines without the closing word, so that text can be placed."""
    one = only("COPY <<-A <<'B' /d/\n\tx\n\tA\nyy\nB\n")
    assert [(h.name, h.text, h.expand, h.chomp) for h in one.heredocs] == [
        ("A", "\tx\n", True, True),
        ("B", "yy\n", False, False),
    ]
    assert [h.span for h in one.heredocs] == [(3, 1, 3, 3), (5, 1, 5, 3)]


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        ("# a\n# b\nUSER u", ["a", "b"]),
        ("# a\n\n# b\nUSER u", ["b"]),
        ("# a\n\nUSER u", []),
        ("RUN <<E\n# no\nE\nUSER u", []),
        ("RUN id \\\n# in\n && id\nUSER u", []),
    ],
)
def test_ties_comments_to_what_stands_below(text: str, comments: list[str]) -> None:
    """The comment lines right above belong to an instruction, those of a body or behind a gap do not."""
    last = parse(f"FROM a\n{text}\n").instructions[-1]
    assert [comment.text for comment in last.comments] == comments


def test_lists_all_comments_but_no_directive() -> None:
    """Directives are none, here-document lines are none, comments inside instructions are."""
    file = parse("# syntax=a\n# one\nFROM a\nRUN id \\\n  # two\n && id <<E\n# no\nE\n# three\n")
    assert [(comment.line, comment.column, comment.text) for comment in file.comments] == [
        (2, 1, "one"),
        (5, 3, "two"),
        (9, 1, "three"),
    ]
    assert [(one.name, one.value, one.line) for one in file.directives] == [("syntax", "a", 1)]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV A=1 B='x y' C=", [("A", "1", False), ("B", "'x y'", False), ("C", "", False)]),
        ("ENV A b  c", [("A", "b  c", True)]),
        ('LABEL "a b"="c d"', [('"a b"', '"c d"', False)]),
        ("ARG A B=2", [("A", None, False), ("B", "2", False)]),
        ("ENV A=a\\ b B=\\", [("A", "a\\ b", False), ("B", "", False)]),
        ("RUN A=1", []),
    ],
)
def test_splits_names_from_raw_values(text: str, pairs: list[tuple[str, str | None, bool]]) -> None:
    """Values stay as written; the old form is told from the new one."""
    assert [(pair.name, pair.value, pair.legacy) for pair in only(text).pairs] == pairs


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ("CMD []", ()),
        ('CMD ["a"] x', None),
        ("CMD ['a']", None),
        ('CMD ["\\ud800"]', ("\ufffd",)),
        ("CMD [NaN]", None),
        ("CMD [1e999]", None),
        ('HEALTHCHECK CMD ["a"]', ("a",)),
        ('ENV ["a"]=b', None),
        ('CMD ["\x01"]', None),
    ],
)
def test_tells_exec_form_from_shell_form(text: str, strings: tuple[str, ...] | None) -> None:
    """The exec form is what Go's JSON decoder takes for an array of strings."""
    assert only(text).json == strings


@pytest.mark.parametrize("array", ["[1]", '["a", ["b"]]', "[null]", "[" * 3000 + "]" * 3000])
def test_refuses_arrays_of_more_than_strings(array: str) -> None:
    """Well-formed arrays that hold something else are refused, however deep."""
    assert only(f"CMD {array}").json_refused


def test_reads_deep_brackets_without_partner_as_shell_form() -> None:
    """What is no JSON is the shell form, without a RecursionError."""
    one = only("CMD " + "[" * 20_000)
    assert one.json is None
    assert not one.json_refused


def test_keeps_one_character_for_each_bad_byte() -> None:
    """Bytes that are no UTF-8 do not move what follows them."""
    file = parse(b"FROM a\nLABEL x=\xe2\x80y z=\xed\xa0\x80\n")
    assert file.lines[1] == "LABEL x=\ufffd\ufffdy z=\ufffd\ufffd\ufffd"
    assert not file.problems


def test_speaks_of_no_instruction_for_an_empty_file() -> None:
    """An empty file is refused on its first line."""
    assert [(problem.line, problem.clause) for problem in parse("").problems] == [(1, "syntax")]


def test_finds_targets_by_name_and_index() -> None:
    """Names compare in any casing; an unknown one is told with those that exist."""
    file = parse("FROM a AS One\nFROM b\n")
    assert file.target().index == 1
    assert (file.target("ONE").index, file.target("1").index) == (0, 1)
    with pytest.raises(KeyError, match="one, 1"):
        file.target("two")
    with pytest.raises(KeyError, match="none"):
        parse("").target()
    assert file.shipped(["one", "0"]) == (file.stages[0],)
    assert parse("").shipped() == ()


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_spans_give_the_file_back(case: dict[str, Any]) -> None:
    """The spans and the gaps between them are the file."""
    data = base64.b64decode(case["b64"])
    file = parse(data)
    assert rebuild(file) == file.text
    assert rebuild_bytes(file) == data

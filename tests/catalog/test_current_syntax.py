from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "current-syntax"


@pytest.mark.parametrize("line", ["MAINTAINER me", "MAINTAINER me <me@example.org>"])
def test_flags_maintainer(line: str) -> None:
    """Deprecated since 2017."""
    assert red(POLICY, f"FROM a:1\n{line}\n") == [(2, "maintainer")]


@pytest.mark.parametrize("line", ["LABEL maintainer=me", "ENV MAINTAINER=me", "RUN echo MAINTAINER me"])
def test_passes_authors_elsewhere(line: str) -> None:
    """A label is what took its place."""
    assert red(POLICY, f"FROM a:1\n{line}\n") == []


@pytest.mark.parametrize(
    "line", ["ENV A b", "ENV A b c", "ENV A B=C", "LABEL a b", "ONBUILD ENV A b", "ENV A \\\n  b"]
)
def test_flags_the_old_form_of_values(line: str) -> None:
    """Everything behind the first blank is the value, an equals sign too."""
    assert red(POLICY, f"FROM a:1\n{line}\n") == [(2, "key-value")]


@pytest.mark.parametrize(
    "line", ["ENV A=b", "ENV A=b C=d", 'LABEL a="b c"', "ENV A=b\\ c", "ARG A", "ARG A B", "ENV A="]
)
def test_passes_values_behind_an_equals_sign(line: str) -> None:
    """ARG may name several, as its reference says."""
    assert red(POLICY, f"FROM a:1\n{line}\n") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("RUN a \\\n\n && b\n", 3),
        ("RUN a \\\n  \t \n && b\n", 3),
        ("EXPOSE \\\n\n80\n", 3),
        ("RUN a \\\n# why\n && b \\\n\n\n && c\n", 5),
        ("RUN a \\\n\n", 3),
    ],
)
def test_flags_an_empty_continuation(text: str, line: int) -> None:
    """Once an instruction, on the first empty line."""
    assert red(POLICY, f"FROM a:1\n{text}") == [(line, "empty-continuation")]


@pytest.mark.parametrize(
    "text",
    ["RUN a \\\n# why\n && b\n", "RUN <<end\na\n\nb\nend\n", "RUN a\n\nRUN b\n", "COPY <<end /x\n\n\nend\n"],
)
def test_passes_other_empty_lines(text: str) -> None:
    """Comments count as lines, and a here-document's text is its own."""
    assert red(POLICY, f"FROM a:1\n{text}") == []


def test_flags_what_is_cased_otherwise_than_most() -> None:
    """The majority decides; a tie counts for upper case."""
    assert red(POLICY, "FROM a:1\nRUN a\nrun b\nRun c\n") == [(3, "casing"), (4, "casing")]
    assert red(POLICY, "from a:1\nrun a\nRUN b\n") == [(3, "casing")]
    assert red(POLICY, "FROM a:1\nrun a\n") == [(2, "casing")]
    assert red(POLICY, "From a:1\nRun a\n") == [(1, "casing"), (2, "casing")]


@pytest.mark.parametrize("text", ["FROM a:1\nRUN b\n", "from a:1\nrun b\n", "ARG A\nFROM a:1\n"])
def test_passes_one_casing(text: str) -> None:
    """Either will do."""
    assert red(POLICY, text) == []


@pytest.mark.parametrize("line", ["FROM a:1 as b", "FROM a:1 As b", "FROM a:1 aS b"])
def test_flags_as_that_does_not_match_from(line: str) -> None:
    """FROM … as is the most frequent warning of all."""
    assert red(POLICY, f"{line}\n") == [(1, "from-as")]
    assert red(POLICY, "from a:1 AS b\n") == [(1, "from-as")]


@pytest.mark.parametrize("line", ["FROM a:1 AS b", "from a:1 as b", "FROM a:1"])
def test_passes_as_that_matches_from(line: str) -> None:
    """Both upper or both lower."""
    assert red(POLICY, f"{line}\n") == []


def test_flags_upper_case_in_a_stage_name() -> None:
    """Docker compares names in lower case."""
    assert red(POLICY, "FROM a:1 AS Builder\nFROM a:1 AS BUILD\nFROM a:1 AS b-1_x.y\n") == [
        (1, "stage-name"),
        (2, "stage-name"),
    ]


DESCRIBED = "# check=experimental=InvalidDefinitionDescription\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# what it is\nFROM a:1 AS base\n", 3),
        ("# base: what it is\nFROM a:1 AS base\n", 3),
        ("FROM a:1\n# the version\nARG VERSION=1\n", 4),
        ("# VERSION is right\n\n# and this is not\nARG VERSION=1\nFROM a:$VERSION\n", 5),
    ],
)
def test_flags_a_comment_that_describes_nothing_where_asked_for(text: str, line: int) -> None:
    """The check is BuildKit's experimental one: it holds where the file or the configuration asks for it."""
    assert red(POLICY, DESCRIBED + text) == [(line, "description")]
    assert red(POLICY, text) == []
    assert red(POLICY, text, descriptions=True) == [(line - 1, "description")]
    assert red(POLICY, f"# check=skip=all;experimental=all\n{text}") == [(line, "description")]
    assert red(POLICY, f"# check=experimental=Other\n{text}") == []


@pytest.mark.parametrize(
    "text",
    [
        "# base is for all\nFROM a:1 AS base\n",
        "# Base is for all\nFROM a:1 AS base\n",
        "# base is for all\n# of them\nFROM a:1 AS base\n",
        "# a comment\n\nFROM a:1 AS base\n",
        "# a comment\n#\nFROM a:1 AS base\n",
        "# a comment\nFROM a:1\n",
        "FROM a:1\n# VERSION of it\nARG VERSION=1\n# A and B\nARG B A\n# a comment\nRUN id\n",
    ],
)
def test_passes_descriptions_and_plain_comments(text: str) -> None:
    """A name begins it, or an empty line keeps it apart."""
    assert red(POLICY, DESCRIBED + text) == []


def test_passes_a_directive_right_above_from() -> None:
    """A parser directive is no comment."""
    assert red(POLICY, f"{DESCRIBED}FROM a:1 AS base\n") == []


def test_names_the_stage_and_the_fix() -> None:
    """Each finding can be acted on."""
    found = findings(POLICY, "FROM a:1 AS b\nMAINTAINER me\nENV A b\n")
    assert [(f.stage, bool(f.help)) for f in found] == [("b", True), ("b", True)]


@pytest.mark.parametrize(
    "line", ["ARG foo bar", "ARG VERSION 1.2.3", "ARG URL https://x.org", "ARG MODE fast"]
)
def test_flags_an_argument_whose_value_became_another_argument(line: str) -> None:
    """A second word that is no variable's name, or one that nobody uses, was meant as the value."""
    assert red(POLICY, f"FROM a:1\n{line}\nRUN echo $foo\n") == [(2, "key-value")]
    assert red(POLICY, f"{line}\nFROM a:1\n") == [(1, "key-value")]


@pytest.mark.parametrize(
    "line", ["ARG TARGETOS TARGETARCH", "ARG UID GID", "ARG a b c", "ARG a b=1", "ARG uid gid", "ARG A"]
)
def test_passes_several_arguments_on_one_line(line: str) -> None:
    """ARG may declare as many as it likes."""
    assert red(POLICY, f"FROM a:1\n{line}\nRUN id ${{uid}} $gid\n") == []

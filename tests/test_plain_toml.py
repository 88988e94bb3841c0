"""What is read without tomllib is what tomllib reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockproof import plain_toml

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PIECES = [
    *(
        "a",
        "b-c",
        "_",
        "1",
        '"a.b"',
        "'x'",
        '""',
        "''",
        "'''",
        '"""',
        "=",
        " = ",
        ".",
        ",",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
    ),
    *(
        "true",
        "false",
        "0",
        "01",
        "-1",
        "1.5",
        "1979-05-27",
        "# x",
        "\n",
        "\n",
        "\n",
        " ",
        "\t",
        "\r\n",
        "\\",
        "é",
        "\x07",
    ),
    *(
        "[a]\n",
        "[a.b]\n",
        "[[a]]\n",
        "[[a.b]]\n",
        "a = 1\n",
        "b = []\n",
        'a = ["x", "y"]\n',
        "a.b = 1\n",
        "[ 'x' ]\n",
    ),
]


def same(text: str) -> bool:
    """Whether a text is read plainly, and then as tomllib reads it; one that is no TOML must not be."""
    plain = plain_toml.loads(text)
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        assert plain is None
        return False
    assert plain is None or (plain == whole and repr(plain) == repr(whole))
    return plain is not None


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@settings(max_examples=4000, deadline=None)
def test_reads_what_tomllib_reads_or_nothing(text: str) -> None:
    """Texts put together from pieces of TOML, good and bad."""
    same(text)


@given(st.integers(0, len(PYPROJECT)), st.integers(0, 12), st.sampled_from(PIECES))
@settings(max_examples=1000, deadline=None)
def test_reads_an_edited_configuration_alike(at: int, cut: int, put: str) -> None:
    """A real file with a piece replaced."""
    same(PYPROJECT[:at] + put + PYPROJECT[at + cut :])


def test_reads_our_own_configuration() -> None:
    """It is written as nearly all are, so that tomllib is not needed."""
    assert same(PYPROJECT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n# x\n",
        "a = 1 # x",
        "a = [\n  1, # x\n\n  2,\n]\n",
        "a = [[1], ['x']]",
        "[a.'b.c']\nd = true\n[a]\ne = ''\n",
        "[[a]]\nb = 1\n[a.c]\nd = 2\n[[a]]\n[a.c]\nd = 3\n",
    ],
)
def test_reads_plain_texts(text: str) -> None:
    """All that the module promises to read."""
    assert same(text)

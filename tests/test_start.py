"""What makes the command line start quickly must not change what anything means."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Generic, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis.strategies import from_regex, lists, sampled_from

import dockproof
from dockproof import cli
from dockproof.patterns import Guarded, pattern
from dockproof.records import NamedTuple

_T = TypeVar("_T")


_ARGUMENTS = (
    *("Dockerfile", "folder", "", "-", "--", "-q", "--format", "json", "--format=json", "--no-hadolint=1"),
    *("--no-hadolint", "--no-config", "--no-cache", "--show-waived", "--write-baseline", "--no-c", "--help"),
)


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 2
    name: str = "p"

    @property
    def sum(self) -> int:
        """Both together."""
        return self.x + self.y

    @classmethod
    def of(cls, text: str) -> Point:
        """Read one."""
        x, y = map(int, text.split())
        return cls(x, y)

    def __str__(self) -> str:
        return f"{self.name}: {super().__str__()}"


class Box(NamedTuple, Generic[_T]):
    """A generic one."""

    value: _T


def test_record_is_a_named_tuple() -> None:
    """Fields, defaults, methods, comparison, unpacking, copies: all as `typing.NamedTuple` has them."""
    point = Point(1)
    assert point == (1, 2, "p")
    assert (point.sum, Point.of("3 4").sum, point._replace(y=5).sum) == (3, 7, 6)
    assert repr(point) == "Point(x=1, y=2, name='p')"
    assert str(point).startswith("p: ")
    assert Point.__doc__ == "A point."
    assert Point._fields == ("x", "y", "name")
    assert (Point.__module__, Point.__qualname__) == (__name__, "Point")
    assert Box(3).value == 3


def test_record_survives_copies_and_pickles() -> None:
    """Reports go through processes of pytest-xdist."""
    point = Point(1)
    assert copy.deepcopy(point) == point
    if __name__ in __import__("sys").modules:
        assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 - our own


def test_record_refuses_wrong_arguments() -> None:
    """A missing or unknown field is an error at once."""
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Point(1, z=3)  # type: ignore[call-arg]


def test_pattern_is_compiled_at_its_first_use() -> None:
    """A pattern that nobody uses costs nothing; a wrong one raises where it is used."""
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.match("x")
    digits = pattern(r"(?P<n>\d+)", re.ASCII)
    assert "match" not in vars(digits)
    found = digits.search("a 12")
    assert found
    assert found["n"] == "12"
    assert digits.sub("x", "1 2") == "x x"
    assert digits.pattern == r"(?P<n>\d+)"
    assert digits.groups == 1
    assert pattern(rb"\d").findall(b"1a2") == [b"1", b"2"]


def guarded() -> list[Guarded]:
    """All patterns of the package that say what a match must hold."""
    modules = [
        import_module(m.name)
        for m in walk_packages(dockproof.__path__, "dockproof.")
        if m.name[-8:] != "__main__"
    ]
    found = {id(v): v for module in modules for v in vars(module).values() if isinstance(v, Guarded)}
    return list(found.values())


@pytest.mark.parametrize("one", guarded(), ids=lambda one: str(one.pattern)[:40])
def test_guarded_pattern_matches_nothing_without_what_it_needs(one: Guarded) -> None:
    """Whatever the pattern matches holds one of its pieces, so that a text without them need not be searched."""
    plain: re.Pattern[str] = re.compile(one.pattern, one.flags)

    @settings(max_examples=300, deadline=None)
    @given(from_regex(plain))
    def holds(text: str) -> None:
        found = plain.search(text)
        assert found is None or one.may_match(found.group())

    holds()


def test_guarded_pattern_answers_as_the_pattern_itself() -> None:
    """Before and after it is compiled, in any casing and beyond ASCII."""
    one = pattern(r"x\.KEY", re.IGNORECASE, (".key",))
    assert one.search("no") is one.match("no") is one.fullmatch("no") is None
    assert "search" not in vars(one)
    assert one.fullmatch("X.key")
    assert one.search("- x.\u212aey")
    assert one.match("no") is None


LEFT_OUT = (
    "argparse",
    "csv",
    "gettext",
    "importlib.metadata",
    "locale",
    "logging",
    "packaging",
    "pathlib",
    "subprocess",
    "tomllib",
    "typing",
    "urllib",
)


@given(lists(sampled_from(_ARGUMENTS), max_size=6))
def test_plain_arguments_are_read_as_the_parser_reads_them(arguments: list[str]) -> None:
    """What the parser refuses is left to it."""
    read = cli.plain(arguments)
    if read is not None:
        assert vars(read) == vars(cli.check_parser().parse_args(arguments))


@pytest.mark.parametrize(
    "arguments", [["-"], ["--format", "json"], ["a", "--no-cache", "b"], ["--no-hadolin"], ["--help"]]
)
def test_other_arguments_are_left_to_the_parser(arguments: list[str]) -> None:
    """Their errors are the parser's, too."""
    assert cli.plain(arguments) is None


def test_check_of_one_file_loads_no_more_than_it_needs() -> None:
    """Each of these is a tenth of the start and more; what needs one imports it there."""
    code = (
        "import sys\n"
        "from dockproof import cli\n"
        "cli.main(['check', 'dockerfiles/backend/Dockerfile', '--no-hadolint'])\n"
        f"print('loaded:', *[name for name in {LEFT_OUT!r} if name in sys.modules])\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "loaded:"
    assert "passed" in done.stdout

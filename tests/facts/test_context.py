"""Ignore files by Docker's rules, and what a COPY takes from a context."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockproof.facts import context as module
from dockproof.facts import ignore
from dockproof.facts.context import BuildContext, parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        ("/a", ["a", "a/b"], ["b/a"]),
        ("a/", ["a", "a/b"], ["ab"]),
        ("./a/../b", ["b"], ["a"]),
        ("a/b", ["a/b", "a/b/c"], ["a", "a/c", "b"]),
        ("*.md", ["x.md"], ["a/x.md", "x.mdx"]),
        ("*/x", ["a/x", "a/x/y"], ["x", "a/b/x"]),
        ("a?", ["ab", "ab/c"], ["a", "a/b"]),
        ("**/x", ["x", "a/x", "a/b/x", "a/x/y"], ["ax", "a/xy"]),
        ("**/*.pyc", ["x.pyc", "a/b/x.pyc"], ["x.py"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["az", "z"]),
        ("**", ["a", "a/b"], []),
        ("*", ["a", "a/b"], []),
        ("**x", ["x", "ax", "b/ax"], ["xa"]),
        ("a**", ["a", "ab", "a/b"], ["ba"]),
        ("[ab]c", ["ac", "bc"], ["cc", "c"]),
        ("[^ab]c", ["cc"], ["ac"]),
        ("[a-c]1", ["b1"], ["d1"]),
        (r"\*", ["*"], ["a"]),
        (r"a\?", ["a?"], ["ab"]),
        ("*.md\n!README.md", ["x.md"], ["README.md"]),
        ("*\n!a", ["b", "b/a"], ["a", "a/b"]),
        ("*\n!a/b", ["a", "a/c", "b"], ["a/b", "a/b/c"]),
        ("!a\na", ["a"], []),
        ("a\n!a/b\na/b/c", ["a/x", "a/b/c"], ["a/b", "a/b/d"]),
        ("a\n! a/b", ["a/c"], ["a/b"]),
        ("# a\n\n  b  \r\n#c", ["b"], ["a", "c", "#c"]),
        (" # a", ["# a"], ["a"]),
        ("\ufeffa", ["a"], ["b"]),
        ("a b", ["a b"], ["a", "b"]),
        ("..", [], ["a"]),
        (".", [], ["a"]),
        ("/", [], ["a"]),
        ("a.b+(c)|d$", ["a.b+(c)|d$"], ["axb"]),
        ("*a*b*c*d*e", ["abcde", "xaxbxcxdxe"], ["abcd", "a/bcde"]),
        ("**/a/**/b/**/c/*", ["a/b/c/d", "x/a/y/b/c/d/e"], ["a/b/c", "b/c/d"]),
    ],
)
def test_matches_as_docker_does(rules: str, ignored: list[str], kept: list[str]) -> None:
    """Order, negation, stars, classes, escapes, comments and cleaning are Docker's."""
    found = parse(rules)
    assert [path for path in ignored if not found.ignores(path)] == []
    assert [path for path in kept if found.ignores(path)] == []
    assert found.problems == ()


def test_asks_later_rules_of_a_folder_once() -> None:
    """A rule that could not change the folder's verdict is not asked again of what lies below (BuildKit's walk)."""
    assert not parse("d\n!d/f\nd").ignores("d/f")


@pytest.mark.parametrize(
    ("rules", "line"),
    [("a\n!", 2), ("!/", 1), ("\\c", 1), ("[", 1), ("[a-]", 1), ("[]", 1), ("\\", 1), ("a\nb[", 2)],
)
def test_notes_what_docker_refuses(rules: str, line: int) -> None:
    """A bad pattern is a problem of its line, and the other lines still hold."""
    found = parse(rules + "\nz")
    assert [problem.line for problem in found.problems] == [line]
    assert found.ignores("z")


def write(root: Path, *names: str) -> None:
    """Make empty files below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def open_with(root: Path, rules: str) -> BuildContext:
    """Open a context with these rules."""
    (root / ".dockerignore").write_text(rules)
    return BuildContext.open(root, root / "Dockerfile")


def test_prefers_the_dockerfile_own_ignore_file(tmp_path: Path) -> None:
    """<Dockerfile>.dockerignore beside the Dockerfile comes before the root's .dockerignore."""
    write(tmp_path, "a", "b", "docker/Dockerfile")
    (tmp_path / ".dockerignore").write_text("a")
    assert BuildContext.open(tmp_path, tmp_path / "docker/Dockerfile").ignores("a")
    (tmp_path / "docker/Dockerfile.dockerignore").write_text("b")
    found = BuildContext.open(tmp_path, tmp_path / "docker/Dockerfile")
    assert (found.ignores("a"), found.ignores("b")) == (False, True)
    assert found.ignore_path == str(tmp_path / "docker/Dockerfile.dockerignore")


def test_has_no_ignore_file(tmp_path: Path) -> None:
    """Without an ignore file everything is taken."""
    write(tmp_path, "a", ".git/x")
    found = BuildContext.open(tmp_path, tmp_path / "Dockerfile")
    assert found.ignore_file is None
    assert list(found.taken_by(["."])) == [".git/x", "a"]


@pytest.mark.parametrize(
    ("sources", "taken"),
    [
        (["."], ["a.py", "sub/b.py", "sub/deep/c.py"]),
        (["/"], ["a.py", "sub/b.py", "sub/deep/c.py"]),
        (["sub"], ["sub/b.py", "sub/deep/c.py"]),
        (["./sub/"], ["sub/b.py", "sub/deep/c.py"]),
        (["../../sub/deep"], ["sub/deep/c.py"]),
        (["a.py", "a.py"], ["a.py"]),
        (["*.py"], ["a.py"]),
        (["s*"], ["sub/b.py", "sub/deep/c.py"]),
        (["*/*.py"], ["sub/b.py"]),
        (["**/*.py"], ["sub/b.py"]),
        (["sub/[a-c].py"], ["sub/b.py"]),
        (["missing"], []),
        (["out"], []),
        (["a.txt"], []),
    ],
)
def test_takes_sources(tmp_path: Path, sources: list[str], taken: list[str]) -> None:
    """Folders whole, files, patterns; never what is ignored nor what lies above the root."""
    write(tmp_path, "a.py", "a.txt", "sub/b.py", "sub/deep/c.py", "sub/deep/d.txt", "out/x.py")
    found = open_with(tmp_path, "**/*.txt\nout\n.dockerignore")
    assert list(found.taken_by(sources)) == taken
    assert found.matches(sources[0]) is bool(taken)


def test_takes_parents_and_leaves_excluded(tmp_path: Path) -> None:
    """--parents gives ** its meaning, --exclude leaves files out."""
    write(tmp_path, "a.py", "s/b.py", "s/t/c.py", "s/t/d.md")
    found = BuildContext.open(tmp_path, tmp_path / "Dockerfile")
    assert list(found.taken_by(["**/*.py"], parents=True)) == ["a.py", "s/b.py", "s/t/c.py"]
    assert list(found.taken_by(["s"], exclude=["**/*.py"])) == ["s/t/d.md"]


def test_brings_back_what_a_negation_names(tmp_path: Path) -> None:
    """A folder that is ignored is walked where a negation may bring something back."""
    write(tmp_path, "a/b/c", "a/b/d", "x/y")
    found = open_with(tmp_path, "*\n!a/b/c")
    assert list(found.taken_by(["."])) == ["a/b/c"]


def test_does_not_walk_ignored_trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below an ignored folder is listed, unless a negation could match there."""
    write(tmp_path, "node_modules/a/b/c", "src/a", "docs/x/y")
    listed: list[str] = []
    scandir = os.scandir

    def record(path: str) -> object:
        listed.append(os.path.relpath(path, tmp_path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", record)
    found = open_with(tmp_path, "node_modules\ndocs\n!docs/x/*.md")
    assert list(found.taken_by(["."])) == [".dockerignore", "src/a"]
    assert sorted(listed) == [".", "docs", "docs/x", "src"]


def test_does_not_follow_links_out(tmp_path: Path) -> None:
    """Links are taken as links; a source through a link stays within the root."""
    write(tmp_path, "outside/secret", "root/in/file")
    root = tmp_path / "root"
    (root / "up").symlink_to("../outside")
    (root / "abs").symlink_to("/in")
    (root / "loop").symlink_to("loop")
    found = BuildContext.open(root, root / "Dockerfile")
    assert list(found.taken_by(["."])) == ["abs", "in/file", "loop", "up"]
    assert list(found.taken_by(["up/secret"])) == []
    assert list(found.taken_by(["abs"])) == ["in/file"]
    assert list(found.taken_by(["loop"])) == []


def test_stops_at_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context with too many names ends with what was found, and says so."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 3)
    write(tmp_path, *(f"f{number}" for number in range(9)))
    found = BuildContext.open(tmp_path, tmp_path / "Dockerfile")
    assert len(list(found.taken_by(["."]))) == 3
    assert found.truncated


def test_survives_a_missing_root(tmp_path: Path) -> None:
    """A context that is not there is empty."""
    found = BuildContext.open(tmp_path / "none", tmp_path / "Dockerfile")
    assert list(found.taken_by([".", "a*", "a\0b"])) == []


@given(st.text(max_size=80), st.text(max_size=40))
def test_never_raises(rules: str, path: str) -> None:
    """Any text is read and any path is judged."""
    assert parse(rules).ignores(path) in (True, False)


@given(st.text("ab*?/[]^-\\!.", max_size=24), st.text("ab/", max_size=12))
def test_few_and_many_stars_agree(pattern: str, path: str) -> None:
    """The matcher for many wildcards gives the verdict of the regular expression."""
    try:
        ignore.compile_pattern(pattern)
    except ignore.PatternError:
        return
    tokens = list(ignore._tokens(pattern))  # noqa: SLF001 - two matchers that must agree
    slow = ignore._States(tokens).matches(path)  # noqa: SLF001 - as above
    fast = re.compile("".join(tokens), re.DOTALL).fullmatch(path) is not None
    assert slow == fast or "^" in pattern


def test_many_stars_cost_linear_time() -> None:
    """A pattern made to go back again and again is judged at once."""
    found = parse("**/" + "*a" * 40 + "b")
    start = time.perf_counter()
    assert not found.ignores("a" * 4000)
    assert time.perf_counter() - start < 5

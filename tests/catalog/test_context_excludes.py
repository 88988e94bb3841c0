from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockproof import catalog, gate
from dockproof.config import Config
from dockproof.facts.context import BuildContext
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Profile

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "context-excludes"
GOOD = ".git\n.env\n**/__pycache__\n.venv\nnode_modules\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A context with a repository, an environment, caches and a little code."""
    for name in (
        ".git/HEAD",
        ".env",
        "app/main.py",
        "app/__pycache__/main.pyc",
        ".venv/bin/python",
        "README.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def ask(root: Path | None, text: str, ignore: str | None = None) -> gate.Answers:
    """Ask the source probe about a Dockerfile in a context with an ignore file."""
    if root and ignore is not None:
        (root / ".dockerignore").write_text(ignore)
    context = BuildContext.open(root, root / "Dockerfile") if root else None
    target = gate.target_of(parse(f"FROM debian:13\n{text}\n"), Profile.PRODUCTION, (), context)
    answers = gate.ask([catalog.load()[POLICY]], Probe.SOURCE, target, Config())
    assert not answers.not_looked, answers.not_looked[0].log
    return answers


def clauses(root: Path, text: str, ignore: str | None = None) -> list[str | None]:
    """Say which clauses turn red."""
    return [finding.clause for finding in ask(root, text, ignore).findings]


@pytest.mark.parametrize(
    "text", ["COPY . .", "COPY ./ /app", "ADD . /app", "COPY / /app", "COPY * /app/", 'COPY [".", "/app"]']
)
def test_flags_a_whole_context_without_an_ignore_file(root: Path, text: str) -> None:
    """Everything that lies about comes along."""
    assert clauses(root, text) == ["kept-out"]


def test_passes_a_whole_context_whose_ignore_file_keeps_the_rest_out(root: Path) -> None:
    """History, environment file, caches and virtual environment are ignored."""
    assert clauses(root, "COPY . .", GOOD) == []


def test_passes_an_ignore_file_that_lets_in_by_name(root: Path) -> None:
    """`*` and exceptions is the safest form."""
    assert clauses(root, "COPY . .", "*\n!app\n**/__pycache__\n") == []


@pytest.mark.parametrize("missing", GOOD.replace("node_modules\n", "").split())
def test_names_what_an_ignore_file_lets_in(root: Path, missing: str) -> None:
    """Each of them is missed when its line is gone, and the message names it."""
    (finding,) = ask(root, "COPY . .", GOOD.replace(missing + "\n", "")).findings
    assert missing.removeprefix("**/") in finding.message


def test_wants_history_kept_out_though_there_is_none_now(tmp_path: Path) -> None:
    """The ignore file is judged, not today's folder: continuous integration has a .git where a tarball has none."""
    assert clauses(tmp_path, "COPY . .", "*.md\n") == ["kept-out"]


def test_flags_an_exception_that_lets_history_in_again(root: Path) -> None:
    """Order decides in an ignore file."""
    assert clauses(root, "COPY . .", GOOD + "!.git\n") == ["kept-out"]


def test_flags_a_key_that_comes_along(root: Path) -> None:
    """Whatever holds secrets by its name is not for a whole context."""
    (root / "server.key").write_text("x")
    (finding,) = ask(root, "COPY . .", GOOD).findings
    assert "server.key" in finding.message


@pytest.mark.parametrize(
    "text", ["COPY app /app", "COPY --from=build . .", "COPY README.md app /x/", "ADD https://a.b/c /c"]
)
def test_passes_what_is_copied_by_name(root: Path, text: str) -> None:
    """Only a whole context needs to be fenced."""
    assert clauses(root, text) == []


def test_takes_the_ignore_file_of_the_dockerfile_first(root: Path) -> None:
    """`Dockerfile.dockerignore` wins over `.dockerignore`, as for Docker."""
    (root / "Dockerfile.dockerignore").write_text("*.md\n")
    assert clauses(root, "COPY . .", GOOD) == ["kept-out"]


@pytest.mark.parametrize(
    "text", ["COPY README.md /x", "ADD ./README.md /x", "COPY app README.md /x/", "COPY *.md /x/"]
)
def test_flags_a_named_path_that_is_ignored(root: Path, text: str) -> None:
    """The build would fail, or go without it."""
    assert clauses(root, text, "*.md\n") == ["copied-is-ignored"]


def test_flags_an_ignored_folder(root: Path) -> None:
    """Nothing of it is sent."""
    assert clauses(root, "COPY app /app", "app\n") == ["copied-is-ignored"]


@pytest.mark.parametrize("ignore", ["app\n!app/main.py\n", "*\n!app\n", "app/__pycache__\n"])
def test_passes_a_folder_of_which_something_is_let_in(root: Path, ignore: str) -> None:
    """An exception below an ignored folder is taken."""
    assert clauses(root, "COPY app /app", ignore) == []


@pytest.mark.parametrize(
    "text", ["COPY --from=build README.md /x", "COPY <<README.md /x\nREADME.md\nREADME.md", "COPY gone /x"]
)
def test_passes_what_is_no_ignored_path(root: Path, text: str) -> None:
    """Another stage's file, a heredoc, a file that is not there."""
    assert clauses(root, text, "*.md\n") == []


def test_is_not_applicable_without_a_context() -> None:
    """A Dockerfile from standard input has none; without COPY there is nothing to ask."""
    assert len(ask(None, "COPY . .").not_applicable) == 1
    assert ask(None, "RUN id") == gate.Answers()

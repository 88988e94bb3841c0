"""The whole output of the real program, in an environment that holds nothing but a path."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

EXPECTED = Path(__file__).parent / "expected" / "program.txt"
PROGRAM = Path(sys.executable).with_name("dockproof")
TEXT = """FROM debian
RUN curl -k https://example.org/tool.sh | sh \\
    && true
# dockproof: ignore=non-root reason="the init drops privileges itself" until=2999-12-31
USER root
CMD npm start
"""
ASKED = "tagged-base,non-root,exec-form,verified-tls"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one bad Dockerfile."""
    (tmp_path / "Dockerfile").write_text(TEXT)
    return tmp_path


def run(folder: Path, *arguments: str, **environment: str) -> bytes:
    """Run `check` through a pipe; return what it prints."""
    argv = [str(PROGRAM), "check", "--select", ASKED, *arguments]
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}
    done = subprocess.run(argv, cwd=folder, env=clean, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
    return done.stdout


def run_on_a_terminal(folder: Path, columns: int, **environment: str) -> bytes:
    """Run `check` on a terminal of so many columns; return what it prints, line ends undone."""
    ours, theirs = pty.openpty()
    os.set_inheritable(theirs, True)  # noqa: FBT003 - the function has one argument
    subprocess.run(["stty", "cols", str(columns)], stdin=theirs, check=True, timeout=10)
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TERM": "xterm", **environment}
    argv = [str(PROGRAM), "check", "--select", ASKED]
    with subprocess.Popen(argv, cwd=folder, env=clean, stdout=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:
            pass  # Linux ends a closed terminal with an error
        assert process.wait(60) == 1
    os.close(ours)
    return said.replace(b"\r\n", b"\n")


def test_program_says_what_was_agreed(folder: Path) -> None:
    """The whole output, byte by byte; UPDATE_SNAPSHOTS=1 writes it anew, for review."""
    said = run(folder, "--show-waived").decode()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        EXPECTED.write_text(said)
    assert said == EXPECTED.read_text()


@pytest.mark.parametrize("name", ["text", "json", "sarif", "junit", "github", "gitlab", "html"])
def test_output_is_the_same_each_time(folder: Path, name: str) -> None:
    """No time, no order of a set, no seed and no width of a terminal is in it."""
    one = run(folder, "--format", name, PYTHONHASHSEED="1", COLUMNS="40", TZ="Asia/Tokyo")
    other = run(folder, "--format", name, PYTHONHASHSEED="2", COLUMNS="200", LC_ALL="C")
    assert one == other


def test_terminal_gets_colours_and_the_same_words_at_any_width(folder: Path) -> None:
    """The width is the reader's: long lines are wrapped by the terminal, not by us."""
    narrow, wide = run_on_a_terminal(folder, 40), run_on_a_terminal(folder, 200)
    assert narrow == wide
    assert b"\x1b[1;31merror\x1b[0m" in wide


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colours_on_a_terminal_follow_the_environment(
    folder: Path, environment: dict[str, str], *, colours: bool
) -> None:
    """no-color.org and force-color.org; a terminal that says that it is dumb gets none."""
    said = run_on_a_terminal(folder, 80, **environment)
    assert (b"\x1b" in said) is colours
    assert run(folder) == plain(said)


def plain(said: bytes) -> bytes:
    """Return text without colours."""
    parts = said.split(b"\x1b[")
    return parts[0] + b"".join(part.partition(b"m")[2] for part in parts[1:])


def test_pipe_gets_colours_only_where_they_are_forced(folder: Path) -> None:
    """The words are the same."""
    assert b"\x1b" not in run(folder)
    forced = run(folder, FORCE_COLOR="1")
    assert b"\x1b[1;31m" in forced
    assert plain(forced) == run(folder)


def test_finding_about_a_command_marks_the_command(folder: Path) -> None:
    """In a RUN of several lines it points at the words, not at the RUN."""
    text = "FROM debian:13\nRUN apt-get update \\\n    && apt-get install -y curl \\\n    && sudo chmod 777 /srv\n"
    (folder / "Dockerfile").write_text(text)
    asked = ("--select", "pinned-packages,no-sudo,no-world-writable", "--no-hadolint", "--format", "json")
    (file,) = json.loads(run(folder, *asked))["files"]
    places = {
        one["policy"]: (one["line"], one["column"], one["end_line"], one["end_column"])
        for one in file["findings"]
    }
    del places["non-root"]  # which all tests here ask for
    assert places == {
        "pinned-packages": (3, 8, 3, 31),
        "no-sudo": (4, 8, 4, 27),
        "no-world-writable": (4, 8, 4, 27),
    }

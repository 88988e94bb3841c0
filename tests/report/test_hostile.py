"""Every format of the program over names and lines that were written to break a report, each read by its own tool."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import pytest
from junitparser import JUnitXml

from tests.report.readers import CHECK, GITLAB, annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROGRAM = Path(sys.executable).with_name("dockproof")
NAMES = (
    b"Dockerfile.\xff\xfe",
    b"Dockerfile.a\nb",
    b"Dockerfile.%0A::error::x",
    b"Dockerfile.\x1b[31m",
    b"Dockerfile.a:b,c",
    "Dockerfile.\u00fc\u202e".encode(),
    b'Dockerfile.<&">\x01',
    b"Dockerfile.{#?",
)
TEXT = (
    b"FROM debian:latest\nMAINTAINER j\xff\x1b[2J ::error::x %0A \x00 \xe2\x80\xa8 <b>\n"
    b'RUN curl -k "http://\xff\xfe/]]>\x07" | sh\n# dockproof: ignore=exec-form reason="]]> \x1b[0m %25"\nCMD python\n'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository of hostile files, with patterns that each of their names is held against."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_bytes(b"build/\n*.log\n\xff\xfe\n")
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(TEXT)
    return tmp_path


def run(folder: Path, name: str, output: str | None = None) -> str:
    """Run `check` with a format; return what it prints, or what it writes."""
    argv = [str(PROGRAM), "check", "--no-hadolint", "--show-waived", "--format", name]
    argv += ["--output", output] if output else []
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(argv, cwd=folder, env=clean, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
    return (folder / output).read_bytes().decode() if output else done.stdout.decode()


def read_json(text: str) -> int:
    """Read JSON of schema 1."""
    jsonschema: Any = importlib.import_module("jsonschema")
    data = json.loads(text)
    jsonschema.Draft202012Validator(CHECK).validate(data)
    assert {os.fsencode(file["path"]) for file in data["files"]} == set(NAMES)
    return len(data["files"])


def read_sarif(text: str) -> int:
    """Read SARIF with a model of its own; an address names the very bytes of the file."""
    sarif: Any = importlib.import_module("sarif_pydantic")
    (whole,) = sarif.Sarif.model_validate_json(text).runs
    places = [result.locations[0].physical_location.artifact_location.uri for result in whole.results]
    assert {unquote_to_bytes(place) for place in places} == set(NAMES)
    return len(set(places))


def read_junit(text: str) -> int:
    """Read JUnit with a parser of its own."""
    return len(list(JUnitXml.fromstring(text.encode())))


def read_github(text: str) -> int:
    """Read annotations as the runner does; the last line is plain."""
    *commands, last = text.split("\n")[:-1]
    assert not last.startswith("::")
    return len({annotation(command)[1]["file"] for command in commands})


def read_gitlab(text: str) -> int:
    """Read a Code Quality report; GitLab drops an issue whose fingerprint it has seen."""
    jsonschema: Any = importlib.import_module("jsonschema")
    issues = json.loads(text)
    jsonschema.Draft202012Validator(GITLAB).validate(issues)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    return len({issue["location"]["path"] for issue in issues})


def read_html(text: str) -> int:
    """Read HTML with a strict parser; each file has its heading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # see test_reports
        html5lib: Any = importlib.import_module("html5lib")
    html5lib.HTMLParser(strict=True).parse(text)
    return text.count("<h2")


def read_text(text: str) -> int:
    """Read text: each finding's place is on a line of its own."""
    heads = [
        re.match(r"(Dockerfile\..+):\d+:\d+: (?:error|warning|info|waived)", line)
        for line in text.splitlines()
    ]
    return len({head[1] for head in heads if head})


READERS: Mapping[str, Callable[[str], int]] = {
    "json": read_json,
    "sarif": read_sarif,
    "junit": read_junit,
    "github": read_github,
    "gitlab": read_gitlab,
    "html": read_html,
    "text": read_text,
}


@pytest.mark.parametrize("name", READERS)
def test_report_of_hostile_files_is_read_whole(folder: Path, name: str) -> None:
    """All files arrive, no control character does, and a file that is written holds what is printed."""
    printed = run(folder, name)
    assert not [c for c in printed if unicodedata.category(c) in {"Cc", "Cs"} and c != "\n"]
    assert READERS[name](printed) == len(NAMES)
    assert run(folder, name, "report") == printed


def test_baseline_of_hostile_files_holds(folder: Path) -> None:
    """What is recorded of them is known again, and only that."""
    argv = [str(PROGRAM), "check", "--no-hadolint", "--baseline", "baseline.json"]
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    for more in (["--write-baseline"], []):
        done = subprocess.run(
            [*argv, *more], cwd=folder, env=clean, capture_output=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b""), more
    with (folder / os.fsdecode(NAMES[0])).open("ab") as file:
        file.write(b"RUN sudo ls\n")
    done = subprocess.run(argv, cwd=folder, env=clean, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.count(b" error ") == done.stdout.count(b" error no-sudo/") == 1


def test_hadolint_looks_at_hostile_names(folder: Path) -> None:
    """It cannot say all names, and looks at every file all the same."""
    argv = [str(PROGRAM), "check", "--select", "hadolint", "--format", "json"]
    clean = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(argv, cwd=folder, env=clean, capture_output=True, check=False, timeout=60)
    data = json.loads(done.stdout)
    assert data["not_looked"] == []
    assert {os.fsencode(file["path"]) for file in data["files"] if file["findings"]} == set(NAMES)

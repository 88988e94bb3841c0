"""What the documents tell a stranger to do works: their commands are run, their configurations are read."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import yaml

from dockproof import catalog, config
from tests.reader import ROOT, blocks, follow, is_as_shown, run

if TYPE_CHECKING:
    from pathlib import Path

LEGACY = {
    "web/Dockerfile": "FROM node:latest\nADD . /app\nWORKDIR app\nRUN npm install\nCMD npm start\n",
    "jobs/Dockerfile": "FROM ubuntu\nMAINTAINER joe\nRUN apt-get update\nRUN apt-get install -y curl\n",
    "Dockerfile.dev": "FROM python:3\nRUN pip install -r requirements.txt && curl -k https://example.org/x | sh\n",
    ".gitlab-ci.yml": "test:\n  script: [make]\n",
    "pyproject.toml": '[project]\nname = "shop"\n',
}


@pytest.mark.slow
def test_page_takes_a_reader_to_a_proven_policy(tmp_path: Path) -> None:
    """From an empty folder, block by block, to a policy that is asked, proven, explained and packaged."""
    assert follow(blocks("docs/writing-a-policy.md"), tmp_path) >= 15


@pytest.mark.slow
def test_readme_takes_a_legacy_repository_through_the_gate(tmp_path: Path) -> None:
    """A stranger's repository adopts the gate with the README's commands alone; what is new fails."""
    for name, text in LEGACY.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    run("git init --quiet", tmp_path)
    assert "FAILED: " in run("dockproof check", tmp_path)
    assert follow([one for one in blocks("README.md") if one.kind == "console"], tmp_path) >= 5
    (tmp_path / "web" / "Dockerfile").write_text(LEGACY["web/Dockerfile"].replace("CMD", "USER root\nCMD"))
    said = run("dockproof check; echo $?", tmp_path)
    assert "web/Dockerfile:5:1: error non-root/root-user" in said
    assert said.endswith("\n1\n")


def test_configuration_that_is_shown_is_read(tmp_path: Path) -> None:
    """Every key that is shown exists, with a value of its type."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "no_telnet.py").write_text(
        next(block.text for block in blocks("docs/writing-a-policy.md") if block.kind == "python")
    )
    (text,) = [block.text for block in blocks("docs/configuration.md") if block.kind == "toml"]
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    found = config.load(path, catalog.load())
    assert len(found.files) == 2
    assert found.files[1].waivers
    keys = {*config.Config._fields, "policy", "budgets"} - {"path", "options"}
    assert keys <= tomllib.loads(text)["tool"]["dockproof"].keys()


def test_compose_service_that_is_shown_is_read() -> None:
    """So does `x-dockproof`."""
    (text,) = [block.text for block in blocks("docs/configuration.md") if block.kind == "yaml"]
    service = yaml.safe_load(text)["services"]["api"]
    said = service["x-dockproof"]
    assert config.x_dockproof(said, "configuration.md: api", catalog.load()).readiness == ("rabbitmq",)
    assert {*config.ServiceRule._fields, "policy"} - {"options"} <= said.keys()


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


@pytest.mark.parametrize("page", PAGES)
def test_every_document_that_a_page_links_is_there(page: str) -> None:
    """A link that leads nowhere sends the reader away."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [part.partition(")")[0].partition("#")[0] for part in text.split("](")[1:]]
    assert [link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()] == []


def test_comparison_tells_other_output() -> None:
    """The proof of a page would be worth nothing if any output passed."""
    assert is_as_shown("a\n…\nc\n", "a\nb\nc\n")
    assert is_as_shown("a\n…\n", "a\nb\n")
    assert not is_as_shown("a\n", "a\nb\n")
    assert not is_as_shown("…\nc\n", "a\nb\n")

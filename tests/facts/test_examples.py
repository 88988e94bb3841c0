"""The examples that people read are run: docs/facts.md and the modules' own."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_page_for_policy_authors_says_what_happens() -> None:
    """Every example of docs/facts.md gives what the page prints."""
    failed, tried = doctest.testfile(str(ROOT / "docs" / "facts.md"), module_relative=False, encoding="utf-8")
    assert (failed, tried > 20) == (0, True)


@pytest.mark.parametrize("name", ["context", "dockerfile", "downloads", "mounts", "packages", "shell"])
def test_modules_examples_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example at a module's head gives what it prints, seen from the repository's root."""
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testmod(import_module(f"dockproof.facts.{name}"))
    assert (failed, tried > 0) == (0, True)

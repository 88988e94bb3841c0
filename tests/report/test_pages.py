"""The generated pages are what the policies say now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof import catalog
from dockproof.report import pages

if TYPE_CHECKING:
    from dockproof.policy import Policy

ROOT = Path(__file__).parents[2]


def test_pages_are_up_to_date() -> None:
    """Whoever changes a policy runs `make docs`; no page outlives its policy."""
    old = pages.stale(pages.wanted(catalog.load(), ROOT), ROOT)
    assert [str(path.relative_to(ROOT)) for path in old] == [], "run `make docs`"


@pytest.mark.parametrize("policy", catalog.load().values(), ids=lambda policy: policy.id)
def test_page_has_all_that_a_reader_needs(policy: Policy) -> None:
    """The property, why, how to mend it, where it comes from, an example of each mutant, and the way out."""
    text = pages.page(policy)
    for title in (
        "What it holds",
        "Why it matters",
        "How to fix it",
        "References",
        "What turns it red",
        "Waive it",
    ):
        assert f"\n## {title}\n\n" in text
    assert text.count("\n**") == len(policy.mutants)
    assert all(f"| {clause.name} |" in text for clause in policy.clauses)

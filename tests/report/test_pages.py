"""The generated pages are what the policies say now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof import catalog
from dockproof.facts.dockerfile import parse
from dockproof.finding import Probe
from dockproof.policy import Example
from dockproof.report import pages
from dockproof.report import policies as listing

if TYPE_CHECKING:
    from dockproof.policy import Policy

ROOT = Path(__file__).parents[2]


def test_pages_are_up_to_date() -> None:
    """Whoever changes a policy runs `make docs`; no page outlives its policy."""
    old = pages.stale(pages.wanted(catalog.load(), ROOT), ROOT)
    assert [str(path.relative_to(ROOT)) for path in old] == [], "run `make docs`"


def asked_of_source() -> list[Policy]:
    """Return the policies that are asked of Dockerfiles."""
    return [policy for policy in catalog.load().values() if Probe.SOURCE in policy.probes]


@pytest.mark.parametrize("policy", catalog.load().values(), ids=lambda policy: policy.id)
def test_page_has_all_that_a_reader_needs(policy: Policy) -> None:
    """The property, why, how to mend it, where it comes from, each mutant, the peers' ids, and the way out."""
    text = pages.page(policy)
    for title in ("What it holds", "Why it matters", "How to fix it", "References", "Facts", "Waive it"):
        assert f"\n## {title}\n\n" in text
    assert text.count("\n\n**") == len(policy.mutants)
    assert all(f"| {clause.name} |" in text for clause in policy.clauses)
    assert all(peer in text for peer in (*policy.same_as, *policy.covers))
    assert f"dockproof: ignore={policy.id} reason=" in text


@pytest.mark.parametrize("policy", asked_of_source(), ids=lambda policy: policy.id)
def test_example_fails_on_the_marked_line_and_passes_mended(policy: Policy) -> None:
    """What a reader sees as failing fails, once, where the page says; what follows it is the same file, mended."""
    assert policy.example is not None, "a policy that is asked of Dockerfiles shows two of them"
    failing, passing = policy.example.files
    (finding,) = pages.said_of(policy, policy.example, failing, "")
    assert pages.said_of(policy, policy.example, passing, policy.example.ignore) == ()
    marked = [line for line in pages.page(policy).splitlines() if line.startswith("> ")]
    line = failing.splitlines()[finding.place.line - 1]
    assert marked[:2] == [f"> {finding.place.line} {line}", f"> line {finding.place.line}: {finding.message}"]


@pytest.mark.parametrize("policy", asked_of_source(), ids=lambda policy: policy.id)
def test_example_is_a_dockerfile_and_short(policy: Policy) -> None:
    """BuildKit accepts both but where that is the point, and a reader takes them in at a glance."""
    assert policy.example is not None
    for text in policy.example.files:
        accepted = not parse(text).problems
        assert accepted or (policy.id in {"valid-dockerfile", "declared-ports"} and "FROM" in text)
        assert len(text.splitlines()) <= 8
    assert not parse(policy.example.files[1]).problems


def test_refuses_an_example_that_does_not_fail() -> None:
    """A page cannot show as failing what passes."""

    class Silent(type(catalog.load()["non-root"])):  # type: ignore[misc]
        __module__ = "dockproof.catalog.non_root"
        example = Example("FROM debian:13\nUSER 1:1", "FROM debian:13\nUSER 1:1")

    with pytest.raises(ValueError, match="must fail once"):
        pages.page(Silent())


def test_explain_shows_the_example_too() -> None:
    """On a terminal as in the documents."""
    text = "".join(listing.explain("tagged-base", catalog.load(), as_json=False))
    assert "\nFails\n-----\n    FROM debian:latest\n\nPasses\n------\n    FROM debian:13-slim\n" in text
    data = json.loads("".join(listing.explain("tagged-base", catalog.load(), as_json=True)))
    assert data["example"] == {"failing": "FROM debian:latest", "passing": "FROM debian:13-slim"}

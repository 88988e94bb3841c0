from __future__ import annotations

import pytest

from tests.catalog.asking import ask, findings, red

POLICY = "trusted-registry"
ALLOWED = ("docker.io/library", "registry.example.com")


@pytest.mark.parametrize(
    "image",
    ["org/tool:1", "quay.io/debian:13", "registry.example.com.evil.net/a:1", "docker.io/libraryx/a:1"],
)
def test_flags_an_image_from_elsewhere(image: str) -> None:
    """A prefix ends where a name ends; wherever the reference stands."""
    assert red(POLICY, f"FROM {image}\n", registries=ALLOWED) == [(1, None)]
    assert red(POLICY, f"FROM debian:13\nCOPY --from={image} /x /y\n", registries=ALLOWED) == [(2, None)]


@pytest.mark.parametrize(
    "image", ["debian:13", "docker.io/library/debian:13", "registry.example.com/a/b:1", "scratch"]
)
def test_passes_an_image_of_an_allowed_registry(image: str) -> None:
    """A reference without a host is of docker.io."""
    assert (
        red(POLICY, f"FROM {image} AS build\nFROM build\nCOPY --from=build /x /y\n", registries=ALLOWED) == []
    )


def test_finding_names_the_registry() -> None:
    """The reader sees where the image comes from, also where the text does not say it."""
    (finding,) = findings(POLICY, "FROM org/tool:1\n", registries=ALLOWED)
    assert "org/tool:1 comes from docker.io" in finding.message


def test_does_not_apply_without_a_list() -> None:
    """Nobody has decided, and that is said."""
    (skipped,) = ask(POLICY, "FROM org/tool:1\n").not_applicable
    assert "no registries are named" in skipped.reason

from __future__ import annotations

import pytest

from tests.catalog.asking import red

POLICY = "portable-platform"


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64/v8", "windows/amd64"])
def test_flags_a_constant(platform: str) -> None:
    """Every machine would build for that one."""
    assert red(POLICY, f"FROM a\nFROM --platform={platform} b AS c\n") == [(2, "constant")]


@pytest.mark.parametrize("platform", ["$TARGETPLATFORM", "${TARGETPLATFORM}"])
def test_flags_what_repeats_the_default(platform: str) -> None:
    """FROM takes the target's platform anyway."""
    assert red(POLICY, f"FROM --platform={platform} a\n") == [(1, "redundant")]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a",
        "FROM --platform=$BUILDPLATFORM a",
        "ARG P=linux/amd64\nFROM --platform=$P a",
        "FROM --platform=linux/arm64 a AS build-arm64",
    ],
)
def test_passes_what_the_builder_decides_or_the_name_says(text: str) -> None:
    """A variable is the builder's to set, and a stage named for its architecture stands beside others."""
    assert red(POLICY, f"{text}\n") == []

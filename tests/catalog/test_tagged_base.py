from __future__ import annotations

import pytest

from tests.catalog.asking import red

POLICY = "tagged-base"
DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("FROM debian", "untagged"),
        ("FROM registry.example.com:5000/debian", "untagged"),
        ("FROM debian:latest", "latest"),
        ("ARG TAG=latest\nFROM debian:$TAG", "latest"),
    ],
)
def test_flags_a_base_of_whatever_was_pushed_last(text: str, clause: str) -> None:
    """No tag means latest, a port is no tag, and a variable is followed to its value."""
    assert red(POLICY, f"{text}\n") == [(text.count("\n") + 1, clause)]


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        ("COPY --from=org/tool /x /y", "taken-untagged"),
        ("COPY --from=org/tool:latest /x /y", "taken-latest"),
        ("RUN --mount=type=bind,from=org/tool,target=/x y", "taken-untagged"),
    ],
)
def test_flags_what_else_is_taken_from_outside(line: str, clause: str) -> None:
    """A file out of an image that changes overnight changes overnight too."""
    assert red(POLICY, f"FROM debian:13\n{line}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch",
        "FROM debian:13-slim",
        f"FROM debian{DIGEST}",
        f"FROM debian:latest{DIGEST}",
        "FROM debian:13 AS build\nFROM build\nCOPY --from=build /x /y",
        "ARG IMAGE\nFROM $IMAGE",
    ],
)
def test_passes_what_is_tagged_pinned_a_stage_or_unknown(text: str) -> None:
    """A digest says more than a tag; a name that cannot be known is another policy's finding."""
    assert red(POLICY, f"{text}\n") == []

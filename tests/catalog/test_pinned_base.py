from __future__ import annotations

from tests.catalog.asking import findings, red

POLICY = "pinned-base"
PIN = "alpine:3.22@sha256:" + "a" * 64


def test_flags_every_kind_of_outside_image() -> None:
    """FROM, COPY --from, RUN --mount from= and the syntax line all bring code in from outside."""
    text = f"""\
    # syntax=docker/dockerfile:1
    FROM {PIN} AS base
    COPY --from=busybox:1 /bin/sh /sh
    RUN --mount=type=bind,from=golang:1,target=/go true
    FROM node:22
    """
    assert [line for line, clause in red(POLICY, text) if clause == "digest"] == [1, 3, 4, 5]


def test_passes_pins_stages_and_scratch() -> None:
    """A digest pins; stages and scratch come from inside."""
    text = f"FROM {PIN} AS a\nFROM a AS b\nCOPY --from=0 /x /x\nFROM scratch\nCOPY --from=b /y /y\n"
    assert red(POLICY, text) == []


def test_follows_an_argument_to_its_default() -> None:
    """ARG before FROM is followed: a pinned default passes, a tag does not."""
    assert red(POLICY, f"ARG B={PIN}\nFROM $B\n") == []
    assert red(POLICY, "ARG B=alpine:3\nFROM $B\n") == [(2, "digest")]


def test_names_the_argument_without_a_default() -> None:
    """What has no value cannot be shown to be pinned, and the finding says which value is missing."""
    (finding,) = findings(POLICY, "ARG B\nFROM $B\n")
    assert finding.clause == "unknown-image"
    assert "B" in finding.message


def test_passes_a_digest_from_an_unknown_tag() -> None:
    """A tag without a value beside a digest changes nothing: the digest decides."""
    assert red(POLICY, "ARG T\nFROM alpine:${T}@sha256:" + "a" * 64 + "\n") in ([], [(2, "unknown-image")])

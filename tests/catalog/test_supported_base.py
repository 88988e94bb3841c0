from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts, Layer
from dockproof.policy import ImageTarget
from tests.catalog.asking import findings, red

POLICY = "supported-base"
DAY = "2026-05-01"


@pytest.mark.parametrize(
    ("image", "clauses"),
    [
        ("debian:buster-slim", ["distribution"]),
        ("debian:10.13", ["distribution"]),
        ("ubuntu:18.04", ["distribution"]),
        ("ubuntu:focal-20240101", ["distribution"]),
        ("alpine:3.18.4", ["distribution"]),
        ("centos:7", ["distribution"]),
        ("centos:centos7", ["distribution"]),
        ("fedora:39", ["distribution"]),
        ("python:3.8", ["release"]),
        ("python:3.13-slim-buster", ["distribution"]),
        ("python:3.9.18-slim-buster", ["distribution", "release"]),
        ("node:16-alpine3.15", ["distribution", "release"]),
        ("golang:1.20-bookworm", ["release"]),
        ("postgres:12.3", ["release"]),
        ("mirror.example.com/library/python:3.7", ["release"]),
        ("registry.example.com/team/app:1.0-stretch", ["distribution"]),
    ],
)
def test_flags_a_release_that_has_ended(image: str, clauses: list[str]) -> None:
    """The tag tells the release, and its day is past."""
    assert [clause for _, clause in red(POLICY, f"FROM {image}\n", on=DAY)] == clauses


@pytest.mark.parametrize(
    "image",
    [
        "debian:13-slim",
        "debian",
        "ubuntu:24.04",
        "alpine:3.23",
        "alpine:edge",
        "python:3.13-slim-trixie",
        "python:3-slim",
        "node:24-alpine3.23",
        "golang:1.99",
        "postgres:17-alpine",
        "registry.example.com/team/python-app:3.6",
        "registry.example.com/team/python:2.7",
        "scratch",
        "$NOBODY_KNOWS",
    ],
)
def test_passes_what_is_maintained_or_not_told(image: str) -> None:
    """A later day, a tag that says too little, another's image of the same name."""
    assert red(POLICY, f"FROM {image}\n", on=DAY) == []


def test_holds_through_the_last_day() -> None:
    """The day itself still counts."""
    assert red(POLICY, "FROM python:3.9\n", on="2025-10-31") == []
    assert red(POLICY, "FROM python:3.9\n", on="2025-11-01") == [(1, "release")]


def test_judges_each_stage_and_names_the_data() -> None:
    """The finding sits on the FROM; a stage that is built FROM another says nothing new."""
    text = "ARG V=3.8\nFROM python:$V AS a\nFROM a\nFROM debian:9\n"
    assert red(POLICY, text, on=DAY) == [(2, "release"), (4, "distribution")]
    assert "dates of" in findings(POLICY, text, on=DAY)[0].message


def image(os_release: str, **env: str) -> ImageFacts:
    """Make an image with an os-release and an environment."""
    entry = FileEntry("/etc/os-release", "file", 0o644, 0, 0, len(os_release), 0, "", 0)
    layer = Layer(0, "sha256:a", 0, None, (entry,))
    texts = {(0, "/etc/os-release"): os_release.encode()}
    return ImageFacts(reference="a", id="b", config=ImageConfig(env=env), layers=(layer,), texts=texts)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (image('ID=debian\nVERSION_ID="10"\n'), 1),
        (image("ID=alpine\nVERSION_ID=3.18.4\n", NODE_VERSION="16.20.2"), 2),
        (image('ID="rhel"\nVERSION_ID="7.9"\n'), 1),
        (image('ID=debian\nVERSION_ID="13"\n', PYTHON_VERSION="3.13.5"), 0),
        (image("ID=own\nVERSION_ID=1\n"), 0),
        (image(""), 0),
    ],
)
def test_reads_the_image(facts: ImageFacts, found: int) -> None:
    """What the image says of itself, whatever its tag was."""
    assert len(list(catalog.load()[POLICY].image(ImageTarget(facts, options={"on": DAY})))) == found

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.provision import references
from scripts.provision.host import ProvisionError

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest"),
    [
        ("python", "python", "latest", ""),
        (f"python:3.13-slim@{DIGEST}", "python", "3.13-slim", DIGEST),
        (f"redis@{DIGEST}", "redis", "latest", DIGEST),
        ("docker.io/library/postgres:17", "postgres", "17", ""),
        ("library/postgres:17", "postgres", "17", ""),
        ("ghcr.io/me/tool:1.0", "ghcr.io/me/tool", "1.0", ""),
        ("localhost:5000/tool:1.0", "localhost:5000/tool", "1.0", ""),
    ],
)
def test_reads_reference(text: str, repository: str, tag: str, digest: str) -> None:
    """An official image has its short name, however it is written."""
    assert references.parse(text) == references.Reference(text, repository, tag, digest)


@pytest.mark.parametrize("text", ["", "Python", "a b", "python:", f"python@{DIGEST[:-1]}", "${BASE}"])
def test_refuses_what_is_no_reference(text: str) -> None:
    """The text stands in the message."""
    with pytest.raises(ProvisionError, match="is not an image's name"):
        references.parse(text)


def test_finds_images_of_dockerfile() -> None:
    """FROM and COPY --from count; stages, numbers and scratch do not."""
    text = """\
ARG TAG=3.13-slim
from --platform=$BUILDPLATFORM python:${TAG} as Build
FROM build AS second
COPY --from=build /a /a
COPY --link --from=busybox:1 /b /b
COPY --from=0 /c /c
FROM scratch
"""
    assert list(references.in_dockerfile(text)) == ["python:3.13-slim", "busybox:1"]


def test_keeps_unknown_variable_as_written() -> None:
    """What has no default is named in the error that follows."""
    assert references.expand("${BASE}:${TAG:-1}", {}) == "${BASE}:1"


def test_finds_images_and_dockerfiles_of_compose() -> None:
    """A service that is built names its own result: its Dockerfile counts and its image does not."""
    project = {
        "services": {
            "api": {"image": "mine", "build": {"context": "/r", "dockerfile": "d/Dockerfile"}},
            "db": {"image": "postgres:17"},
        }
    }
    assert references.in_compose(project) == (["postgres:17"], [Path("/r/d/Dockerfile")])


def test_names_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A Dockerfile that is no text is a message and no crash."""
    (tmp_path / "Dockerfile").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProvisionError, match=r"cannot read .*Dockerfile"):
        references.collect([str(tmp_path / "Dockerfile")], {})


def test_lists_each_reference_once() -> None:
    """Two stages on one base ask for one image."""
    assert [found.text for found in references.collect(["redis:8", "redis:8"], {})] == ["redis:8"]

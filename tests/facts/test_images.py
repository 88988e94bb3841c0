"""Image references, ports, durations and signals: the small grammars."""

from __future__ import annotations

import pytest

from dockproof.facts.durations import parse_duration
from dockproof.facts.images import ImageRef
from dockproof.facts.ports import parse_port
from dockproof.facts.signals import is_signal
from dockproof.facts.values import Value

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag", "digest"),
    [
        ("debian", "docker.io", "library/debian", None, None),
        ("debian:13", "docker.io", "library/debian", "13", None),
        ("a/b", "docker.io", "a/b", None, None),
        ("docker.io/debian", "docker.io", "library/debian", None, None),
        ("index.docker.io/a/b:c", "docker.io", "a/b", "c", None),
        ("ghcr.io/a/b/c:v1.2-x_y", "ghcr.io", "a/b/c", "v1.2-x_y", None),
        ("localhost/a", "localhost", "a", None, None),
        ("localhost:5000/a:b", "localhost:5000", "a", "b", None),
        ("host:5000/a", "host:5000", "a", None, None),
        ("Host/a", "Host", "a", None, None),
        ("[::1]:5000/a", "[::1]:5000", "a", None, None),
        (f"a@{DIGEST}", "docker.io", "library/a", None, DIGEST),
        (f"a:b@{DIGEST}", "docker.io", "library/a", "b", DIGEST),
        ("e/a__b.c---d", "docker.io", "e/a__b.c---d", None, None),
    ],
)
def test_reads_a_reference(text: str, registry: str, path: str, tag: str | None, digest: str | None) -> None:
    """Registry and library are filled in as Docker fills them in."""
    assert ImageRef.parse(text) == (text, registry, path, tag, digest)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no repository"),
        ("A", "lower case"),
        ("a:", "no tag"),
        ("a:b:c", "no repository"),
        ("a:-b", "no tag"),
        ("a:" + "x" * 129, "no tag"),
        ("a@", "no digest"),
        ("a@sha256:abc", "no digest"),
        ("a@md5:" + "a" * 32, "no digest"),
        ("a b", "no repository"),
        ("a..b", "no repository"),
        ("a/_b", "no repository"),
        ("/a", "no repository"),
        ("a//b", "no repository"),
        ("-x.y/a", "no registry"),
        ("https://a/b", "no registry"),
        ("f" * 64, "image id"),
        ("a" * 300, "255"),
    ],
)
def test_says_what_is_wrong_with_a_reference(text: str, reason: str) -> None:
    """A bad reference is an error with its reason."""
    with pytest.raises(ValueError, match=reason):
        ImageRef.parse(text)


def test_writes_names_as_people_do() -> None:
    """The familiar name leaves out what Docker fills in."""
    assert ImageRef.parse("debian:13").familiar == "debian"
    assert ImageRef.parse("docker.io/a/b").familiar == "a/b"
    assert ImageRef.parse("ghcr.io/a/b").familiar == "ghcr.io/a/b"
    assert ImageRef.parse("debian").name == "docker.io/library/debian"


@pytest.mark.parametrize(
    ("text", "number", "protocol"),
    [
        ("80", 80, "tcp"),
        ("80/udp", 80, "udp"),
        ("80/TCP", 80, "tcp"),
        ("53/sctp", 53, "sctp"),
        ("8000-8002", range(8000, 8003), "tcp"),
        ("8000-8000", 8000, "tcp"),
        ("127.0.0.1:80:8080", 8080, "tcp"),
        ("65536", None, ""),
        ("9-8", None, ""),
        ("80/http", None, ""),
        ("http", None, ""),
        ("", None, ""),
        (None, None, ""),
    ],
)
def test_reads_a_port(text: str | None, number: int | range | None, protocol: str) -> None:
    """Numbers, ranges and protocols; what is malformed or unknown has no number."""
    assert parse_port(Value(text)) == (number, protocol, Value(text))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        ("100ms", 0.1),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("-2s", -2.0),
        ("0", 0.0),
        ("10\u00b5s", 1e-5),
        ("30", None),
        ("s", None),
        ("1 s", None),
        ("1d", None),
        (".s", None),
        ("", None),
        ("9999999h", None),
        ("1" * 5000 + "s", None),
    ],
)
def test_reads_a_duration_as_go(text: str, seconds: float | None) -> None:
    """Durations have units; a bare number other than 0 is none."""
    found = parse_duration(text)
    assert found == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "text", ["SIGTERM", "sigterm", "TERM", "9", "37", "RTMIN", "SIGRTMIN+15", "RTMAX-14", "WINCH"]
)
def test_knows_a_signal(text: str) -> None:
    """Names in any casing, numbers, real-time signals."""
    assert is_signal(text)


@pytest.mark.parametrize("text", ["0", "SIGFOO", "", "RTMIN+16", "RTMAX-15", "15 ", "SIGSIGTERM"])
def test_knows_no_such_signal(text: str) -> None:
    """Everything else is none."""
    assert not is_signal(text)

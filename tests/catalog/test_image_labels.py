from __future__ import annotations

import pytest
from packaging.licenses import canonicalize_license_expression

from dockproof.catalog.image_labels import COMMON_LICENCES
from tests.catalog.asking import red

POLICY = "image-labels"
OCI = "org.opencontainers.image."


@pytest.mark.parametrize(
    "key", ["Title", "a..b", "a--b", "-a", "a-", "a_b", "1a", "com.docker.x", "io.docker.x"]
)
def test_flags_a_key_against_the_guidelines(key: str) -> None:
    """Keys are lower-case names with single dots and hyphens, out of Docker's namespaces."""
    assert red(POLICY, f"FROM alpine\nLABEL {key}=x\n") == [(2, "key")]


@pytest.mark.parametrize("key", ["title", "com.example.some-label", '"a.b2"', f"{OCI}title", "a"])
def test_passes_a_key_within_the_guidelines(key: str) -> None:
    """Reverse domain names and short names pass, quoted or not."""
    assert red(POLICY, f"FROM alpine\nLABEL {key}=x\n") == []


def test_flags_the_line_of_the_pair_in_every_stage_and_in_onbuild() -> None:
    """Each pair stands for itself, wherever it is written."""
    text = "FROM alpine AS a\nLABEL a=1 \\\n  B=2\nFROM alpine\nONBUILD LABEL C=1\n"
    assert red(POLICY, text) == [(3, "key"), (5, "key")]


def test_flags_a_missing_label_that_is_asked_for() -> None:
    """The shipped stage has the labels of the option, itself or through FROM."""
    text = "FROM alpine AS base\nLABEL version=1\nFROM {}\n"
    assert red(POLICY, text.format("base"), labels={"version": "text"}) == []
    assert red(POLICY, text.format("alpine"), labels={"version": "text"}) == [(3, "missing")]


def test_flags_a_superfluous_label_under_strict_alone() -> None:
    """Other labels are everybody's own affair until strict is set."""
    text = "FROM alpine\nLABEL version=1 other=2\n"
    assert red(POLICY, text, labels={"version": "text"}) == []
    assert red(POLICY, text, labels={"version": "text"}, strict=True) == [(2, "superfluous")]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("url", "https://example.org/x", "example.org"),
        ("rfc3339", "2026-01-31T10:00:00+02:00", "2026-02-31T10:00:00Z"),
        ("spdx", "MIT OR Apache-2.0", "MITT"),
        ("hash", "0a1b2c3", "main"),
        ("semver", "1.2.3-rc.1+5", "1.2"),
        ("email", "me@example.org", "me"),
        ("digest", "sha256:" + "a" * 64, "sha256:a"),
    ],
)
def test_tells_forms_apart(form: str, good: str, bad: str) -> None:
    """A value has the form that the option gives its name."""
    assert red(POLICY, f'FROM alpine\nLABEL x="{good}"\n', labels={"x": form}) == []
    assert red(POLICY, f'FROM alpine\nLABEL x="{bad}"\n', labels={"x": form}) == [(2, "form")]
    assert red(POLICY, 'FROM alpine\nLABEL x=""\n', labels={"x": form}) == [(2, "empty")]


@pytest.mark.parametrize("value", ["yesterday", "2026-01-31", "2026-01-31T10:00:00"])
def test_flags_an_oci_date_that_is_none(value: str) -> None:
    """The OCI annotations have their form without being asked for."""
    assert red(POLICY, f"FROM alpine\nLABEL {OCI}created={value}\n") == [(2, "form")]


def test_says_nothing_of_a_value_that_the_build_gives() -> None:
    """An argument without default, or with an empty one, is filled by the build; a wrong default is seen."""
    text = f"FROM alpine\nARG D{{}}\nLABEL {OCI}created=$D\n"
    assert red(POLICY, text.format("")) == []
    assert red(POLICY, text.format("=")) == []
    assert red(POLICY, text.format("=now")) == [(3, "form")]


@pytest.mark.parametrize("name", sorted(COMMON_LICENCES))
def test_common_licences_are_spdx_names(name: str) -> None:
    """What is taken without a look into the list of licences stands in it, written so."""
    assert canonicalize_license_expression(name) == name


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("1.2.3", True),
        ("0.10.0", True),
        ("1.2.3-rc.1+b", True),
        ("01.2.3", False),
        ("1.2", False),
        ("1..3", False),
    ],
)
def test_judges_a_version_by_semver(version: str, good: bool) -> None:  # noqa: FBT001 - the expected verdict
    """Three numbers without leading zeros, then at most a pre-release and a build."""
    found = red(POLICY, f'FROM alpine\nLABEL {OCI}version="{version}"\n', labels={f"{OCI}version": "semver"})
    assert (found == []) is good


@pytest.mark.parametrize(
    ("time", "good"),
    [
        ("1970-01-01T00:00:00Z", True),
        ("2024-02-29T23:59:59Z", True),
        ("2023-02-29T00:00:00Z", False),
        ("2023-13-01T00:00:00Z", False),
        ("2023-01-00T00:00:00Z", False),
        ("0000-01-01T00:00:00Z", False),
        ("2023-01-01T24:00:00Z", False),
        ("2023-01-01T00:60:00Z", False),
        ("2023-01-01T00:00:00", False),
        ("2023-01-01T00:00:00+02:00", True),
        ("2023-1-01T00:00:00Z", False),
    ],
)
def test_judges_a_time_by_rfc_3339(time: str, good: bool) -> None:  # noqa: FBT001 - the expected verdict
    """There must be such a day and such a time, written in full."""
    found = red(POLICY, f'FROM alpine\nLABEL {OCI}created="{time}"\n', labels={f"{OCI}created": "rfc3339"})
    assert (found == []) is good

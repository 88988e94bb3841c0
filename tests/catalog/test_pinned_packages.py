from __future__ import annotations

import pytest

from dockproof.policy import Profile
from tests.catalog.asking import findings, red

POLICY = "pinned-packages"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("apt-get install -y curl", "apt"),
        ("apt-get install -y curl git=1:2.47.3-0", "apt"),
        ("apt-get install -y -t trixie curl", "apt"),
        ("apt install -y curl:amd64", "apt"),
        ("apk add --virtual .build gcc", "apk"),
        ("apk add curl@edge", "apk"),
        ("yum install -y gcc-c++", "yum"),
        ("yum install -y java-17-openjdk", "yum"),
        ("yum module install -y nodejs", "yum"),
        ("dnf install -y openssl-devel", "dnf"),
        ("microdnf install -y shadow-utils", "dnf"),
        ("dnf install -y @development-tools", "dnf"),
        ("zypper -n in curl", "zypper"),
    ],
)
def test_flags_a_package_without_a_version(run: str, clause: str) -> None:
    """Whatever there is would be installed."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "apt-get install -y curl=8.14.1-2 git=1:2.47*",
        "apt-get install -y curl/trixie ./local.deb /tmp/other.deb",
        "apt-get install -y -o Dpkg::Options::=--force-confnew curl=8",
        'apt-get install -y "curl=${CURL_VERSION}"',
        "apt-get install -y $NOBODY_KNOWS",
        "apt-get install -y curl=8 nano-",
        "apt-get upgrade -y",
        "apt-get install -f",
        "apk add curl=8.14.1-r2 'git~=2.49' 'bash>5' ./a.apk",
        "apk add --virtual .build gcc=14.2.0-r6 !busybox",
        "yum install -y curl-7.76.1-31.el9 httpd-2.4.62",
        "yum install -y https://example.com/a.rpm",
        "dnf module install -y nodejs:20",
        "dnf install -y @nodejs:20 gcc-14.2.1",
        "dnf -y groupinstall development",
        "zypper -n in curl=8.14 'git>=2'",
        "pip install flask",
    ],
)
def test_passes_versions_ranges_and_files(run: str) -> None:
    """A version, a range or a release is said; or nothing can be said."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


def test_follows_variables() -> None:
    """A variable with a value is what its value says."""
    assert red(POLICY, "FROM a\nARG P=curl\nRUN apt-get install -y $P\n") == [(3, "apt")]
    assert red(POLICY, "FROM a\nARG P=curl=8\nRUN apt-get install -y $P\n") == []


def test_names_all_packages_of_a_call() -> None:
    """One finding for a call, with every name."""
    (finding,) = findings(POLICY, "FROM a\nRUN apt-get install -y curl git=2 nano\n")
    assert "curl, nano" in finding.message


def test_is_off_for_development_images() -> None:
    """A severity of none."""
    from dockproof import catalog  # noqa: PLC0415 - this test alone asks the policy itself

    assert catalog.load()[POLICY].severity(Profile.DEVELOPMENT) is None

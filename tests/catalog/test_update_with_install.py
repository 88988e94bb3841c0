from __future__ import annotations

import pytest

from tests.catalog.asking import red

POLICY = "update-with-install"


@pytest.mark.parametrize(
    "run",
    [
        "apt-get update",
        "apt-get -qq update && rm -rf /var/lib/apt/lists/*",
        "sudo apt update -y",
        "apt-get install -y curl && apt-get update",
        "apk update",
        "apk update && apk info",
        "zypper --non-interactive refresh",
        "dnf makecache",
        "yum -y update",
        "yum -y update && yum clean all",
        "apt-get update && pip install flask",
        "bash -c 'apt-get update'",
    ],
)
def test_flags_an_update_that_nothing_is_installed_from(run: str) -> None:
    """The cache would keep it for months."""
    assert red(POLICY, f"FROM debian:13\nRUN {run}\n") == [(2, "update-alone")]


@pytest.mark.parametrize(
    "run",
    [
        "apt-get update && apt-get install -y curl",
        "set -ex; apt-get update; apt-get install -y curl; rm -rf /var/lib/apt/lists/*",
        "apt-get update && apt-get upgrade -y",
        "apt-get update && xargs apt-get install -y < packages.txt",
        "apt-get update && apt-get build-dep -y curl",
        "if ! apt-get install -y curl; then apt-get update && apt-get install -y curl; fi",
        "apk update && apk add curl",
        "apk --update add curl",
        "yum update -y && yum install -y curl",
        "zypper ref && zypper -n in curl",
        "apt-get update && npx playwright install --with-deps",
        "apt-get update && ./install-packages.sh",
        "npm update",
        "git submodule update",
        "update-ca-certificates",
    ],
)
def test_passes_an_update_that_something_is_installed_from(run: str) -> None:
    """In one RUN both are new, or both are old."""
    assert red(POLICY, f"FROM debian:13\nRUN {run}\n") == []


def test_flags_an_install_in_the_next_run() -> None:
    """Each RUN is cached on its own."""
    text = "FROM debian:13\nRUN apt-get update\nRUN apt-get install -y curl\n"
    assert red(POLICY, text) == [(2, "update-alone")]


def test_places_the_finding_on_the_command() -> None:
    """Inside a long RUN, a heredoc and a trigger."""
    text = "FROM a\nRUN true \\\n && apk update\nRUN <<E\ntrue\napt-get update\nE\nONBUILD RUN apk update\n"
    assert red(POLICY, text) == [(3, "update-alone"), (6, "update-alone"), (8, "update-alone")]


@pytest.mark.parametrize(
    ("command", "clause"),
    [
        ("apt-get dist-upgrade -y", "dist-upgrade"),
        ("apt full-upgrade", "dist-upgrade"),
        ("zypper dup", "zypper-dup"),
        ("zypper -n dist-upgrade", "zypper-dup"),
        ("dnf distro-sync -y", "dist-upgrade"),
    ],
)
def test_flags_a_distribution_upgrade(command: str, clause: str) -> None:
    """It makes another image of every build."""
    assert red(POLICY, f"FROM debian:13\nRUN apt-get update && {command}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "command", ["apt-get upgrade -y", "zypper -n patch", "dnf upgrade -y", "apk upgrade"]
)
def test_passes_an_upgrade_of_the_packages(command: str) -> None:
    """Fixes of what is there are no distribution upgrade."""
    assert red(POLICY, f"FROM debian:13\nRUN {command}\n") == []

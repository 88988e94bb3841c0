from __future__ import annotations

import pytest

from tests.catalog.asking import ask, findings, red

POLICY = "unattended-install"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("apt-get install curl", "apt-get"),
        ("apt-get update && apt-get install -q curl", "apt-get"),
        ("apt-get install --no-install-recommends curl", "apt-get"),
        ("DEBIAN_FRONTEND=noninteractive apt-get install curl", "apt-get"),
        ("sudo apt-get install curl", "apt-get"),
        ("bash -c 'apt-get install curl'", "apt-get"),
        ('["apt-get", "install", "curl"]', "apt-get"),
        ("/usr/bin/apt-get install curl", "apt-get"),
        ("apt-get -o Acquire::Retries=3 install curl", "apt-get"),
        ("apt-get -o APT::Get::Assume-Yes=false install curl", "apt-get"),
        ("apt-get dist-upgrade", "apt-get"),
        ("apt-get autoremove", "apt-get"),
        ("apt-get build-dep curl", "apt-get"),
        ("aptitude install curl", "apt-get"),
        ("xargs apt-get install < packages", "apt-get"),
        ("apt install curl", "apt"),
        ("apt -y install curl", "apt"),
        ("apt update", "apt"),
        ("apt list --installed", "apt"),
        ("yum install curl", "yum"),
        ("yum groupinstall tools", "yum"),
        ("yum update", "yum"),
        ("yum remove curl", "yum"),
        ("dnf install curl", "dnf"),
        ("dnf group install tools", "dnf"),
        ("dnf module enable nodejs", "dnf"),
        ("microdnf install curl", "dnf"),
        ("tdnf install curl", "dnf"),
        ("zypper install curl", "zypper"),
        ("zypper in curl", "zypper"),
        ("zypper install -n curl", "zypper"),
        ("zypper rm curl", "zypper"),
        ("zypper patch", "zypper"),
        ("zypper dup", "zypper"),
        ("pacman -S curl", "pacman"),
        ("pacman -Syu", "pacman"),
        ("pacman -Scc", "pacman"),
        ("pacman -U x.pkg.tar.zst", "pacman"),
    ],
)
def test_flags_a_call_that_would_ask(run: str, clause: str) -> None:
    """Whatever installs, upgrades or removes asks, under every manager; and apt is not for scripts."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "apt-get install -y curl",
        "apt-get -y install curl",
        "apt-get install -yq curl",
        "apt-get install -qy curl",
        "apt-get install -qq curl",
        "apt-get -q -q install curl",
        "apt-get install -q=2 curl",
        "apt-get install curl --yes",
        "apt-get install --assume-yes curl",
        "apt-get -o APT::Get::Assume-Yes=true install curl",
        "apt-get install -o=APT::Get::Assume-Yes=true curl",
        "yes | apt-get install curl",
        "echo y | apt-get install curl",
        "apt-get update",
        "apt-get clean",
        "apt-get download curl",
        "apt-get install --dry-run curl",
        "apt-get install -y apt",
        "apt-cache policy apt",
        "command -v apt",
        "apt-key list",
        "echo apt install curl",
        "yum -y install curl",
        "yum install curl --assumeyes",
        "yum makecache",
        "yum clean all",
        "dnf -y install curl",
        "dnf -qy upgrade",
        "microdnf install -y curl",
        "zypper -n install curl",
        "zypper --non-interactive in curl",
        "zypper in -y curl",
        "zypper install --no-confirm curl",
        "zypper refresh",
        "pacman --noconfirm -Syu curl",
        "pacman -Sy",
        "pacman -Q",
        "apk add curl",
        "apk upgrade",
        "pip install x",
        "rpm -i x.rpm",
        "dpkg -i x.deb",
    ],
)
def test_passes_a_call_that_asks_nothing(run: str) -> None:
    """The answer is given, or there is no question."""
    assert red(POLICY, f"FROM a:1\nRUN {run}\n") == []


def test_sits_on_the_line_of_the_call() -> None:
    """Each call has its finding, with the fix."""
    text = "FROM a:1\nRUN apt-get update \\\n && apt-get install curl \\\n && apt-get remove curl\n"
    found = findings(POLICY, text)
    assert [f.place.line for f in found] == [3, 4]
    assert found[0].help == "add --yes"
    assert red(POLICY, "FROM a:1\nRUN <<end\nid\napt-get install curl\nend\n") == [(4, "apt-get")]


def test_follows_variables_that_hold_the_answer() -> None:
    """Known options are read, unknown ones not guessed; a list of packages is no answer."""
    assert red(POLICY, 'FROM a:1\nARG OPTS="-y -q"\nRUN apt-get install $OPTS curl\n') == []
    assert red(POLICY, "FROM a:1\nRUN apt-get install $OPTS curl\n") == []
    assert red(POLICY, "FROM a:1\nRUN apt-get install $PACKAGES\n") == [(2, "apt-get")]
    assert red(POLICY, "FROM a:1\nRUN for i in a b; do apt-get install $i; done\n") == [(2, "apt-get")]
    assert red(POLICY, "FROM a:1\nRUN aptitude -q install curl\n") == [(2, "apt-get")]
    assert red(POLICY, "FROM a:1\nRUN O=-y && apt-get install $O curl\n") == []
    assert red(POLICY, 'FROM a:1\nENV LIST="gcc make"\nRUN apt-get install $LIST\n') == [(3, "apt-get")]
    assert red(POLICY, 'FROM a:1\nRUN LIST="gcc make"; apt-get install $LIST\n') == [(2, "apt-get")]


@pytest.mark.parametrize(
    "run",
    [
        "echo 'APT::Get::Assume-Yes \"true\";' > /etc/apt/apt.conf.d/90yes",
        "echo 'APT::Get::Assume-Yes \"true\";' | tee /etc/apt/apt.conf.d/90yes",
        "cat <<end > /etc/apt/apt.conf\nAPT::Get::Assume-Yes true;\nend",
    ],
)
def test_passes_where_the_configuration_answers(run: str) -> None:
    """What a RUN writes into apt's own configuration holds for the stage and those built FROM it."""
    assert red(POLICY, f"FROM a:1 AS b\nRUN {run}\nFROM b\nRUN apt-get install curl\n") == []
    assert red(POLICY, f"FROM a:1 AS b\nRUN {run}\nFROM a:1\nRUN apt-get install curl\n") != []


def test_passes_where_dnf_is_configured_to_assume_yes() -> None:
    """dnf.conf is dnf's; it says nothing to apt-get."""
    run = "RUN echo assumeyes=1 >> /etc/dnf/dnf.conf && dnf install curl && apt-get install curl"
    assert red(POLICY, f"FROM a:1\n{run}\n") == [(2, "apt-get")]


def test_judges_triggers_and_builders() -> None:
    """ONBUILD RUN is a RUN, in every stage."""
    text = "FROM a:1\nONBUILD RUN apt-get install curl\nFROM a:1\nRUN dnf install -y curl\n"
    assert red(POLICY, text) == [(2, "apt-get")]


def test_does_not_apply_to_another_shell() -> None:
    """What PowerShell runs is not looked into, and that is said."""
    answers = ask(POLICY, 'FROM a:1\nSHELL ["powershell"]\nRUN apt install x\n')
    assert (answers.findings, len(answers.not_applicable)) == ((), 1)


GOOD = {
    "debian": "RUN apt-get update && apt-get install --yes --no-install-recommends curl && rm -rf /var/lib/apt/lists/*",
    "alpine": "RUN apk add --no-cache curl",
    "ubi": "RUN microdnf install -y --nodocs curl && microdnf clean all",
    "fedora": "RUN --mount=type=cache,target=/var/cache/libdnf5 dnf -y --setopt=install_weak_deps=False install gcc",
    "suse": "RUN zypper --non-interactive install --no-recommends curl && zypper clean --all",
    "arch": "RUN pacman -Syu --noconfirm --needed git && yes | pacman -Scc",
}


@pytest.mark.parametrize("run", GOOD.values(), ids=GOOD)
def test_passes_good_builds(run: str) -> None:
    """What people write every day is no finding."""
    assert red(POLICY, f"FROM a:1\n{run}\n") == []

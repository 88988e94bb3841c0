from __future__ import annotations

import pytest

from tests.catalog.asking import red

POLICY = "signed-packages"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("apk add --allow-untrusted ./a.apk", "apk"),
        ("apk --allow-untrusted fix", "apk"),
        ("apt-get install -y --allow-unauthenticated curl", "apt"),
        ("sudo apt --allow-unauthenticated upgrade", "apt"),
        ("apt-get -o APT::Get::AllowUnauthenticated=true install curl", "apt"),
        ("apt-get install --force-yes -y curl", "force-yes"),
        ("apt-get dist-upgrade --force-yes", "force-yes"),
        ("yum -y --nogpgcheck install curl", "dnf"),
        ("tdnf install -y --nogpgcheck curl", "dnf"),
        ("dnf5 install -y --no-gpgchecks curl", "dnf"),
        ("dnf install -y --setopt=*.gpgcheck=0 curl", "dnf"),
        ("rpm -ivh --nosignature a.rpm", "rpm"),
        ("rpm --nodigest -Uvh a.rpm", "rpm"),
        ("sh -c 'rpm -i a.rpm --noverify'", "rpm"),
        ("apt-get update --allow-insecure-repositories", "other"),
        ("zypper --no-gpg-checks -n in curl", "other"),
        ("zypper -n in --allow-unsigned-rpm ./a.rpm", "other"),
        ("echo 'deb [arch=amd64 trusted=yes] https://e.org trixie main' >> /etc/apt/sources.list", "other"),
        ("printf '[a]\\nbaseurl=https://e.org\\ngpgcheck=0\\n' > /etc/yum.repos.d/a.repo", "other"),
        ("echo 'SigLevel = Never' >> /etc/pacman.conf", "other"),
        ('cat > /etc/apt/apt.conf.d/9 <<E\nAPT::Get::AllowUnauthenticated "true";\nE', "other"),
    ],
)
def test_flags_what_takes_unsigned_packages(run: str, clause: str) -> None:
    """Options, settings and files, each under the clause of its program."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "apk add curl",
        "apt-get install -y --allow-unauthenticated=false curl",
        "apt-get install -y --allow-downgrades curl",
        "dnf install -y --setopt=gpgcheck=1 curl",
        "rpm -i --nodeps a.rpm",
        "rpm -qa --nosignature --nodigest",
        "rpm -V --nofiledigest curl",
        "rpm --import https://e.org/key",
        "echo --force-yes",
        "zypper --gpg-auto-import-keys -n in curl",
        "echo 'deb [signed-by=/etc/apt/keyrings/a.gpg] https://e.org trixie main' > /etc/apt/sources.list.d/a.list",
        "echo '# gpgcheck=0' >> /etc/yum.conf",
        "grep gpgcheck=0 /etc/yum.conf",
    ],
)
def test_passes_what_checks_them(run: str) -> None:
    """Near misses, and what installs nothing."""
    assert red(POLICY, f"FROM a\nRUN {run}\n") == []


def test_flags_a_repository_that_is_copied_in() -> None:
    """A here-document of COPY is a file like any other."""
    text = "FROM a\nCOPY <<E /etc/yum.repos.d/a.repo\n[a]\ngpgcheck = 0\nE\n"
    assert [clause for _, clause in red(POLICY, text)] == ["other"]


def test_places_the_finding_on_the_command() -> None:
    """In every stage, in triggers too."""
    text = "FROM a AS b\nRUN true \\\n && apk add --allow-untrusted x\nFROM c\nONBUILD RUN yum install --nogpgcheck x\n"
    assert red(POLICY, text) == [(3, "apk"), (5, "dnf")]

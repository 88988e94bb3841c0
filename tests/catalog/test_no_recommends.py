from __future__ import annotations

import pytest

from tests.catalog.asking import red

POLICY = "no-recommends"


@pytest.mark.parametrize(
    "run",
    [
        "apt-get install -y curl",
        "apt install -y curl",
        "aptitude install -y curl",
        "DEBIAN_FRONTEND=noninteractive sudo apt-get -qq install curl",
        "apt-get install -y --no-install-recommends=false curl",
        "apt-get install -y --no-install-recommends --install-recommends curl",
        "apt-get install -y -o APT::Install-Recommends=true curl",
        "apt-get install -y ./local.deb",
        "sh -c 'apt-get install -y curl'",
        "apt-get install -y curl; echo --no-install-recommends",
    ],
)
def test_flags_an_installation_with_recommendations(run: str) -> None:
    """Apt's own default brings them along."""
    assert red(POLICY, f"FROM debian:13\nRUN {run}\n") == [(2, None)]


@pytest.mark.parametrize(
    "run",
    [
        "apt-get install -y --no-install-recommends curl",
        "apt-get --no-install-recommends -y install curl",
        "apt-get install -y -o APT::Install-Recommends=false curl",
        'apt-get -o "APT::Install-Recommends=0" install -y curl',
        "apt-get install -y --install-suggests --no-install-recommends curl",
        "aptitude install -y -R curl",
        "aptitude install -y --without-recommends curl",
        "apt-get upgrade -y",
        "apt-get build-dep -y curl",
        "apk add curl",
        "dnf install -y curl",
    ],
)
def test_passes_an_installation_without(run: str) -> None:
    """It says so, or knows no recommendations."""
    assert red(POLICY, f"FROM debian:13\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "setting",
    [
        "RUN echo 'APT::Install-Recommends \"false\";' > /etc/apt/apt.conf.d/99no",
        "RUN printf 'APT::Install-Recommends 0;\\n' | tee /etc/apt/apt.conf.d/99no",
        'RUN cat <<E > /etc/apt/apt.conf.d/99no\nAPT::Install-Recommends "0";\nE',
        'COPY <<E /etc/apt/apt.conf.d/99no\nAPT::Install-Recommends "false";\nE',
        "COPY apt.conf /etc/apt/apt.conf.d/",
    ],
)
def test_passes_where_apt_is_set_so(setting: str) -> None:
    """A setting of the stage, or of one that it is built FROM, holds for each call."""
    text = f"FROM debian:13 AS a\n{setting}\nFROM a\nRUN apt-get install -y curl\n"
    assert red(POLICY, text) == []


@pytest.mark.parametrize(
    "setting",
    [
        "RUN echo 'APT::Install-Recommends \"true\";' > /etc/apt/apt.conf.d/99yes",
        "RUN echo 'APT::Install-Recommends \"false\";' > /root/notes",
        "RUN echo 'APT::Install-Suggests \"false\";' > /etc/apt/apt.conf.d/99no",
    ],
)
def test_flags_where_apt_is_set_otherwise(setting: str) -> None:
    """Another value, another file, another setting."""
    assert red(POLICY, f"FROM debian:13\n{setting}\nRUN apt-get install -y curl\n") == [(3, None)]


def test_judges_every_stage() -> None:
    """What is built with is judged too; the finding sits on the command."""
    text = "FROM a AS b\nRUN true && \\\n  apt-get install -y x\nFROM c\nONBUILD RUN apt-get install -y x\n"
    assert red(POLICY, text) == [(3, None), (5, None)]

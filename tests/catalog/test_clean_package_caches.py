from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "clean-package-caches"


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("apt-get update && apt-get install -y curl", "apt-lists"),
        ("apt-get update && apt-get install -y curl && apt-get clean", "apt-lists"),
        ("rm -rf /var/lib/apt/lists/* && apt-get update", "apt-lists"),
        ("sudo apt update", "apt-lists"),
        ("sh -c 'apt-get update'", "apt-lists"),
        ("apk add curl", "apk-cache"),
        ("yum install -y curl && yum clean packages", "yum-cache"),
        ("yum clean all && yum install -y curl", "yum-cache"),
        ("microdnf install -y curl && dnf clean all", "microdnf-cache"),
        ("dnf upgrade -y", "dnf-cache"),
        ("zypper -n in curl", "zypper-cache"),
        ("zypper -n rm curl", "zypper-cache"),
        ("python3.13 -m pip install flask", "pip-cache"),
        ("pip install --cache-dir /wheels flask", "pip-cache"),
        ("yarn", "yarn-cache"),
        ("npm ci", "other-caches"),
        ("uv sync --locked", "other-caches"),
        ("poetry install", "other-caches"),
        ("pip wheel flask", "other-caches"),
        ("apk update && apk add --no-cache curl", "other-caches"),
        ("zypper -n in curl && zypper clean", "other-caches"),
    ],
)
def test_flags_a_cache_that_stays(run: str, clause: str) -> None:
    """What fills a cache and does not empty it afterwards leaves it in the layer."""
    assert red(POLICY, f"FROM debian:13\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "run",
    [
        "apt-get install -y curl",
        "apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*",
        "set -ex; apt-get update; rm -rf /tmp/* /var/lib/apt/lists",
        'apt-get update && rm -r "/var/lib/apt/"',
        "apt-get update && find /var/lib/apt/lists -type f -delete",
        "apt-get update && apt-get distclean",
        "apk --no-cache add curl",
        "apk add --update curl && rm -rf /var/cache/apk/*",
        "yum -y install curl && yum -y clean all",
        "yum -y install curl && dnf clean all",
        "dnf install -y curl && rm -rf /var/cache/*",
        "zypper -n in curl && zypper clean --all",
        "pip install --no-cache-dir flask",
        "pip install --no-cache /wheels/*",
        "PIP_NO_CACHE_DIR=1 pip install flask",
        "export PIP_NO_CACHE_DIR=1; pip install flask",
        "pip install flask && pip cache purge",
        "pip install flask && rm -rf ~/.cache",
        'pip install flask && rm -rf "$HOME/.cache/pip"',
        "pip install flask && rm -rf /home/app/.cache/pip",
        "pip install --cache-dir=/tmp/pip flask && rm -rf /tmp/*",
        "pip install --cache-dir=$NOBODY_KNOWS flask",
        "yarn install && yarn build && yarn cache clean",
        "npm ci && npm cache clean --force",
        "uv pip install --no-cache flask",
        "apt-get install -y apk pip yum",
        "echo apt-get update",
    ],
)
def test_passes_a_cache_that_is_emptied_or_off(run: str) -> None:
    """Emptied in the same RUN, or never filled."""
    assert red(POLICY, f"FROM debian:13\nRUN {run}\n") == []


@pytest.mark.parametrize(
    ("mount", "run"),
    [
        ("type=cache,target=/var/lib/apt/lists", "apt-get update"),
        ("type=cache,target=/var/lib/apt,sharing=locked", "apt-get update"),
        ("type=tmpfs,target=/var/cache/dnf", "dnf install -y curl"),
        ("type=cache,target=/etc/apk/cache", "apk add curl"),
        ("type=cache,target=/home/app/.cache", "pip install flask"),
        ("type=cache,target=/home/app/.npm", "npm ci"),
        ("type=cache,dst=/c", "pip install --cache-dir /c flask"),
        ("type=cache,target=/home/app/.cache/uv", "uv sync"),
    ],
)
def test_passes_a_cache_in_a_mount(mount: str, run: str) -> None:
    """What lies in a mount is in no layer."""
    assert red(POLICY, f"FROM debian:13\nRUN --mount={mount} {run}\n") == []


def test_flags_a_mount_at_another_place() -> None:
    """A mount that the cache does not lie in changes nothing."""
    assert red(POLICY, "FROM a\nRUN --mount=type=cache,target=/var/cache/apt apt-get update\n") == [
        (2, "apt-lists")
    ]


@pytest.mark.parametrize(
    "line", ["ENV PIP_NO_CACHE_DIR=1", "ARG PIP_NO_CACHE_DIR=on", "ENV PIP_NO_CACHE_DIR true"]
)
def test_passes_a_cache_that_a_variable_switches_off(line: str) -> None:
    """ENV and ARG are the environment of RUN."""
    assert red(POLICY, f"FROM python:3.13\n{line}\nRUN pip install flask\n") == []


@pytest.mark.parametrize("value", ["0", "off", "False", "no"])
def test_flags_a_value_that_says_the_contrary(value: str) -> None:
    """PIP_NO_CACHE_DIR=0 reads as if the cache were wanted."""
    (finding,) = findings(POLICY, f"FROM python:3.13\nENV PIP_NO_CACHE_DIR={value}\nRUN pip install flask\n")
    assert "write 1" in finding.message


def test_follows_the_environment_through_stages() -> None:
    """What a stage sets holds in those that are built FROM it, and in no others."""
    text = "FROM python:3.13 AS a\nENV PIP_NO_CACHE_DIR=1\nFROM {}\nRUN pip install flask\n"
    assert red(POLICY, text.format("a")) == []
    assert red(POLICY, text.format("python:3.13")) == [(4, "pip-cache")]


def test_flags_a_cache_that_is_removed_in_a_later_run() -> None:
    """The layer below keeps it."""
    assert red(POLICY, "FROM a\nRUN apt-get update\nRUN rm -rf /var/lib/apt/lists/*\n") == [(2, "apt-lists")]


def test_passes_a_cache_in_a_stage_that_is_only_copied_from() -> None:
    """A stage that nothing shipped is built FROM ships no layer."""
    assert red(POLICY, "FROM a AS build\nRUN npm ci\nFROM b\nCOPY --from=build /app /app\n") == []
    assert red(POLICY, "FROM a AS build\nRUN npm ci\nFROM build\nRUN id\n") == [(2, "other-caches")]


def test_judges_heredocs_triggers_and_lines() -> None:
    """The finding sits on the command's own line."""
    text = "FROM a\nRUN <<E\nset -e\napt-get update\nE\nONBUILD RUN apk add x\nRUN true \\\n && npm ci\n"
    assert red(POLICY, text) == [(4, "apt-lists"), (6, "apk-cache"), (8, "other-caches")]


def test_does_not_apply_to_another_shell() -> None:
    """What no POSIX shell reads is not looked into."""
    assert red(POLICY, 'FROM a\nSHELL ["powershell", "-c"]\nRUN apk add x\n') == []


def test_tells_the_folder_that_a_cache_was_moved_to() -> None:
    """Where the file says so itself."""
    run = "YARN_CACHE_FOLDER=/tmp/y yarn install --frozen-lockfile"
    (finding,) = findings(POLICY, f"FROM node:24\nRUN {run}\n")
    assert finding.message == "`yarn install` leaves its cache in the layer (/tmp/y)"

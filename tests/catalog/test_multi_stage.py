from __future__ import annotations

import pytest

from dockproof.policy import Profile
from tests.catalog.asking import red

POLICY = "multi-stage"


@pytest.mark.parametrize(
    "install",
    [
        "apt-get update && apt-get install -y gcc",
        "apt-get install -y --no-install-recommends libpq-dev",
        "apk add --no-cache build-base",
        "apk add --virtual .deps gcc musl-dev",
        "dnf install -y gcc-c++ openssl-devel",
        "apt-get install -y g++-12 make",
    ],
)
def test_flags_build_packages_in_the_shipped_stage(install: str) -> None:
    """Compilers, headers and build packages stay out of what ships."""
    assert red(POLICY, f"FROM debian\nRUN {install}\n") == [(2, "build-tools")]


def test_passes_build_packages_in_a_builder() -> None:
    """A stage that only gives files may hold whatever it needs."""
    text = """\
    FROM debian AS build
    RUN apt-get update && apt-get install -y gcc libpq-dev && pip install -r requirements.txt
    FROM debian
    RUN apt-get update && apt-get install -y libpq5
    COPY --from=build /venv /venv
    """
    assert red(POLICY, text) == []


def test_flags_build_packages_inherited_through_from() -> None:
    """What the shipped stage is built FROM ships too."""
    text = "FROM debian AS base\nRUN apt-get install -y gcc\nFROM base\nUSER 1:1\n"
    assert red(POLICY, text) == [(2, "build-tools")]


@pytest.mark.parametrize(
    "command", ["pip install -r requirements.txt", "npm ci", "bundle install", "uv sync"]
)
def test_flags_dependencies_installed_where_there_is_no_other_stage(command: str) -> None:
    """Installing language dependencies in the only stage ships the installer's leftovers."""
    assert red(POLICY, f"FROM python\nRUN {command}\n") == [(2, "single-stage")]


@pytest.mark.parametrize(
    "command", ["make install", "gcc -o a a.c", "go build ./...", "cargo build --release"]
)
def test_flags_a_compilation_in_the_shipped_stage(command: str) -> None:
    """Compiling is the builder's work."""
    assert (2, "built-in-place") in red(POLICY, f"FROM debian\nRUN {command}\n")


def test_passes_a_file_that_builds_nothing() -> None:
    """Without anything compiled or installed with build tools one stage is enough."""
    assert red(POLICY, "FROM nginx\nRUN apt-get install -y curl\nCOPY html /usr/share/nginx/html\n") == []


def test_is_silent_for_development_images() -> None:
    """A development image is there to build in."""
    from dockproof import catalog  # noqa: PLC0415 - one test asks it

    assert catalog.load()[POLICY].severity(Profile.DEVELOPMENT) is None


def test_passes_build_tools_that_the_same_run_removes() -> None:
    """No layer holds them, by their names or by that of apk's bundle."""
    assert (
        red(
            POLICY,
            "FROM alpine:3\nRUN apk add --no-cache --virtual .deps gcc musl-dev && x && apk del .deps\n",
        )
        == []
    )
    assert red(POLICY, "FROM debian:13\nRUN apt-get install -y gcc && x && apt-get purge -y gcc\n") == []


def test_flags_compiling_once_for_each_run() -> None:
    """`make` and `make install` are one fault."""
    assert red(POLICY, "FROM debian:13\nRUN make && make install\n") == [(2, "built-in-place")]


@pytest.mark.parametrize(
    "base",
    [
        "eclipse-temurin",
        "eclipse-temurin:21",
        "eclipse-temurin:21-jdk-noble",
        "openjdk:17-slim",
        "amazoncorretto:21-al2023",
        "public.ecr.aws/docker/library/golang:1.26@sha256:" + "0" * 64,
        "golang@sha256:" + "0" * 64,
        "rust:1-slim",
        "maven:3-eclipse-temurin-21",
        "gradle:9-jdk21",
        "gcc:15",
        "swift:6.2",
        "buildpack-deps:trixie",
        "mcr.microsoft.com/dotnet/sdk:10.0",
    ],
)
def test_flags_a_base_to_build_with(base: str) -> None:
    """A compiler in the base ships as one that is installed does."""
    assert red(POLICY, f"FROM {base}\nCOPY app /app\n") == [(1, "toolchain-base")]
    assert red(POLICY, f"FROM {base} AS a\nFROM a AS b\nUSER 1:1\n") == [(1, "toolchain-base")]


@pytest.mark.parametrize(
    "base",
    [
        "eclipse-temurin:21-jre-noble",
        "eclipse-temurin@sha256:" + "0" * 64,
        "openjdk:8-jre-slim",
        "amazoncorretto:21-al2023-headless",
        "sapmachine:21-jre-headless",
        "swift:6.2-slim",
        "buildpack-deps:trixie-curl",
        "mcr.microsoft.com/dotnet/aspnet:10.0",
        "gcr.io/distroless/java21-debian12",
        "node:24",
        "python:3.13",
        "mycorp/golang:1",
        "didstopia/rust-server",
    ],
)
def test_passes_a_base_to_run_with(base: str) -> None:
    """Runtimes, interpreters, and images that only sound like a compiler's."""
    assert red(POLICY, f"FROM {base}\nCOPY app /app\n") == []


def test_passes_a_base_to_build_with_in_a_builder() -> None:
    """That is what it is for."""
    assert red(POLICY, "FROM golang:1.26 AS b\nRUN go build\nFROM scratch\nCOPY --from=b /a /a\n") == []

from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red
from tests.facts.test_dockerfile_problems import REFUSED

POLICY = "resolved-stages"
SHA = "sha256:" + "0" * 64


@pytest.mark.parametrize("second", ["b", "B"])
def test_flags_a_name_given_twice_in_any_casing(second: str) -> None:
    """Docker compares stage names in lower case; the later one gets the finding."""
    assert red(POLICY, f"FROM a:1 AS b\nFROM c:1 AS {second}\n") == [(2, "unique")]


def test_flags_a_stage_named_like_its_base() -> None:
    """A stage that takes its base's name hides it."""
    assert red(POLICY, "FROM a:1 AS b\nRUN id\nFROM b AS b\n") == [(3, "unique")]


@pytest.mark.parametrize("name", ["scratch", "context", "SCRATCH"])
def test_flags_a_reserved_name(name: str) -> None:
    """`scratch` and `context` mean something else."""
    assert red(POLICY, f"FROM a:1 AS {name}\n") == [(1, "reserved")]


@pytest.mark.parametrize("name", ["context1", "from-scratch", "alpine", "a"])
def test_passes_any_other_name(name: str) -> None:
    """An image's name is no reserved word."""
    assert red(POLICY, f"FROM a:1 AS {name}\n") == []


@pytest.mark.parametrize("name", ["bulid", "7", "2", "Other", "alpine", "later", "$name", "${name}", "B:"])
def test_flags_what_is_no_earlier_stage_and_no_image(name: str) -> None:
    """Misspelt, too high a number, later in the file, a variable, or an image without a tag."""
    text = (
        f"FROM a:1 AS build\nFROM b:1 AS main\nARG name=build\nCOPY --from={name} /x /y\nFROM c:1 AS later\n"
    )
    found = red(POLICY, text)
    assert found == [(4, "reference")]


def test_asks_for_the_nearest_name() -> None:
    """The message says which stage may have been meant."""
    (finding,) = findings(POLICY, "FROM a:1 AS build\nFROM b:1\nCOPY --from=bulid /x /y\n")
    assert "did you mean build?" in finding.message
    assert finding.place.column == 6


@pytest.mark.parametrize(
    "name",
    [
        "build",
        "BUILD",
        "0",
        "alpine:3.20",
        f"alpine@{SHA}",
        "localhost:5000/x:1",
        "org/tool",
        "ghcr.io/org/tool:1",
    ],
)
def test_passes_an_earlier_stage_or_an_image(name: str) -> None:
    """By name in any casing, by number, or an image by tag, digest or folder."""
    assert red(POLICY, f"FROM a:1 AS build\nFROM b:1\nCOPY --from={name} /x /y\n") == []
    assert (
        red(
            POLICY,
            f"FROM a:1 AS build\nFROM b:1\nRUN --mount=from={'build' if name == '0' else name},target=/x id\n",
        )
        == []
    )


def test_flags_a_mount_of_an_unknown_stage() -> None:
    """RUN --mount from= is a reference as COPY --from is; a number there is an image's name."""
    text = "FROM a:1 AS build\nFROM b:1\nRUN --mount=type=bind,from=bulid,target=/x \\\n  id\n"
    assert red(POLICY, text) == [(3, "reference")]
    assert red(POLICY, "FROM a:1 AS build\nFROM b:1\nRUN --mount=from=0,target=/x id\n") == [(3, "reference")]


def test_passes_a_named_context_that_the_configuration_lists() -> None:
    """`--build-context src=…` gives a name that no file shows."""
    text = "FROM a:1\nCOPY --from=src /x /y\n"
    assert red(POLICY, text) == [(2, "reference")]
    assert red(POLICY, text, contexts=["src"]) == []


def test_flags_what_takes_from_itself() -> None:
    """By name, by number, or through a mount; BuildKit calls it a circular dependency."""
    text = (
        "FROM a:1 AS b\nCOPY --from=b /x /y\nFROM a:1\nCOPY --from=1 /x /y\n"
        "FROM a:1 AS c\nRUN --mount=from=c,target=/x id\n"
    )
    assert red(POLICY, text) == [(2, "itself"), (4, "itself"), (6, "itself")]


@pytest.mark.parametrize("line", ["/ /", ". /", '["/", "/"]', "/. /", "/x / /", "// /", "/a/.. /"])
@pytest.mark.parametrize("name", ["build", "0", "debian:12"])
def test_flags_a_whole_root_folder(line: str, name: str) -> None:
    """Under every spelling of the root, of a stage or an image."""
    assert red(POLICY, f"FROM a:1 AS build\nFROM scratch\nCOPY --from={name} {line}\n") == [(3, "whole-root")]


@pytest.mark.parametrize("line", ["/ /sysroot", "/rootfs/ /", "/usr /", "/ $where", "/.x /", "/x ."])
def test_passes_a_part_or_another_place(line: str) -> None:
    """A folder made for it is what the copy is for."""
    assert red(POLICY, f"FROM a:1 AS build\nFROM scratch\nCOPY --from=build {line}\n") == []


def test_passes_the_context_at_the_root() -> None:
    """Without --from the source is the build context."""
    assert red(POLICY, "FROM a:1\nCOPY / /\n") == []


def test_judges_a_trigger_where_it_runs() -> None:
    """The names in ONBUILD COPY --from are those of the file that is built FROM this image."""
    assert red(POLICY, "FROM a:1\nONBUILD COPY --from=assets /x /y\n") == []
    text = "FROM a:1 AS base\nONBUILD COPY --from=assets /x /y\nFROM base\n"
    assert red(POLICY, text) == [(2, "reference")]
    assert red(POLICY, text.replace("FROM base\n", "FROM c:1 AS assets\nFROM base\n")) == []


def test_flags_a_trigger_that_takes_a_whole_root() -> None:
    """ONBUILD is judged as what it triggers."""
    assert red(POLICY, "FROM a:1\nONBUILD COPY --from=assets:1 / /\n") == [(2, "whole-root")]


@pytest.mark.parametrize("text", [case[0] for case in REFUSED if case[2] == "reference"])
def test_flags_every_reference_that_buildkit_refuses(text: str) -> None:
    """`valid-dockerfile` leaves references to this policy, so none may fall between them."""
    assert red(POLICY, text) != []


GOOD = {
    "go": """
        FROM golang:1.25-alpine AS build
        WORKDIR /src
        RUN --mount=type=bind,target=. --mount=type=cache,target=/home/app/.cache go build -o /out/app .
        FROM scratch
        COPY --from=alpine:3.22 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
        COPY --from=build /out/app /app
    """,
    "node": """
        FROM node:24-slim AS base
        FROM base AS deps
        COPY package.json package-lock.json ./
        RUN npm ci
        FROM base AS build
        COPY --from=deps /app/node_modules ./node_modules
        FROM base
        COPY --from=build --chown=1000:1000 /app/dist ./dist
    """,
    "python": """
        FROM python:3.13-slim AS build
        COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /uvx /bin/
        FROM python:3.13-slim
        RUN --mount=type=bind,from=build,source=/wheels,target=/wheels pip install /wheels/*.whl
    """,
    "java": """
        FROM maven:3-eclipse-temurin-21 AS build
        FROM eclipse-temurin:21-jre
        COPY --from=0 /app/target/app.jar /app.jar
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_passes_good_builds(text: str) -> None:
    """What people write every day is no finding."""
    assert red(POLICY, text) == []

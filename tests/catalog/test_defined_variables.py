from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "defined-variables"


@pytest.mark.parametrize(
    "line",
    [
        "COPY $foo .",
        "ADD ${foo}.tar /x",
        "WORKDIR /x/$foo",
        "USER $foo",
        "EXPOSE $foo",
        "VOLUME /x/$foo",
        "STOPSIGNAL $foo",
        "ENV A=$foo",
        "ENV A $foo",
        "LABEL a=${foo}",
        "ARG A=$foo",
        "COPY --chown=$foo x y",
        "RUN --mount=type=cache,target=$foo id",
        "ENV A=${foo%x}",
        'ENV A="a $foo b"',
        "COPY <<end /x\nhost $foo;\nend",
        "COPY <<end /x\nit's '$foo'\nend",
    ],
)
@pytest.mark.parametrize(
    "base", ["scratch", "alpine:3", "debian:13-slim", "docker.io/library/python:3.13", "node:24"]
)
def test_flags_a_name_that_nothing_sets(line: str, base: str) -> None:
    """In whatever BuildKit expands, where the base's own variables are known."""
    assert (red(POLICY, f"FROM {base}\n{line}\n") or [(0, None)])[0][1] == "undefined"


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo $foo",
        'CMD ["echo", "$foo"]',
        "CMD echo $foo",
        "ENTRYPOINT run $foo",
        "HEALTHCHECK CMD curl $foo",
        "ENV A=${foo:-x}",
        "ENV A=${foo-x} B=${foo:+y}",
        "ARG A=${foo:?which}",
        "ENV A='$foo'",
        "ENV A=\\$foo",
        "COPY <<'end' /x\n$foo\nend",
        'COPY <<"end" /x\n$foo\nend',
        "COPY <<end /x\n\\$foo\nend",
        "RUN <<end\necho $foo\nend",
        "ENV PATH=/x:$PATH",
        "ENV http_proxy=$HTTP_PROXY",
        "ONBUILD ENV A=$foo",
        "# $foo",
    ],
)
def test_passes_what_is_not_expanded_or_guarded(line: str) -> None:
    """The shell's business, a default, quotes, and what the base has."""
    assert red(POLICY, f"FROM alpine:3\n{line}\n") == []


def test_passes_what_an_unknown_base_may_set() -> None:
    """What cannot be known is not guessed."""
    assert red(POLICY, "FROM ghcr.io/org/base:1\nCOPY x $APP_HOME\n") == []
    assert red(POLICY, "ARG BASE\nFROM ${BASE:-alpine}\nARG B\nFROM $B\nCOPY x $APP_HOME\n") != [
        (5, "undefined")
    ]


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("golang:1.25", "GOPATH"),
        ("node:24", "NODE_VERSION"),
        ("eclipse-temurin:21", "JAVA_HOME"),
        ("maven:3", "MAVEN_HOME"),
        ("php:8-apache", "APACHE_CONFDIR"),
        ("rust:1", "CARGO_HOME"),
        ("python:3", "PYTHON_VERSION"),
        ("fedora:43", "container"),
    ],
)
def test_passes_what_a_known_base_sets(base: str, name: str) -> None:
    """Official images set names of their own kind, and no others."""
    assert red(POLICY, f"FROM {base}\nWORKDIR /x/${name}\n") == []
    assert red(POLICY, f"FROM {base} AS b\nFROM b\nWORKDIR /x/${name}\nWORKDIR $WHAT\n") == [(4, "undefined")]


def test_passes_what_is_defined() -> None:
    """By ARG, with or without default, or by ENV, here or in the stage it is built FROM."""
    text = """\
        ARG V=3
        FROM alpine:$V AS base
        ARG V
        ARG A B=$A
        ENV C=$B D=x
        ENV E=$C$D$V
        FROM base
        WORKDIR $E
        COPY <<end /x
        $C
        end
    """
    assert red(POLICY, text) == []


def test_flags_an_argument_out_of_scope() -> None:
    """An ARG before FROM, or one of BuildKit's own, is not visible until it is declared: whatever the base."""
    (finding,) = findings(POLICY, "ARG V=3\nFROM org/base:$V\nLABEL v=$V\n")
    assert (finding.place.line, finding.clause) == (3, "undefined")
    assert "ARG V" in finding.message
    assert red(POLICY, "FROM org/base:1\nCOPY bin-$TARGETARCH /bin\n") == [(2, "undefined")]
    assert red(POLICY, "FROM org/base:1\nARG TARGETARCH\nCOPY bin-$TARGETARCH /bin\n") == []
    assert red(POLICY, "FROM --platform=$BUILDPLATFORM org/base:1\n") == []


def test_passes_an_argument_that_the_base_sets_too() -> None:
    """`rust` sets RUST_VERSION itself, whatever is called so before FROM."""
    assert red(POLICY, "ARG RUST_VERSION=1.90\nFROM rust:$RUST_VERSION\nLABEL rust=$RUST_VERSION\n") == []


def test_flags_a_name_of_another_stage() -> None:
    """A stage that is not built FROM it sees nothing of it."""
    text = "FROM alpine:3 AS a\nARG V=1\nENV W=1\nFROM alpine:3\nLABEL v=$V w=$W\n"
    assert red(POLICY, text) == [(5, "undefined"), (5, "undefined")]


def test_flags_a_name_that_is_set_later() -> None:
    """The order counts; the message says where it is set."""
    (finding,) = findings(POLICY, "FROM org/base:1\nWORKDIR $HOME_OF_APP\nENV HOME_OF_APP=/app\n")
    assert (finding.place.line, finding.clause) == (2, "undefined")
    assert "line 3" in finding.message


def test_asks_for_the_nearest_name() -> None:
    """A typo is told with what was meant, at its own line and column."""
    (finding,) = findings(POLICY, "FROM alpine:3\nENV A=1 \\\n    PATH=$PAHT:/app/bin\n")
    assert "did you mean PATH?" in finding.message
    assert (finding.place.line, finding.place.column) == (3, 5)


@pytest.mark.parametrize(
    "line",
    [
        "ENV A=1 B=$A",
        "ENV A=1 B=${A}",
        "ENV B=$A A=1",
        'ENV A=1 B="x $A"',
        "ENV A=$A B=${A}",
        "ENV A=1 \\\n    B=$A",
        "ENV PATH=/x:$PATH B=$PATH",
        "ENV JAVA_HOME=/opt/java PATH=$JAVA_HOME/bin:$PATH",
    ],
)
@pytest.mark.parametrize("base", ["alpine:3", "org/base:1", "eclipse-temurin:21"])
def test_flags_an_env_that_uses_what_it_sets(line: str, base: str) -> None:
    """All values of one ENV are worked out before any is set."""
    found = red(POLICY, f"FROM {base}\n{line}\n")
    assert {"same-env", "not-yet"} & {clause for _, clause in found}


@pytest.mark.parametrize(
    "line",
    [
        "ENV A=1\nENV B=$A",
        "ENV A=1\nENV A=2 B=$A",
        "ENV PATH=/x:$PATH",
        "ARG A\nENV A=$A B=$A",
        "ENV A=1 B=${A:-x}",
        "ENV A=1 B='$A'",
        "ENV A=1 B=\\$A",
        "ARG A=1 B=$A",
    ],
)
def test_passes_an_env_that_uses_what_stands_before_it(line: str) -> None:
    """An earlier instruction, a guard, quotes; ARG reads from left to right."""
    assert red(POLICY, f"FROM alpine:3\n{line}\n") == []


@pytest.mark.parametrize("line", ["FROM $BASE", "FROM alpine:${TAG}", "FROM --platform=$PLATFROM alpine:3"])
def test_flags_from_with_an_undeclared_argument(line: str) -> None:
    """Only ARGs before the first FROM, and BuildKit's own, are visible there."""
    assert (3, "from") in red(POLICY, f"ARG OTHER=1\nFROM alpine:3 AS a\n{line}\n")
    inside = f"FROM alpine:3 AS a\nARG BASE=x TAG=3 PLATFROM=y\n{line}\n"
    assert (3, "from") in red(POLICY, inside)


@pytest.mark.parametrize("line", ["FROM $BASE", "FROM busybox:${BASE}", "FROM $BASE/x", "FROM a@$BASE"])
def test_flags_a_base_that_needs_a_build_argument(line: str) -> None:
    """Without --build-arg there is no image."""
    assert red(POLICY, f"ARG BASE\n{line}\n") == [(2, "from-default")]


@pytest.mark.parametrize(
    "text",
    [
        "ARG TAG=3\nFROM busybox:$TAG\n",
        "ARG VARIANT\nFROM busybox:stable$VARIANT\n",
        "ARG TAG\nFROM alpine:${TAG:-3.14}\n",
        "FROM org/tool-$TARGETARCH:1\n",
        "FROM --platform=$TARGETPLATFORM alpine:3\n",
    ],
)
def test_passes_a_base_that_needs_none(text: str) -> None:
    """A default, a part that may be empty, or what BuildKit sets itself."""
    assert red(POLICY, text) == []


def test_flags_an_argument_before_from() -> None:
    """The part before FROM has its own order."""
    assert red(POLICY, "ARG A=$B\nARG B=1\nFROM alpine:$B\n") == [(1, "undefined")]
    assert red(POLICY, "ARG B=1\nARG A=$B C=${X:-1}\nFROM alpine:$A\n") == []


def test_judges_a_trigger_where_it_runs() -> None:
    """ONBUILD's variables are those of the stage that is built FROM it."""
    text = "FROM alpine:3 AS a\nONBUILD LABEL v=$V\nFROM a\nARG V=1\n"
    assert red(POLICY, text) == [(2, "undefined")]


GOOD = {
    "go": """
        ARG GO_VERSION=1.25
        FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine AS build
        ARG TARGETOS TARGETARCH
        WORKDIR $GOPATH/src/app
        RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -o /out/app .
        FROM scratch
        COPY --from=build /out/app /app
    """,
    "node": """
        FROM node:24-slim AS base
        ENV PNPM_HOME="/pnpm"
        ENV PATH="$PNPM_HOME:$PATH"
        ARG VERSION
        LABEL org.opencontainers.image.version=$VERSION
    """,
    "java": """
        FROM eclipse-temurin:21-jre
        ENV PATH=$JAVA_HOME/bin:$PATH
        ARG JAR_FILE=target/*.jar
        COPY ${JAR_FILE} app.jar
    """,
    "nginx": """
        FROM nginx:1.29
        COPY <<'end' /etc/nginx/conf.d/default.conf
        proxy_set_header Host $host;
        end
    """,
    "rust": """
        FROM rust:1 AS build
        COPY x $CARGO_HOME/config.toml
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_passes_good_builds(text: str) -> None:
    """What people write every day is no finding."""
    assert red(POLICY, text) == []

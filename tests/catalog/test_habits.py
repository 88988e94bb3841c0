"""What Dockerfiles in the wild do, in the fewest lines: a habit that is no fault, and a fault that hides in a habit."""

from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

_CROSS = """
    FROM --platform=$BUILDPLATFORM x/cross:amd64 AS tools_amd64
    FROM --platform=$BUILDPLATFORM x/cross:arm64 AS tools_arm64
    FROM tools_${TARGETARCH} AS build
    FROM scratch
    COPY --from=build /app /app
"""


@pytest.mark.parametrize("policy", ["used-stages", "defined-variables"])
def test_passes_stages_that_the_platform_chooses(policy: str) -> None:
    """BuildKit takes one of them, and which one it is the build says."""
    assert red(policy, _CROSS) == []


def test_judges_every_stage_that_the_platform_may_choose() -> None:
    """Both are shipped with, so both are judged as such, and the choice itself is no unknown image."""
    assert red("pinned-base", _CROSS) == [(2, "digest"), (3, "digest")]
    assert {one.severity.value for one in findings("pinned-base", _CROSS)} == {"error"}


@pytest.mark.parametrize("choice", ["ARG KIND=plain", "ARG KIND", "ARG KIND=full"])
def test_passes_stages_that_an_argument_chooses(choice: str) -> None:
    """Another value of the argument takes the other stage."""
    text = f"{choice}\nFROM a AS base-plain\nFROM b AS base-full\nFROM base-$KIND\n"
    assert red("used-stages", text) == []


def test_flags_a_stage_that_no_value_chooses() -> None:
    """The name does not fit."""
    text = "ARG KIND=plain\nFROM a AS base-plain\nFROM b AS other\nFROM base-$KIND\n"
    assert red("used-stages", text) == [(3, None)]


def test_takes_the_settings_of_the_stage_for_amd64() -> None:
    """Of several stages one must lend its USER."""
    text = "FROM a AS run-arm64\nUSER 0\nFROM a AS run-amd64\nUSER 10001:10001\nFROM run-$TARGETARCH\n"
    assert red("non-root", text) == []
    assert red("non-root", text.replace("$TARGETARCH", "$TARGETARCH$TARGETVARIANT")) == []


@pytest.mark.parametrize("image", ["ghcr.io/a/b:$TARGETARCH", "$BASE", "a-$BASE"])
def test_flags_an_image_that_no_stage_answers_for(image: str) -> None:
    """The variable chooses no stage, so the image is unknown."""
    assert red("pinned-base", f"ARG BASE\nFROM a@sha256:{'0' * 64} AS b\nFROM {image}\n") == [
        (3, "unknown-image")
    ]


@pytest.mark.parametrize(
    "base",
    [
        "gcr.io/distroless/static:nonroot",
        "gcr.io/distroless/base-debian12:debug-nonroot",
        "nginxinc/nginx-unprivileged:1.29-alpine",
        "mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled",
        "mcr.microsoft.com/windows/nanoserver:ltsc2025",
    ],
)
def test_passes_images_that_are_documented_not_to_run_as_root(base: str) -> None:
    """Their own USER holds."""
    assert red("non-root", f"FROM {base}\n") == []


@pytest.mark.parametrize(
    "base", ["gcr.io/distroless/static:latest", "mcr.microsoft.com/windows/servercore:ltsc2025", "nginx:1.29"]
)
def test_flags_images_that_run_as_root(base: str) -> None:
    """They name no user of their own."""
    assert red("non-root", f"FROM {base}\n") == [(1, "root-user")]


def test_names_the_administrator_of_windows() -> None:
    """There is no root on Windows."""
    (finding,) = findings("non-root", "FROM mcr.microsoft.com/windows/servercore:ltsc2025\n")
    assert "ContainerAdministrator unless" in finding.message
    assert "USER ContainerUser" in finding.help
    text = "FROM mcr.microsoft.com/windows/nanoserver:ltsc2025\nUSER ContainerAdministrator\n"
    assert red("non-root", text) == [(2, "root-user")]


@pytest.mark.parametrize("policy", ["non-root", "numeric-user"])
@pytest.mark.parametrize(
    ("base", "user"),
    [
        ("mcr.microsoft.com/dotnet/aspnet:8.0", "$APP_UID"),
        ("mcr.microsoft.com/dotnet/runtime-deps:10.0-alpine", "${APP_UID}"),
        ("quay.io/jupyter/scipy-notebook:2025-01-01", "${NB_UID}:${NB_GID}"),
    ],
)
def test_knows_the_uid_variables_of_images(base: str, user: str, policy: str) -> None:
    """The image sets the variable, and has the user in its passwd."""
    assert red(policy, f"FROM {base}\nUSER {user}\n") == []


@pytest.mark.parametrize("base", ["mcr.microsoft.com/dotnet/aspnet:6.0", "debian:13"])
def test_flags_uid_variables_that_an_image_does_not_set(base: str) -> None:
    """.NET images set it from 8 on."""
    assert red("non-root", f"FROM {base}\nUSER $APP_UID\n") == [(2, "unknown-user")]


def test_names_a_user_that_a_variable_of_the_image_names() -> None:
    """The name is known, and a name."""
    (finding,) = findings("numeric-user", "FROM quay.io/jupyter/base-notebook:x\nUSER $NB_USER\n")
    assert "jovyan" in finding.message


@pytest.mark.parametrize("policy", ["numeric-user", "unprivileged-ports"])
def test_passes_what_windows_has_not(policy: str) -> None:
    """Windows has no numeric users and no privileged ports."""
    text = "FROM mcr.microsoft.com/dotnet/framework/aspnet:4.8\nUSER ContainerUser\nEXPOSE 80\n"
    assert red(policy, text) == []


def test_reads_no_posix_commands_in_a_windows_image() -> None:
    """Its default shell is cmd, and a shell form of CMD is still one."""
    text = "FROM mcr.microsoft.com/windows/servercore:ltsc2025\nRUN type x | find y\nCMD run me\n"
    assert red("pipefail", text) == []
    assert red("exec-form", text) == [(3, "shell-form")]


@pytest.mark.parametrize(
    ("base", "clauses"),
    [
        ("redhat/ubi8", []),
        ("registry.access.redhat.com/ubi8/ubi-minimal:8.10", []),
        ("oraclelinux:8-slim", []),
        ("registry.access.redhat.com/ubi9-minimal:9.6", ["dnf"]),
        ("fedora:42", ["dnf"]),
    ],
)
def test_microdnf_asks_from_release_9_on(base: str, clauses: list[str]) -> None:
    """That of release 8 never asked."""
    text = f"FROM {base}\nRUN microdnf install curl\n"
    assert [clause for _, clause in red("unattended-install", text)] == clauses


@pytest.mark.parametrize(
    ("cleaned", "clauses"),
    [("rm -f /var/lib/apt/lists/*_*", []), ("rm -f /var/lib/apt/lists/*_Release", ["apt-lists"])],
)
def test_passes_lists_deleted_by_their_names(cleaned: str, clauses: list[str]) -> None:
    """The lists' names have an underscore."""
    text = f"FROM debian:13\nRUN apt-get update && apt-get install -y curl && {cleaned}\n"
    assert [clause for _, clause in red("clean-package-caches", text)] == clauses


@pytest.mark.parametrize("path", ['"$(npm root -g)"', "`pwd`/cache"])
def test_passes_a_deletion_whose_path_a_command_gives(path: str) -> None:
    """Nobody knows where it is."""
    assert red("no-wasted-bytes", f"FROM node:24\nWORKDIR /app\nCOPY . /app\nRUN rm -rf {path}\n") == []


@pytest.mark.parametrize(
    ("base", "clauses"),
    [
        ("nvidia/cuda:11.0-devel-ubuntu18.04", ["distribution"]),
        ("gcr.io/distroless/static-debian10:nonroot", ["distribution"]),
        ("hexpm/elixir:1.12-erlang-24-alpine-3.14.2", ["distribution"]),
        ("mcr.microsoft.com/dotnet/sdk:3.1", ["release"]),
        ("mcr.microsoft.com/dotnet/core/aspnet:2.1-alpine3.9", ["distribution", "release"]),
        ("registry.access.redhat.com/ubi7/ubi:7.9", ["distribution"]),
        ("mcr.microsoft.com/windows/servercore:1903", ["distribution"]),
        ("ubuntu:13.04", ["distribution"]),
        ("mcr.microsoft.com/dotnet/aspnet:10.0-noble", []),
        ("team/debian7-tools:1", ["distribution"]),
        ("team/mydebian7:1", []),
    ],
)
def test_reads_releases_in_tags_and_names(base: str, clauses: list[str]) -> None:
    """A distribution's name and version stand in a tag or in the repository, with or without a dash."""
    found = red("supported-base", f"FROM {base}\n", on="2026-06-01")
    assert sorted(clause or "" for _, clause in found) == clauses


@pytest.mark.parametrize("keyword", ["CMD", "ENTRYPOINT", "HEALTHCHECK CMD"])
@pytest.mark.parametrize(
    ("words", "clauses"),
    [
        ('["mix phx.server"]', ["one-string"]),
        ('["/app/run --listen 80", "x"]', ["one-string"]),
        ('["/opt/My Tool/run"]', []),
        ('["run", "two words"]', []),
        ('["run "]', []),
    ],
)
def test_flags_a_command_line_in_one_string(keyword: str, words: str, clauses: list[str]) -> None:
    """The engine looks for a program whose name is the whole line."""
    assert [clause for _, clause in red("exec-form", f"FROM debian:13\n{keyword} {words}\n")] == clauses


@pytest.mark.parametrize(
    "made",
    ["useradd app --uid 1000 --shell /bin/sh", "useradd -ms /bin/sh -u 1000 app", "adduser -D -u 1000 app"],
)
def test_knows_a_user_by_name_and_number(made: str) -> None:
    """Useradd takes its options on either side of the name."""
    text = f"FROM debian:13\nRUN {made}\nCOPY --chown=app:app . /app\nUSER 1000:1000\n"
    assert red("read-only-code", text) == [(3, "copied")]


def test_reads_the_names_in_a_variable() -> None:
    """A list of packages in ENV is what is installed; one in the shell is not known."""
    text = 'FROM alpine:3.23\nENV TOOLS="build-base curl"\nRUN apk add --no-cache $TOOLS\n'
    assert red("multi-stage", text) == [(3, "build-tools")]
    (finding,) = findings("pinned-packages", text)
    assert "installs build-base, curl at" in finding.message
    assert red("multi-stage", f"{text[:-1]} && apk del $TOOLS\n") == []


@pytest.mark.parametrize(
    ("run", "clause"),
    [
        ("yum install -y gcc-c++", "build-tools"),
        ("mvn -B clean package", "built-in-place"),
        ("./gradlew --no-daemon bootJar", "built-in-place"),
        ("mix release", "built-in-place"),
    ],
)
def test_flags_build_tools_of_other_languages(run: str, clause: str) -> None:
    """C++, Java and Elixir are compiled too."""
    assert red("multi-stage", f"FROM x:1\nRUN {run}\n") == [(2, clause)]


@pytest.mark.parametrize("run", ["mvn dependency:go-offline", "gradle --version", "mix deps.get"])
def test_passes_what_compiles_nothing(run: str) -> None:
    """The same programs do other things."""
    assert red("multi-stage", f"FROM x:1\nRUN {run}\n") == []


@pytest.mark.parametrize(
    "run",
    [
        "pecl install xdebug-3.4.0",
        "docker-php-ext-enable opcache xdebug",
        "apk add --no-cache php84-pecl-xdebug",
    ],
)
def test_flags_the_debugger_of_php(run: str) -> None:
    """It answers whoever can reach it."""
    assert red("no-dev-tools", f"FROM php:8.4\nRUN {run}\n") == [(2, "tools")]


def test_names_a_here_document() -> None:
    """Its delimiter is no file."""
    (finding,) = findings("copy-not-add", "FROM x:1\nADD <<EOF /a\nb\nEOF\n")
    assert finding.message.startswith("ADD of a here-document")


@pytest.mark.parametrize("value", ["", '""', "''"])
def test_counts_no_characters_of_an_empty_value(value: str) -> None:
    """The quotes are no value."""
    (finding,) = findings("no-secrets", f"FROM x:1\nENV DB_PASSWORD={value}\n")
    assert finding.message == "ENV DB_PASSWORD is there for a secret"


@pytest.mark.parametrize(
    ("command", "clauses"),
    [
        ("envsubst < /t > /etc/nginx/conf.d/default.conf && nginx", []),
        ("echo 1 > /srv/started && run", []),
        ("echo started >> /var/log/run.log && run", ["log-file"]),
        ("run > /var/out/run.txt 2>&1", ["log-file"]),
    ],
)
def test_passes_a_configuration_that_the_command_writes(command: str, clauses: list[str]) -> None:
    """What a tool for text writes is no log."""
    assert [clause for _, clause in red("streamed-logs", f"FROM x:1\nCMD {command}\n")] == clauses


def test_invalid_lines_are_errors_in_every_stage() -> None:
    """BuildKit reads the whole file, also what it will not build."""
    text = "FROM a AS unused\nRUM x\nFROM b\n"
    assert [one.severity.value for one in findings("valid-dockerfile", text)] == ["error"]


@pytest.mark.parametrize(
    ("volume", "lines"),
    [
        ("/srv/data:/data", [2]),
        ('["/data", "/srv:/srv"]', [2]),
        ("/data /logs", []),
        ("C:/data", []),
    ],
)
def test_flags_a_volume_of_the_host(volume: str, lines: list[int]) -> None:
    """BuildKit takes it for one path."""
    assert red("valid-dockerfile", f"FROM x:1\nVOLUME {volume}\n") == [(line, "volume") for line in lines]


@pytest.mark.parametrize(
    ("source", "clauses"),
    [
        (".env*", ["env-file"]),
        (".env.local*", ["env-file"]),
        ("keys/id_rsa*", ["key"]),
        (".env.example*", []),
        ("*", []),
        ("src/*", []),
    ],
)
def test_flags_a_pattern_that_begins_as_a_secret_file(source: str, clauses: list[str]) -> None:
    """`.env*` is written to take .env where it is there."""
    assert [clause for _, clause in red("no-secret-files", f"FROM x:1\nCOPY {source} /app/\n")] == clauses


@pytest.mark.parametrize(
    ("command", "clauses"),
    [
        ('CMD ["serve", "--port", "$PORT"]', ["no-expansion"]),
        ('ENTRYPOINT ["java", "-Dprofile=${PROFILE:-prod}", "Main"]', ["no-expansion"]),
        ('HEALTHCHECK CMD ["curl", "-f", "http://localhost:${PORT}/"]', ["no-expansion"]),
        ('CMD ["envsubst", "$PORT"]', []),
        ('CMD ["python", "-c", "import os; print(\'$HOME\')"]', []),
        ('CMD ["serve", "$", "$1", "cost$", "${a.b}"]', []),
        ('CMD ["cmd", "/c", "echo %PORT% $PORT"]', []),
    ],
)
def test_flags_a_variable_that_nobody_expands(command: str, clauses: list[str]) -> None:
    """An exec form goes to the program as it is written."""
    assert [clause for _, clause in red("exec-form", f"FROM x:1\n{command}\n")] == clauses


@pytest.mark.parametrize(
    ("entrypoint", "clauses"),
    [
        ('["/bin/sh", "-c"]', []),
        ('["/entrypoint.sh"]', []),
        ('["tini", "--", "sh", "-c"]', []),
        ('["/sbin/tini", "--"]', ["no-expansion"]),
    ],
)
def test_leaves_to_an_entrypoint_what_it_makes_of_the_command(entrypoint: str, clauses: list[str]) -> None:
    """A shell expands it; an init hands it on as it is."""
    text = f'FROM x:1\nENTRYPOINT {entrypoint}\nCMD ["serve", "$PORT"]\n'
    assert [clause for _, clause in red("exec-form", text) if clause != "shell-in-disguise"] == clauses


@pytest.mark.parametrize(
    ("run", "clauses"),
    [
        ("cd /var/cache && rm -rf dnf yum", []),
        ("cd /var && cd cache && rm -rf dnf libdnf5 yum", []),
        ("cd /srv && rm -rf dnf yum", ["dnf-cache"]),
    ],
)
def test_follows_cd_to_what_is_deleted(run: str, clauses: list[str]) -> None:
    """A relative path is relative to where the shell is."""
    text = f"FROM fedora:43\nRUN dnf -y install curl && {run}\n"
    assert [clause for _, clause in red("clean-package-caches", text)] == clauses


def test_names_the_folders_of_yum() -> None:
    """Which of them it is, the release decides."""
    (finding,) = findings("clean-package-caches", "FROM centos:7\nRUN yum -y install curl\n")
    assert "/var/cache/yum" in finding.message


@pytest.mark.parametrize(
    ("after", "clauses"),
    [
        ("apt-mark auto '.*'; apt-mark manual $saved; apt-get purge -y --auto-remove", []),
        ("apt-mark auto '.*' > /dev/null; apt-get -y autoremove", []),
        ("apt-mark auto '.*'; apt-mark manual libpq-dev; apt-get purge -y --auto-remove", ["build-tools"]),
        ("apt-get purge -y --auto-remove", ["build-tools"]),
        ("apt-mark auto '.*'", ["build-tools"]),
    ],
)
def test_passes_build_packages_that_the_same_run_takes_away(after: str, clauses: list[str]) -> None:
    """What is marked as automatic goes with what is removed."""
    text = f"FROM debian:13\nRUN apt-get update; apt-get install -y libpq-dev; make-it; {after}\n"
    assert [clause for _, clause in red("multi-stage", text)] == clauses


@pytest.mark.parametrize(
    ("stages", "clauses"),
    [
        ("FROM tonistiigi/xx:1.6 AS xx\nFROM x:1\nCOPY --from=xx / /\n", []),
        ("FROM x:1\nCOPY --from=tonistiigi/xx / /\n", []),
        ("FROM tonistiigi/xx AS xx\nRUN id\nFROM x:1\nCOPY --from=xx / /\n", ["whole-root"]),
        ("FROM y:1 AS xx\nFROM x:1\nCOPY --from=xx / /\n", ["whole-root"]),
    ],
)
def test_passes_the_scripts_that_are_made_to_be_copied_whole(stages: str, clauses: list[str]) -> None:
    """Nothing but scripts is in it."""
    assert [clause for _, clause in red("resolved-stages", stages)] == clauses


def test_a_variable_of_a_template_is_no_environment_file() -> None:
    """Go's templates write `.Env.NAME`."""
    assert red("no-secret-files", "FROM x:1\nADD {{ .Env.ROOTFS }} /\n") == []


def test_tells_once_what_a_run_stores_again() -> None:
    """A RUN makes one layer, whatever it changes of a file."""
    text = "FROM x:1\nCOPY a /srv/a\nRUN chgrp -R 0 /srv && chmod -R g=u /srv && chmod -R g+w /srv\n"
    assert red("no-wasted-bytes", text) == [(3, "rewritten")]


def test_names_where_a_path_in_an_empty_image_begins() -> None:
    """There is no base image to say anything."""
    (finding,) = findings("absolute-workdir", "FROM scratch\nCOPY app .\n")
    assert finding.message == "COPY goes to ., relative to /, with no WORKDIR before it"


@pytest.mark.parametrize(
    ("run", "clauses"),
    [
        ("echo 'app ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/app", ["no-password"]),
        ("echo 'app ALL=NOPASSWD:ALL' | tee -a /etc/sudoers", ["no-password"]),
        ("echo 'app ALL=(ALL) ALL' > /etc/sudoers.d/app", []),
        ("echo NOPASSWD > /etc/motd", []),
    ],
)
def test_flags_root_without_a_password(run: str, clauses: list[str]) -> None:
    """It makes every user of the image root."""
    assert [clause for _, clause in red("no-sudo", f"FROM x:1\nRUN {run}\n")] == clauses


def test_flags_what_pacman_brings() -> None:
    """Arch's base-devel holds the compiler."""
    assert red("multi-stage", "FROM archlinux:latest\nRUN pacman -S --noconfirm base-devel\n") == [
        (2, "build-tools")
    ]

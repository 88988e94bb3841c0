"""The order of copies and installations, in the ecosystems that have both."""

from __future__ import annotations

import pytest

from dockproof.policy import Profile
from tests.catalog.asking import ask, findings, red

POLICY = "cache-order"
PRODUCTION = Profile.PRODUCTION
CODE = [(2, "code-first")]


def stage(*lines: str) -> str:
    """Return a file of one stage with these lines behind its FROM."""
    return "\n".join(["FROM base:1", *lines, ""])


@pytest.mark.parametrize(
    "install",
    [
        "apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*",
        "apk add --no-cache curl",
        "dnf install -y curl && dnf clean all",
        "curl -fsSL https://example.com/setup | bash - && apt-get install -y nodejs",
        "sed -i s/a/b/ /etc/apt/sources.list && apt-get install -y curl",
        "pip install -r requirements.txt",
        "pip3 install --no-cache-dir --require-hashes -r requirements/prod.txt",
        "python -m pip install flask==3.0.0",
        "python -m venv /opt/venv && /opt/venv/bin/pip install -r requirements.txt",
        "uv pip install --system -r requirements.txt",
        "uv sync --frozen --no-install-project",
        "uv sync --locked",
        "poetry install --no-root",
        "poetry config virtualenvs.create false && poetry install --no-interaction",
        "pipenv install --deploy --system",
        "npm ci",
        "cd web && npm install",
        "npm install --global pm2@5.0.0",
        "yarn",
        "yarn install --frozen-lockfile && yarn cache clean",
        "corepack enable && pnpm install --frozen-lockfile",
        "pnpm fetch",
        "bun install",
        "bundle config set --local without test && bundle install",
        "gem install rails -v 8.0.0",
        "composer install --no-dev --no-scripts --no-autoloader",
        "composer install",
        "docker-php-ext-install pdo_mysql",
        "go mod download",
        "go mod download && go mod verify",
        "go install example.org/tool@v1.2.3",
        "cargo fetch --locked",
        "cargo chef cook --release --recipe-path recipe.json",
        "mvn --batch-mode dependency:go-offline",
        "./mvnw -B -DskipTests dependency:resolve dependency:resolve-plugins",
        "./gradlew --no-daemon dependencies",
        "dotnet restore",
        "conda env create -f environment.yml && conda clean -afy",
    ],
)
def test_flags_code_in_front_of_an_installation(install: str) -> None:
    """What needs nothing, or a manifest alone, stands before the code."""
    assert red(POLICY, stage("COPY . .", f"RUN {install}")) == CODE


@pytest.mark.parametrize(
    "install",
    [
        "make",
        "apt-get update && apt-get install -y gcc && make && apt-get purge -y gcc",
        "apt-get install -y ./local.deb",
        "apt-get install -y $(cat packages.txt)",
        "xargs apt-get install -y < packages.txt",
        "cp sources.list /etc/apt/sources.list && apt-get install -y curl",
        "pip install .",
        "pip install -e .",
        "pip install --no-index --find-links wheels -r requirements.txt",
        "pip install /wheels/*.whl",
        "npm ci && npm run build",
        "npm install ./packages/one",
        "npm run build",
        "yarn build",
        "go build ./...",
        "go install ./cmd/tool",
        "cargo build --locked --release",
        "cargo install --path .",
        "mvn --batch-mode package",
        "./gradlew build",
        "dotnet publish -c Release",
        "composer dump-autoload --optimize",
        "poetry build",
        "./install.sh",
        "pip list",
    ],
)
def test_passes_what_needs_the_code(install: str) -> None:
    """A build needs the code, and so may a command that is not known."""
    assert red(POLICY, stage("COPY . /src", "WORKDIR /src", "COPY . .", f"RUN {install}")) == []


@pytest.mark.parametrize(
    "copy",
    [
        "COPY . .",
        "COPY ./ /app/",
        "COPY * /app/",
        "COPY --link . .",
        "COPY --chown=1:1 --exclude=*.md . /app",
        "ADD . /app",
        "COPY src ./src",
        "COPY package.json app/ ./",
        "COPY main.py requirements.txt ./",
        'COPY ["src", "/src"]',
        "COPY *.go ./",
    ],
)
def test_flags_each_way_to_copy_code(copy: str) -> None:
    """The whole context, a folder for code, or files of a programming language."""
    assert red(POLICY, stage(copy, "RUN npm ci")) == CODE


@pytest.mark.parametrize(
    "copy",
    [
        "COPY package.json package-lock.json ./",
        "COPY package*.json ./",
        "COPY --parents **/package.json ./",
        "COPY requirements/ /requirements/",
        "COPY pyproject.toml uv.lock setup.py README.md ./",
        "COPY .mvn .mvn",
        "COPY vite.config.js .npmrc ./",
        "COPY *.csproj *.sln ./",
        "COPY docker/entrypoint.sh /",
        "ADD https://example.com/app /app",
        "COPY --from=node:24 /usr/local/bin /usr/local/bin",
        "COPY <<main /main.py\nprint()\nmain",
        "COPY $UNKNOWN /app",
    ],
)
def test_passes_manifests_and_what_changes_seldom(copy: str) -> None:
    """Manifests, settings, remote files and other images do not change with every commit."""
    assert red(POLICY, stage(copy, "RUN npm ci")) == []


@pytest.mark.parametrize("copy", ["COPY dist /srv", "COPY dist/* /srv/", "COPY target/*.jar app.jar"])
def test_flags_what_a_build_outside_made(copy: str) -> None:
    """It changes with the code; an agent's archive beside the Dockerfile does not."""
    assert red(POLICY, stage(copy, "RUN apk add --no-cache curl")) == CODE
    assert red(POLICY, stage("COPY agent.jar /", "RUN apk add --no-cache curl")) == []


def test_passes_good_order() -> None:
    """The manifest, the installation, then the code."""
    good = stage(
        "COPY package.json ./", "RUN npm ci", "COPY . .", "RUN npm run build", "RUN npm ci --omit=dev"
    )
    assert red(POLICY, good) == []


def test_names_the_first_installation_once() -> None:
    """Several copies and installations behind one another are one mistake, told where it begins."""
    text = stage("COPY src src", "COPY tests tests", "RUN npm ci", "RUN apk add --no-cache curl")
    (finding,) = findings(POLICY, text)
    assert finding.place.line == 2
    assert finding.message == (
        "`COPY src src` (the code) stands before `npm ci` (line 4), which needs only the manifest and the lock"
    )


def test_passes_manifest_that_a_command_has_written() -> None:
    """What an unknown command has prepared cannot stand before it."""
    assert red(POLICY, stage("COPY . .", "RUN ./generate.py", "RUN pip install -r requirements.txt")) == []
    assert red(POLICY, stage("COPY . .", "RUN ./add-repository.sh", "RUN apt-get install -y tool")) == []
    assert red(POLICY, stage("COPY rootfs/src /", "RUN apt-get install -y tool")) == []


def test_flags_behind_commands_that_prepare_nothing() -> None:
    """Rights and folders are no reason to install after the code."""
    assert red(POLICY, stage("COPY . .", "RUN chmod +x run.sh && mkdir -p log", "RUN npm ci")) == CODE
    assert red(POLICY, stage("COPY . .", "RUN npm run build", "RUN apk add --no-cache curl")) == CODE


def test_goes_on_through_the_stages() -> None:
    """A stage goes on where the one that it is built FROM ended; another begins anew."""
    text = """\
        FROM node:24 AS code
        WORKDIR /app
        COPY . .
        FROM code AS build
        RUN npm ci
        FROM code AS lint
        RUN npm ci
        FROM node:24
        RUN npm ci
        """
    assert red(POLICY, text) == [(3, "code-first")]


def test_flags_build_result_in_front_of_packages() -> None:
    """What another stage built of the code changes with it."""
    text = """\
        FROM golang:1.25 AS build
        COPY go.mod go.sum ./
        RUN go mod download
        COPY . .
        RUN go build -o /out/app
        FROM debian:13
        COPY --from=build /out/app /usr/local/bin/app
        RUN apt-get update && apt-get install -y tini
        """
    assert red(POLICY, text) == [(7, "built-first")]


@pytest.mark.parametrize(
    "lines",
    [
        ["COPY --from=build /app/node_modules node_modules", "RUN apk add --no-cache tini"],
        ["COPY --from=build /wheels /wheels", "RUN pip install --no-index --find-links=/wheels -r r.txt"],
        ["COPY --from=build /recipe.json .", "RUN cargo chef cook --recipe-path recipe.json"],
        ["COPY --from=build /rootfs /", "RUN apk add --no-cache tini"],
        ["COPY --from=tools /bin/tool /bin/tool", "RUN apk add --no-cache tini"],
        ["RUN apk add --no-cache tini", "COPY --from=build /out /app"],
    ],
)
def test_passes_what_stages_give(lines: list[str]) -> None:
    """Dependencies, whole root folders and stages without code are no code."""
    text = "FROM a:1 AS tools\nRUN true\nFROM a:1 AS build\nCOPY . .\nRUN make\nFROM a:1\n" + "\n".join(lines)
    assert red(POLICY, text) == []


def test_flags_mount_of_the_whole_context() -> None:
    """A bound context changes with every file in it; a bound manifest does not."""
    bound = "RUN --mount=type=bind,target=/src pip install -r /src/requirements.txt"
    assert red(POLICY, stage(bound)) == CODE
    assert red(POLICY, stage(bound.replace("pip install -r /src/requirements.txt", "make -C /src"))) == []
    single = "RUN --mount=type=bind,source=go.sum,target=go.sum --mount=type=cache,target=/go go mod download"
    assert red(POLICY, stage(single)) == []


@pytest.mark.parametrize(
    "line", ["ARG GIT_COMMIT", "ARG BUILD_DATE=unknown", "ENV REVISION=unknown", "ENV A=1 VCS_REF=$GIT"]
)
def test_flags_changing_value_in_front_of_an_installation(line: str) -> None:
    """Every later RUN runs again when it changes, used or not."""
    assert red(POLICY, stage(line, "RUN apt-get install -y curl")) == [(2, "changing-value")]


def test_flags_value_that_a_label_tells_to_change() -> None:
    """What is made into the image's version changes with it."""
    label = 'LABEL org.opencontainers.image.version="$VERSION"'
    assert red(POLICY, stage("ARG VERSION=1", "RUN apk add curl", label)) == [(2, "changing-value")]
    assert red(POLICY, stage("RUN apk add curl", "ARG VERSION=1", label)) == []
    used = stage("ARG VERSION=1", "RUN apk add curl", "RUN wget https://example.com/$VERSION", label)
    assert red(POLICY, used) == []


@pytest.mark.parametrize(
    "lines",
    [
        ["ARG GIT_COMMIT", "RUN apt-get install -y tool=$GIT_COMMIT"],
        ["ARG GIT_COMMIT=0123456789abcdef", "RUN apt-get install -y git"],
        ["ARG NODE_VERSION=24", "RUN npm ci"],
        ["ARG GIT_COMMIT", "RUN go build -ldflags=-X=main.commit=$GIT_COMMIT"],
        ["ARG GIT_COMMIT", "RUN make"],
        ["ARG SOURCE_DATE_EPOCH", "RUN npm ci"],
        ["RUN npm ci", "ARG GIT_COMMIT"],
        ['LABEL revision="1"', "RUN npm ci"],
    ],
)
def test_passes_values_that_are_used_or_do_not_change(lines: list[str]) -> None:
    """A value that the RUN uses, a pinned commit, a build that may read it, a label."""
    assert red(POLICY, stage(*lines)) == []


def test_passes_argument_in_front_of_from() -> None:
    """It is not seen by any RUN."""
    assert red(POLICY, "ARG GIT_COMMIT\nFROM a:1\nRUN npm ci\n") == []


def test_judges_triggers() -> None:
    """What ONBUILD runs is judged in its order."""
    assert red(POLICY, stage("ONBUILD COPY . .", "ONBUILD RUN npm ci")) == CODE
    assert red(POLICY, stage("ONBUILD COPY package.json .", "ONBUILD RUN npm ci", "ONBUILD COPY . .")) == []


def test_says_that_another_shell_is_not_looked_into() -> None:
    """PowerShell is no POSIX shell: not applicable, with that reason, once."""
    text = stage('SHELL ["powershell"]', "COPY . .", "RUN npm ci", "RUN npm ci")
    answers = ask(POLICY, text)
    assert answers.findings == ()
    assert [one.reason for one in answers.not_applicable] == ["SHELL is PowerShell, not a POSIX shell"]


def test_is_a_warning_and_in_development_information() -> None:
    """It costs time, not safety."""
    text = stage("COPY . .", "RUN npm ci")
    assert [str(one.severity) for one in findings(POLICY, text)] == ["warning"]
    development = findings(POLICY, text, profile=Profile.DEVELOPMENT)
    assert [str(one.severity) for one in development] == ["info"]


def _manifests(*runs: str) -> str:
    copies = "COPY requirements.txt .\nCOPY requirements-dev.txt .\n"
    return f"FROM python:3.13\n{copies}" + "".join(f"RUN {run}\n" for run in runs)


def test_flags_a_manifest_that_nothing_reads() -> None:
    """It only makes the installation run again when it changes."""
    assert red(POLICY, _manifests("pip install -r requirements.txt")) == [(3, "unread-manifest")]


@pytest.mark.parametrize(
    "run",
    [
        "pip install -r requirements.txt -r requirements-dev.txt",
        "pip install -r requirements*.txt",
        "pip install -r $WHICH.txt",
        "make install",
        "pip install .",
    ],
)
def test_passes_a_manifest_that_something_may_read(run: str) -> None:
    """Its name, a pattern, a variable or a tool of its own."""
    assert red(POLICY, _manifests(run)) == []


NEXT = """\
FROM node:24-alpine AS dependencies
RUN apk add --no-cache libc6-compat
WORKDIR /app
COPY package.json yarn.lock* package-lock.json* pnpm-lock.yaml* ./
RUN if [ -f yarn.lock ]; then yarn --frozen-lockfile; elif [ -f package-lock.json ]; then npm ci; fi
FROM node:24-alpine AS build
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
RUN npm run build
FROM node:24-alpine
WORKDIR /app
RUN addgroup --system nodejs && adduser --system next
COPY --from=build /app/public ./public
COPY --from=build --chown=next:nodejs /app/.next/standalone ./
"""
MONOREPO = """\
FROM node:24-alpine AS prepare
RUN apk add --no-cache libc6-compat
WORKDIR /app
COPY . .
RUN npx turbo@2.5.0 prune web --docker
FROM node:24-alpine AS install
WORKDIR /app
COPY --from=prepare /app/out/json/ .
RUN yarn install --frozen-lockfile
COPY --from=prepare /app/out/full/ .
RUN yarn turbo run build
"""
RAILS = """\
FROM ruby:3.4-slim AS base
WORKDIR /rails
RUN apt-get update && apt-get install --yes libjemalloc2 && rm -rf /var/lib/apt/lists/*
ENV RAILS_ENV=production BUNDLE_PATH=/usr/local/bundle
FROM base AS build
RUN apt-get update && apt-get install --yes build-essential && rm -rf /var/lib/apt/lists/*
COPY Gemfile Gemfile.lock ./
RUN bundle install && rm -rf ~/.bundle/ && bundle exec bootsnap precompile --gemfile
COPY . .
RUN bundle exec bootsnap precompile app/ lib/
RUN SECRET_KEY_BASE_DUMMY=1 ./bin/rails assets:precompile
FROM base
COPY --from=build /usr/local/bundle /usr/local/bundle
COPY --from=build /rails /rails
RUN groupadd --system rails && useradd rails --gid rails && chown -R rails:rails db log
"""
LARAVEL = """\
FROM php:8.4-fpm
RUN docker-php-ext-install pdo_mysql opcache
COPY --from=composer:2.8 /usr/bin/composer /usr/bin/composer
WORKDIR /srv
COPY composer.json composer.lock ./
RUN composer install --no-dev --no-scripts --no-autoloader
COPY . .
RUN composer dump-autoload --optimize --no-dev
RUN composer install --no-dev
"""
DOTNET = """\
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /src
COPY ["src/Api/Api.csproj", "src/Api/"]
COPY Directory.Build.props nuget.config ./
RUN dotnet restore src/Api/Api.csproj
COPY . .
RUN dotnet publish src/Api -c Release -o /app --no-restore
FROM mcr.microsoft.com/dotnet/aspnet:10.0
RUN apt-get update && apt-get install --yes curl
COPY --from=build /app .
"""
UV = """\
FROM python:3.13-slim
COPY --from=ghcr.io/astral-sh/uv:0.9.0 /uv /bin/
WORKDIR /app
RUN --mount=type=cache,target=/uv-cache \\
    --mount=type=bind,source=uv.lock,target=uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    uv sync --locked --no-install-project
COPY . /app
RUN --mount=type=cache,target=/uv-cache uv sync --locked
"""


@pytest.mark.parametrize(
    "text",
    [NEXT, MONOREPO, RAILS, LARAVEL, DOTNET, UV],
    ids=["next", "monorepo", "rails", "laravel", "dotnet", "uv"],
)
def test_passes_the_order_that_frameworks_advise(text: str) -> None:
    """No false alarm on what the frameworks' own documents show."""
    assert red(POLICY, text) == []

"""Good Dockerfiles of eight ecosystems, generated: no policy fires on them, and every edit of them is noticed.

Each recipe is a build as careful engineers write it there: stages, digests, lock files, cache mounts, a numeric user,
an exec form health check, labels. What all of them share is written once, in `_text`.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from dockproof.config import Config
from dockproof.facts.context import BuildContext
from dockproof.facts.context import parse as parse_ignore
from dockproof.proof.source import Good
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

TODAY = "2026-06-01"
"""The day that the recipes' releases are judged on: a proof must not fail because time went by."""
REGISTRIES = ("docker.io/docker", "docker.io/library", "gcr.io/distroless", "registry.access.redhat.com/ubi9")
IGNORED = ".git\n.github\n**/.env*\n**/*.pem\n**/node_modules\n**/target\n**/__pycache__\n**/*.md\n.venv\n"


class Recipe(NamedTuple):
    """What is special about the builds of one ecosystem.

    Attributes:
        name: of the ecosystem.
        about: the comment above the file.
        build: the instructions of the stages before the shipped one; `{digest}` follows a base's tag.
        base: what the shipped stage is built FROM.
        install: its RUN and ENV.
        copy: what it takes from the others.
        check: the health check's command.
        run: ENTRYPOINT and CMD.
        port: the port that it listens on.
        user: its user and group.
    """

    name: str
    about: str
    build: str
    base: str
    install: str
    copy: str
    check: Sequence[str]
    run: str
    port: int = 8080
    user: str = "10001:10001"


def settings() -> Config:
    """Return the configuration that generated files are held to: the built-in defaults, on the recipes' day."""
    options: dict[str, dict[str, Any]] = {
        "supported-base": {"on": TODAY},
        "trusted-registry": {"registries": REGISTRIES},
    }
    return Config(options=options, installed=False)


def generate() -> dict[str, Good]:
    """Return the good Dockerfiles by name, as `good/debian`; none of them lies on a disk."""
    context = BuildContext(os.devnull, ".dockerignore", parse_ignore(IGNORED))
    found = {}
    for recipe in RECIPES:
        name = f"good/{recipe.name}"
        found[name] = Good(name, _text(recipe), context=context)
    return found


def _pinned(image: str) -> str:
    """Return the image with a digest, which is made of its name: nothing is pulled."""
    return f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _text(recipe: Recipe) -> str:
    """Write the file of a recipe."""
    lines = [
        f"# {recipe.about}",
        *(_with_digests(line) for line in recipe.build.strip("\n").splitlines()),
        "",
        f"FROM {_pinned(recipe.base)} AS runtime",
        *recipe.install.strip("\n").splitlines(),
        "WORKDIR /app",
        *recipe.copy.strip("\n").splitlines(),
        f"USER {recipe.user}",
        f"EXPOSE {recipe.port}",
        "STOPSIGNAL SIGTERM",
        "HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \\",
        f"    CMD {json.dumps(list(recipe.check))}",
        *recipe.run.strip("\n").splitlines(),
        "# Last, since they change with each commit.",
        "ARG VERSION=1.0.0",
        "ARG REVISION=unknown",
        f'LABEL org.opencontainers.image.title="{recipe.name}-service" \\',
        '      org.opencontainers.image.licenses="Apache-2.0" \\',
        '      org.opencontainers.image.version="$VERSION" \\',
        '      org.opencontainers.image.revision="$REVISION"',
    ]
    return "\n".join(lines) + "\n"


def _with_digests(line: str) -> str:
    """Pin the image of a FROM line, unless it names a stage."""
    words = line.split(" ")
    if words[0] == "FROM" and ":" in words[1]:
        return " ".join([words[0], _pinned(words[1]), *words[2:]])
    return line


_DEBIAN = Recipe(
    "debian",
    "A service in C, with packages from Debian and from a vendor's repository.",
    """
FROM debian:trixie-slim AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends \\
      gcc=4:14.2.0-1 \\
      libc6-dev=2.41-12 \\
      make=4.4.1-2 \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile ./
COPY src ./src
RUN make && install -D service /out/usr/local/bin/service
""",
    "debian:trixie-slim",
    """
ADD --chmod=0644 --checksum=sha256:5f2ce1ab8b1e1a9d1ee2b1c0a1d4ef6f93ba1a2be64f7e9d0f6c45d8ac1f3c01 \\
    https://download.example.com/key.asc /etc/apt/keyrings/example.asc
RUN <<EOF
set -eu
echo "deb [signed-by=/etc/apt/keyrings/example.asc] https://download.example.com/apt trixie main" \\
  > /etc/apt/sources.list.d/example.list
apt-get update
apt-get install --yes --no-install-recommends ca-certificates=20250419 curl=8.14.1-2 tini=0.19.0-3+b1
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
EOF

ENV LANG=C.UTF-8
""",
    "COPY --link --from=build /out/usr/local/bin/service /usr/local/bin/service",
    ["curl", "--fail", "--silent", "--max-time", "2", "http://127.0.0.1:8080/health"],
    """
ENTRYPOINT ["tini", "--", "service"]
CMD ["--listen", "8080"]
""",
)
_ALPINE = Recipe(
    "alpine",
    "A service in C on Alpine, its compiler in a stage of its own.",
    """

FROM alpine:3.23 AS build
RUN apk add --no-cache gcc=15.2.0-r2 make=4.4.1-r3 musl-dev=1.2.5-r21
WORKDIR /src
COPY . .
RUN make -C /src install DESTDIR=/out
""",
    "alpine:3.23",
    """
RUN apk add --no-cache ca-certificates=20251003-r0 tini=0.19.0-r3 \\
 && addgroup -S -g 10001 app \\
 && adduser -S -D -H -u 10001 -G app app
""",
    "COPY --from=build /out/usr/local/bin/service /usr/local/bin/service",
    ["wget", "-q", "-T", "2", "-O", "/dev/null", "http://127.0.0.1:8080/health"],
    'ENTRYPOINT ["tini", "--", "service"]',
)
_UBI = Recipe(
    "ubi",
    "A service in C++ on the Universal Base Image.",
    """
FROM registry.access.redhat.com/ubi9/ubi:9.6 AS build
RUN dnf install --assumeyes --nodocs --setopt=install_weak_deps=False gcc-c++-11.5.0-5.el9 make-4.3-8.el9 \\
 && dnf clean all
WORKDIR /src
COPY Makefile ./
COPY src ./src
RUN make -j 2 && install -D service /out/service
""",
    "registry.access.redhat.com/ubi9/ubi-minimal:9.6",
    """
RUN microdnf install --assumeyes --nodocs --setopt=install_weak_deps=0 shadow-utils-2:4.9-12.el9 \\
 && microdnf clean all \\
 && rm -rf /var/log/dnf* /var/lib/dnf
""",
    "COPY --from=build /out/service /app/service",
    ["/app/service", "--check"],
    'CMD ["/app/service"]',
)
_NODE = Recipe(
    "node",
    "A service in TypeScript; the compiler and the tests stay in the build stage.",
    """
FROM node:24-alpine3.23 AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --omit=dev --ignore-scripts --cache=/var/cache/npm

FROM node:24-alpine3.23 AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/var/cache/npm npm ci --ignore-scripts --cache=/var/cache/npm
COPY tsconfig.json ./
COPY src ./src
RUN npm run build
""",
    "node:24-alpine3.23",
    "ENV NODE_ENV=production",
    """
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
""",
    ["node", "dist/health.js"],
    'CMD ["node", "dist/server.js"]',
    port=3000,
    user="1000:1000",
)
_GO = Recipe(
    "go",
    "A static program in Go, alone on a distroless base.",
    """
FROM golang:1.26-trixie AS build
WORKDIR /src
RUN --mount=type=cache,target=/go/pkg/mod \\
    --mount=type=bind,source=go.sum,target=go.sum \\
    --mount=type=bind,source=go.mod,target=go.mod \\
    go mod download
RUN --mount=type=cache,target=/go/pkg/mod go install golang.org/x/vuln/cmd/govulncheck@v1.1.4
COPY . .
ENV CGO_ENABLED=0 GOCACHE=/var/cache/go-build
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/var/cache/go-build \\
    govulncheck ./... && go build -trimpath -ldflags="-s -w" -o /out/service ./cmd/service
""",
    "gcr.io/distroless/static-debian12:nonroot",
    "",
    "COPY --link --from=build /out/service /usr/local/bin/service",
    ["/usr/local/bin/service", "health"],
    'ENTRYPOINT ["/usr/local/bin/service"]',
    user="65532:65532",
)
_JAVA = Recipe(
    "java",
    "A service in Java, built with Maven's wrapper and run by a JRE.",
    """
FROM eclipse-temurin:21-jdk-noble AS build
WORKDIR /src
ENV MAVEN_OPTS=-Dmaven.repo.local=/var/cache/m2
COPY mvnw pom.xml ./
COPY .mvn .mvn
RUN --mount=type=cache,target=/var/cache/m2 ./mvnw --batch-mode dependency:go-offline
COPY src src
RUN --mount=type=cache,target=/var/cache/m2 ./mvnw --batch-mode --offline package -DskipTests
""",
    "eclipse-temurin:21-jre-noble",
    'ENV JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75"',
    "COPY --from=build /src/target/service.jar ./",
    ["java", "-cp", "/app/service.jar", "com.example.Health"],
    'CMD ["java", "-jar", "/app/service.jar"]',
)
_RUST = Recipe(
    "rust",
    "A service in Rust; dependencies are built before the code is copied.",
    """
FROM rust:1.95-slim-trixie AS chef
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo install --locked cargo-chef@0.1.73
WORKDIR /src

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path /recipe.json

FROM chef AS build
COPY --from=planner /recipe.json recipe.json
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo chef cook --release --recipe-path recipe.json
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo build --locked --release
""",
    "debian:trixie-slim",
    "",
    "COPY --from=build /src/target/release/service /usr/local/bin/service",
    ["service", "health"],
    'CMD ["service"]',
)
_PYTHON = Recipe(
    "python",
    "A service in Python: its packages in one virtual environment, with hashes.",
    """
FROM python:3.13-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /build/
RUN /opt/venv/bin/pip install --no-compile --require-hashes --requirement /build/requirements.txt
""",
    "python:3.13-slim-trixie",
    """
ENV PATH=/opt/venv/bin:$PATH \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1
""",
    """
COPY --from=build /opt/venv /opt/venv
COPY src/service ./service
""",
    ["python", "-m", "service.health"],
    'CMD ["python", "-m", "service"]',
    port=8000,
)

RECIPES = (_DEBIAN, _ALPINE, _UBI, _NODE, _GO, _JAVA, _RUST, _PYTHON)

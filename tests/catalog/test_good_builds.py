"""Builds as careful people write them, for eight ecosystems: no policy says anything of them.

The generated files, in all their spellings, are whole: every policy is asked. The files below are parts of builds, with
other words for the same, for the policies of packages and downloads.
"""

from __future__ import annotations

import pytest

from dockproof import catalog
from dockproof.facts.dockerfile import parse
from dockproof.policy import Profile
from dockproof.proof import goods, source, spellings
from tests.catalog.asking import findings

GENERATED = [spelt for good in goods.generate().values() for spelt in (good, *spellings.of(good))]

POLICIES = (
    "absolute-workdir",
    "clean-package-caches",
    "locked-dependencies",
    "no-recommends",
    "no-sudo",
    "pinned-packages",
    "signed-packages",
    "supported-base",
    "update-with-install",
    "verified-download",
    "verified-tls",
)
SUM = f"sha256:{'0' * 64}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

DEBIAN = f"""
FROM debian:trixie-slim@{SUM}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ADD --checksum={SUM} https://download.example.com/key.asc /etc/apt/keyrings/example.asc
RUN echo "deb [signed-by=/etc/apt/keyrings/example.asc] https://download.example.com/apt trixie main" \\
      > /etc/apt/sources.list.d/example.list \\
 && apt-get update \\
 && apt-get install --yes --no-install-recommends \\
      ca-certificates=20250419 \\
      tini=0.19.0-3+b1 \\
 && rm -rf /var/lib/apt/lists/*
ARG TOOL_VERSION=1.2.3
RUN curl -fsSLo /tmp/tool.tar.gz "https://example.com/tool-$TOOL_VERSION.tar.gz" \\
 && echo "abc  /tmp/tool.tar.gz" | sha256sum --check --strict \\
 && tar --extract --gzip --file /tmp/tool.tar.gz --directory /usr/local/bin \\
 && rm /tmp/tool.tar.gz
WORKDIR /srv
COPY site ./site
USER 10001:10001
ENTRYPOINT ["tini", "--", "tool"]
"""

ALPINE = f"""
FROM alpine:3.23@{SUM} AS build
RUN apk add --no-cache --virtual .build-deps gcc=15.2.0-r2 musl-dev=1.2.5-r21
WORKDIR /src
COPY . .
RUN make -C /src install DESTDIR=/out
FROM alpine:3.23@{SUM}
RUN --mount=type=cache,target=/etc/apk/cache apk add 'ca-certificates>20250000'
COPY --from=build /out/ /
USER 10001:10001
"""

UBI = f"""
FROM ubi9/ubi-minimal:9.6@{SUM}
RUN microdnf install --assumeyes --nodocs --setopt=install_weak_deps=0 shadow-utils-2:4.9-12.el9 \\
 && microdnf clean all
RUN rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release
WORKDIR /opt/app
COPY app.jar .
USER 1001
"""

NODE = f"""
FROM node:24-alpine3.23@{SUM} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/home/app/.npm npm ci --omit=dev
FROM dependencies AS build
COPY . .
RUN --mount=type=cache,target=/home/app/.npm npm ci && npm run build
FROM node:24-alpine3.23@{SUM}
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
CMD ["node", "dist/server.js"]
"""

GO = f"""
FROM golang:1.99-trixie@{SUM} AS build
WORKDIR /src
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=bind,source=go.sum,target=go.sum go mod download
RUN go install golang.example.org/tools/cmd/stringer@v0.30.0
COPY . .
ENV CGO_ENABLED=0
RUN --mount=type=cache,target=/home/app/.cache/go-build go build -trimpath -ldflags="-s -w" -o /out/app ./cmd/app
FROM distroless/static-debian12@{SUM}
COPY --from=build /out/app /app
USER 65532:65532
ENTRYPOINT ["/app"]
"""

JAVA = f"""
FROM eclipse-temurin:21-jdk-noble@{SUM} AS build
WORKDIR /src
COPY mvnw pom.xml ./
COPY .mvn .mvn
RUN --mount=type=cache,target=/home/app/.m2 ./mvnw --batch-mode dependency:go-offline
COPY src src
RUN --mount=type=cache,target=/home/app/.m2 ./mvnw --batch-mode --offline package -DskipTests
FROM eclipse-temurin:21-jre-noble@{SUM}
WORKDIR /app
COPY --from=build /src/target/app.jar .
USER 10001:10001
CMD ["java", "-jar", "app.jar"]
"""

RUST = f"""
FROM rust:1.90-slim-trixie@{SUM} AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo build --locked --release
RUN cargo install --locked --root /out cargo-audit@0.21.2
FROM debian:trixie-slim@{SUM}
COPY --from=build /src/target/release/app /usr/local/bin/app
USER 10001:10001
CMD ["app"]
"""

PYTHON = f"""
FROM python:3.13-slim-trixie@{SUM} AS build
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --require-hashes --requirement /tmp/requirements.txt
COPY . /src
RUN /opt/venv/bin/pip install --no-deps /src
ADD https://github.com/example/data.git#{COMMIT} /data
FROM python:3.13-slim-trixie@{SUM}
COPY --from=build /opt/venv /opt/venv
COPY --from=build /data /data
WORKDIR /app
USER 10001:10001
CMD ["/opt/venv/bin/python", "-m", "app"]
"""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "text",
    [DEBIAN, ALPINE, UBI, NODE, GO, JAVA, RUST, PYTHON],
    ids=["debian", "alpine", "ubi", "node", "go", "java", "rust", "python"],
)
def test_says_nothing_of_a_good_build(text: str, policy: str) -> None:
    """No false alarm on what follows the policy's own advice."""
    found = findings(policy, text, on="2026-06-01") if policy == "supported-base" else findings(policy, text)
    assert [(f.place.line, f.clause, f.message) for f in found] == []


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("good", GENERATED, ids=lambda good: good.name)
def test_no_policy_fires_on_a_generated_file(good: source.Good, profile: Profile) -> None:
    """All policies, however the same build is written, whatever the image is for."""
    assert not parse(good.text).problems
    said = source.answers(good._replace(profile=profile), good.text, catalog.load(), goods.settings())
    assert [(f.place.line, f.policy, f.clause, f.message) for f in said.findings] == []
    assert said.not_looked == ()


def test_every_spelling_is_another_one_somewhere() -> None:
    """A spelling that changes no file shows nothing."""
    changed = {good.name.partition(", ")[2] for good in GENERATED} - {""}
    assert changed == set(spellings.SPELLINGS)


def test_generated_files_are_written_like_engineers_write() -> None:
    """Stages, digests, cache mounts, here-documents, lock files, exec form health checks, numeric users and labels."""
    text = "\n".join(good.text for good in goods.generate().values())
    assert list(goods.generate()) == [
        f"good/{name}" for name in ("debian", "alpine", "ubi", "node", "go", "java", "rust", "python")
    ]
    for part in (
        "--mount=type=cache",
        "--mount=type=bind",
        "<<EOF",
        "npm ci",
        "--require-hashes",
        "--locked",
        "--link",
    ):
        assert part in text
    for good in goods.generate().values():
        shipped = parse(good.text).stages[-1]
        assert len(parse(good.text).stages) > 1
        assert shipped.user is not None
        assert (shipped.user.value.text or "").replace(":", "").isdigit()
        assert shipped.healthcheck is not None
        assert shipped.healthcheck.value.json
        assert "org.opencontainers.image.revision" in shipped.labels

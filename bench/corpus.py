"""Dockerfiles as people write them, made from a seed: multi-stage files for Python, Node, Go, Java and Rust.

They vary in length, in habits good and bad, and in what they use: comments, arguments, heredocs, mounts, exec and
shell form. The same seed gives the same files, byte for byte.
"""

from __future__ import annotations

import random

SEED = 20261122
COUNT = 1_200

_DEBIAN_PACKAGES = [
    "build-essential",
    "ca-certificates",
    "curl",
    "git",
    "gnupg",
    "jq",
    "libffi-dev",
    "libpq-dev",
    "libssl-dev",
    "libxml2-dev",
    "make",
    "netcat-openbsd",
    "openssh-client",
    "pkg-config",
    "procps",
    "python3-dev",
    "tini",
    "tzdata",
    "unzip",
    "wget",
    "xz-utils",
    "zlib1g-dev",
]
_ALPINE_PACKAGES = [
    "bash",
    "build-base",
    "ca-certificates",
    "curl",
    "git",
    "libc6-compat",
    "musl-dev",
    "openssl",
    "tini",
    "tzdata",
]
_NAMES = [
    "api",
    "billing",
    "catalog",
    "gateway",
    "indexer",
    "ledger",
    "mailer",
    "orders",
    "reports",
    "search",
    "sessions",
    "worker",
]
_SENTENCES = (
    "Install what the build needs",
    "Dependencies change seldom: copied first, so that the layer stays in the cache",
    "The application itself",
    "Run as a user of its own",
    "Nothing of the compiler reaches this stage",
    "See the README for the ports",
    "Keep in step with the CI image",
)


class _Writer:
    """One file in the making; every choice is drawn from the same generator."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.name = draw.choice(_NAMES)
        self.lines: list[str] = []

    def add(self, *lines: str) -> None:
        """Append lines, now and then with a comment or a blank line in front."""
        if self.maybe(0.35):
            self.lines += ["", f"# {self.draw.choice(_SENTENCES)}"]
        elif self.maybe(0.3):
            self.lines.append("")
        self.lines += lines

    def maybe(self, chance: float) -> bool:
        """True that often."""
        return self.draw.random() < chance

    def run(self, *commands: str, flags: tuple[str, ...] = ()) -> None:
        """Write a RUN: commands joined by `&&` over several lines, or a heredoc."""
        if self.maybe(0.12) and len(commands) > 1:
            self.add(" ".join(["RUN", *flags, "<<EOF"]), "set -eux", *commands, "EOF")
            return
        joint = " \\\n    && "
        text = joint.join(commands)
        lead = "".join(f"{flag} \\\n    " for flag in flags)
        if self.maybe(0.1) and len(commands) > 1:
            text = text.replace(joint, " \\\n    # the next step\n    && ", 1)
        self.add(*f"RUN {lead}{text}".split("\n"))

    def apt(self, count: int) -> None:
        """Write an installation of Debian packages, clean or not."""
        chosen = sorted(self.draw.sample(_DEBIAN_PACKAGES, count))
        pinned = [f"{name}=1:2.3.4-5" if self.maybe(0.08) else name for name in chosen]
        recommends = " --no-install-recommends" if self.maybe(0.7) else ""
        listed = " \\\n        ".join(pinned)
        commands = ["apt-get update", f"apt-get install -y{recommends} \\\n        {listed}"]
        if self.maybe(0.8):
            commands.append("rm -rf /var/lib/apt/lists/*")
        flags = ("--mount=type=cache,target=/var/cache/apt,sharing=locked",) if self.maybe(0.1) else ()
        self.run(*commands, flags=flags)

    def user(self) -> None:
        """Write the creation of a user and the switch to it, most of the time."""
        if self.maybe(0.25):
            return
        self.run(
            "groupadd --system --gid 10001 app",
            "useradd --system --uid 10001 --gid app --no-create-home --shell /usr/sbin/nologin app",
        )
        self.add(self.draw.choice(["USER app", "USER 10001:10001", "USER ${APP_UID:-10001}"]))

    def health(self, port: int) -> None:
        """Write a health check in one of its forms, or none."""
        probe = f"http://127.0.0.1:{port}/health"
        form = self.draw.choice(
            [
                f"CMD curl --fail --silent {probe} || exit 1",
                f'CMD ["wget", "-q", "-O", "/dev/null", "{probe}"]',
                "",
            ]
        )
        if form:
            self.add(f"HEALTHCHECK --interval=30s --timeout=3s --start-period=20s --retries=3 {form}")

    def labels(self) -> None:
        """Write a few annotations."""
        self.add(
            f'LABEL org.opencontainers.image.title="{self.name}" \\',
            '      org.opencontainers.image.version="${VERSION:-dev}" \\',
            f'      org.opencontainers.image.description="The {self.name} of the shop"',
        )

    def start(self, *words: str) -> None:
        """Write CMD, sometimes behind an ENTRYPOINT, mostly in exec form."""
        if self.maybe(0.3):
            self.add('ENTRYPOINT ["/usr/bin/tini", "--"]')
        listed = ", ".join(f'"{word}"' for word in words)
        self.add(f"CMD [{listed}]" if self.maybe(0.8) else f"CMD {' '.join(words)}")

    def base(self, image: str, name: str = "") -> None:
        """Write a FROM, pinned by digest now and then."""
        digest = f"@sha256:{self.draw.randbytes(32).hex()}" if self.maybe(0.3) else ""
        self.lines += ["", f"FROM {image}{digest}" + (f" AS {name}" if name else "")]


def _python(out: _Writer) -> None:
    out.add("ARG PYTHON_VERSION=3.13")
    out.base("python:${PYTHON_VERSION}-slim", "builder")
    out.add(
        "ENV PIP_NO_CACHE_DIR=1 \\", "    PIP_DISABLE_PIP_VERSION_CHECK=1 \\", "    PYTHONDONTWRITEBYTECODE=1"
    )
    out.apt(out.draw.randint(3, 8))
    out.add("WORKDIR /build", "COPY requirements.txt requirements-dev.txt ./")
    out.run("python -m venv /opt/venv", "/opt/venv/bin/pip install --require-hashes -r requirements.txt")
    out.base("python:${PYTHON_VERSION}-slim", "runtime")
    out.apt(out.draw.randint(1, 3))
    out.labels()
    out.add('ENV PATH="/opt/venv/bin:$PATH" PYTHONUNBUFFERED=1', "WORKDIR /app")
    out.add("COPY --from=builder /opt/venv /opt/venv", "COPY app ./app", "COPY alembic.ini ./")
    out.user()
    out.add("EXPOSE 8000")
    out.health(8000)
    out.start("uvicorn", f"{out.name}.main:app", "--host", "0.0.0.0", "--port", "8000")  # noqa: S104  # a container


def _node(out: _Writer) -> None:
    out.base("node:22-alpine", "deps")
    out.run("apk add --no-cache " + " ".join(sorted(out.draw.sample(_ALPINE_PACKAGES, 4))))
    out.add("WORKDIR /app", "COPY package.json package-lock.json ./")
    out.run(
        "npm ci --omit=dev", "npm cache clean --force", flags=("--mount=type=cache,target=/home/app/.npm",)
    )
    out.base("node:22-alpine", "build")
    out.add("WORKDIR /app", "COPY --from=deps /app/node_modules ./node_modules", "COPY . .")
    out.run("npm run lint", "npm run build", 'if [ "$SKIP_TESTS" != 1 ]; then npm test; fi')
    out.base("node:22-alpine", "runner")
    out.add("ENV NODE_ENV=production", "ENV NEXT_TELEMETRY_DISABLED 1", "WORKDIR /app")
    out.labels()
    out.add("COPY --from=build --chown=node:node /app/dist ./dist")
    out.add("COPY --from=deps --chown=node:node /app/node_modules ./node_modules", "COPY package.json ./")
    out.add("USER node", "EXPOSE 3000", "ENV PORT=3000")
    out.health(3000)
    out.start("node", "dist/server.js")


def _go(out: _Writer) -> None:
    out.add("ARG GO_VERSION=1.25")
    out.base("--platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm", "build")
    out.add("ARG TARGETOS", "ARG TARGETARCH", "ARG VERSION=dev", "WORKDIR /src", "COPY go.mod go.sum ./")
    out.run("go mod download", "go mod verify", flags=("--mount=type=cache,target=/go/pkg/mod",))
    out.add("COPY . .")
    out.run(
        f'CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \\\n        -ldflags "-s -w -X '
        f'main.version=${{VERSION}}" \\\n        -o /out/{out.name} ./cmd/{out.name}',
        flags=(
            "--mount=type=cache,target=/home/app/.cache/go-build",
            "--mount=type=cache,target=/go/pkg/mod",
        ),
    )
    out.base("gcr.io/distroless/static-debian12:nonroot" if out.maybe(0.6) else "scratch")
    out.labels()
    out.add("COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/")
    out.add(f"COPY --from=build /out/{out.name} /{out.name}", "USER 65532:65532", "EXPOSE 8080 9090/tcp")
    out.add(f'ENTRYPOINT ["/{out.name}"]')


def _java(out: _Writer) -> None:
    out.base("eclipse-temurin:21-jdk", "build")
    out.add("WORKDIR /project", "COPY mvnw pom.xml ./", "COPY .mvn .mvn")
    out.run("./mvnw -B -q dependency:go-offline", flags=("--mount=type=cache,target=/home/app/.m2",))
    out.add("COPY src src")
    out.run(
        "./mvnw -B package -DskipTests",
        "mkdir -p target/dependency",
        "cd target/dependency",
        "jar -xf ../*.jar",
        flags=("--mount=type=cache,target=/home/app/.m2",),
    )
    out.base("eclipse-temurin:21-jre")
    out.apt(out.draw.randint(1, 3))
    out.add(
        f"ARG APP_HOME=/opt/{out.name}", 'ENV JAVA_OPTS="-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"'
    )
    out.add("WORKDIR ${APP_HOME}", "ARG DEPENDENCY=/project/target/dependency")
    for source, target in (("BOOT-INF/lib", "lib"), ("META-INF", "META-INF"), ("BOOT-INF/classes", ".")):
        out.add(f"COPY --from=build ${{DEPENDENCY}}/{source} ${{APP_HOME}}/{target}")
    if out.maybe(0.4):
        url = f"https://example.com/agents/{out.name}-agent-1.2.3.jar"
        out.run(f"curl -fsSLo agent.jar {url}", 'echo "$AGENT_SHA256  agent.jar" | sha256sum -c -')
    out.user()
    out.add("EXPOSE 8080")
    out.health(8080)
    out.add(f'CMD ["sh", "-c", "exec java $JAVA_OPTS -cp .:lib/* shop.{out.name}.Application"]')


def _rust(out: _Writer) -> None:
    out.add("ARG RUST_VERSION=1.90")
    out.base("rust:${RUST_VERSION}-bookworm", "chef")
    out.run("cargo install --locked cargo-chef@0.1.72")
    out.add("WORKDIR /app")
    out.lines += ["", "FROM chef AS planner"]
    out.add("COPY . .", "RUN cargo chef prepare --recipe-path recipe.json")
    out.lines += ["", "FROM chef AS builder"]
    out.add("COPY --from=planner /app/recipe.json recipe.json")
    out.run(
        "cargo chef cook --release --recipe-path recipe.json",
        flags=("--mount=type=cache,target=/usr/local/cargo/registry",),
    )
    out.add("COPY . .", f"RUN cargo build --release --locked --bin {out.name}")
    out.base("debian:13-slim", "runtime")
    out.apt(out.draw.randint(1, 4))
    out.labels()
    out.add(f"COPY --from=builder /app/target/release/{out.name} /usr/local/bin/")
    out.user()
    out.add("ENV RUST_LOG=info", "EXPOSE 7000/tcp", "STOPSIGNAL SIGINT")
    out.health(7000)
    out.start(f"/usr/local/bin/{out.name}", "--config", f"/etc/{out.name}.toml")


def dockerfiles(count: int = COUNT, seed: int = SEED) -> list[str]:
    """The texts, languages in turn."""
    draw = random.Random(seed)  # noqa: S311  # a corpus, no secret
    texts = []
    for index in range(count):
        writer = _Writer(draw)
        if writer.maybe(0.5):
            writer.lines.append("# syntax=docker/dockerfile:1")
        (_python, _node, _go, _java, _rust)[index % 5](writer)
        texts.append("\n".join(writer.lines).lstrip("\n") + "\n")
    return texts

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockproof import catalog, gate, secret_files
from dockproof.config import Config
from dockproof.facts.context import BuildContext
from dockproof.facts.dockerfile import parse
from dockproof.facts.image import FileEntry, ImageConfig, ImageFacts, Layer
from dockproof.finding import Finding, Probe
from dockproof.policy import ImageTarget, Profile
from tests.catalog.asking import red

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "no-secret-files"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (".env", "env-file"),
        ("config/.env.production", "env-file"),
        ("prod.env", "env-file"),
        ("id_rsa", "key"),
        ("deploy/id_ed25519", "key"),
        ("tls/server.key", "key"),
        ("tls/server-key.pem", "key"),
        ("ca-key.pem", "key"),
        ("privkey.pem", "key"),
        ("store.p12", "key"),
        ("keys/app.jks", "key"),
        (".npmrc", "credentials"),
        ("/home/app/.netrc", "credentials"),
        (".pypirc", "credentials"),
        (".git-credentials", "credentials"),
        ("/home/app/.docker/config.json", "credentials"),
        (".aws/credentials", "credentials"),
        (".ssh", "credentials"),
        ("/home/app/.ssh/deploy", "credentials"),
        ("my-service-account.json", "credentials"),
        ("credentials.json", "credentials"),
        ("secrets.yaml", "credentials"),
        ("kubeconfig", "credentials"),
    ],
)
def test_knows_files_that_hold_secrets(path: str, kind: str) -> None:
    """By name, by extension, by folder."""
    assert secret_files.kind(path) == kind


@pytest.mark.parametrize(
    "path",
    [
        ".env.example",
        ".env.sample",
        "env.py",
        "environment.yaml",
        "id_rsa.pub",
        "/home/app/.ssh/known_hosts",
        "/home/app/.ssh/authorized_keys",
        "nodesource.gpg.key",
        "/etc/apt/trusted.gpg.d/docker.key",
        "public.key",
        "jwt-public.pem",
        "ca.pem",
        "cert.pem",
        "fullchain.pem",
        "config.json",
        "app/token.py",
        "app/secrets.py",
        "requirements.txt",
        "keyboard.txt",
        "",
    ],
)
def test_passes_files_that_hold_none(path: str) -> None:
    """Templates, public keys, certificates, code."""
    assert secret_files.kind(path) is None


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        ("COPY .env /app/", "env-file"),
        ("COPY a.txt .env /app/", "env-file"),
        ('COPY [".env", "/app/"]', "env-file"),
        ("ADD server.key /etc/ssl/private/", "key"),
        ("COPY --from=build /home/app/.npmrc /root/", "credentials"),
        ("ONBUILD COPY .npmrc /app/", "credentials"),
        ("ARG F=.env\nCOPY $F /app/", "env-file"),
        ("ARG GOOGLE_APPLICATION_CREDENTIALS\nCOPY x.json $GOOGLE_APPLICATION_CREDENTIALS", "credentials"),
        ("COPY src /app\nENV GOOGLE_APPLICATION_CREDENTIALS=/app/key.json", "pointer"),
        ("WORKDIR /app\nCOPY src .\nENV AWS_CONFIG_FILE=./aws.ini", "pointer"),
    ],
)
def test_flags_files_that_are_copied(line: str, clause: str) -> None:
    """In any form of COPY and ADD, from the context or a stage."""
    found = red(POLICY, f"FROM debian:13\n{line}\n")
    assert [c for _, c in found] == [clause]


@pytest.mark.parametrize(
    "line",
    [
        "COPY .env.example /app/",
        "COPY app /app",
        "RUN --mount=type=secret,id=n,target=/home/app/.npmrc npm ci",
        "RUN --mount=type=bind,source=.npmrc,target=/home/app/.npmrc npm ci",
        "ADD https://example.com/repo.key /etc/apt/keyrings/",
        "ENV GOOGLE_APPLICATION_CREDENTIALS=/run/secrets/gcp.json",
        "COPY rootfs/ /\nENV KUBECONFIG=/run/secrets/kube",
        "COPY <<E /app/.env\nDEBUG=0\nE",
    ],
)
def test_passes_mounts_and_templates(line: str) -> None:
    """What is mounted never reaches a layer; a heredoc's text is read by `no-secrets`."""
    assert red(POLICY, f"FROM debian:13\n{line}\n") == []


def test_looks_into_the_folders_that_are_copied(tmp_path: Path) -> None:
    """A `COPY . .` takes what the ignore file lets in, once for each kind."""
    for name in ("a.txt", "conf/prod.env", "conf/dev.env", "tls/server.key"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".dockerignore").write_text("tls\n")
    context = BuildContext.open(tmp_path, tmp_path / "Dockerfile")
    target = gate.target_of(parse("FROM a:1\nCOPY . /app\n"), Profile.PRODUCTION, (), context)
    answers = gate.ask([catalog.load()[POLICY]], Probe.SOURCE, target, Config())
    (finding,) = answers.findings
    assert finding.clause == "env-file"
    assert "conf/dev.env, conf/prod.env" in finding.message


def of_image(*paths: str, text: bytes | None = None, size: int = 1) -> list[Finding]:
    """Ask the image probe about an image of one layer with these files."""
    entries = tuple(FileEntry(path, "file", 0o644, 0, 0, size, 0, "", 0) for path in paths)
    texts = {} if text is None else {(0, path): text for path in paths}
    layer = Layer(0, "sha256:0", 1, None, entries)
    image = ImageFacts(reference="x", id="x", config=ImageConfig(), layers=(layer,), texts=texts)
    answers = gate.ask([catalog.load()[POLICY]], Probe.IMAGE, ImageTarget(image), Config())
    assert not answers.not_looked, answers.not_looked[0].log
    return list(answers.findings)


def test_flags_files_of_a_layer() -> None:
    """Whatever instruction made them."""
    found = of_image("/app/.env", "/home/app/.ssh/id_rsa", "/app/main.py")
    assert [finding.place.path for finding in found] == ["/app/.env", "/home/app/.ssh/id_rsa"]


def test_passes_files_of_packages_empty_ones_and_public_halves() -> None:
    """Test keys of libraries, placeholders, and certificates that are called a key."""
    assert (
        of_image("/usr/share/doc/x/server.key", "/opt/venv/lib/python3.13/site-packages/x/certs/a.key") == []
    )
    assert of_image("/home/app/.netrc", size=0) == []
    assert of_image("/app/ca.key", text=b"-----BEGIN PUBLIC KEY-----") == []

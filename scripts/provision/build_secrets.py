"""What a build needs to reach the package index as this machine does, handed over as build secrets.

A CA bundle or a password in a layer would be shipped; a secret is mounted for one RUN and stays outside.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CA_TARGET = "/run/secrets/ca_bundle"
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
ADDRESSES = ("index-url", "extra-index-url", "find-links")
KEPT = ("trusted-host", "proxy", "timeout", "retries")


def parse_pip_config(listing: str) -> dict[str, str]:
    """Read the output of `pip config list`; the environment wins over [install], that over [global]."""
    ranked: list[tuple[int, str, str]] = []
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        section, _, key = name.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if equals and rank is not None:
            ranked.append((rank, key.replace("default-timeout", "timeout"), _literal(value)))
    return {key: value for _, key, value in sorted(ranked, key=lambda entry: entry[0])}


def _literal(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value


def machine_pip_config(environ: Mapping[str, str]) -> dict[str, str]:
    """Return this machine's pip settings, empty where it has no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=dict(environ)
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parse_pip_config(done.stdout) if done.returncode == 0 else {}


def ca_bundle(pip: Mapping[str, str], environ: Mapping[str, str]) -> Path | None:
    """Return the CA bundle that this machine was told to use, or None where it was told nothing."""
    named = [pip.get("cert", ""), *(environ.get(name, "") for name in CA_VARIABLES)]
    return next((Path(name) for name in named if name and Path(name).is_file()), None)


def pip_conf(pip: Mapping[str, str], *, ca: bool) -> str:
    """Return the pip.conf for a build: this machine's settings that mean something in a container.

    A file:// index and a folder of wheels lie on this machine alone and fall out.
    """
    lines = [f"{key} = {remote}" for key in ADDRESSES if (remote := _remote(pip.get(key, "")))]
    lines += [f"{key} = {pip[key]}" for key in KEPT if key in pip]
    lines += [f"cert = {CA_TARGET}"] if ca else []
    return "\n".join(["[global]", *lines, ""])


def _remote(addresses: str) -> str:
    return " ".join(part for part in addresses.split() if part.startswith(("http://", "https://")))


def write(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Write the secrets' files and return {id: file}; empty where this machine needs none."""
    pip = machine_pip_config(environ)
    bundle = ca_bundle(pip, environ)
    contents: dict[str, bytes] = {}
    if bundle:
        contents["ca_bundle"] = bundle.read_bytes()
    conf = pip_conf(pip, ca=bundle is not None)
    if len(conf.splitlines()) > 1:
        contents["pip_conf"] = conf.encode()
    return {name: str(_private(folder / name, content)) for name, content in contents.items()}


def _private(path: Path, content: bytes) -> Path:
    """Write a file that this user alone can read: an index's address may hold a password."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:  # noqa: PTH123 - it opens a descriptor
        handle.write(content)
    fresh.rename(path)
    return path

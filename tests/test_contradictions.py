"""Levels that disagree, each provoked for real: one good Dockerfile, built and run as something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockproof.collect import build, compose

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FOLDER = Path(__file__).parent / "contradictions"
ASKED = ("declared-ports", "exec-form", "healthcheck", "non-root", "pinned-base")
OTHER = f"services: {{other: {{build: {{context: {FOLDER}, dockerfile: Dockerfile.other}}}}}}\n"

ROOT = "source and image saw it hold, runtime did not: `python3 /srv/server.py` runs as uid 0"

CASES: dict[str, dict[str, str]] = {
    "good": {},
    "root": {"non-root": ROOT},
    "zeros": {"non-root": ROOT},
    "plus": {"non-root": ROOT},
    "bare": {"non-root": "image saw it hold, runtime did not: `python3 /srv/server.py` runs with gid 0"},
    "open": {"declared-ports": "source and image saw it hold, runtime did not: port 9000/tcp on"},
    "shell": {"exec-form": "source and image saw it hold, runtime did not: PID 1 is a shell"},
    "unchecked": {
        "healthcheck": "source and image saw it hold, runtime did not: the container runs without a health check"
    },
    "other": {
        "user": "USER is 10001:10001 in the Dockerfile and 10002:10002 in the image",
        "ports": "EXPOSE 8000/tcp did not reach the image",
        "command": "CMD is ['python3', '/srv/server.py'] in the Dockerfile and ['python3', '-I', '/srv/server.py']",
        "healthcheck": "HEALTHCHECK has interval 2 in the Dockerfile and 4 in the image",
        "base": "and the image's label says that its base is sha256:0000",
        "declared-ports": "source and image saw it hold, runtime did not: port 8000/tcp on",
    },
}


@pytest.fixture(scope="module")
def services(
    engine: Engine, stand_ins: StandIns, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """The results of one run, by service."""
    folder = tmp_path_factory.mktemp("evidence")
    manifest = folder / "compose.yaml"
    manifest.write_text(OTHER, encoding="utf-8")
    other = build.build(engine, compose.load(manifest).services["other"], stand_ins, keep=False)
    name = f"dockproof.localhost/contradictions:{engine.lease.id}"
    engine.docker("tag", other, name)
    select = [argument for policy in ASKED for argument in ("--select", policy)]
    argv = [sys.executable, "-m", "dockproof", "verify", "--no-hadolint", *select, "--output", str(folder)]
    try:
        run = subprocess.run(
            [*argv, "--compose", str(FOLDER / "compose.yaml")],
            env={**os.environ, "OTHER": name},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    finally:
        engine.docker("image", "rm", name, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return {service["service"]: service for service in results["services"]}


@pytest.mark.parametrize("name", CASES)
def test_levels_that_disagree_are_told(services: dict[str, dict[str, Any]], name: str) -> None:
    """Each disagreement is a finding of its own with both sides in it, and there is no other."""
    found = {one["clause"]: one["message"] for one in services[name]["contradictions"]}
    assert found.keys() == CASES[name].keys()
    for clause, words in CASES[name].items():
        assert words in found[clause]

"""Builds on one engine, probes on another: what a fleet of machines does, with two daemons on this one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dockproof.collect.engine import REPOSITORY, host_name
from tests import small_service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.scale.conftest import TwoEngines

pytestmark = pytest.mark.engine

COMPOSE = """\
services:
  one: {build: ., image: shown-by-one}
  two: {build: ., user: "0", depends_on: {job: {condition: service_completed_successfully}}}
  job: {image: shown-by-one, command: [python3, -c, "print('done')"], healthcheck: {disable: true}}
"""
ASKED = "declared-ports,exec-form,hardened-run,no-setuid,non-root,size-budget"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two services; one is run as root, after a job that runs the image of the other."""
    folder = tmp_path_factory.mktemp("fleet")
    small_service.write(folder, small_service.ASKED_RARELY)
    (folder / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    return folder


def dockproof(project: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    argv = [sys.executable, "-m", "dockproof", *arguments]
    return subprocess.run(
        argv, cwd=project, env=env, capture_output=True, text=True, timeout=180, check=False
    )


def verify(project: Path, env: Mapping[str, str], output: str, *arguments: str) -> Any:
    """Run `verify` and return its results, with what it said under `err`."""
    flags = ["--no-hadolint", "--select", ASKED, "--output", output, *arguments]
    done = dockproof(project, env, "verify", *flags)
    found = results(project, output)
    assert done.returncode == found["exit"] < 2, done.stdout[:3000]
    return {**found, "err": done.stderr}


def results(project: Path, output: str) -> dict[str, Any]:
    """Return the results in a folder."""
    found: dict[str, Any] = json.loads((project / output / "results.json").read_text(encoding="utf-8"))
    return found


def of_services(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was said of the services, without how long anything took and which number a child process got."""
    services = [{key: service[key] for key in service if key != "layers"} for service in found["services"]]
    said: list[dict[str, Any]] = json.loads(
        re.sub(r'"pid (?!1")\d+"', '"pid of a child"', json.dumps(services))
    )
    return said


def test_parts_on_two_engines_are_what_one_engine_says(two: TwoEngines, project: Path) -> None:
    """Part 1 is built and probed on one engine; part 2 is built there too, and probed on the other."""
    whole = verify(project, two.choosing("one"), "whole")
    verify(project, two.choosing("one"), "part-1", "--shard=1/2")
    second = verify(project, two.choosing("two", builder="one"), "part-2", "--shard=2/2")
    assert "built by the engine one and come to two by docker save and docker load" in second["err"]
    assert second["tools"]["builder"] == "one (docker)"
    merged = dockproof(project, two.environment, "merge", "part-1", "part-2")
    assert merged.returncode == 1, merged.stderr
    joined = results(project, "build/verify")
    assert (whole["exit"], joined["exit"]) == (1, 1)
    assert of_services(joined) == of_services(whole)
    red = {(f["policy"], f["probe"]) for f in of_services(joined)[1]["findings"]}
    assert ("non-root", "runtime") in red


def test_nothing_is_left_on_either_engine(two: TwoEngines, project: Path) -> None:
    """No container, network or volume; the builder's engine keeps no tag of an image that it only built."""
    verify(project, two.choosing("two", builder="one"), "again", "two", "--select", "non-root")
    label = ["--filter", "label=dockproof.run"]
    for listing in (["ps", "--all"], ["network", "ls"], ["volume", "ls"]):
        assert two.docker("two", *listing, "--quiet", *label) == ""
    named = [
        "image",
        "ls",
        "--format",
        "{{.Repository}}:{{.Tag}}",
        f"{REPOSITORY}/{host_name()}/{project.name}-two",
    ]
    assert two.docker("two", *named).endswith(":last")
    assert two.docker("one", *named) == ""

"""The first draft's images, really built: what the image probes say of them, and where two builds of them differ."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.image_builds import Yard
from dockproof.collect import reproduce
from dockproof.collect.compose import Build, Service
from dockproof.collect.engine import Engine
from dockproof.collect.standins import StandIns
from dockproof.facts.reproduction import CONTENT
from tests.images.reproduction import reproducible_says

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def yard(engine: Engine, stand_ins: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """The draft's Dockerfiles beside the app that they ship."""
    return Yard(engine, stand_ins, tmp_path_factory.mktemp("yard"))


# What is wrong with the images, read from their Dockerfiles by hand: policy, clause and the line that made it so (0:
# no line did). The development image is held to the development profile.
WRONG = {
    "Dockerfile": {
        ("graceful-stop", "grace", 49),  # uvicorn waits for connections without end
        ("healthcheck", "present", 0),
        ("multi-stage", "build-tools", 23),  # libpq-dev and the headers that it brings
        ("multi-stage", "build-tools", 35),  # the wheels' own headers
        ("no-wasted-bytes", "rights-changed", 43),  # chown -R
        ("numeric-user", None, 45),
        ("read-only-code", "image", 43),
        ("streamed-logs", "unbuffered", 49),
    },
    "Dockerfile.worker": {
        ("graceful-stop", "grace", 26),  # dramatiq waits ten minutes
        ("healthcheck", "present", 0),
        ("multi-stage", "build-tools", 5),
        ("multi-stage", "build-tools", 16),
        ("no-wasted-bytes", "rights-changed", 22),
        ("numeric-user", None, 24),
        ("read-only-code", "image", 22),
        ("streamed-logs", "unbuffered", 26),
    },
    "Dockerfile.dev": {
        ("healthcheck", "present", 0),
        ("no-setuid", None, 5),  # git brings an ssh client
        ("no-wasted-bytes", "duplicate", 5),  # git's own copies of itself
        ("non-root", "root-user", 0),
        ("streamed-logs", "unbuffered", 25),
    },
}
# What is told of the config alone; every other finding names a file and the layer that holds it.
OF_THE_CONFIG = {"graceful-stop", "healthcheck", "non-root", "numeric-user", "streamed-logs"}


@pytest.mark.parametrize("file", WRONG)
def test_image_probes_say_what_is_wrong(yard: Yard, file: str) -> None:
    """Nothing less and nothing more, each on the line that did it, in the layer and the file where it shows."""
    report = _report(yard, file)
    assert report["summary"]["errors"] > 0
    findings = report["files"][0]["findings"]
    assert {(each["policy"], each["clause"], each["line"]) for each in findings} == WRONG[file]
    for each in findings:
        assert each["origin"] == ("own" if each["line"] else None)
        of_a_file = each["policy"] not in OF_THE_CONFIG
        assert (each["layer"] is not None, each["path"] is not None) == (of_a_file, of_a_file)


def _report(yard: Yard, file: str) -> dict[str, Any]:
    """Return what `dockproof image` says of a built draft; it must have found something."""
    built = yard.build(yard.draft, file)
    profile = "development" if file.endswith(".dev") else "production"
    command = [sys.executable, "-m", "dockproof", "image", built.id, "--no-config", "--format", "json"]
    command += ["--profile", profile, "--dockerfile", str(yard.draft / file), "--base", yard.base]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.worker"])
def test_names_what_differs_between_two_builds(engine: Engine, yard: Yard, file: str) -> None:
    """Bytecode with dates, apt's logs and the linker's cache, each with the instruction that left it."""
    build = Build(yard.draft, yard.draft / file, "", {}, {"context": str(yard.draft)})
    draft = Service(f"draft-{file}", "", build, {}, {}, {}, (), (), {}, {})
    found = reproduce.reproduce(engine, draft, yard.stand_ins)
    groups = [(found.steps[layer], paths) for layer, how, paths in found.groups() if how == CONTENT]
    content = {path: step for step, paths in groups for path in paths}
    bytecode = [path for path, step in content.items() if path.endswith(".pyc") and "pip install" in step]
    assert len(bytecode) > 1000
    assert {
        "/var/log/dpkg.log",
        "/var/log/apt/history.log",
        "/var/cache/ldconfig/aux-cache",
    } <= content.keys()
    assert "libpq-dev" in content["/var/log/dpkg.log"]
    said = reproducible_says(engine, found)
    assert any("files differ in content" in sentence and ".pyc" in sentence for sentence in said)

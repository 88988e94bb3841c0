"""structure-tests/run: what a user runs by hand on an image."""

import json
import os
import subprocess

import pytest

from dockproof import cli
from dockproof.collect import image, structure
from dockproof.collect.engine import Engine
from tests.images.conftest import REPOSITORY


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(REPOSITORY / "structure-tests" / "run"), *arguments]
    settings = {**os.environ, **environment}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=settings)


def test_says_how_it_is_used() -> None:
    """Help is an answer; no argument is a mistake."""
    assert "IMAGE [SERVICE]" in _run("--help").stdout
    assert _run().returncode == 2


def test_fails_closed_without_an_engine() -> None:
    """What could not be looked at is never passed."""
    done = _run("any-image", "api", DOCKER_HOST="unix:///nonexistent.sock")
    assert done.returncode == 4
    assert "no container engine answers" in done.stderr


@pytest.mark.engine
def test_wants_a_service_where_the_name_tells_none(images: dict[str, str]) -> None:
    """A wrong guess would run the wrong tests."""
    done = _run(images["api"])
    assert done.returncode == 2
    assert "say which of api, dev, worker it is" in done.stderr


@pytest.mark.engine
def test_passes_the_development_image(images: dict[str, str]) -> None:
    """Every test of both files has a result."""
    done = _run(images["dev"], "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("passed  common.yaml: ") > 10
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


@pytest.mark.engine
def test_fails_the_development_image_as_a_worker(images: dict[str, str]) -> None:
    """It can be told from a shipped image, by what it holds and by what it starts."""
    done = _run(images["dev"], "worker")
    assert done.returncode == 1
    assert "FAILED  production.yaml: Command Test: nothing that installs" in done.stdout
    assert "FAILED  worker.yaml: Metadata Test" in done.stdout


@pytest.mark.engine
@pytest.mark.parametrize("name", ["api", "worker", "dev"])
def test_facts_and_tool_agree_on_our_own_images(name: str, engine: Engine, images: dict[str, str]) -> None:
    """Every test of structure-tests/ that both can answer, on the image that it is for and on the others."""
    facts = image.facts(engine, images[name])
    configs = [
        path for path in sorted((REPOSITORY / "structure-tests").glob("*.yaml")) if path.stem != "image"
    ]
    theirs = structure.run(images[name], configs, engine=engine)
    ours = structure.run(images[name], configs, engine=engine, facts=facts)
    assert [(one.name, one.passed) for one in ours] == [(one.name, one.passed) for one in theirs]
    assert {one.by for one in ours} == {structure.FACTS, structure.TOOL}
    assert all(one.name.startswith("Command Test: ") for one in ours if one.by == structure.TOOL)


@pytest.mark.engine
def test_image_command_runs_what_the_facts_do_not_tell(
    images: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`dockproof image --structure` on an engine's image: the facts and the tool together answer every test."""
    config = REPOSITORY / "structure-tests" / "common.yaml"
    code = cli.main(["image", images["worker"], "--structure", str(config), "--format", "json"])
    (file,) = json.loads(capsys.readouterr().out)["files"]
    told = file["image"]["structure"]
    assert code == 0, file
    assert len(told) > 10
    assert all(one["passed"] for one in told)
    assert {one["by"] for one in told} == {structure.FACTS, structure.TOOL}

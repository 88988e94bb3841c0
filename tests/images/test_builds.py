"""The images, really built and started; dockproof's policies ask the rest."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import image_runs
from dockproof.collect import compose
from dockproof.collect.engine import Engine
from dockproof.collect.run import Project
from dockproof.collect.standins import StandIns

pytestmark = pytest.mark.engine


def _config(engine: Engine, image: str) -> dict[str, Any]:
    return engine.inspect_image(image)


def test_builds_with_the_ticket_s_three_commands(images: dict[str, str], engine: Engine) -> None:
    """Each image starts its program directly, is checked by exec, and is no root's."""
    for image in images.values():
        config = _config(engine, image)["Config"]
        assert config["User"] == "10001:10001"
        assert config["Cmd"][0] == "python"
        assert config["Healthcheck"]["Test"][0] == "CMD"


def test_api_and_worker_are_one_set_of_layers(images: dict[str, str], engine: Engine) -> None:
    """What is shared costs its room once."""
    api, worker = (_config(engine, images[name])["RootFS"]["Layers"] for name in ("api", "worker"))
    assert api == worker


def test_compiles_nothing_when_it_starts(images: dict[str, str], engine: Engine) -> None:
    """Every module that the api and the workers load comes with its bytecode."""
    found = image_runs.loaded(engine, images["api"])
    assert len(found) > 500
    assert not [source for source, size in found.items() if not size]


@pytest.mark.slow
def test_an_article_is_processed(
    engine: Engine, stand_ins: StandIns, images: dict[str, str], repository: Path
) -> None:
    """compose.yaml as it is: saved over HTTP, measured by the worker and read back."""
    ids = {name: _config(engine, images[name])["Id"] for name in ("api", "worker")}
    with Project(engine, compose.load(repository / "compose.yaml"), ids, stand_ins) as project:
        project.start(["api", "worker"])
        answer = engine.docker(
            "exec", project.container("api"), "python", "-c", image_runs.SAVE_AND_WAIT, timeout=60
        )
    article = json.loads(answer.stdout)
    assert (article["status"], article["word_count"]) == ("processed", 5)

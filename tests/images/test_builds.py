"""The images, really built and started; dockproof's policies ask the rest."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dockproof.collect import compose
from dockproof.collect.engine import Engine
from dockproof.collect.run import Project
from dockproof.collect.standins import StandIns
from tests.images.conftest import docker_build

pytestmark = pytest.mark.engine

# The addresses refuse at once: nothing listens in these containers.
NOWHERE = {
    "DATABASE_URL": "postgresql+psycopg://app@127.0.0.1:9/app",
    "RABBITMQ_URL": "amqp://127.0.0.1:9/%2F",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}
# Run in the api's image: serve until it answers, then tell what was loaded from source although it could be compiled.
WHAT_LACKS_BYTECODE = """
import importlib.util, os, signal, socket, sys, threading, time
def stop_when_served():
    for _ in range(200):
        time.sleep(0.2)
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", 8000)) == 0:
                return os.kill(os.getpid(), signal.SIGTERM)
    os._exit(1)
threading.Thread(target=stop_when_served, daemon=True).start()
import app.__main__, app.migrate, app.workers.tasks, dramatiq.cli
app.__main__.main()
specs = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
sources = {spec.origin for spec in specs if spec.has_location and spec.origin.endswith(".py")}
print(len(sources), sorted(s for s in sources if not os.path.exists(importlib.util.cache_from_source(s))))
"""


def _config(engine: Engine, image: str) -> dict[str, Any]:
    return engine.inspect_image(image)


def _run(engine: Engine, image: str, *command: str) -> str:
    labels = [word for name, value in engine.lease.labels.items() for word in ("--label", f"{name}={value}")]
    settings = [word for name, value in NOWHERE.items() for word in ("--env", f"{name}={value}")]
    flags = ["--rm", "--read-only", "--tmpfs", "/tmp", *labels, *settings]
    return engine.docker("run", *flags, image, *command, timeout=90).stdout


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
    last = _run(engine, images["api"], "python", "-c", WHAT_LACKS_BYTECODE).splitlines()[-1]
    count, _, missing = last.partition(" ")
    assert int(count) > 500
    assert missing == "[]"


@pytest.mark.slow
def test_two_clean_builds_are_one_image(
    engine: Engine, stand_ins: StandIns, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder, other dates and another umask give the same image, byte for byte."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    copy = tmp_path / "elsewhere"
    for part in ("app", "dockerfiles", "requirements"):
        shutil.copytree(repository / part, copy / part, copy_function=shutil.copyfile)
    subprocess.run(["chmod", "-R", "go=", copy], check=True)
    first = docker_build(engine, stand_ins, "api", "--no-cache", name="here")
    second = docker_build(engine, stand_ins, "api", "--no-cache", name="elsewhere", context=copy)
    assert _config(engine, first)["Id"] == _config(engine, second)["Id"]


@pytest.mark.slow
def test_an_article_is_processed(
    engine: Engine, stand_ins: StandIns, images: dict[str, str], repository: Path
) -> None:
    """compose.yaml as it is: saved over HTTP, measured by the worker and read back."""
    ids = {name: _config(engine, images[name])["Id"] for name in ("api", "worker")}
    with Project(engine, compose.load(repository / "compose.yaml"), ids, stand_ins) as project:
        project.start(["api", "worker"])
        answer = engine.docker("exec", project.container("api"), "python", "-c", SAVE_AND_WAIT, timeout=60)
    article = json.loads(answer.stdout)
    assert (article["status"], article["word_count"]) == ("processed", 5)


SAVE_AND_WAIT = """
import json, time, urllib.request
def ask(path, body=None):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request("http://127.0.0.1:8000" + path, body, headers)
    return json.load(urllib.request.urlopen(request, timeout=5))
def alive():
    try:
        return ask("/health/ready")["status"] == "ready"
    except OSError:
        return False
end = time.monotonic() + 40
while not alive() and time.monotonic() < end:
    time.sleep(0.2)
article = ask("/articles", json.dumps({"title": "Five", "text": "one two three four five"}).encode())
while article["status"] == "pending" and time.monotonic() < end:
    time.sleep(0.2)
    article = ask("/articles/" + article["id"])
print(json.dumps(article))
"""

"""The development image at work: it reloads what changes, and a debugger can attach."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockproof.collect import compose
from dockproof.collect.engine import Engine
from dockproof.collect.run import Project
from dockproof.collect.standins import StandIns

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ASK = """
import sys, time, urllib.error, urllib.request
def ask(path):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return urllib.request.urlopen("http://127.0.0.1:8000" + path, timeout=5).read().decode()
        except OSError:
            time.sleep(0.2)
    raise SystemExit(path + " was not answered")
print(ask(sys.argv[1]))
"""

CHANGE = """
with open("/app/app/main.py", "a") as code:
    code.write('\\n\\n@app.get("/changed")\\ndef changed() -> str:\\n    return "seen"\\n')
"""

ATTACH = """
import json, socket
question = json.dumps({"seq": 1, "type": "request", "command": "initialize", "arguments": {"adapterID": "x"}}).encode()
with socket.create_connection(("127.0.0.1", 5678), 10) as connection:
    connection.settimeout(10)
    connection.sendall(b"Content-Length: %d\\r\\n\\r\\n" % len(question) + question)
    stream = connection.makefile("rb")
    while True:
        length = int(stream.readline().split(b":")[1])
        stream.readline()
        message = json.loads(stream.read(length))
        if message["type"] == "response":
            print(json.dumps(message))
            break
"""


@pytest.fixture(scope="module")
def container(engine: Engine, stand_ins: StandIns, images: dict[str, str], repository: Path) -> Iterator[str]:
    """The container of the service `dev` of compose.yaml, healthy."""
    ids = {name: engine.inspect_image(images[name])["Id"] for name in ("api", "dev")}
    with Project(engine, compose.load(repository / "compose.yaml"), ids, stand_ins) as project:
        project.start(["dev"])
        yield project.container("dev")


def _python(engine: Engine, container: str, script: str, *arguments: str) -> str:
    return engine.docker("exec", container, "python", "-c", script, *arguments, timeout=60).stdout


def test_reloads_what_changes(engine: Engine, container: str) -> None:
    """The ticket's `--reload`: an edit in the running container is served without a restart of it."""
    _python(engine, container, CHANGE)
    assert json.loads(_python(engine, container, ASK, "/changed")) == "seen"


def test_debugger_can_attach(engine: Engine, container: str) -> None:
    """The ticket's port 5678 speaks the Debug Adapter Protocol."""
    answer = json.loads(_python(engine, container, ATTACH))
    assert (answer["command"], answer["success"]) == ("initialize", True)
    assert answer["body"]["supportsConfigurationDoneRequest"]

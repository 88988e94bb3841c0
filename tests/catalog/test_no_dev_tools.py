from __future__ import annotations

import pytest

from dockproof.facts.image import ImageConfig
from tests.catalog.asking import red
from tests.catalog.imaging import entry, image_of, image_red

POLICY = "no-dev-tools"


@pytest.mark.parametrize(
    "install",
    [
        "apt-get install -y vim",
        "apk add --no-cache git",
        "dnf install -y strace",
        "pip install debugpy",
        "npm i -g nodemon",
    ],
)
def test_flags_a_tool_in_the_shipped_stage(install: str) -> None:
    """Editors, version control, tracers, debuggers and reloaders are no part of a product."""
    assert red(POLICY, f"FROM debian\nRUN true \\\n && {install}\n") == [(3, "tools")]
    assert red(POLICY, f"FROM debian AS b\nRUN {install}\nFROM debian\nCOPY --from=b /a /a\n") == []


def test_flags_a_tool_in_the_stage_that_the_shipped_one_is_built_from() -> None:
    """The shipped image inherits it."""
    assert red(POLICY, "FROM debian AS b\nRUN apt-get install -y git\nFROM b\n") == [(2, "tools")]


def test_passes_a_tool_that_the_same_run_removes() -> None:
    """What is gone at the end of its layer is not shipped."""
    assert red(POLICY, "FROM alpine\nRUN apk add git && git clone x && apk del git\n") == []


@pytest.mark.parametrize(
    "install", ["apt-get install -y libgit2-1.7", "apk add curl", "pip install pytest-is-not-this"]
)
def test_passes_other_packages(install: str) -> None:
    """A library with a tool's name in its own is no tool."""
    assert red(POLICY, f"FROM debian\nRUN {install}\n") == []


@pytest.mark.parametrize(
    "command",
    [
        '["uvicorn", "app:app", "--reload"]',
        '["python", "-m", "debugpy", "--listen", "5678", "app.py"]',
        "python3 -m pdb app.py",
        "exec flask --app x run --debug",
        '["node", "--inspect=0.0.0.0:9229", "server.js"]',
        '["java", "-agentlib:jdwp=transport=dt_socket", "-jar", "a.jar"]',
        '["nodemon", "server.js"]',
        '["python", "manage.py", "runserver"]',
        '["npm", "run", "dev"]',
    ],
)
def test_flags_a_command_for_development(command: str) -> None:
    """Reloaders, debuggers and development servers, in both forms."""
    assert red(POLICY, f"FROM debian\nCMD {command}\n") == [(2, "command")]


@pytest.mark.parametrize(
    "command",
    [
        '["uvicorn", "app:app"]',
        '["node", "server.js"]',
        '["python", "-m", "app"]',
        '["/app", "--debug-port", "0"]',
        "npm start",
    ],
)
def test_passes_a_command_for_production(command: str) -> None:
    """The usual servers pass."""
    assert red(POLICY, f"FROM debian\nCMD {command}\n") == []


@pytest.mark.parametrize(
    "setting", ["DEBUG=True", "FLASK_DEBUG=1", "NODE_ENV=development", "NODE_OPTIONS=--inspect"]
)
def test_flags_a_setting(setting: str) -> None:
    """A variable that switches debugging on is found in the stage's final environment."""
    assert red(POLICY, f"FROM debian\nENV A=1\nENV {setting}\n") == [(3, "setting")]


@pytest.mark.parametrize("setting", ["DEBUG=0", "DEBUG=", "NODE_ENV=production", "DEBUG=$X", "DEBUG_LEVEL=1"])
def test_passes_other_settings(setting: str) -> None:
    """Off, empty, unknown and unrelated values say nothing."""
    assert red(POLICY, f"FROM debian\nARG X\nENV {setting}\n") == []


def test_passes_a_setting_that_a_later_line_takes_back() -> None:
    """The last value counts."""
    assert red(POLICY, "FROM debian\nENV DEBUG=1\nENV DEBUG=0\n") == []


def test_flags_programs_and_settings_of_the_image_over_the_base() -> None:
    """What the base holds is the base's; what stands above it is ours."""
    base = image_of([entry("/usr/bin/vim", 0o755)])
    config = ImageConfig(command=("uvicorn", "--reload"), env={"DEBUG": "1"})
    image = image_of([entry("/usr/bin/vim", 0o755)], [entry("/opt/venv/bin/pytest", 0o755)], config=config)
    found = image_red(POLICY, image, base)
    assert [(f.place.path or f.place.field, f.clause) for f in found] == [
        ("/opt/venv/bin/pytest", "tools"),
        ("Config.Cmd", "command"),
        ("Config.Env DEBUG", "setting"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN pip install debugpy\nEXPOSE 8000 5678",
        'EXPOSE 5678\nENTRYPOINT ["python", "-m", "debugpy", "--listen", "5678", "app.py"]',
        'EXPOSE 9229\nCMD ["node", "--inspect", "app.js"]',
    ],
)
def test_flags_the_port_of_a_debugger(lines: str) -> None:
    """Whoever reaches it runs any code."""
    assert "port" in [clause for _, clause in red(POLICY, f"FROM a:1\n{lines}\n")]


@pytest.mark.parametrize(
    "lines", ["EXPOSE 5678", 'EXPOSE 9229\nCMD ["node", "app.js"]', "RUN pip install debugpy\nEXPOSE 8000"]
)
def test_passes_the_same_number_for_something_else(lines: str) -> None:
    """n8n listens on 5678 too."""
    assert "port" not in [clause for _, clause in red(POLICY, f"FROM a:1\n{lines}\n")]

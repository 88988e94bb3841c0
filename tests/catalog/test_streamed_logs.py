from __future__ import annotations

import pytest

from dockproof.facts.image import ImageConfig
from tests.catalog.asking import red
from tests.catalog.imaging import image_of, image_red

POLICY = "streamed-logs"


@pytest.mark.parametrize(
    "command",
    [
        '["python", "-m", "app"]',
        "python3.13 app.py",
        '["gunicorn", "app:app"]',
        "exec /opt/venv/bin/celery worker",
    ],
)
def test_flags_a_python_program_without_the_variable(command: str) -> None:
    """Python, and what is started by it, holds its output back unless told otherwise."""
    assert red(POLICY, f"FROM python:3.13\nCMD {command}\n") == [(2, "unbuffered")]
    assert red(POLICY, f"FROM python:3.13\nENV PYTHONUNBUFFERED=1\nCMD {command}\n") == []


@pytest.mark.parametrize("options", ['"-u"', '"-Bu"', '"-X", "dev", "-u"'])
def test_passes_python_with_u(options: str) -> None:
    """`-u` does what the variable does, also among other letters."""
    assert red(POLICY, f'FROM python:3.13\nCMD ["python", {options}, "app.py"]\n') == []


def test_flags_a_u_that_is_the_programs_own() -> None:
    """An option behind the script or the module is none of Python's."""
    assert red(POLICY, 'FROM python:3.13\nCMD ["python", "app.py", "-u"]\n') == [(2, "unbuffered")]


def test_flags_an_empty_variable() -> None:
    """Python reads an empty PYTHONUNBUFFERED as not set."""
    assert red(POLICY, "FROM python:3.13\nENV PYTHONUNBUFFERED=\nCMD python app.py\n") == [(3, "unbuffered")]


def test_passes_a_variable_inherited_or_of_unknown_value() -> None:
    """The stage built FROM gives it; an argument without default is the build's to give."""
    assert red(POLICY, "FROM python AS b\nENV PYTHONUNBUFFERED=1\nFROM b\nCMD python a.py\n") == []
    assert red(POLICY, "FROM python\nARG U\nENV PYTHONUNBUFFERED=$U\nCMD python a.py\n") == []


@pytest.mark.parametrize(
    "command", ['["node", "server.js"]', '["/app"]', '["nginx", "-g", "daemon off;"]', "java -jar a"]
)
def test_passes_other_languages(command: str) -> None:
    """Node, Go, nginx and Java are not asked for Python's variable."""
    assert red(POLICY, f"FROM debian\nCMD {command}\n") == []


@pytest.mark.parametrize(
    "command",
    [
        "/app > /var/log/app.log 2>&1",
        '["/app", "--log-file=/tmp/log"]',
        '["gunicorn", "--access-logfile", "a.log"]',
    ],
)
def test_flags_a_log_file(command: str) -> None:
    """A redirection and the usual options name files that nobody reads."""
    assert red(POLICY, f"FROM debian\nENV PYTHONUNBUFFERED=1\nCMD {command}\n") == [(2 + 1, "log-file")]


@pytest.mark.parametrize(
    "command",
    [
        "/app > /dev/stdout",
        '["gunicorn", "--access-logfile", "-"]',
        "/app 2>&1",
        '["/app", "--log-file", "$F"]',
    ],
)
def test_passes_streams(command: str) -> None:
    """Devices, the hyphen and what is not known are no files."""
    assert red(POLICY, f"FROM debian\nENV PYTHONUNBUFFERED=1\nCMD {command}\n") == []


@pytest.mark.parametrize(
    ("env", "field"),
    [((), "Config.Cmd"), ((("PYTHONUNBUFFERED", ""),), "Config.Env PYTHONUNBUFFERED")],
    ids=["unset", "emptied"],
)
def test_blames_what_emptied_the_variable(env: tuple[tuple[str, str], ...], field: str) -> None:
    """An ENV that takes it away is the fault; where none ever set it, the command is."""
    config = ImageConfig(command=("python", "-m", "app"), env=dict(env))
    (finding,) = image_red(POLICY, image_of((), config=config))
    assert finding.place.field == field


def test_flags_the_image_whose_command_holds_back() -> None:
    """The config's command is judged with the config's environment."""
    config = ImageConfig(command=("python", "-m", "app"))
    assert [f.clause for f in image_red(POLICY, image_of((), config=config))] == ["unbuffered"]
    config = config._replace(env={"PYTHONUNBUFFERED": "1"})
    assert image_red(POLICY, image_of((), config=config)) == []

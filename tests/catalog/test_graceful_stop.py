from __future__ import annotations

import pytest

from dockproof.facts.image import ImageConfig
from tests.catalog.asking import red
from tests.catalog.imaging import image_of, image_red

POLICY = "graceful-stop"


@pytest.mark.parametrize(
    ("command", "clause"),
    [
        ('["sh", "-c", "python app.py"]', "shell"),
        ('["/bin/bash", "-e", "-c", "migrate && python app.py"]', "shell"),
        ('["npm", "start"]', "wrapper"),
        ('["uvicorn", "app:app"]', "grace"),
        ('["/opt/venv/bin/python3", "-m", "uvicorn", "app:app"]', "grace"),
    ],
)
def test_flags_a_command_that_cannot_end_in_time(command: str, clause: str) -> None:
    """A shell, a package manager and a server without limit."""
    assert red(POLICY, f"FROM debian\nCMD {command}\n") == [(2, clause)]


@pytest.mark.parametrize(
    "command",
    [
        '["sh", "-c", "migrate && exec python app.py"]',
        '["node", "server.js"]',
        '["/app"]',
        '["nginx", "-g", "daemon off;"]',
        '["gunicorn", "app:app"]',
        '["uvicorn", "app:app", "--timeout-graceful-shutdown", "5"]',
        '["uvicorn", "app:app", "--timeout-graceful-shutdown=5"]',
        "python app.py",
    ],
)
def test_passes_a_command_that_gets_its_signal(command: str) -> None:
    """The program itself, a shell that execs it, a limit; the shell form is exec-form's business."""
    assert red(POLICY, f"FROM debian\nCMD {command}\n") == []


def test_reads_entrypoint_and_command_together() -> None:
    """CMD continues the ENTRYPOINT."""
    text = 'FROM debian\nENTRYPOINT ["uvicorn"]\nCMD ["app:app"{}]\n'
    assert red(POLICY, text.format("")) == [(2, "grace")]
    assert red(POLICY, text.format(', "--timeout-graceful-shutdown", "5"')) == []


@pytest.mark.parametrize("signal", ["SIGKILL", "KILL", "9"])
def test_flags_a_signal_that_nobody_can_answer(signal: str) -> None:
    """SIGKILL under each spelling; a later line takes it back."""
    assert red(POLICY, f"FROM debian\nSTOPSIGNAL {signal}\n") == [(2, "signal")]
    assert red(POLICY, f"FROM debian\nSTOPSIGNAL {signal}\nSTOPSIGNAL SIGINT\n") == []


def test_flags_the_image() -> None:
    """The config says the same."""
    config = ImageConfig(command=("npm", "start"), stop_signal="SIGKILL")
    assert [f.clause for f in image_red(POLICY, image_of((), config=config))] == ["signal", "wrapper"]

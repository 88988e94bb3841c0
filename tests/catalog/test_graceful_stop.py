from __future__ import annotations

import pytest

from dockproof.facts.container import Stop, Work
from dockproof.facts.image import ImageConfig
from tests.catalog.asking import red
from tests.catalog.imaging import image_of, image_red
from tests.catalog.running import container_of, runtime_answers, runtime_red, runtime_skips, runtime_unseen

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


@pytest.mark.parametrize(
    "command", ['["dramatiq", "app.tasks"]', '["python", "-m", "dramatiq", "app.tasks"]']
)
def test_flags_a_worker_that_waits_ten_minutes(command: str) -> None:
    """Dramatiq's own limit is sixty times the engine's grace time."""
    assert red(POLICY, f"FROM python:3.13\nCMD {command}\n") == [(2, "grace")]


@pytest.mark.parametrize(
    "command",
    [
        '["dramatiq", "--worker-shutdown-timeout", "5000", "app.tasks"]',
        '["hypercorn", "app:app"]',
    ],
)
def test_passes_a_worker_with_a_limit(command: str) -> None:
    """Hypercorn waits three seconds by itself."""
    assert red(POLICY, f"FROM python:3.13\nCMD {command}\n") == []


# ------------------------------------------------------------------------------------------------- runtime


def stopped(code: int, seconds: float = 0.5, *work: Work, signal: str = "SIGTERM") -> list[str | None]:
    """Return the clauses that turn red for a container that ended so, with ten seconds of grace."""
    return runtime_red(POLICY, container_of(stop=Stop(signal, 10.0, seconds, code, work=work)))


@pytest.mark.parametrize(
    ("signal", "code"),
    [("SIGTERM", 0), ("SIGTERM", 143), ("SIGINT", 130), ("SIGQUIT", 131), ("SIGRTMIN+3", 0)],
)
def test_runtime_passes_an_end_in_time(signal: str, code: int) -> None:
    """0, SIGTERM's own code, and that of the image's own stop signal."""
    assert stopped(code, signal=signal) == []


def test_runtime_flags_a_program_that_had_to_be_killed() -> None:
    """The grace time ran out."""
    assert stopped(137, 10.1) == ["in-time"]


@pytest.mark.parametrize("code", [1, 3, 130, 137, 139])
def test_runtime_flags_an_end_with_another_code(code: int) -> None:
    """A crash on the way out, another signal's code, or the memory's end."""
    assert stopped(code) == ["exit-code"]


def test_runtime_flags_each_work_that_was_lost() -> None:
    """One request was answered, one was not."""
    done, lost = Work("GET /a", done=True, output=""), Work("POST /b", done=False, output="reset")
    assert stopped(0, 0.5, done, lost) == ["work"]
    (finding,) = runtime_answers(POLICY, container_of(stop=Stop("SIGTERM", 10.0, 1.0, 0, work=(lost,))))
    assert "POST /b, in hand at SIGTERM: reset" in getattr(finding, "message", "")


def test_runtime_says_why_nothing_was_stopped() -> None:
    """Switched off is no pass; what failed, or was forgotten, is not even not applicable."""
    assert runtime_skips(POLICY, container_of(switched_off={"stop": "it is off"})) == [
        "stop was not tried: it is off"
    ]
    assert runtime_unseen(POLICY, container_of(not_tried={"stop": "it ended"})) == [
        "stop was not tried: it ended"
    ]
    assert runtime_unseen(POLICY, container_of()) == ["stop was not tried: nobody tried"]

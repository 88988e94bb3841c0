import json
import logging
from collections.abc import Iterator

import pytest

from app.log import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_writes_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A record with newlines and a traceback is still one line, with its fields."""
    configure_logging("INFO")
    try:
        int("first\nsecond")
    except ValueError:
        logging.getLogger("app.test").exception("it\nfailed: %s", "x")
    logging.getLogger("app.test").debug("below the level")
    (line,) = capsys.readouterr().out.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"]) == ("error", "app.test", "it\nfailed: x")
    assert "ValueError: invalid literal" in entry["traceback"]


def test_leaves_health_probes_out(capsys: pytest.CaptureFixture[str]) -> None:
    """The access lines of /health are dropped; those of readiness and of articles stay."""
    configure_logging("INFO")
    for path in ("/health", "/health/ready", "/articles"):
        logging.getLogger("uvicorn.access").info('1.2.3.4 - "GET %s HTTP/1.1" 200', path)
    assert [json.loads(line)["message"].split()[3] for line in capsys.readouterr().out.splitlines()] == [
        "/health/ready",
        "/articles",
    ]

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings
from app.workers.__main__ import arguments
from tests.app.harness import ROOT

URLS = {
    "DATABASE_URL": "postgresql+psycopg://app:pa55@db/app",
    "RABBITMQ_URL": "amqp://app:pa55@mq/",
    "REDIS_URL": "redis://cache/0",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test sets is in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    load_settings.cache_clear()


def set_all(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    """Set the URLs with some changed or, as None, left out."""
    for name, value in (URLS | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)


def test_reads_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting comes from the variable of its name; the rest have their defaults."""
    set_all(monkeypatch, PORT="9000")
    settings = load_settings()
    assert settings.database_url.get_secret_value() == URLS["DATABASE_URL"]
    assert (settings.port, settings.dramatiq_processes, settings.dramatiq_threads) == (9000, 4, 8)


def test_reads_secret_from_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NAME_FILE stands in for NAME, and the file's last newline does not count."""
    secret = tmp_path / "database_url"
    secret.write_text(URLS["DATABASE_URL"] + "\n", encoding="utf-8")
    set_all(monkeypatch, DATABASE_URL=None, DATABASE_URL_FILE=str(secret))
    assert load_settings().database_url.get_secret_value() == URLS["DATABASE_URL"]


def test_names_every_missing_variable() -> None:
    """Nothing that holds a password has a default, and the error names each variable."""
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert all(name in str(caught.value) for name in URLS)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"DATABASE_URL": "mysql://u:pa55@db/app"}, "DATABASE_URL: "),
        ({"RABBITMQ_URL": "amqp://pa55@mq/"}, "RABBITMQ_URL: "),
        ({"RABBITMQ_URL": "amqp://[pa55"}, "RABBITMQ_URL: "),
        ({"PORT": "http"}, "PORT: "),
        ({"DRAMATIQ_PROCESSES": "0"}, "DRAMATIQ_PROCESSES: "),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: "),
        ({"REDIS_URL_FILE": "/none"}, "REDIS_URL and REDIS_URL_FILE are both set"),
        ({"REDIS_URL": None, "REDIS_URL_FILE": "/none"}, "REDIS_URL_FILE: /none cannot be read"),
    ],
)
def test_names_wrong_variable_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], named: str
) -> None:
    """A wrong setting is named, and no password gets into the message."""
    set_all(monkeypatch, **changes)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert named in str(caught.value)
    assert "pa55" not in str(caught.value)


def test_hides_secrets_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings gives no password away."""
    set_all(monkeypatch)
    assert "pa55" not in repr(load_settings())


def test_gives_dramatiq_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes and threads reach dramatiq's command line."""
    set_all(monkeypatch, DRAMATIQ_PROCESSES="3", DRAMATIQ_THREADS="5")
    line = " ".join(arguments(load_settings()))
    assert line.startswith("app.workers.tasks ")
    assert "--processes 3 --threads 5" in line


@pytest.mark.parametrize("module", ["app", "app.workers", "app.migrate"])
def test_program_ends_with_sentence_on_missing_settings(module: str) -> None:
    """Each program ends with 2 and a sentence, not a traceback."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"{module}: DATABASE_URL is not set")
    assert "Traceback" not in done.stderr

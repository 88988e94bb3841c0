"""Worker processes on real services: how they stop, and what their health check sees when they are harmed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.app.harness import Program, Services, eventually
from tests.app.test_backend import save, when_done
from tests.app.test_healthcheck import probe

pytestmark = pytest.mark.engine


@pytest.fixture
def settings(worker_settings: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The settings of the workers, with a heartbeat folder of the test's own."""
    return worker_settings | {"HEARTBEAT_DIR": str(tmp_path / "heartbeats")}


@contextmanager
def healthy_workers(settings: dict[str, str], log: Path) -> Iterator[tuple[Program, Callable[[], str]]]:
    """Run workers; yield them once they are healthy, with a function that returns what their check complains of."""

    def complaint() -> str:
        return probe(
            "worker", **{name: settings[name] for name in ("HEARTBEAT_DIR", "DRAMATIQ_PROCESSES")}
        ).stdout

    with Program("app.workers", settings, log) as program:
        eventually(lambda: not complaint(), "the workers are healthy")
        yield program, complaint


def children(settings: dict[str, str]) -> list[int]:
    """Return the process ids of the workers."""
    return [int(file.name) for file in Path(settings["HEARTBEAT_DIR"]).iterdir() if file.name.isdigit()]


def test_stopping_gives_work_in_hand_back(
    api: httpx.Client, services: Services, settings: dict[str, str], log_folder: Path
) -> None:
    """SIGTERM in the middle of an article ends the workers with 0 in time, and the article is processed later."""
    conninfo = services.settings["DATABASE_URL"].replace("+psycopg", "")
    log = log_folder / "stopped.log"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    article = save(api, "in hand")
    with psycopg.connect(conninfo) as holder, psycopg.connect(conninfo, autocommit=True) as watcher:
        # The actor has to wait for this row, so the article is surely in hand when the signal comes.
        holder.execute("SELECT 1 FROM articles WHERE id = %s FOR UPDATE", [article["id"]])
        with healthy_workers(settings, log) as (program, _):
            eventually(lambda: (watcher.execute(waiting).fetchone() or (0,))[0], "an actor waits for the row")
            begin = time.monotonic()
            assert program.stop() == 0
            assert time.monotonic() - begin < 9
    assert not children(settings), "a worker that ended on purpose leaves no heartbeat behind"
    with healthy_workers(settings, log):
        assert when_done(api, article)["status"] == "processed"


def test_killed_process_ends_all(services: Services, settings: dict[str, str], log_folder: Path) -> None:
    """A worker process that dies takes the container with it, for the restart policy to act on."""
    assert services.containers
    with healthy_workers(settings, log_folder / "killed.log") as (program, _):
        os.kill(children(settings)[0], signal.SIGKILL)
        assert program.process.wait(10) != 0


def test_stopped_process_is_unhealthy(services: Services, settings: dict[str, str], log_folder: Path) -> None:
    """A worker process under SIGSTOP is seen within the staleness limit, and seen to be well again."""
    assert services.containers
    with healthy_workers(settings, log_folder / "frozen.log") as (_, complaint):
        pid = children(settings)[0]
        os.kill(pid, signal.SIGSTOP)
        assert f"worker process {pid} has given no sign" in eventually(complaint, "it is unhealthy", 13)
        os.kill(pid, signal.SIGCONT)
        eventually(lambda: not complaint(), "it is healthy again")


def test_stopped_master_is_unhealthy(services: Services, settings: dict[str, str], log_folder: Path) -> None:
    """The master, dramatiq's own process under SIGSTOP is seen at once."""
    assert services.containers
    with healthy_workers(settings, log_folder / "master.log") as (program, complaint):
        program.process.send_signal(signal.SIGSTOP)
        assert "over the workers, is stopped" in eventually(complaint, "it is unhealthy", 3)
        program.process.send_signal(signal.SIGCONT)
        eventually(lambda: not complaint(), "it is healthy again")


def test_frozen_broker_is_unhealthy(services: Services, settings: dict[str, str], log_folder: Path) -> None:
    """A broker that holds its connections and answers nothing is seen within the staleness limit."""
    with healthy_workers(settings, log_folder / "broker.log") as (_, complaint):
        with services.containers["rabbitmq"].frozen():
            said = eventually(complaint, "they are unhealthy", 15)
            assert "no sign of life" in said or "broker" in said or "RabbitMQ" in said
        eventually(lambda: not complaint(), "they are healthy again")

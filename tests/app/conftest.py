"""The app's fixtures. Tests marked `engine` get real services in containers; the rest need none."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.harness import (
    Program,
    Services,
    engine_problem,
    eventually,
    free_port,
    running_api,
    running_services,
)


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    """PostgreSQL, RabbitMQ and Redis, once for the session.

    Without an engine the tests skip with the reason, or fail where one is required.
    """
    if problem := engine_problem():
        asked = request.config.getoption("--require-engine", default=False)
        required = asked or os.environ.get("CI", "").lower() == "true"
        (pytest.fail if required else pytest.skip)(f"no container engine: {problem}")
    with running_services() as started:
        request.config.stash[_SERVICES] = started
        yield started


@pytest.fixture(scope="session")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app's programs leave what they print."""
    return tmp_path_factory.mktemp("app-logs")


@pytest.fixture(scope="session")
def api(services: Services, log_folder: Path) -> Iterator[httpx.Client]:
    """The API on the real services, once all of them answer: RabbitMQ is the last."""
    with running_api(services.settings, log_folder / "api.log") as client:
        eventually(lambda: client.get("/health/ready").is_success, "the services are ready", seconds=60)
        yield client


@pytest.fixture(scope="session")
def worker_settings(services: Services, log_folder: Path) -> dict[str, str]:
    """The settings of two worker processes with two threads each."""
    size = {"DRAMATIQ_PROCESSES": "2", "DRAMATIQ_THREADS": "2"}
    return services.settings | size | {"HEARTBEAT_DIR": str(log_folder / "heartbeats")}


@pytest.fixture(scope="module")
def worker(worker_settings: dict[str, str], log_folder: Path) -> Iterator[Program]:
    """The workers on the real services."""
    with Program("app.workers", worker_settings, log_folder / "worker.log") as program:
        yield program


@pytest.fixture(scope="module")
def lonely_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The API with every service refusing: nothing listens on their ports."""
    nobody = f"127.0.0.1:{free_port()}"
    settings = {
        "DATABASE_URL": f"postgresql+psycopg://app@{nobody}/app",
        "RABBITMQ_URL": f"amqp://{nobody}/%2F",
        "REDIS_URL": f"redis://{nobody}/0",
    }
    with running_api(settings, tmp_path_factory.mktemp("lonely") / "api.log") as client:
        yield client


_SERVICES = pytest.StashKey[Services]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the services' and programs' logs with each failure."""
    report = yield
    services = item.config.stash.get(_SERVICES, None)
    if report.failed and services is not None:
        report.sections += [(f"log of {name}", log) for name, log in services.logs()]
    folder: Path | None = getattr(item, "funcargs", {}).get("log_folder")
    if report.failed and folder is not None:
        report.sections += [(f"log of {log.stem}", log.read_text()[-4000:]) for log in folder.glob("*.log")]
    return report

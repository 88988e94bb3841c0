"""What the app's tests share: the app's programs as processes, and real services in containers."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import yaml

from dockproof.collect.engine import Lease

ROOT = Path(__file__).parents[2]
Found = TypeVar("Found")


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(look: Callable[[], Found | None], what: str, seconds: float = 30.0) -> Found:
    """Return the first true answer of `look`; fail with what was waited for after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


@dataclass
class Program:
    """One of the app's programs, run as in its container: `python -m NAME` with nothing but these settings."""

    name: str
    settings: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.name],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.settings},
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Ask it to stop, wait for as long as a container would, and return its exit code (-9: it had to be killed)."""
        self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running_api(settings: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    """Run the API and yield a client of it once it lives."""
    port = free_port()
    with (
        Program("app", settings | {"PORT": str(port)}, log) as program,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        eventually(lambda: _lives(client, program, log), "the API answers /health")
        yield client


def _lives(client: httpx.Client, program: Program, log: Path) -> bool:
    if program.process.poll() is not None:
        raise AssertionError(f"the API ended with {program.process.returncode}:\n{log.read_text()[-4000:]}")
    try:
        return client.get("/health").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def docker(*arguments: str, seconds: float = 60.0) -> str:
    """Run the docker client and return its standard output; its complaint is the error's text."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments[:3])}: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def engine_problem() -> str | None:
    """Return why no engine answers, or None where one does."""
    if shutil.which("docker") is None:
        return "there is no docker client on PATH"
    try:
        docker("version", "--format", "{{.Server.Version}}", seconds=20)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None


def image_of(service: str) -> str:
    """Return the image that compose.yaml pins for a service, or the one that stands in for it on this machine."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    pinned: str = compose["services"][service]["image"]
    report = Path(os.environ.get("DOCKPROOF_STAND_INS", ROOT / "build" / "stand-ins.json"))
    if not report.is_file():
        return pinned
    stand_ins: list[dict[str, str]] = json.loads(report.read_text(encoding="utf-8"))["stand_ins"]
    return next((stand_in["image"] for stand_in in stand_ins if stand_in["for"] == pinned), pinned)


@dataclass(frozen=True)
class Container:
    """A service: the name of its container, and the loopback port that it is published to."""

    name: str
    port: int

    def stop(self) -> None:
        """Kill it: its port refuses from here on."""
        docker("kill", self.name)

    def start(self) -> None:
        """Start it again, on the same port and with the same data."""
        docker("start", self.name)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it: it holds its connections and says nothing."""
        docker("pause", self.name)
        try:
            yield
        finally:
            docker("unpause", self.name)


@dataclass(frozen=True)
class Services:
    """PostgreSQL, RabbitMQ and Redis in containers, and the settings that reach them."""

    containers: dict[str, Container]
    settings: dict[str, str]

    def logs(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the last lines of each container."""
        for service, container in self.containers.items():
            done = subprocess.run(
                ["docker", "logs", "--tail", "40", container.name],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=20,
                check=False,
            )
            yield service, done.stdout.decode(errors="replace")


@contextmanager
def running_services() -> Iterator[Services]:
    """Start the three services on a network of their own, migrate, and remove everything at the end.

    They carry a run's labels: what a killed one leaves, the next run of the gate removes.
    """
    lease = Lease()
    run = f"dockproof-app-{lease.id}"
    password = secrets.token_urlsafe(16)
    with ExitStack() as stack:
        stack.callback(lease.release)
        docker("network", "create", *lease.arguments, run)
        stack.callback(docker, "network", "rm", run)
        containers = {
            "postgres": (5432, {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": password, "POSTGRES_DB": "app"}),
            "rabbitmq": (5672, {"RABBITMQ_DEFAULT_USER": "app", "RABBITMQ_DEFAULT_PASS": password}),
            "redis": (6379, {}),
        }
        started = {
            service: stack.enter_context(_container(lease, service, port, environment))
            for service, (port, environment) in containers.items()
        }
        services = Services(started, _settings(started, password))
        _wait_until_migrated(services)
        yield services


@contextmanager
def _container(lease: Lease, service: str, port: int, environment: dict[str, str]) -> Iterator[Container]:
    run = f"dockproof-app-{lease.id}"
    # A fixed host port: one that Docker chooses changes when the container is started again.
    container = Container(f"{run}-{service}", free_port())
    variables = [argument for pair in environment.items() for argument in ("--env", "=".join(pair))]
    place = ["--network", run, "--publish", f"127.0.0.1:{container.port}:{port}"]
    try:
        docker(
            *("run", "--detach", "--name", container.name, *lease.arguments, *place, *variables),
            image_of(service),
            seconds=300,  # a first run pulls
        )
        yield container
    finally:
        docker("rm", "--force", "--volumes", container.name)


def _settings(containers: dict[str, Container], password: str) -> dict[str, str]:
    host = {service: f"127.0.0.1:{container.port}" for service, container in containers.items()}
    return {
        "DATABASE_URL": f"postgresql+psycopg://app:{password}@{host['postgres']}/app",
        "RABBITMQ_URL": f"amqp://app:{password}@{host['rabbitmq']}/%2F",
        "REDIS_URL": f"redis://{host['redis']}/0",
    }


def _wait_until_migrated(services: Services) -> None:
    outcome: list[str] = []

    def migrated() -> bool:
        done = migrate(services.settings)
        outcome[:] = [done.stdout + done.stderr]
        return done.returncode == 0

    try:
        eventually(migrated, "PostgreSQL takes the migrations", seconds=60)
    except AssertionError as error:
        logs = "\n".join(f"--- {service}\n{log}" for service, log in services.logs())
        raise AssertionError(f"{error}\n{outcome[-1]}\n{logs}") from None


def migrate(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the migrations as the compose service does, or Python with other arguments in the same environment."""
    return subprocess.run(
        [sys.executable, *(arguments or ("-m", "app.migrate"))],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""What `bench.our_images` asks of running containers: what is loaded, how soon they are healthy, what a probe costs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Self

from bench.image_builds import REPOSITORY
from dockproof.collect import compose
from dockproof.collect import engine as engines
from dockproof.collect.run import Project
from dockproof.errors import NotLookedError
from dockproof.facts.container import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns

HEALTH_SECONDS = 30.0
ANY_USER = "1000660000:0"
"""A user that no image knows, with group 0, as platforms that choose the user themselves have it."""

READ_ONLY = ("--read-only", "--tmpfs", "/tmp")  # noqa: S108 - the container's own
HARDENED = (*READ_ONLY, "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", ANY_USER)
# The addresses refuse at once: nothing listens in a container of its own.
NOWHERE = {
    "DATABASE_URL": "postgresql+psycopg://app@127.0.0.1:9/app",
    "RABBITMQ_URL": "amqp://127.0.0.1:9/%2F",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}
LOADED = """
import importlib.util, json, os, signal, socket, sys, threading, time
def stop_when_served():
    for _ in range(200):
        time.sleep(0.2)
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", 8000)) == 0:
                return os.kill(os.getpid(), signal.SIGTERM)
    os._exit(1)
threading.Thread(target=stop_when_served, daemon=True).start()
import app.__main__, app.migrate, app.workers.tasks, dramatiq.cli
app.__main__.main()
specs = [module.__spec__ for module in list(sys.modules.values()) if getattr(module, "__spec__", None)]
sources = {spec.origin for spec in specs if spec.has_location and spec.origin.endswith(".py")}
compiled = {source: importlib.util.cache_from_source(source) for source in sources}
print(json.dumps({source: os.path.exists(file) and os.path.getsize(file) for source, file in compiled.items()}))
"""
# The debris of an installation that no import needs is counted as it is; what wheels bundle (*.libs) breaks stripped.
STRIPPED = """
set -eu
cp -R /usr/local/lib/python3.*/site-packages /tmp/packages
cd /tmp/packages
rm -rf pip pip-*
find . -name __pycache__ -prune -exec rm -r {} +
find . -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
find . -type f -printf '%s\\n' | awk '{ bytes += $1 } END { printf "%d", bytes }'
"""
PROBES = """
import os, posix, sys
def cost(argv):
    quiet = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = posix.posix_spawn(sys.executable, [sys.executable, *argv], posix.environ, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, status
    return (used.ru_utime + used.ru_stime) * 1000
def median(argv):
    return sorted(cost(argv) for _ in range(21))[10]
print(median(sys.argv[1:]), median(["-I", "-S", "-c", ""]))
"""
SAVE_AND_WAIT = """
import json, time, urllib.request
def ask(path, body=None):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request("http://127.0.0.1:8000" + path, body, headers)
    return json.load(urllib.request.urlopen(request, timeout=5))
def alive():
    try:
        return ask("/health/ready")["status"] == "ready"
    except OSError:
        return False
end = time.monotonic() + 40
while not alive() and time.monotonic() < end:
    time.sleep(0.2)
article = ask("/articles", json.dumps({"title": "Five", "text": "one two three four five"}).encode())
while article["status"] == "pending" and time.monotonic() < end:
    time.sleep(0.2)
    article = ask("/articles/" + article["id"])
print(json.dumps(article))
"""


def once(engine: Engine, image: str, *command: str, flags: tuple[str, ...] = ()) -> str:
    """Run a command in a container of its own and return what it printed."""
    settings = [word for name, value in NOWHERE.items() for word in ("--env", f"{name}={value}")]
    answer = engine.docker(
        "run",
        "--rm",
        "--network",
        "none",
        *engine.lease.arguments,
        *settings,
        *flags,
        image,
        *command,
        timeout=180,
    )
    return answer.stdout


def loaded(engine: Engine, image: str) -> Mapping[str, int | bool]:
    """Return the source of each module that api, migrations and workers load, with its bytecode's bytes, or False."""
    lines = once(engine, image, "python", "-c", LOADED, flags=READ_ONLY).splitlines()
    found: dict[str, int | bool] = json.loads(lines[-1])
    return found


def stripped_bytes(engine: Engine, single_stage: str) -> int:
    """Return the bytes of the installed packages, stripped and without bytecode; the image has pip and binutils."""
    return int(once(engine, single_stage, "sh", "-c", STRIPPED))


class Hardened:
    """The stack of compose.yaml under a user that it does not know; a context manager that removes it."""

    def __init__(self, engine: Engine, stand_ins: StandIns, images: Mapping[str, str]) -> None:
        """Start api, worker and migrations from these images, service to id, as compose.yaml hardens them."""
        self.engine, self._images = engine, images
        self._project = Project(
            engine, _any_user(compose.load(REPOSITORY / "compose.yaml")), images, stand_ins
        )

    def __enter__(self) -> Self:
        try:
            self._project.start(["api", "worker"])
        except BaseException:
            self._project.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._project.close()

    def works(self) -> bool:
        """Save an article and tell whether the workers have processed it, so the migrations were run too."""
        container = self._project.container("api")
        answer = self.engine.docker("exec", container, "python", "-c", SAVE_AND_WAIT, timeout=60, check=False)
        if answer.exit_code:
            return False
        article = json.loads(answer.stdout)
        return bool(article["status"] == "processed" and article["word_count"] == 5)  # noqa: PLR2004 - five words

    def seconds_to_healthy(self, service: str, image: str = "") -> float:
        """Return the seconds from `docker run` until the engine calls one more container healthy, by its own clock.

        Args:
            service: whose settings it gets.
            image: what is run, "" = the service's own.
        """
        like = self.engine.inspect(self._project.container(service))[0]
        container = self._run(like, image or self._images[service])
        try:
            return _healthy_after(self.engine, container)
        finally:
            self.engine.docker("rm", "--force", container)

    def _run(self, like: Mapping[str, Any], image: str) -> str:
        """Run an image with the settings, credentials and network that a service's container has."""
        settings = [f"--env={entry}" for entry in like["Config"]["Env"]]
        network = next(name for name in like["NetworkSettings"]["Networks"] if name.endswith("backend"))
        flags = [
            "--detach",
            *self.engine.lease.arguments,
            "--label",
            f"{engines.LABEL_PROJECT}={self._project.name}",
        ]
        flags += [*HARDENED, *settings, "--network", network, "--volumes-from", f"{like['Id']}:ro"]
        return self.engine.docker("run", *flags, image).stdout.strip()

    def probe_milliseconds(self, service: str, *probe: str) -> tuple[float, float]:
        """Return the processor time of one health probe of a service, and of a bare start of its Python.

        Args:
            service: in whose container it runs.
            probe: arguments of Python; none = the service's own.
        """
        container = self._project.container(service)
        argv = probe or self.engine.inspect(container)[0]["Config"]["Healthcheck"]["Test"][2:]
        command = ["exec", container, "python", "-c", PROBES, *argv]
        spent, bare = self.engine.docker(*command, timeout=90).stdout.split()
        return float(spent), float(bare)


def _any_user(manifest: compose.Manifest) -> compose.Manifest:
    """Give every service whose image is ours the user that no image knows."""
    ours = {service.image for service in manifest.built}
    services = {
        name: service._replace(raw={**service.raw, "user": ANY_USER}) if service.image in ours else service
        for name, service in manifest.services.items()
    }
    return manifest._replace(services=services)


def _healthy_after(engine: Engine, container: str) -> float:
    """Wait for the first good probe; seconds from the container's creation to the probe's end.

    Raises:
        NotLookedError: there was none in HEALTH_SECONDS.
    """
    deadline = time.monotonic() + HEALTH_SECONDS
    while time.monotonic() < deadline:
        state = engine.inspect(container)[0]
        good = [probe for probe in state["State"]["Health"]["Log"] or () if probe["ExitCode"] == 0]
        if good:
            ended, created = parse_time(good[0]["End"]), parse_time(state["Created"])
            if ended and created:
                return (ended - created).total_seconds()
        time.sleep(0.1)
    raise NotLookedError(f"container {container[:12]} did not become healthy", engine.logs(container))

"""What a Dockerfile or a compose file relies on in the official images holds in the stand-ins too."""

from __future__ import annotations

import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.provision.stand_in import build, recipes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Docker = Callable[..., str]

pytestmark = pytest.mark.engine

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON_FACTS = """
import importlib.util, json, pathlib, pip, site, sys, sysconfig
library = pathlib.Path(sysconfig.get_paths()["stdlib"])
print(json.dumps({
    "executable": sys.executable, "version": sys.version.split()[0], "prefix": sys.prefix,
    "purelib": sysconfig.get_paths()["purelib"], "pip": pip.__file__, "path": sys.path,
    "site": [str(pathlib.Path(name).resolve()) for name in site.getsitepackages()][0],
    "marker": (library / "EXTERNALLY-MANAGED").exists(),
    "bytecode": len([name for name in library.glob("[a-z]*/**/*.pyc")]),
    "header": (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").is_file(),
    "missing": [name for name in "bz2 ctypes curses lzma readline sqlite3 ssl uuid zlib venv".split()
                if importlib.util.find_spec(name) is None],
}))
"""


@pytest.fixture(scope="session")
def python_image(images: dict[str, str]) -> str:
    """Return the Python base."""
    return images["python"]


def test_python_lies_where_python_slim_has_it(python_image: str, docker: Docker) -> None:
    """Interpreter, pip and packages are under /usr/local; no marker forbids pip; no bytecode ships."""
    run = ("run", "--rm", "--env", "PYTHONDONTWRITEBYTECODE=1", python_image, "python3", "-c", PYTHON_FACTS)
    facts = json.loads(docker(*run))
    packages = "/usr/local/lib/python3.13/site-packages"
    assert facts["executable"] == "/usr/local/bin/python3"
    assert facts["prefix"] == "/usr/local"
    assert facts["purelib"] == facts["site"] == packages
    assert facts["pip"].startswith(packages)
    assert facts["path"][-1] == packages
    assert (facts["marker"], facts["bytecode"], facts["header"], facts["missing"]) == (False, 0, True, [])


def test_python_config_is_that_of_python_slim(python_image: str, docker: Docker) -> None:
    """CMD, PATH and version; no user, no entrypoint, no port."""
    config = json.loads(docker("image", "inspect", python_image))[0]["Config"]
    env = dict(entry.split("=", 1) for entry in config["Env"])
    assert config["Cmd"] == ["python3"]
    assert not config["Entrypoint"]
    assert not config["User"]
    assert env["PATH"].startswith("/usr/local/bin:")
    assert re.fullmatch(r"3\.13\.\d+", env["PYTHON_VERSION"])


def test_python_makes_virtual_environment(python_image: str, docker: Docker) -> None:
    """The venv has pip and sees its own packages alone."""
    script = "python -m venv /tmp/v && /tmp/v/bin/pip --version && /tmp/v/bin/python -m site"
    said = docker("run", "--rm", python_image, "sh", "-c", script)
    assert "/tmp/v/lib/python3.13/site-packages/pip" in said
    assert "'/usr/local/lib/python3.13/site-packages'" not in said


def test_python_is_about_as_small_as_python_slim(python_image: str, docker: Docker) -> None:
    """Sizes measured on it mean something: under 130 MB."""
    assert int(docker("image", "inspect", "--format", "{{.Size}}", python_image)) < 130e6


@pytest.mark.parametrize("repository", ["python", "postgres", "rabbitmq", "redis"])
def test_nothing_of_the_building_machine_stays(
    images: dict[str, str], docker: Docker, repository: str
) -> None:
    """No pip configuration, hostname, machine id, log or CA of the machine is in the image."""
    script = r"""
        ls /etc/pip.conf ~/.config ~/.pip ~/.cache /etc/machine-id 2>/dev/null
        find /var/log /var/lib/apt/lists /var/cache/apt -type f ! -name lock ! -empty
        find /usr/local/share/ca-certificates -type f 2>/dev/null
        true
    """
    assert docker("run", "--rm", "--entrypoint", "sh", images[repository], "-c", script) == ""


def _wait(docker: Docker, container: str, probe: Sequence[str], seconds: float = 60) -> str:
    """Probe until it succeeds; a container that ended fails with its log."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return docker("exec", container, *probe)
        except AssertionError:
            running = docker("inspect", "--format", "{{.State.Running}}", container)
            if time.monotonic() > deadline or running != "true":
                raise AssertionError(docker("logs", container)) from None
            time.sleep(0.3)


def _users(docker: Docker, container: str) -> set[str]:
    """Return the user numbers of a container's processes."""
    return set(docker("top", container, "-eo", "uid,pid").split()[2::2])


def _stops(docker: Docker, container: str) -> str:
    """Stop a container with ten seconds' grace and return its exit code."""
    docker("stop", "--time", "10", container)
    return docker("inspect", "--format", "{{.State.ExitCode}}", container)


def test_postgres_keeps_the_official_contract(images: dict[str, str], docker: Docker, tmp_path: Path) -> None:
    """User, password from a file and database are made; text is UTF-8; it runs as its own user and stops cleanly."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    variables = ("POSTGRES_USER=reader", "POSTGRES_DB=reading", "POSTGRES_PASSWORD_FILE=/run/password")
    options = [word for variable in variables for word in ("--env", variable)]
    created = docker("create", *options, images["postgres"])
    try:
        docker(
            "cp", str(secret), f"{created}:/run/password"
        )  # works with a remote engine, unlike a bind mount
        docker("start", created)
        _wait(docker, created, ["pg_isready", "-h", "127.0.0.1", "-U", "reader", "-d", "reading"])
        query = "select current_user, current_database(), current_setting('server_encoding')"
        address = "postgresql://reader:hunter2@127.0.0.1/reading"
        assert docker("exec", created, "psql", "-At", address, "-c", query) == "reader|reading|UTF8"
        assert "0" not in _users(docker, created)
        mounts = json.loads(docker("inspect", created))[0]["Mounts"]
        assert [mount["Destination"] for mount in mounts] == ["/var/lib/postgresql/data"]
        assert _stops(docker, created) == "0"
        docker("start", created)
        _wait(docker, created, ["psql", "-At", address, "-c", "select 1"])
    finally:
        docker("rm", "--force", "--volumes", created)


def test_postgres_refuses_to_start_without_password(
    images: dict[str, str], docker: Docker, start: Docker
) -> None:
    """A database that everybody may enter is no default."""
    container = start(images["postgres"])
    assert docker("wait", container) == "1"


def test_redis_serves_other_containers(images: dict[str, str], docker: Docker, start: Docker) -> None:
    """Arguments reach the server, a bare flag too; it runs as its own user and stops cleanly."""
    container = start(images["redis"], "--maxmemory", "32mb")
    _wait(docker, container, ["redis-cli", "ping"])
    assert docker("exec", container, "redis-cli", "config", "get", "maxmemory").split()[1] == str(32 * 2**20)
    address = docker(
        "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
    )
    assert docker("run", "--rm", images["redis"], "redis-cli", "-h", address, "ping") == "PONG"
    assert "0" not in _users(docker, container)
    assert _stops(docker, container) == "0"


def test_rabbitmq_takes_its_user_from_the_environment(
    images: dict[str, str], docker: Docker, start: Docker
) -> None:
    """The default user can log in over the network; the management API is there; it stops in its grace time."""
    container = start(
        "--env", "RABBITMQ_DEFAULT_USER=app", "--env", "RABBITMQ_DEFAULT_PASS=word", images["rabbitmq"]
    )
    _wait(docker, container, ["rabbitmq-diagnostics", "-q", "check_running"])
    docker("exec", container, "rabbitmq-diagnostics", "-q", "ping")
    docker("exec", container, "rabbitmqctl", "-q", "authenticate_user", "app", "word")
    assert "[E*] rabbitmq_management " in docker("exec", container, "rabbitmq-plugins", "list")
    assert "0" not in _users(docker, container)
    assert _stops(docker, container) == "0"


@pytest.mark.slow
def test_building_again_gives_the_same_image(images: dict[str, str], tmp_path: Path) -> None:
    """Two builds at once, with lists and tools of their own each, come to one id: no hour and no folder is in it."""
    assert images["python"]

    def identity(cache: Path) -> str:
        workshop = build.open_workshop(cache, recipes.SUITE)
        made = build.build(recipes.PYTHON, ["localhost/again:1"], workshop)
        made.archive.unlink()
        return made.image

    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(identity, (tmp_path / "one", tmp_path / "two"))
    assert first == second


def test_differences_are_those_that_are_known(images: dict[str, str]) -> None:
    """What a Dockerfile can rely on is the same; what is not is in scripts/README.md."""
    assert images["python"]
    command = [str(REPOSITORY / "scripts" / "stand-ins"), "differences"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    heads = [line.split(":")[0].split(maxsplit=1) for line in done.stdout.splitlines() if line[0] != " "]
    verdicts = {name: verdict for verdict, name in heads}
    assert {name for name, verdict in verdicts.items() if verdict == "differs"} == {
        "other variables",
        "in /usr/local/bin",
        "libraries in /usr/local/lib",
        "built with",
    }
    assert {"PATH", "packages go to", "bytecode files", "prefix"} <= verdicts.keys()

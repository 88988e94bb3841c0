"""The engine that the gate uses: the user's own where one answers, else a private one, unpacked and not installed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.provision import client, host, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

WHO = "engine"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
CAP_SYS_RESOURCE = 24
PLUGINS = "usr/libexec/docker/cli-plugins"
# The user's client settings that still hold when the engine is a private one; contexts do not.
KEPT_SETTINGS = ("auths", "credHelpers", "credsStore", "HttpHeaders", "proxies")


@dataclass(frozen=True)
class PrivateEngine:
    """The private engine's folder in the user's cache, and everything it keeps there."""

    folder: Path

    @property
    def root(self) -> Path:
        """The unpacked programs."""
        return self.folder / "root"

    @property
    def data(self) -> Path:
        """Images, containers and volumes."""
        return self.folder / "data"

    @property
    def state(self) -> Path:
        """What lives as long as the daemon: its socket, pid file and log."""
        return self.folder / "run"

    @property
    def socket(self) -> Path:
        """The daemon's socket."""
        return self.state / "docker.sock"

    @property
    def pidfile(self) -> Path:
        """The daemon's pid file."""
        return self.state / "dockerd.pid"

    @property
    def log(self) -> Path:
        """What the daemon said."""
        return self.state / "dockerd.log"

    @property
    def config(self) -> Path:
        """The client's settings (DOCKER_CONFIG)."""
        return self.folder / "client"

    @property
    def dockerd(self) -> Path:
        """The daemon's program."""
        return self.root / "usr" / "sbin" / "dockerd"

    def version(self, timeout: float = 2.0) -> str:
        """Return the version of the daemon that answers on our socket, or ""."""
        connection = _UnixConnection(self.socket, timeout)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException, ValueError),
        ):
            connection.request("GET", "/version")
            return str(json.load(connection.getresponse()).get("Version", ""))
        return ""

    def pid(self) -> int | None:
        """Return our daemon's process id, or None where it does not run; another's process is never taken for it."""
        try:
            pid = int(self.pidfile.read_text(encoding="ascii"))
            program = Path(f"/proc/{pid}/exe").readlink()
        except (OSError, ValueError):
            return None
        return pid if program == self.dockerd.resolve() else None

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that point a client at this engine."""
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.config),
            "PATH": unpacked.search_path(self.root) + os.pathsep + base.get("PATH", os.defpath),
        }


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Choice:
    """The engine that was decided on: whose it is, its version, why, and the variables that lead to it."""

    private: bool
    version: str
    why: str
    environment: Mapping[str, str | None]  # None: to be unset

    def applied(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return `environ` with this engine's variables in it."""
        merged = {**environ, **self.environment}
        return {key: value for key, value in merged.items() if value is not None}


def private_engine(environ: Mapping[str, str] = os.environ) -> PrivateEngine:
    """Return the private engine of this user, whether it is there or not."""
    return PrivateEngine(host.cache_folder(environ) / "engine")


def up(environ: Mapping[str, str] = os.environ) -> Choice:
    """Decide which engine to use and make it answer.

    Raises:
        ProvisionError: no engine answers and none can be made ready, with what to install.
    """
    ours = private_engine(environ)
    theirs = client.user_environment(environ, ours.folder)
    answer = client.ask(theirs)
    if answer.usable:
        return _users_own(answer, theirs)
    if named := theirs.get("DOCKER_HOST"):
        # Whoever names an engine means that one: another in its place would hide that it is down.
        raise host.ProvisionError(
            f"DOCKER_HOST is {named}, but {answer.reason}; start it or unset DOCKER_HOST"
        )
    version = ours.version()
    if not version:
        with host.lock(ours.folder.with_name("engine.lock"), WHO):
            version = ours.version() or _make_ready(ours, answer.reason, theirs)
    unset = {
        name: None for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH") if name in theirs
    }
    return Choice(
        private=True, version=version, why=answer.reason, environment={**ours.environment(theirs), **unset}
    )


def _users_own(answer: client.Answer, env: Mapping[str, str]) -> Choice:
    if missing := client.missing_plugins(env):
        words = " and ".join(missing)
        raise host.ProvisionError(
            f"Docker {answer.version} answers, but the client lacks the plugin {words}: install it"
        )
    return Choice(private=False, version=answer.version, why="it answers", environment={})


def _make_ready(ours: PrivateEngine, why: str, env: Mapping[str, str]) -> str:
    began = time.monotonic()
    release = host.this_release()
    what = unpacked.plan(release, root=os.geteuid() == 0)
    if not ours.dockerd.is_file():
        host.say(WHO, f"unpacking a private engine into {ours.folder} because {why}")
        unpacked.unpack(what, release, ours.folder.with_name("apt"), ours.root)
    _write_client_settings(ours, env)
    _start(ours)
    version = _wait(ours)
    seconds, size = time.monotonic() - began, host.megabytes(ours.root)
    host.say(
        WHO,
        f"private Docker {version} in {ours.folder} is ready ({seconds:.1f} s, {size:.0f} MB) because {why}",
    )
    return version


def client_settings(user: Mapping[str, object], plugins: Path) -> dict[str, object]:
    """Return the private client's config.json: the user's registry settings, and where our plugins lie."""
    kept = {key: user[key] for key in KEPT_SETTINGS if key in user}
    return {**kept, "cliPluginsExtraDirs": [str(plugins)]}


def _write_client_settings(ours: PrivateEngine, env: Mapping[str, str]) -> None:
    folder = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or Path.home()) / ".docker")
    user: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError):
        user = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    ours.config.mkdir(parents=True, exist_ok=True)
    target = ours.config / "config.json"
    target.touch(mode=0o600)  # registry passwords may be among the settings
    target.write_text(json.dumps(client_settings(user, ours.root / PLUGINS), indent=1), encoding="utf-8")


def _start(ours: PrivateEngine) -> None:
    """Start the daemon in a session of its own, so that it outlives this command."""
    if ours.pid() is not None:
        return  # it runs and does not answer yet
    ours.state.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        ours.pidfile.unlink()  # dockerd refuses to start over a stale one whose number is in use again
    env = {**os.environ, **unpacked.library_environment(ours.root)}
    env["PATH"] = unpacked.search_path(ours.root) + os.pathsep + env.get("PATH", os.defpath)
    with ours.log.open("ab") as log:
        subprocess.Popen(
            dockerd_command(ours, lacks_resource=_lacks_resource()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            start_new_session=True,
            cwd="/",
        )


def dockerd_command(ours: PrivateEngine, *, lacks_resource: bool) -> list[str]:
    """Return the daemon's command line."""
    command = [
        str(ours.dockerd), "--data-root", str(ours.data), "--exec-root", str(ours.state / "exec"),
        "--pidfile", str(ours.pidfile), "--host", f"unix://{ours.socket}",
    ]  # fmt: skip
    # Without CAP_SYS_RESOURCE no container may get more open files than the daemon has.
    return [*command, "--default-ulimit", "nofile=1024:1024"] if lacks_resource else command


def _lacks_resource() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return not int(effective, 16) >> CAP_SYS_RESOURCE & 1


def _wait(ours: PrivateEngine) -> str:
    deadline = time.monotonic() + START_SECONDS
    time.sleep(0.3)
    while time.monotonic() < deadline:
        if version := ours.version():
            return version
        if (
            ours.pid() is None
            and ours.pidfile.exists() is False
            and time.monotonic() > deadline - START_SECONDS + 5
        ):
            break
        time.sleep(0.1)
    raise host.ProvisionError(
        f"the private engine does not answer; its log is {ours.log}", host.tail(_read(ours.log))
    )


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def down(environ: Mapping[str, str] = os.environ) -> bool:
    """Stop the private engine and return whether it ran; containers end with it."""
    ours = private_engine(environ)
    with host.lock(ours.folder.with_name("engine.lock"), WHO):
        pid = ours.pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while ours.pid() is not None:
            if time.monotonic() > deadline:
                raise host.ProvisionError(
                    f"the private engine (pid {pid}) did not stop within {STOP_SECONDS:.0f} s"
                )
            time.sleep(0.1)
        return True


def clean(environ: Mapping[str, str] = os.environ) -> None:
    """Stop the private engine and remove its programs and data."""
    down(environ)
    shutil.rmtree(private_engine(environ).folder)

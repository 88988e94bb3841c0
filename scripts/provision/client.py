"""Whether a Docker engine of the user's own answers: their DOCKER_HOST or context, through their own client."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST = 23  # the first release whose default builder is BuildKit
ANSWER_SECONDS = 15.0  # a remote engine behind ssh needs some


@dataclass(frozen=True)
class Answer:
    """What asking for an engine gave: the server's version, or why there is none that can be used."""

    version: str
    reason: str

    @property
    def usable(self) -> bool:
        """Whether the engine answered and is new enough."""
        return bool(self.version) and not self.reason


def user_environment(environ: Mapping[str, str], private: Path) -> dict[str, str]:
    """Return the environment as it was before the private engine below `private` was put into it."""
    ours = str(private)
    env = {key: value for key, value in environ.items() if not _ours(key, value, ours)}
    parts = env.get("PATH", os.defpath).split(os.pathsep)
    env["PATH"] = os.pathsep.join(part for part in parts if not part.startswith(ours + os.sep))
    return env


def _ours(key: str, value: str, private: str) -> bool:
    if key == "DOCKER_HOST":
        return value.removeprefix("unix://").startswith(private + os.sep)
    return key == "DOCKER_CONFIG" and value.startswith(private + os.sep)


def settings(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the client's settings, as its config.json holds them; {} where there are none that can be read."""
    folder = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or Path.home()) / ".docker")
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def chosen(env: Mapping[str, str]) -> tuple[str, str] | None:
    """Say what the user chose an engine with, and how to take that back; None where nothing was chosen."""
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if value := env.get(variable):
            return f"{variable} is {value}", f"unset {variable}"
    context = settings(env).get("currentContext") or "default"
    return (
        None if context == "default" else (f"docker's context is {context}", "`docker context use default`")
    )


def judge(version: str, said: str) -> Answer:
    """Judge a server's version string, empty where none answered, with what the client said about it."""
    if not version:
        lines = said.strip().splitlines()
        return Answer("", f"no engine answers ({lines[-1]})" if lines else "no engine answers")
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        return Answer(version, f"the engine that answers is {version}, older than {OLDEST}")
    return Answer(version, "")


def ask(env: Mapping[str, str]) -> Answer:
    """Ask the user's client for its server; waits ANSWER_SECONDS at most."""
    docker = shutil.which("docker", path=env.get("PATH"))
    if docker is None:
        return Answer("", "there is no docker client")
    command = [docker, "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            env=dict(env),
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Answer("", f"no engine answers within {ANSWER_SECONDS:.0f} s")
    return judge(done.stdout.strip() if done.returncode == 0 else "", done.stderr)


def missing_plugins(env: Mapping[str, str]) -> list[str]:
    """Return which of the client's plugins that the gate needs are not installed."""
    return [plugin for plugin in ("buildx", "compose") if not _answers(plugin, env)]


def _answers(plugin: str, env: Mapping[str, str]) -> bool:
    command = ["docker", plugin, "version"]
    try:
        return (
            subprocess.run(command, capture_output=True, env=dict(env), check=False, timeout=30).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False

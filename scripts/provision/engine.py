"""The engine that the gate uses: the user's own where one answers, else a private one, unpacked and not installed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.provision import client, daemon, host, unpacked
from scripts.provision.daemon import PrivateEngine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WHO = daemon.WHO
PLUGINS = "usr/libexec/docker/cli-plugins"
# The user's client settings that still hold when the engine is a private one; contexts do not.
KEPT_SETTINGS = ("auths", "credHelpers", "credsStore", "HttpHeaders", "proxies")
OVERRIDING = ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
# Whatever else these scripts make in the cache folder.
WORK_FOLDERS = ("apt", "tools", "perl", "scratch", "secrets")
WORK_FILES = ("registry.json",)


@dataclass(frozen=True)
class Choice:
    """The engine that was decided on: whose it is, its version, why, and the variables that lead to it."""

    private: bool
    version: str
    why: str
    variables: Mapping[str, str | None]  # None: to be unset

    def applied(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return `environ` with this engine's variables in it."""
        merged = {**environ, **self.variables}
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
    if chosen := client.chosen(theirs):
        # Whoever names an engine means that one: another in its place would hide that it is down.
        named, undo = chosen
        raise host.ProvisionError(f"{named}, but {answer.reason}; start it, or {undo}")
    version = "" if ours.tidying.exists() else ours.version()
    if not version:
        what = unpacked.plan(host.this_release(), root=os.geteuid() == 0, why=answer.reason)
        with host.lock(_lock(ours), WHO):
            ready = not ours.tidying.exists() and ours.version()
            version = ready or _make_ready(ours, what, answer.reason, theirs)
    unset = dict.fromkeys(name for name in OVERRIDING if name in theirs)
    return Choice(
        private=True, version=version, why=answer.reason, variables={**ours.variables(theirs), **unset}
    )


def _users_own(answer: client.Answer, env: Mapping[str, str]) -> Choice:
    if missing := client.missing_plugins(env):
        plugins = " and ".join(missing)
        raise host.ProvisionError(
            f"Docker {answer.version} answers, but its client lacks {plugins}: install that"
        )
    return Choice(private=False, version=answer.version, why="it answers", variables={})


def _lock(ours: PrivateEngine) -> Path:
    """Return the lock's file: beside the folder, so that it outlives a clean-up of it."""
    return ours.folder.with_name("engine.lock")


def _make_ready(ours: PrivateEngine, what: unpacked.Plan, why: str, env: Mapping[str, str]) -> str:
    began = time.monotonic()
    if ours.pid() is None:
        daemon.refuse_beside_another()
    done = f"started again in {ours.folder}"
    if not ours.dockerd.is_file():
        done = f"unpacked into {ours.folder}"
        unpacked.unpack(what, host.this_release(), ours.folder.with_name("apt"), ours.root)
    _check_version(ours)
    _write_client_settings(ours, env)
    version = daemon.start(ours)
    seconds, size = time.monotonic() - began, host.megabytes(ours.root)
    host.say(WHO, f"private Docker {version} {done} ({seconds:.1f} s, {size:.0f} MB) because {why}")
    return version


def _check_version(ours: PrivateEngine) -> None:
    """Raise if the distribution's Docker is too old, as an Ubuntu without its updates has it."""
    words = host.run(
        [ours.dockerd, "--version"], "ask dockerd for its version", env=ours.own_environment()
    ).split()
    answer = client.judge(words[2].rstrip(","), "")
    if not answer.usable:
        raise host.ProvisionError(
            f"this distribution's Docker is too old: {answer.reason}; {unpacked.INSTALL_HINT}"
        )


def client_settings(user: Mapping[str, object], plugins: Path) -> dict[str, object]:
    """Return the private client's config.json: the user's registry settings, and where our plugins lie."""
    kept = {key: user[key] for key in KEPT_SETTINGS if key in user}
    return {**kept, "cliPluginsExtraDirs": [str(plugins)]}


def _write_client_settings(ours: PrivateEngine, env: Mapping[str, str]) -> None:
    ours.config.mkdir(parents=True, exist_ok=True)
    target = ours.config / "config.json"
    target.touch(mode=0o600)  # registry passwords may be among the settings
    kept = client_settings(client.settings(env), ours.root / PLUGINS)
    target.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def status(environ: Mapping[str, str] = os.environ) -> dict[str, object]:
    """Return what there is, changing nothing: the engine that `up` would find, and the private one's facts."""
    ours = private_engine(environ)
    theirs = client.user_environment(environ, ours.folder)
    answer = client.ask(theirs)
    version = "" if client.chosen(theirs) else ours.version()
    used = "user" if answer.usable else "private" if version else None
    return {
        "engine": used,
        "version": answer.version if answer.usable else version or None,
        "user": answer.reason or "it answers",
        "private": {
            "folder": str(ours.folder),
            "unpacked": ours.dockerd.is_file(),
            "pid": ours.pid(),
            "socket": str(ours.socket),
            "log": str(ours.log),
        },
    }


def down(environ: Mapping[str, str] = os.environ) -> bool:
    """Stop the private engine and return whether it ran; containers end with it."""
    ours = private_engine(environ)
    with host.lock(_lock(ours), WHO):
        return daemon.stop(ours)


def clean(environ: Mapping[str, str] = os.environ) -> bool:
    """Remove the private engine and everything else of ours in the cache; return whether there was an engine."""
    ours = private_engine(environ)
    cache = ours.folder.parent
    with host.lock(_lock(ours), WHO), host.lock(cache / "stand-ins.lock", WHO):
        found = ours.folder.is_dir()
        if found:
            daemon.destroy(ours)
        for name in WORK_FOLDERS:
            host.remove(cache / name)
        for name in WORK_FILES:
            (cache / name).unlink(missing_ok=True)
        return found

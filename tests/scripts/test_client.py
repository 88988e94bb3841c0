from __future__ import annotations

from pathlib import Path

import pytest

from scripts.provision import client, engine, host

PRIVATE = Path("/home/me/.cache/dockproof/engine")


def test_uses_engine_that_answers() -> None:
    """A server of 23 or later is used as it is."""
    assert client.judge("26.1.5+dfsg1", "").usable


def test_refuses_engine_without_buildkit_as_default() -> None:
    """An older server is told by its version."""
    answer = client.judge("20.10.24", "")
    assert not answer.usable
    assert answer.reason == "the engine that answers is 20.10.24, older than 23"


def test_takes_unknown_version_for_usable() -> None:
    """A server built from a branch has no number; it answered."""
    assert client.judge("dev", "").usable


def test_quotes_client_when_no_engine_answers() -> None:
    """The client's last line says why."""
    assert client.judge("", "warning\nCannot connect").reason == "no engine answers (Cannot connect)"


def test_forgets_own_engine_when_looking_for_users() -> None:
    """What `env` set in an earlier shell is no wish of the user's."""
    env = {
        "DOCKER_HOST": f"unix://{PRIVATE}/run/docker.sock",
        "DOCKER_CONFIG": f"{PRIVATE}/client",
        "PATH": f"{PRIVATE}/root/usr/bin:/usr/bin",
    }
    assert client.user_environment(env, PRIVATE) == {"PATH": "/usr/bin"}


def test_keeps_users_own_settings() -> None:
    """Their host, settings and a folder with a longer name than ours stay."""
    env = {"DOCKER_HOST": "ssh://box", "DOCKER_CONFIG": "/home/me/.docker", "PATH": f"{PRIVATE}2/bin:/bin"}
    assert client.user_environment(env, PRIVATE) == env


def test_misses_client_that_is_not_installed() -> None:
    """No docker on PATH is an answer, not a crash."""
    assert client.ask({"PATH": "/nowhere"}).reason == "there is no docker client"


@pytest.mark.parametrize(
    ("variable", "named"), [("DOCKER_HOST", "tcp://build-box:2376"), ("DOCKER_CONTEXT", "build-box")]
)
def test_fails_closed_on_named_engine_that_is_down(variable: str, named: str, tmp_path: Path) -> None:
    """Another engine in place of the one that a variable names would hide that it is down."""
    env = {"PATH": "/nowhere", "HOME": str(tmp_path), variable: named}
    with pytest.raises(host.ProvisionError, match=f"{variable} is {named}"):
        engine.up(env)


def test_fails_closed_on_a_context_in_use_that_is_down(tmp_path: Path) -> None:
    """`docker context use` names an engine for good."""
    (tmp_path / "config.json").write_text('{"currentContext": "build-box"}')
    env = {"PATH": "/nowhere", "DOCKER_CONFIG": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(
        host.ProvisionError, match=r"context is build-box, but .*; start it, or `docker context use default`"
    ):
        engine.up(env)
    assert engine.status(env)["engine"] is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"currentContext": "default"}', "\0"])
def test_settings_that_name_no_engine_choose_none(text: str, tmp_path: Path) -> None:
    """Nor do those that nobody can read."""
    (tmp_path / "config.json").write_text(text)
    assert client.chosen({"DOCKER_CONFIG": str(tmp_path)}) is None


def test_choice_unsets_what_would_override_it() -> None:
    """TLS settings of another engine would break the private one's socket."""
    choice = engine.Choice(
        private=True, version="26", why="", variables={"DOCKER_TLS_VERIFY": None, "A": "b"}
    )
    assert choice.applied({"DOCKER_TLS_VERIFY": "1", "HOME": "/x"}) == {"A": "b", "HOME": "/x"}


def test_private_client_keeps_registry_settings_and_no_context() -> None:
    """Credentials hold for any engine; a context would lead away from this one."""
    user: dict[str, object] = {"auths": {"r": {}}, "currentContext": "remote", "plugins": {}}
    settings = engine.client_settings(user, Path("/p"))
    assert settings == {"auths": {"r": {}}, "cliPluginsExtraDirs": ["/p"]}

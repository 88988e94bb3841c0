"""Container facts: what the engine says of a container, read as it says it."""

from typing import Any

import pytest

from dockproof.facts.container import (
    Health,
    HealthLog,
    State,
    parse_container_health,
    parse_inspect,
    parse_time,
    signal_name,
)

DOCUMENT: dict[str, Any] = {
    "Id": "abc",
    "Name": "/web-1",
    "Image": "sha256:1",
    "Path": "python3",
    "Args": ["server.py"],
    "RestartCount": 2,
    "State": {
        "Status": "running",
        "Running": True,
        "ExitCode": 0,
        "OOMKilled": False,
        "StartedAt": "2026-01-01T00:00:00.5Z",
        "Health": {
            "Status": "healthy",
            "Log": [
                {
                    "Start": "2026-01-01T00:00:01.5Z",
                    "End": "2026-01-01T00:00:01.75Z",
                    "ExitCode": 1,
                    "Output": " no\n",
                },
                {
                    "Start": "2026-01-01T01:00:02.5+01:00",
                    "End": "2026-01-01T01:00:02.623456789+01:00",
                    "ExitCode": 0,
                    "Output": "",
                },
            ],
        },
    },
    "Config": {
        "User": "1000",
        "Env": ["A=b=c"],
        "Labels": {"com.docker.compose.service": "web"},
        "Healthcheck": {"Test": ["CMD", "probe"], "Retries": 2},
    },
    "HostConfig": {"ReadonlyRootfs": True, "CapDrop": ["ALL"], "Init": None, "NetworkMode": "x"},
    "Mounts": [{"Type": "volume", "Name": "v", "Source": "/s", "Destination": "/d", "RW": True}],
}


def test_inspect_is_read_into_facts() -> None:
    """Names, user, command, hardening and mounts come from `docker inspect`."""
    facts = parse_inspect(DOCUMENT)
    assert (facts.name, facts.service, facts.user, facts.argv) == (
        "web-1",
        "web",
        "1000",
        ("python3", "server.py"),
    )
    assert facts.state == State("running", running=True, restarts=2)
    assert (facts.readonly_root, facts.cap_drop, facts.init) == (True, ("ALL",), False)
    assert (facts.mounts[0].source, facts.environment) == ("v", {"A": "b=c"})


def test_health_tells_when_the_first_good_probe_ended() -> None:
    """Times are seconds from the start, whatever zone and digits the engine writes."""
    health = parse_container_health(DOCUMENT)
    assert health.log == (HealthLog(1, "no", 0.25, 1.25), HealthLog(0, "", 0.123456, 2.123456))
    assert health.healthy_after == 2.123456
    assert health.config is not None
    assert health.config.retries == 2


def test_container_without_health_check_has_none() -> None:
    """No check, and a check that is switched off, are the status `none`."""
    config = {"Healthcheck": {"Test": ["NONE"]}}
    assert parse_container_health({"State": {}, "Config": {}}) == Health("none")
    assert parse_container_health({"State": {}, "Config": config}).status == "none"


def test_time_that_has_not_come_is_none() -> None:
    """The engine writes the year 1 for it."""
    assert parse_time("0001-01-01T00:00:00Z") is None


@pytest.mark.parametrize(
    ("written", "read"),
    [("SIGTERM", "SIGTERM"), ("TERM", "SIGTERM"), ("sigquit", "SIGQUIT"), ("15", "SIGTERM"), ("3", "SIGQUIT"),
     ("SIGRTMIN+3", "SIGRTMIN+3"), ("99", "signal 99")],
)  # fmt: skip
def test_stop_signal_is_read_under_any_spelling(written: str, read: str) -> None:
    """STOPSIGNAL takes names with and without SIG, and numbers."""
    assert signal_name(written) == read


def test_stop_terms_are_the_containers_or_the_engines_own() -> None:
    """What nobody says is SIGTERM and ten seconds; a grace time of 0 is one that somebody said."""
    document = {
        "Id": "1",
        "Name": "/x",
        "Image": "sha256:1",
        "Path": "app",
        "State": {"Status": "running", "Running": True, "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z"},
        "HostConfig": {},
        "Config": {},
    }
    facts = parse_inspect(document)
    assert (facts.stop_signal, facts.stop_grace) == ("SIGTERM", 10.0)
    said = parse_inspect({**document, "Config": {"StopSignal": "INT", "StopTimeout": 0}})
    assert (said.stop_signal, said.stop_grace) == ("SIGINT", 0.0)

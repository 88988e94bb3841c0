"""The override that runs compose.yaml from stand-ins."""

from __future__ import annotations

from scripts.provision.compose_override import override

PROJECT = {
    "services": {
        "api": {"image": "app", "build": {"context": "."}},
        "migrate": {"image": "app"},
        "cache": {"image": "redis:8@sha256:1"},
    }
}


def test_changes_nothing_without_stand_ins() -> None:
    """A machine with a registry runs compose.yaml as it stands."""
    assert override(PROJECT, {"stand_ins": []}) == {"services": {"api": {}}, "secrets": {}}


def test_puts_stand_ins_in_place_of_images_and_bases() -> None:
    """What is pulled is replaced; what is built gets its base, its secrets and its network; other images stay."""
    report = {
        "stand_ins": [{"for": "redis:8@sha256:1", "image": "localhost/redis"}],
        "build": {"secrets": {"ca_bundle": "/run/ca"}, "network": "host"},
    }
    found = override(PROJECT, report)
    assert found["services"]["cache"] == {"image": "localhost/redis", "pull_policy": "never"}
    assert "migrate" not in found["services"]
    assert found["services"]["api"]["build"] == {
        "additional_contexts": {"redis:8@sha256:1": "docker-image://localhost/redis"},
        "secrets": ["ca_bundle"],
        "network": "host",
    }
    assert found["secrets"] == {"ca_bundle": {"file": "/run/ca"}}

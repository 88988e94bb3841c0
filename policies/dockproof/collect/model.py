"""Turn the manifest into the compose file that the gate really starts; pure functions on plain mappings.

Users' own stacks are never touched: every name that compose would share (project, containers, networks,
volumes) is this run's own, and no port is published. What the images are told is left as the manifest says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockproof.facts.durations import parse_duration
from dockproof.facts.image import HealthConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dockproof.collect.compose import Manifest
    from dockproof.collect.standins import StandIns

QUICK = 1.0
"""Seconds between health probes of the services that are looked at, so that a fault shows soon."""

# Meant for a user's long-running stack, not for a run that must see a container end and say so.
DROPPED = ("build", "ports", "container_name", "profiles", "restart", "scale", "pull_policy")


def runnable(
    manifest: Manifest,
    names: Iterable[str],
    *,
    project: str,
    labels: Mapping[str, str],
    images: Mapping[str, str],
    stand_ins: StandIns | None = None,
) -> dict[str, Any]:
    """Return the compose file for these services and what they depend on.

    Args:
        manifest: as compose resolved it.
        names: the services that are looked at.
        project: name of the compose project.
        labels: of every container, network and volume.
        images: service to image id, for those that were built.
        stand_ins: local images in place of pinned ones.
    """
    names = list(names)
    wanted = [*names, *(name for name in manifest.dependencies(names) if name not in names)]
    local = _local_images(manifest, images, stand_ins)
    services = {name: _service(manifest, name, labels, local) for name in wanted}
    document: dict[str, Any] = {"name": project, "services": services}
    # Named, the network that compose would make by itself carries our labels; unused, it is not made.
    for kind, implied in (("networks", {"default": None}), ("volumes", {})):
        declared = implied | (manifest.document.get(kind) or {})
        document[kind] = {name: _own(raw, labels) for name, raw in declared.items()}
    for kind in ("secrets", "configs"):
        if manifest.document.get(kind):
            document[kind] = manifest.document[kind]
    return document


def _local_images(
    manifest: Manifest, images: Mapping[str, str], stand_ins: StandIns | None
) -> dict[str, str]:
    """Return service to the local image it runs; a service may share a built one by its `image:` name."""
    shared = {
        manifest.services[name].image: identity
        for name, identity in images.items()
        if name in manifest.services
    }
    local = dict(images)
    for name, service in manifest.services.items():
        stand_in = stand_ins.image_for(service.image) if stand_ins and service.image else None
        known = shared.get(service.image) if service.image else None
        if name not in local and (found := known or stand_in):
            local[name] = found
    return local


def image(manifest: Manifest, name: str, images: Mapping[str, str], stand_ins: StandIns | None = None) -> str:
    """Return the image that a service runs, "" where it would have to be built and was not."""
    service = manifest.services[name]
    named = "" if service.build else service.image
    return _local_images(manifest, images, stand_ins).get(name) or named


def _service(
    manifest: Manifest, name: str, labels: Mapping[str, str], local: Mapping[str, str]
) -> dict[str, Any]:
    raw = manifest.services[name].raw
    service = {key: value for key, value in raw.items() if key not in DROPPED and not key.startswith("x-")}
    service["labels"] = {**_mapping(raw.get("labels")), **labels}
    if "deploy" in service:
        dropped = ("replicas", "mode", "restart_policy", "placement", "labels")
        service["deploy"] = {key: value for key, value in service["deploy"].items() if key not in dropped}
    if name in local:
        service |= {"image": local[name], "pull_policy": "never"}
    return service


def _mapping(labels: Mapping[str, str] | list[str] | None) -> dict[str, str]:
    """Read labels in either of compose's two forms."""
    if isinstance(labels, list):
        return {key: value for key, _, value in (label.partition("=") for label in labels)}
    return dict(labels or {})


def _own(raw: Mapping[str, Any] | None, labels: Mapping[str, str]) -> dict[str, Any]:
    """Make a network or volume this run's own: an external one is someone's data or traffic."""
    kept = {key: value for key, value in (raw or {}).items() if key not in {"name", "external"}}
    return {**kept, "labels": {**_mapping(kept.get("labels")), **labels}}


OF_ONE = ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "aliases")
"""What only one container of a network can have, or what brings it the traffic that is another's."""


def beside(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service without what would clash with, or take traffic from, the one that runs already."""
    found = {key: value for key, value in service.items() if key not in {"hostname", "mac_address"}}
    networks = found.get("networks")
    if isinstance(networks, dict):
        found["networks"] = {
            name: {key: value for key, value in (how or {}).items() if key not in OF_ONE}
            for name, how in networks.items()
        }
    return found


def merge(service: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Lay an override over a service: mappings merge, anything else replaces, None removes."""
    merged = dict(service)
    for key, value in override.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def health(image: HealthConfig | None, compose: Mapping[str, Any]) -> HealthConfig | None:
    """Lay compose's health check over the image's, as the engine does: what compose leaves out is the image's."""
    if compose.get("disable"):
        return HealthConfig(("NONE",))
    base = image or HealthConfig(())
    test = compose.get("test") or base.test
    if not test:
        return None
    return HealthConfig(
        test=("CMD-SHELL", test) if isinstance(test, str) else tuple(test),
        interval=_duration(compose.get("interval"), base.interval),
        timeout=_duration(compose.get("timeout"), base.timeout),
        start_period=_duration(compose.get("start_period"), base.start_period),
        start_interval=_duration(compose.get("start_interval"), base.start_interval),
        retries=int(compose.get("retries") or base.retries),
    )


def _duration(text: str | None, default: float) -> float:
    return (parse_duration(text) if text else None) or default


def quicken(service: dict[str, Any], check: HealthConfig | None, *, start_interval: bool) -> bool:
    """Shorten the pause between health probes of a started service; tell whether that was done.

    Only where it cannot change when the container first becomes healthy: the first probes then follow the
    start interval, which needs a start period and an engine that knows start intervals.
    """
    if check is None or check.disabled or not start_interval or check.start_period <= 0:
        return False
    if check.interval <= QUICK:
        return False
    service["healthcheck"] = {**(service.get("healthcheck") or {}), "interval": f"{QUICK:g}s"}
    return True

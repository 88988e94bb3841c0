"""What must be laid over compose.yaml where stand-ins take the place of a registry's images.

`docker compose -f compose.yaml -f OVERRIDE up` then runs the same stack from the local images; builds get the stand-in
of their base, the build secrets and the network that this machine needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def override(project: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the override, as JSON that compose reads as YAML; without stand-ins it changes nothing.

    Args:
        project: as `docker compose config --no-interpolate` prints it.
        report: as `scripts/stand-ins ensure` writes it.
    """
    images = {entry["for"]: entry["image"] for entry in report["stand_ins"]}
    build = _build(images, report.get("build") or {})
    services: dict[str, Any] = {}
    for name, service in project["services"].items():
        if service.get("build"):
            services[name] = {"build": build} if build else {}
        elif service.get("image") in images:
            services[name] = {"image": images[service["image"]], "pull_policy": "never"}
    secrets = {
        name: {"file": file} for name, file in ((report.get("build") or {}).get("secrets") or {}).items()
    }
    return {"services": services, "secrets": secrets}


def _build(images: Mapping[str, str], needs: Mapping[str, Any]) -> dict[str, Any]:
    contexts = {reference: f"docker-image://{image}" for reference, image in images.items()}
    parts = {
        "additional_contexts": contexts,
        "secrets": sorted(needs.get("secrets") or ()),
        "network": needs.get("network"),
    }
    return {key: value for key, value in parts.items() if value}

"""Local images that stand in for pinned ones on a machine without a registry, and what builds need there.

`scripts/stand-ins` writes the file; DOCKPROOF_STAND_INS names it. Nothing stands in where there is no file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockproof.errors import NotLookedError, UsageError
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "DOCKPROOF_STAND_INS"


class StandIn(NamedTuple):
    """One stand-in.

    Attributes:
        reference: the pinned image, exactly as FROM and compose write it.
        image: the local image that stands in for it.
        id: the local image's id.
        why: why it was needed.
        how: how it was made.
    """

    reference: str
    image: str
    id: str
    why: str = ""
    how: str = ""


class StandIns(NamedTuple):
    """What this machine has in place of a registry and of the open net; empty on a user's machine.

    Attributes:
        images: the stand-ins.
        secrets: id of a build secret to its file: a CA bundle, pip's settings.
        network: network of RUN steps, "" = the builder's default.
        report: the file's own words, for reports.
    """

    images: tuple[StandIn, ...] = ()
    secrets: Mapping[str, Path] = {}
    network: str = ""
    report: tuple[Mapping[str, str], ...] = ()

    def image_for(self, reference: str) -> str | None:
        """Return the local image that stands in for a reference, None where none does."""
        return next((each.image for each in self.images if each.reference == reference), None)

    def as_json(self) -> list[dict[str, str]]:
        """Return the stand-ins as reports name them."""
        return [dict(entry) for entry in self.report]

    def build_arguments(self) -> Iterator[str]:
        """Yield the arguments of `docker buildx build` that make it use them."""
        for name, path in self.secrets.items():
            yield from ("--secret", f"id={name},src={path}")
        if self.network:
            yield from ("--network", self.network)
        for each in self.images:
            yield from ("--build-context", f"{each.reference}=docker-image://{each.image}")


def load(path: Path | None = None) -> StandIns:
    """Read the stand-ins that a file, or the environment, names; none where neither does.

    Raises:
        UsageError: the file is missing or is not what `scripts/stand-ins` writes.
        NotLookedError: it names a secret's file that is gone.
    """
    if path is None:
        named = os.environ.get(VARIABLE, "")
        if not named:
            return StandIns()
        path = Path(named)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} ({VARIABLE}) cannot be read: {error}; write it with scripts/stand-ins"
        ) from error
    try:
        return parse(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} ({VARIABLE}) is not what scripts/stand-ins writes: {error!r}") from error


def parse(document: Mapping[str, Any]) -> StandIns:
    """Build the values from the file's JSON.

    Raises:
        NotLookedError: it names a secret's file that is gone.
    """
    entries = document["stand_ins"]
    build = document.get("build") or {}
    secrets = {name: Path(file) for name, file in (build.get("secrets") or {}).items()}
    for name, file in secrets.items():
        if not file.is_file():
            raise NotLookedError(f"the build secret {name} is gone; run scripts/stand-ins again")
    images = tuple(
        StandIn(entry["for"], entry["image"], entry["id"], entry.get("why", ""), entry.get("how", ""))
        for entry in entries
    )
    return StandIns(images, secrets, build.get("network") or "", tuple(entries))

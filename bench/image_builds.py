"""The images that `bench.our_images` compares, built on one base: ours, the first draft's, and a single stage's.

The base is the one that our Dockerfiles pin, or its stand-in, with one small layer more: a number of this run, so
that no build finds anything of an earlier one in the cache, and what this machine's network asks of pip, since the
first draft mounts no secret.
"""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dockproof.collect import build, image
from dockproof.collect.engine import tag
from dockproof.collect.standins import StandIn
from dockproof.facts.dockerfile import parse
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine
    from dockproof.collect.standins import StandIns
    from dockproof.facts.image import ImageFacts

REPOSITORY = Path(__file__).resolve().parents[1]
BACKEND = "dockerfiles/backend"
TIMEOUT = 600.0
# Where pip.conf points at the bundle is where the secret would be mounted (scripts/provision/build_secrets.py).
NETWORK = """
RUN --mount=type=secret,id=pip_conf,target=/tmp/pip_conf --mount=type=secret,id=ca_bundle,target=/tmp/ca_bundle \\
    echo {nonce} > /etc/bench-run \\
 && if [ -f /tmp/pip_conf ]; then cp /tmp/pip_conf /etc/pip.conf; fi \\
 && if [ -f /tmp/ca_bundle ]; then install -D -m 644 /tmp/ca_bundle /run/secrets/ca_bundle; fi
"""
# What a first search for "Dockerfile FastAPI PostgreSQL" gives.
SINGLE_STAGE = """
FROM python:3.13-slim-trixie
RUN apt-get update && apt-get install -y \\
    gcc \\
    g++ \\
    libpq-dev \\
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY app ./app
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""


class Built(NamedTuple):
    """An image and the seconds that its build took."""

    id: str
    seconds: float


class Yard:
    """Where the images are built: two folders of source, one base, and a tag for each image.

    Attributes:
        base: id of the base with this run's layer.
        reference: the pinned image that the base is, or stands in for.
        stand_in: the local image that stands in for it, "" where it was pulled.
        stand_ins: how builds get this run's base, by both of its names.
    """

    def __init__(self, engine: Engine, stand_ins: StandIns, folder: Path) -> None:
        """Copy the sources below `folder` and make the base."""
        self.engine = engine
        self.ours, self.draft = folder / "ours", folder / "draft"
        _copy_ours(self.ours)
        _copy_draft(self.draft)
        self.reference = base_of(REPOSITORY / BACKEND / "Dockerfile")
        self.stand_in = stand_ins.image_for(self.reference) or ""
        self.base = self._base(stand_ins)
        name = tag(engine.lease, "bench-base")
        engine.docker("tag", self.base, name)
        names = (self.reference, self.reference.partition("@")[0])
        self.stand_ins = stand_ins._replace(images=tuple(StandIn(each, name, self.base) for each in names))

    def _base(self, stand_ins: StandIns) -> str:
        local = self.stand_in or self.reference
        if not self.engine.has_image(local):
            self.engine.docker("pull", "--quiet", local, timeout=TIMEOUT)
        instructions = NETWORK.format(nonce=secrets.token_hex(8))
        return build.build_on(self.engine, local, instructions, name="bench-base", stand_ins=stand_ins)

    def build(self, context: Path, file: str, *, clean: bool = False) -> Built:
        """Build one image; `clean` runs every step anew, also those that hang on the files alone."""
        name = tag(self.engine.lease, f"bench-{context.name}-{file}")
        flags = ["--file", str(context / file), "--tag", name, "--load", "--provenance=false", "--sbom=false"]
        flags += [*self.stand_ins.build_arguments(), *(["--no-cache"] if clean else []), str(context)]
        began = time.monotonic()
        self.engine.docker("buildx", "build", *flags, timeout=TIMEOUT, what=f"build of {file}")
        seconds = time.monotonic() - began
        return Built(self.engine.inspect_image(name)["Id"], seconds)

    def facts(self, built: Built) -> ImageFacts:
        """Return what is in an image."""
        return image.facts(self.engine, built.id)

    def after_a_change(self, context: Path, file: str, times: int = 3) -> float:
        """Change the code and build again; the best one's seconds."""
        seconds = []
        for number in range(times):
            with (context / "app" / "main.py").open("a", encoding="utf-8") as code:
                code.write(f"\nCHANGE = {number}\n")
            seconds.append(self.build(context, file).seconds)
        return min(seconds)


def base_of(path: Path) -> str:
    """Return the image that a Dockerfile's last stage stands on.

    Raises:
        ValueError: it stands on none.
    """
    reference = parse(path.read_bytes(), str(path)).stages[-1].root_base.ref
    if reference is None:
        raise ValueError(f"{path} stands on no image")
    return reference.text


def _copy_ours(folder: Path) -> None:
    for part in ("app", "dockerfiles", "requirements"):
        shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_draft(folder: Path) -> None:
    """Lay out our app and its requirements where the first draft's Dockerfiles look for theirs."""
    shutil.copytree(REPOSITORY / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "app" / "migrations", folder / "alembic")
    for source, target in {
        "app/alembic.ini": "alembic.ini",
        "requirements/runtime.txt": "requirements.txt",
        "requirements/dev-app.txt": "requirements-dev.txt",
        "tests/seed/.dockerignore": ".dockerignore",
        "tests/seed/Dockerfile": "Dockerfile",
        "tests/seed/Dockerfile.dev": "Dockerfile.dev",
        "tests/seed/Dockerfile.worker": "Dockerfile.worker",
    }.items():
        shutil.copyfile(REPOSITORY / source, folder / target)
    (folder / "Dockerfile.single").write_text(SINGLE_STAGE, encoding="utf-8")

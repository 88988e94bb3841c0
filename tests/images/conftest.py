"""The three images, built with the README's own commands; and the stack that they run in."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockproof.collect import standins
from dockproof.collect.engine import Engine, tag
from dockproof.collect.standins import StandIns
from dockproof.errors import NotLookedError

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILES = {"api": "Dockerfile", "worker": "Dockerfile.worker", "dev": "Dockerfile.dev"}


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository: the context of every build."""
    return REPOSITORY


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of the environment; without one the tests skip with the reason, or fail where one is required."""
    try:
        found = Engine.connect()
    except NotLookedError as error:
        asked = request.config.getoption("--require-engine", default=False)
        required = asked or os.environ.get("CI", "").lower() == "true"
        (pytest.fail if required else pytest.skip)(f"{error}")
    with found:
        yield found


@pytest.fixture(scope="session")
def stand_ins() -> StandIns:
    """The local images that stand in for pinned ones, none on a machine with a registry."""
    return standins.load()


@pytest.fixture(scope="session")
def images(engine: Engine, stand_ins: StandIns) -> dict[str, str]:
    """Service to image, built as `docker build -f dockerfiles/backend/… -t … .` builds them."""
    return {service: docker_build(engine, stand_ins, service) for service in DOCKERFILES}


def docker_build(
    engine: Engine,
    stand_ins: StandIns,
    service: str,
    *flags: str,
    name: str = "",
    context: Path = REPOSITORY,
) -> str:
    """Build one image from the repository's root, or a copy of it, and return its tag."""
    image = tag(engine.lease, f"images-{name or service}")
    file = f"dockerfiles/backend/{DOCKERFILES[service]}"
    command = ["docker", "build", "-f", file, "-t", image, *stand_ins.build_arguments(), *flags, "."]
    subprocess.run(command, cwd=context, check=True, timeout=600, capture_output=True)
    return image

"""Two clean builds of our images are one image; the first draft's are not (test_first_draft.py)."""

import pytest

from bench.image_builds import REPOSITORY
from dockproof.collect import compose, reproduce
from dockproof.collect.engine import Engine
from dockproof.collect.standins import StandIns
from tests.images.reproduction import reproducible_says

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_ours_are_one_image(engine: Engine, stand_ins: StandIns, name: str) -> None:
    """Another folder, other dates and another umask give the same image, byte for byte."""
    services = compose.load(REPOSITORY / "compose.yaml").services
    found = reproduce.reproduce(engine, services[name], stand_ins)
    assert found.identical, list(found.groups())
    assert reproducible_says(engine, found) == []

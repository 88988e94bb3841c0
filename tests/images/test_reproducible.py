"""Two clean builds: ours are one image, the first draft's are not, and it is said where."""

from pathlib import Path

import pytest

from bench.image_builds import REPOSITORY, Yard
from dockproof import catalog, gate
from dockproof.collect import compose, image, reproduce
from dockproof.collect.compose import Build, Service
from dockproof.collect.engine import Engine
from dockproof.collect.standins import StandIns
from dockproof.config import Config
from dockproof.facts.reproduction import CONTENT, Reproduction
from dockproof.finding import Probe
from dockproof.policy import ImageTarget

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def _said(engine: Engine, found: Reproduction) -> list[str]:
    """Return the sentences of the image probe."""
    target = ImageTarget(image.facts(engine, found.first), again=found)
    answers = gate.ask([catalog.load()["reproducible"]], Probe.IMAGE, target, Config())
    assert not answers.not_looked
    return [finding.message for finding in answers.findings]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_ours_are_one_image(engine: Engine, stand_ins: StandIns, name: str) -> None:
    """Another folder, other dates and another umask give the same image, byte for byte."""
    services = compose.load(REPOSITORY / "compose.yaml").services
    found = reproduce.reproduce(engine, services[name], stand_ins)
    assert found.identical, list(found.groups())
    assert _said(engine, found) == []


def test_names_what_differs_in_the_first_draft(engine: Engine, stand_ins: StandIns, tmp_path: Path) -> None:
    """Bytecode with dates, apt's logs and the linker's cache, each with the instruction that left it."""
    yard = Yard(engine, stand_ins, tmp_path)
    build = Build(yard.draft, yard.draft / "Dockerfile", "", {}, {"context": str(yard.draft)})
    draft = Service("draft", "", build, {}, {}, {}, (), (), {}, {})
    found = reproduce.reproduce(engine, draft, yard.stand_ins)
    groups = [(found.steps[layer], paths) for layer, how, paths in found.groups() if how == CONTENT]
    content = {path: step for step, paths in groups for path in paths}
    bytecode = [path for path, step in content.items() if path.endswith(".pyc") and "pip install" in step]
    assert len(bytecode) > 1000
    assert {
        "/var/log/dpkg.log",
        "/var/log/apt/history.log",
        "/var/cache/ldconfig/aux-cache",
    } <= content.keys()
    assert "libpq-dev" in content["/var/log/dpkg.log"]
    assert any(
        "files differ in content" in sentence and ".pyc" in sentence for sentence in _said(engine, found)
    )

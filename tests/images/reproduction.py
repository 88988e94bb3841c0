"""What the policy `reproducible` says of two builds."""

from dockproof import catalog, gate
from dockproof.collect import image
from dockproof.collect.engine import Engine
from dockproof.config import Config
from dockproof.facts.reproduction import Reproduction
from dockproof.finding import Probe
from dockproof.policy import ImageTarget


def reproducible_says(engine: Engine, found: Reproduction) -> list[str]:
    """Return the sentences of the image probe."""
    target = ImageTarget(image.facts(engine, found.first), again=found)
    answers = gate.ask([catalog.load()["reproducible"]], Probe.IMAGE, target, Config())
    assert not answers.not_looked
    return [finding.message for finding in answers.findings]

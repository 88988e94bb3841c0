"""`dockproof image --structure`: container-structure-test's own files, asked of any image or archive.

The image's facts answer what needs no container. The rest goes to container-structure-test where an engine has the
image; of an archive it is not looked at. A test that fails is a finding of `structure:FILE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockproof.collect import structure, structure_config
from dockproof.errors import NotLookedError
from dockproof.finding import Finding, Place, Probe
from dockproof.gate import Answers, NotLooked
from dockproof.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dockproof.collect.engine import Engine
    from dockproof.collect.structure import StructureResult
    from dockproof.facts.image import ImageFacts

SHOWN = 5
"""Names of tests that a sentence tells before it only counts."""


class Asked(NamedTuple):
    """What the tests gave.

    Attributes:
        results: one for each test that was answered, in the order of the files.
        answers: those that failed as findings, and what was not looked at.
    """

    results: tuple[StructureResult, ...] = ()
    answers: Answers = Answers()


def ask(configs: Sequence[Path], facts: ImageFacts, engine: Engine | None = None) -> Asked:
    """Ask the tests of some files.

    Args:
        configs: the files.
        facts: what is known of the image.
        engine: the engine that has the image by its id; None = no container can be made.

    Raises:
        UsageError: a file is missing, or no sound test file.
    """
    results: list[StructureResult] = []
    missed: list[NotLooked] = []
    for config in configs:
        try:
            results += structure.run(facts.id, [config], engine=engine, facts=facts) if engine else ()
        except NotLookedError as error:
            missed.append(NotLooked(_name(config), str(error), error.log))
        if engine is None:
            document = structure_config.read(config)
            told = structure.told(document, facts)
            results += told.values()
            missed += _left(config, [name for name in document.names if name not in told])
    findings = tuple(_finding(one, error) for one in results for error in one.errors)
    return Asked(tuple(results), Answers(findings, (), tuple(missed)))


def _name(config: Path) -> str:
    return f"structure:{config.name}"


def _left(config: Path, names: Sequence[str]) -> list[NotLooked]:
    """Say which tests no container could be made for."""
    if not names:
        return []
    shown = "; ".join(names[:SHOWN]) + (f"; and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    tests = "1 test needs" if len(names) == 1 else f"{len(names)} tests need"
    reason = f"{tests} a container: `docker load` the archive and give the image's name ({shown})"
    return [NotLooked(_name(config), reason)]


def _finding(result: StructureResult, error: str) -> Finding:
    return Finding(_name(result.config), f"{result.name}: {error}", Place(), Probe.IMAGE)

"""The proof itself: every mutant of the catalogue, made and judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof import catalog, config
from dockproof.proof import command
from dockproof.session import Session

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine
    from dockproof.proof.matrix import Row

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dockerfiles" / "backend"


@pytest.fixture(scope="module")
def settings() -> config.Config:
    """Return the project's own configuration."""
    return config.load(ROOT / "pyproject.toml", catalog.load())


def survivors(wrong: list[str], rows: list[Row]) -> str:
    """Return what is wrong, a sentence a line; "" when everything is proven."""
    return "\n".join([*wrong, *(f"{r.policy} {r.mutant}: {fault}" for r in rows for fault in r.faults)])


def test_kills_every_source_mutant(settings: config.Config) -> None:
    """The shipped Dockerfiles are clean, and each edit that takes a property away is noticed, on its line."""
    wrong, rows = command.prove(FOLDER, catalog.load(), settings)
    assert survivors(wrong, rows) == ""
    assert {row.policy for row in rows} == {p.id for p in catalog.load().values() if "source" in p.probes}


@pytest.mark.engine
def test_kills_every_image_and_runtime_mutant(settings: config.Config, engine: Engine) -> None:
    """Images really built worse and containers really run worse turn their owners red, and nobody else."""
    assert engine.version
    policies = catalog.load()
    with Session.open(ROOT / "compose.yaml", policies, settings) as session:
        wrong, rows = command.prove(FOLDER, policies, settings, session)
    assert survivors(wrong, rows) == ""
    made = {(row.policy, str(row.probe)) for row in rows}
    assert made == {(p.id, str(probe)) for p in policies.values() for probe in p.probes}

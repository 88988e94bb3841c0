"""The proof itself: every mutant of the catalogue, made and judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockproof import catalog, config
from dockproof.collect import hadolint
from dockproof.proof import command, goods, matrix, source
from dockproof.session import Session

if TYPE_CHECKING:
    from dockproof.collect.engine import Engine
    from dockproof.proof.matrix import Proof

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "dockerfiles" / "backend"


@pytest.fixture(scope="module")
def settings() -> config.Config:
    """Return the project's own configuration."""
    return config.load(ROOT / "pyproject.toml", catalog.load())


def survivors(proof: Proof) -> str:
    """Return what is wrong, a sentence a line; "" when everything is proven."""
    faults = (f"{r.file} {r.policy} {r.mutant}: {fault}" for r in proof.rows for fault in r.faults)
    return "\n".join([*proof.wrong, *proof.not_looked, *faults])


def asked_of_source() -> set[str]:
    """Return the ids of the policies that are asked of Dockerfiles."""
    return {policy.id for policy in catalog.load().values() if "source" in policy.probes}


def test_kills_every_source_mutant(settings: config.Config) -> None:
    """Good Dockerfiles, shipped and generated, are clean; each edit that takes a property away is noticed there."""
    proof = command.prove(FOLDER, catalog.load(), settings)
    assert survivors(proof) == ""
    assert {row.policy for row in proof.rows if row.file in command.SHIPPED} == asked_of_source()


def test_proves_every_policy_in_every_ecosystem() -> None:
    """On each generated file every policy of Dockerfiles loses its property at least once, and notices."""
    proof = command.prove(ROOT / "nowhere", catalog.load(), config.Config())
    killed: dict[str, set[str]] = {name: set() for name in goods.generate()}
    for row in (row for row in proof.rows if row.killed):
        killed[row.file].add(row.policy)
    assert killed == dict.fromkeys(goods.generate(), asked_of_source())


@pytest.mark.parametrize(
    ("policy", "mutant", "files"),
    [
        ("clean-package-caches", "apk-keeps", {"alpine"}),
        ("clean-package-caches", "dnf-keeps", {"ubi"}),
        ("clean-package-caches", "no-clean-up", {"debian"}),
        ("locked-dependencies", "npm-install", {"node"}),
        ("locked-dependencies", "no-hashes", {"python"}),
        ("locked-dependencies", "any-crate", {"rust"}),
        ("locked-dependencies", "any-module", {"go"}),
        ("no-recommends", "recommends", {"debian"}),
    ],
)
def test_makes_the_edits_of_an_ecosystem(policy: str, mutant: str, files: set[str]) -> None:
    """What only one package manager has is taken away where it is used, and nowhere else."""
    owner = {policy: matrix.Owner(catalog.load()[policy], catalog.load()[policy].mutants)}
    made = {
        name
        for name, good in goods.generate().items()
        for row in source.edit_rows(good, catalog.load(), goods.settings(), owner)
        if isinstance(row, matrix.Row) and row.mutant == mutant
    }
    assert made == {f"good/{name}" for name in files}


def test_hadolint_is_silent_about_generated_files(tmp_path: Path) -> None:
    """The linter that most engineers use has nothing to say of a good file either."""
    paths = []
    for name, good in goods.generate().items():
        paths.append(tmp_path / f"{name.replace('/', '-')}.Dockerfile")
        paths[-1].write_text(good.text, encoding="utf-8")
    found = hadolint.run([str(path) for path in paths], defaults=True)
    assert (list(found.refused), list(found.failed)) == ([], [])
    assert {path: some for path, some in found.findings.items() if some} == {}
    assert len(found.findings) == len(paths)


@pytest.mark.engine
def test_kills_every_image_and_runtime_mutant(settings: config.Config, engine: Engine) -> None:
    """Images really built worse and containers really run worse turn their owners red, and nobody else."""
    assert engine.version
    policies = catalog.load()
    with Session.open(ROOT / "compose.yaml", policies, settings) as session:
        proof = command.prove(FOLDER, policies, settings, session)
    assert survivors(proof) == ""
    made = {(row.policy, str(row.probe)) for row in proof.rows}
    assert made == {(p.id, str(probe)) for p in policies.values() for probe in p.probes}

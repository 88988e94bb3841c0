"""hadolint is asked beside image-labels: texts that each rule flags and that none does; and every claim is tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockproof import catalog
from dockproof.collect import hadolint
from tests.catalog.asking import findings

FORMS = {"a": "text", "u": "url", "d": "rfc3339", "l": "spdx", "h": "hash", "v": "semver", "m": "email"}
GOOD = {
    "a": "x",
    "u": "https://example.com/x",
    "d": "2026-01-31T10:00:00Z",
    "l": "MIT",
    "h": "0123456789abcdef0123456789abcdef01234567",
    "v": "1.2.3",
    "m": "me@example.com",
}
FAULTS: dict[str, tuple[str, dict[str, str | None]]] = {
    "DL3049": ("missing", {"a": None}),
    "DL3050": ("superfluous", {"b": "x"}),
    "DL3051": ("empty", {"a": ""}),
    "DL3052": ("form", {"u": "no url"}),
    "DL3053": ("form", {"d": "yesterday"}),
    "DL3054": ("form", {"l": "mine"}),
    "DL3055": ("form", {"h": "main"}),
    "DL3056": ("form", {"v": "one"}),
    "DL3058": ("form", {"m": "me"}),
}
TRIED = {f"hadolint:{rule}" for rule in FAULTS} | {"hadolint:DL3026"}
ELSEWHERE = {
    "buildkit:CopyIgnoredFile",  # needs a build context: tests/catalog/test_context_excludes.py
    "buildkit:InvalidDefinitionDescription",  # experimental: tests/catalog/test_current_syntax.py
    "buildkit:NoEmptyContinuation",  # tests/catalog/test_current_syntax.py
    "buildkit:UndefinedArgInFrom",  # tests/catalog/test_defined_variables.py
}


def _text(changed: dict[str, str | None]) -> str:
    labels = GOOD | changed
    lines = (f'LABEL {key}="{value}"\n' for key, value in labels.items() if value is not None)
    return f"FROM debian:12\n{''.join(lines)}"


def _flagged(text: str, folder: Path) -> set[str]:
    file, config = folder / "Dockerfile", folder / "all.yaml"
    file.write_text(text)
    schema = "".join(f"  {key}: {form}\n" for key, form in FORMS.items())
    config.write_text(f"strict-labels: true\ntrustedRegistries: [docker.io]\nlabel-schema:\n{schema}")
    said = hadolint.run([file], config, keep=False)
    assert not said.failed
    return {found.policy.partition(":")[2] for found in said.findings[str(file)]}


@pytest.mark.parametrize("rule", FAULTS)
def test_agrees_with_hadolint_on_a_faulty_label(rule: str, tmp_path: Path) -> None:
    """Both flag the fault, and neither has another thing to say of the labels."""
    clause, changed = FAULTS[rule]
    text = _text(changed)
    assert _flagged(text, tmp_path) & FAULTS.keys() == {rule}
    ours = findings("image-labels", text, labels=FORMS, strict=True)
    assert {found.clause for found in ours} == {clause}


def test_agrees_with_hadolint_on_good_labels(tmp_path: Path) -> None:
    """Neither has a thing to say."""
    assert not _flagged(_text({}), tmp_path) & FAULTS.keys()
    assert findings("image-labels", _text({}), labels=FORMS, strict=True) == []


@pytest.mark.parametrize(("image", "flagged"), [("debian:12", False), ("quay.io/x/y:1", True)])
def test_agrees_with_hadolint_on_a_registry(image: str, *, flagged: bool, tmp_path: Path) -> None:
    """A registry outside the list is flagged, Docker Hub by its short name is not."""
    text = f"FROM {image}\n"
    assert ("DL3026" in _flagged(text, tmp_path)) is flagged
    assert bool(findings("trusted-registry", text, registries=["docker.io"])) is flagged


def test_every_claim_about_a_peer_is_tried() -> None:
    """Each rule that a policy is the same as, or covers, has a text that both flag."""
    claimed = {
        rule
        for policy in catalog.load().values()
        for part in (policy.clauses or (policy,))
        for rule in (*part.same_as, *part.covers)
    }
    rows = json.loads(Path(__file__).with_name("peers.json").read_text())
    assert claimed - {rule for row in rows for rule in row["both"]} - TRIED == ELSEWHERE

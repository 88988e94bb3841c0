from __future__ import annotations

import pytest

from tests.catalog.asking import ask, findings, red

POLICY = "used-stages"
LINT = "FROM a AS lint\nRUN x\nFROM b AS build\nRUN y\n"


def test_flags_a_stage_that_nothing_needs() -> None:
    """BuildKit never builds it."""
    (finding,) = findings(POLICY, LINT)
    assert (finding.place.line, finding.message) == (1, "no shipped stage needs stage lint")
    assert red(POLICY, "FROM a\nFROM b\n") == [(1, None)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a AS x\nFROM x",
        "FROM a AS x\nFROM b\nCOPY --from=x /y /z",
        "FROM a AS x\nFROM b\nCOPY --from=0 /y /z",
        "FROM a AS x\nFROM b\nRUN --mount=from=x,target=/y z",
        "ARG TARGETARCH\nFROM a AS x-amd64\nFROM a AS x-arm64\nFROM x-$TARGETARCH",
    ],
)
def test_passes_a_stage_that_the_last_one_reaches(text: str) -> None:
    """By FROM, COPY or a mount; a name with a variable reaches every stage that fits."""
    assert red(POLICY, f"{text}\n") == []


def test_passes_a_target_that_somebody_builds() -> None:
    """Shipped by compose or the configuration, or named by the policy's own option."""
    assert red(POLICY, LINT, targets=("lint", "build")) == []
    assert ask(POLICY, LINT, {"targets": ["LINT"]}).findings == ()

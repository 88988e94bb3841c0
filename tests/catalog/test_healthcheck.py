from __future__ import annotations

from tests.catalog.asking import red

POLICY = "healthcheck"


def test_flags_a_shipped_stage_without_a_check() -> None:
    """The finding sits on the shipped stage's FROM, whatever other stages have."""
    text = 'FROM alpine AS a\nHEALTHCHECK CMD ["x"]\nFROM alpine\nCMD ["y"]\n'
    assert red(POLICY, text) == [(3, "present")]


def test_passes_a_check_inherited_through_from() -> None:
    """A stage inherits the check of the stage it is built FROM."""
    assert red(POLICY, 'FROM alpine AS a\nHEALTHCHECK CMD ["x"]\nFROM a\nCMD ["y"]\n') == []


def test_flags_a_check_switched_off() -> None:
    """HEALTHCHECK NONE undoes an inherited check."""
    text = 'FROM alpine AS a\nHEALTHCHECK CMD ["x"]\nFROM a\nHEALTHCHECK NONE\n'
    assert red(POLICY, text) == [(4, "present")]


def test_flags_a_probe_longer_than_its_interval() -> None:
    """A timeout above the interval lets probes pile up."""
    text = 'FROM alpine\nHEALTHCHECK --interval=5s --timeout=10s CMD ["x"]\n'
    assert red(POLICY, text) == [(2, "bounded")]
    assert red(POLICY, 'FROM alpine\nHEALTHCHECK --interval=10s --timeout=10s CMD ["x"]\n') == []
    assert red(POLICY, 'FROM alpine\nHEALTHCHECK --timeout=1m CMD ["x"]\n') == [(2, "bounded")]

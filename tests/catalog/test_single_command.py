from __future__ import annotations

import pytest

from tests.catalog.asking import findings, red

POLICY = "single-command"


@pytest.mark.parametrize("keyword", ["CMD", "ENTRYPOINT", "HEALTHCHECK CMD"])
def test_flags_what_is_set_again_in_its_stage(keyword: str) -> None:
    """All but the last are dead text; each keyword has a clause of its own."""
    text = f'FROM a\n{keyword} ["x"]\nRUN y\n{keyword} ["z"]\n{keyword} ["x"]\n'
    clause = keyword.split(maxsplit=1)[0].lower()
    assert red(POLICY, text) == [(2, clause), (4, clause)]
    assert "the one on line 5" in findings(POLICY, text)[0].message


def test_passes_what_a_later_stage_sets_anew() -> None:
    """An override of the stage that it is built FROM is deliberate."""
    assert (
        red(POLICY, 'FROM a AS b\nCMD ["x"]\nHEALTHCHECK NONE\nFROM b\nCMD ["y"]\nHEALTHCHECK CMD z\n') == []
    )


def test_passes_one_of_each_and_a_trigger() -> None:
    """What ONBUILD leaves for another build is not this stage's own."""
    assert red(POLICY, 'FROM a\nENTRYPOINT ["x"]\nCMD ["y"]\nONBUILD CMD ["z"]\n') == []

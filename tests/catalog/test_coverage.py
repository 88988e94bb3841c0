from __future__ import annotations

from pathlib import Path

import pytest

from dockproof import catalog

HERE = Path(__file__).parent


@pytest.mark.parametrize("policy", catalog.load())
def test_every_policy_has_a_test_of_its_own(policy: str) -> None:
    """Who looks for what is known of a policy finds it by its name."""
    name = policy.replace("-", "_")
    text = (HERE / f"test_{name}.py").read_text(encoding="utf-8")
    assert f'"{policy}"' in text

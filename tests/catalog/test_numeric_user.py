from __future__ import annotations

import pytest

from tests.catalog.asking import red

POLICY = "numeric-user"


@pytest.mark.parametrize("user", ["app", "app:1000", "1x", "nobody", "$NOWHERE"])
def test_flags_what_is_no_number(user: str) -> None:
    """A name, or what nothing in sight gives a value."""
    assert red(POLICY, f"FROM a:1\nUSER {user}\n") == [(2, None)]


@pytest.mark.parametrize(
    "lines", ["USER 1000", "USER 1000:app", "ARG U=1000\nUSER $U", "ARG U\nUSER $U", "USER app\nUSER 1000"]
)
def test_passes_a_number(lines: str) -> None:
    """Also by an ARG; one without a default is for `non-root` to name."""
    assert red(POLICY, f"FROM a:1\n{lines}\n") == []


def test_judges_the_shipped_stage_alone() -> None:
    """A builder may run as whom it likes."""
    assert red(POLICY, "FROM a:1 AS b\nUSER app\nFROM a:1\nUSER 1000\n") == []

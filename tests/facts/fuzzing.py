"""How the generated runs are made: short and fixed by default, `DOCKPROOF_FUZZ=20000` examples of chance otherwise."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = "DOCKPROOF_FUZZ" in os.environ


def fuzz(examples: int) -> settings:
    """Return the settings of a test that takes so many examples by default."""
    return settings(
        max_examples=int(os.environ.get("DOCKPROOF_FUZZ", examples)),
        deadline=None,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

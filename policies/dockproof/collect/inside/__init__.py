"""Programs that run inside the sidecar, under its own Python: one file each, the standard library alone."""

from __future__ import annotations

from pathlib import Path


def text(name: str) -> str:
    """Return the text of one of them, as `python3 -c` takes it."""
    return Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")

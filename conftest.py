"""What pytest leaves alone here, because it is there to fail, and which files its workers begin with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

# The files that take longest, longest first: begun last, one of them keeps a single worker busy at the end.
LONGEST = (
    "tests/proof/test_kill_matrix.py",
    "tests/faults/test_faults.py",
    "tests/images/test_seed_images.py",
    "tests/collect/test_look.py",
    "tests/images/test_structure_run.py",
    "tests/test_interrupted.py",
    "tests/test_verify.py",
    "tests/images/test_reproducible.py",
    "tests/scripts/test_stand_ins_live.py",
    "tests/collect/test_run.py",
    "tests/test_bad_containers.py",
    "compose.yaml",
    "tests/app/test_worker_processes.py",
    "tests/scale/test_xdist.py",
    "tests/scripts/test_engine_live.py",
    "tests/app/test_backend.py",
    "tests/scale/test_builders.py",
    "tests/scale/test_two_engines.py",
)

collect_ignore = [
    "tests/seed",
    "tests/bad_containers",
    "tests/contradictions",
    "tests/run_image",
    "build",
    ".venv",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a worker begin with the longest files, then with those of most tests, as pytest-xdist does by itself."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    place = {file: number for number, file in enumerate(LONGEST)}
    order = sorted(files, key=lambda file: (place.get(file, len(LONGEST)), -len(files[file])))
    items[:] = [item for file in order for item in files[file]]

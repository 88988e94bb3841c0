"""dockerfile-parse, imported without `logging` unless the process has it already.

The package makes a logger when it is imported and logs nothing of what we ask of it. `logging` is a sixth of
`import argparse, yaml`, within twice of which a check of one file has to start. So the logger that the package gets
here is made when the first message comes, and then says all that it would have said.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DockerfileParser"]


class _LaterLogger:
    """Stands for the logger of a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import logging  # noqa: PLC0415 - the first message pays for it

        return getattr(logging.getLogger(self._name), attribute)


def _parser() -> Any:
    if "logging" in sys.modules:
        from dockerfile_parse import DockerfileParser  # noqa: PLC0415 - as it is

        return DockerfileParser
    stand_in = ModuleType("logging")
    stand_in.getLogger = _LaterLogger  # type: ignore[attr-defined]
    sys.modules["logging"] = stand_in
    try:
        from dockerfile_parse import DockerfileParser  # noqa: PLC0415 - while the stand-in is there
    finally:
        del sys.modules["logging"]
    return DockerfileParser


DockerfileParser = _parser()

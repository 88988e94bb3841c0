"""A service small enough to be looked at within seconds, for tests that run the gate on a project of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from dockproof.collect import sidecar

BASE = sidecar.IMAGE
STACK = Path(__file__).parent / "collect" / "stack"
ASKED_RARELY = (STACK / "Dockerfile").read_text(encoding="utf-8")
"""A Dockerfile whose health check is asked every 30 seconds: nothing of it falls into the time of a run."""

DOCKERFILE = f"""\
FROM {BASE}
COPY --chmod=0755 server.py probe.py /srv/
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --start-period=20s --start-interval=500ms --interval=2s --timeout=2s --retries=2 \\
    CMD ["python3", "-I", "-S", "/srv/probe.py"]
CMD ["python3", "/srv/server.py"]
"""


def write(folder: Path, dockerfile: str = DOCKERFILE) -> None:
    """Write its program, its health probe and a Dockerfile into a folder."""
    for name in ("server.py", "probe.py"):
        shutil.copy(STACK / name, folder)
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")

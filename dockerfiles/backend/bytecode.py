"""Compile what the app loads: `python bytecode.py ROOT`, run while the packages' layer is built.

The modules below are what app/ asks of its packages. They are imported, and the bytecode of everything that came
with them, the standard library's modules included, is written below ROOT where Python will look for it. The list
names packages, not the app's code, so that the packages' layer outlives a change of the code. A test starts the
images and tells which loaded module has no bytecode (tests/images).
"""  # noqa: INP001 - a script of the build, no package

import importlib
import importlib.util
import py_compile
import sys
from pathlib import Path

MODULES = (
    "alembic.command",
    "alembic.config",
    "alembic.ddl.postgresql",
    "anyio._backends._asyncio",
    "concurrent.futures.thread",
    "dramatiq.__main__",
    "dramatiq.brokers.rabbitmq",
    "dramatiq.middleware",
    "encodings.idna",
    "fastapi",
    "fastapi.telemetry._runtime",
    "multiprocessing.popen_fork",
    "multiprocessing.sharedctypes",
    "psycopg",
    "pydantic.v1",
    "pydantic_settings",
    "redis",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.orm",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)


def loaded_sources() -> set[str]:
    """Import MODULES and return the source files of all modules that are loaded then."""
    for name in MODULES:
        importlib.import_module(name)
    specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
    return {spec.origin for spec in specs if spec and spec.has_location and str(spec.origin).endswith(".py")}


def main(root: Path) -> None:
    """Compile for `root`; the hash of the source stands where a date would make each build differ."""
    for source in sorted(loaded_sources()):
        target = root / importlib.util.cache_from_source(source).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        py_compile.compile(
            source, str(target), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Start the workers: `python -m app.workers`. It stays process 1 of its container, as dramatiq's own."""

from app import stopping

if __name__ == "__main__":
    stopping.hold_back()  # dramatiq lets them through when it is ready to hand them on

import os
import sys
from importlib import import_module

import dramatiq.__main__
import dramatiq.cli

from app.settings import Settings, SettingsError, load_settings

#: Work that is not done by then goes back to the queue. With dramatiq's own two seconds, well within ten.
SHUTDOWN_MILLISECONDS = 5_000
#: Imported once, before the processes part, and shared by them: less memory, and an earlier start. What connects to a
#: service is made in each process.
SHARED = (
    "app.analysis",
    "app.broker",
    "app.cache",
    "app.database",
    "app.library",
    "app.workers.heartbeat",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
)


def arguments(settings: Settings) -> list[str]:
    """Return dramatiq's arguments."""
    return [
        "app.workers.tasks",
        *("--processes", str(settings.dramatiq_processes)),
        *("--threads", str(settings.dramatiq_threads)),
        *("--worker-shutdown-timeout", str(SHUTDOWN_MILLISECONDS)),
    ]


def run(words: list[str]) -> int:
    """Run dramatiq in this process; logs go to standard output."""
    os.dup2(1, 2)  # dramatiq collects its processes' logs and writes them to standard error
    for name in SHARED:
        import_module(name)
    sys.argv = [str(dramatiq.__main__.__file__), *words]  # on SIGHUP it starts itself again by this
    code: int = dramatiq.cli.main()  # type: ignore[no-untyped-call]
    return code


def main() -> int:
    """Run the workers; return 2 where the environment is wrong."""
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"app.workers: {error}", file=sys.stderr)  # noqa: T201 - there is no log to write to yet
        return 2
    return run(arguments(settings))


if __name__ == "__main__":
    sys.exit(main())

"""Start the workers: `python -m app.workers`. It replaces itself with dramatiq, which is then process 1."""

from app import stopping

if __name__ == "__main__":
    stopping.hold_back()  # dramatiq lets them through when it is ready to hand them on

import os
import sys
from typing import NoReturn

from app.settings import Settings, SettingsError, load_settings

#: Work that is not done by then goes back to the queue. With dramatiq's own two seconds, well within ten.
SHUTDOWN_MILLISECONDS = 5_000


def command(settings: Settings) -> list[str]:
    """Return dramatiq's command line."""
    return [
        *(sys.executable, "-m", "dramatiq", "app.workers.tasks"),
        *("--processes", str(settings.dramatiq_processes)),
        *("--threads", str(settings.dramatiq_threads)),
        *("--worker-shutdown-timeout", str(SHUTDOWN_MILLISECONDS)),
    ]


def become(arguments: list[str]) -> NoReturn:
    """Replace this process with that program; logs go to standard output."""
    os.dup2(1, 2)  # dramatiq collects its processes' logs and writes them to standard error
    os.execv(arguments[0], arguments)  # noqa: S606 - no shell is wanted


def main() -> int:
    """Become dramatiq; return 2 where the environment is wrong."""
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"app.workers: {error}", file=sys.stderr)  # noqa: T201 - there is no log to write to yet
        return 2
    become(command(settings))


if __name__ == "__main__":
    sys.exit(main())

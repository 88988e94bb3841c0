"""What the scripts' command lines have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scripts.provision import host

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

COULD_NOT = 4


def run(who: str, action: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a sub-command and return its exit code: its own, 4 for what could not be made ready, 130 for Ctrl-C."""
    try:
        return action(options)
    except host.ProvisionError as error:
        host.say(who, str(error))
        if error.log:
            print(error.log, file=sys.stderr)
        return COULD_NOT
    except OSError as error:
        host.say(who, f"{error.filename or 'the system'}: {error.strerror}")
        return COULD_NOT
    except KeyboardInterrupt:
        host.say(who, "interrupted")
        return 130

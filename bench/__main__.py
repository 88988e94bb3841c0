"""`python -m bench` runs every measurement of this folder but the long ones, `python -m bench facts` those named."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from dockproof.errors import Exit, NotLookedError


def names() -> list[str]:
    """The modules here that have a `main`."""
    found = [
        module.name for module in iter_modules([str(Path(__file__).parent)]) if module.name != "__main__"
    ]
    return [name for name in sorted(found) if hasattr(import_module(f"bench.{name}"), "main")]


def main(wanted: list[str]) -> int:
    """Run them in turn; the worst exit code counts, 2 for a name that is none."""
    known = names()
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        print(f"no measurement {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    worst = 0
    for name in wanted or [
        name for name in known if not hasattr(import_module(f"bench.{name}"), "ASKED_FOR")
    ]:
        print(f"== {name}", flush=True)  # a command's output
        worst = max(worst, measured(name))
    return worst


def measured(name: str) -> int:
    """Run one measurement; what could not be measured is said, and costs the others nothing."""
    try:
        code: int = import_module(f"bench.{name}").main()
    except NotLookedError as error:
        print(f"  not measured: {error}", file=sys.stderr)
        return Exit.NOT_LOOKED
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

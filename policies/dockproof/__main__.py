"""`python -m dockproof`."""

import sys

from dockproof.cli import program

if __name__ == "__main__":
    sys.exit(program())

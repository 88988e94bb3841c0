"""`python -m dockproof`."""

import sys

from dockproof.cli import main

if __name__ == "__main__":
    sys.exit(main())

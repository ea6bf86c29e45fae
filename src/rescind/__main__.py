"""``python -m rescind``: the command line, where the console script is not on the path."""

import sys

from rescind.cli import main

if __name__ == "__main__":
    sys.exit(main())

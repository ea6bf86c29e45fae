"""`main`: the way in, which says what to install if the command line was not installed.

*What it is not.* Where commands are: those are in `rescind.cli.app`, which needs click and rich.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    Args:
        arguments: without the program's name; by default those of the process.
    """
    try:
        from rescind.cli import app
    except ModuleNotFoundError as exc:
        missing = (exc.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        print(
            f"rescind: error: the command line needs {missing}, which is not installed: "
            "pip install 'rescind[cli]'",
            file=sys.stderr,
        )
        return 2
    return app.main(arguments)

"""The command line: ``rescind run``. `main` is what the console script calls."""

from rescind.cli.entry import main

__all__ = ["main"]

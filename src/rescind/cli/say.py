"""What is written to the terminal: one-line messages, and tracebacks without rescind's own frames.

*What it is not.* On standard output: that belongs to the program that is run.

*Threads.* Any. `write` may also be called in a signal handler that interrupted a write.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from rescind._core.frames import own_file
from rescind._core.reason import printable

__all__ = ["LogHandler", "error", "is_ours", "note", "traceback_of", "write"]

_LOADERS: Final = ("<frozen importlib", os.path.join(os.path.dirname(importlib.__file__), ""))


def write(text: str) -> None:
    """Write to standard error, even if this interrupts a write to it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except RuntimeError:  # a reentrant call: the signal came in the midst of another write
        os.write(2, text.encode(errors="replace"))


def note(message: str, lines: str = "", *, style: str = "bold") -> None:
    """Write ``rescind: message``, then further lines; what would move the cursor is spelled out."""
    message, lines = ("\n".join(map(printable, text.split("\n"))) for text in (message, lines))
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    with console.capture() as capture:
        console.print(Text.assemble(("rescind: ", style), message))
        if lines:
            console.print(Text(lines))
    write(capture.get())


def error(message: str) -> None:
    """Write ``rescind: error: message``."""
    note(f"error: {message}", style="bold red")


def traceback_of(exc: BaseException, *, full: bool) -> str:
    """Return the traceback; rescind's own frames are in it only if ``full``."""
    shown = traceback.TracebackException.from_exception(exc)
    if not full:
        for part in _parts(shown):
            theirs = [frame for frame in part.stack if not is_ours(frame.filename)]
            part.stack = traceback.StackSummary.from_list(theirs)
    return "".join(shown.format())


def is_ours(file: str) -> bool:
    """Is it a file of rescind's, or the machinery that imports?"""
    return own_file(file) or file.startswith(_LOADERS)


def _parts(
    shown: traceback.TracebackException | None,
) -> Iterator[traceback.TracebackException]:
    if shown is None:
        return
    yield shown
    yield from _parts(shown.__cause__)
    yield from _parts(shown.__context__)
    for inner in shown.exceptions or ():
        yield from _parts(inner)


class LogHandler(logging.Handler):
    """Shows rescind's warnings, unless the program has set up logging itself.

    Overruns are left out: the command line lists them at the end.
    """

    def __init__(self, *, full: bool) -> None:
        super().__init__(logging.WARNING)
        self._full = full

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if logging.getLogger().handlers or getattr(record, "overrun", False):
            return
        exc = record.exc_info[1] if record.exc_info else None
        details = "" if exc is None else traceback_of(exc, full=self._full).rstrip()
        note(record.getMessage(), details)

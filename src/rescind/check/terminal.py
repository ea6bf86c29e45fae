"""A report in the terminal, in color.

*What it is not.* Another text than the plain one: the same lines, drawn with rich.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from rescind.check.coverage import FileCoverage
from rescind.check.layout import Line, report_lines
from rescind.check.report import Report
from rescind.check.tables import coverage_lines, matrix_lines

__all__ = ["STYLES", "draw", "draw_coverage"]

#: The style of each word that `rescind.check.layout` uses.
STYLES: Final = {
    "": "",
    "bad": "bold red",
    "good": "green",
    "warn": "yellow",
    "hint": "cyan",
    "title": "bold",
    "place": "bold",
    "key": "dim",
    "dim": "dim",
    "code": "italic",
    "old": "green",
    "new": "bold red",
    "token": "blue",
}
#: What a terminal gets that cannot show these signs.
_PLAIN: Final = str.maketrans({"✓": "+", "✗": "X", "·": ".", "…": "~", "’": "'", "–": "-"})
_WIDEST: Final = 120


def draw(report: Report, console: Console, *, verbose: bool = False) -> None:
    """Write a report: the matrix, what broke, the totals; if verbose, every hint in full."""
    width = min(console.width, _WIDEST)
    matrix = list(matrix_lines(report, width))
    if matrix:
        _write([*matrix, ()], console)
    _write(report_lines(report, width, verbose=verbose), console)


def draw_coverage(files: Sequence[FileCoverage], console: Console) -> None:
    """Write the table of coverage."""
    _write([(), *coverage_lines(files, min(console.width, _WIDEST))], console)


def _write(lines: Iterable[Line], console: Console) -> None:
    for line in lines:
        text = Text()
        for style, part in line:
            text.append(_writable(part, console.encoding), STYLES[style])
        # A line is broken by the terminal, not by us: what is copied is one line.
        console.print(text, soft_wrap=True, highlight=False)


def _writable(text: str, encoding: str) -> str:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAIN).encode("ascii", "backslashreplace").decode()
    return text

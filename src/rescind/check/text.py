"""A report as plain text: what a person reads in a log, or in the message of a failed test.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Iterator

from rescind.check.layout import joined, report_lines
from rescind.check.report import Report
from rescind.check.tables import matrix_lines

__all__ = ["lines_of"]


def lines_of(
    report: Report, *, matrix: bool = False, width: int = 100, verbose: bool = False
) -> Iterator[str]:
    """Yield the lines of a report.

    Args:
        report: what to tell.
        matrix: begin with the table of places and modes.
        width: how long a line may be, where it can be broken.
        verbose: tell of hints that stand alone in full, too.
    """
    if matrix and report.matrix:
        yield from joined(matrix_lines(report, width))
        yield ""
    yield from joined(report_lines(report, width, verbose=verbose))

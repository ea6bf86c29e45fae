"""`table`: results for a terminal; `markdown_table`: for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.peers import baseline
from bench.results import Results, Row
from bench.subject import Clock, Measure

__all__ = ["amount", "block", "notes", "ran", "ratio_text", "table"]

_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES: Final = ((2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))

#: Time that passed ÷ time computed, from which on results say that the machine was busy.
BUSY: Final = 1.15
#: A ratio less than this has so many digits after the point.
_DIGITS: Final = ((0.1, 3), (10, 2), (100, 1))
_SMALL: Final = 10
_FEW: Final = 100


def amount(value: float, measure: Measure) -> str:
    """Return seconds or bytes with three digits and a unit."""
    units = _BYTES if measure == "bytes" else _TIMES
    scale, unit = next((each for each in units if abs(value) >= each[0]), units[-1])
    number = value / scale
    digits = 2 if abs(number) < _SMALL else 1 if abs(number) < _FEW else 0
    return f"{number:.{digits}f} {unit}"


def ratio_text(value: float | None) -> str:
    """Return a ratio with as many digits as mean something."""
    if value is None:
        return "–"
    digits = next((digits for most, digits in _DIGITS if value < most), 0)
    return f"{value:.{digits}f}×"


def ran(results: Results) -> list[str]:
    """Return the names of the peers that took part."""
    return [name for name, peer in results.peers.items() if "skip" not in peer]


def table(results: Results, clock: Clock | None = None) -> str:
    """Return what `block` does for each subject and size, and the notes."""
    blocks = [block(results, subject, size, clock) for subject, size in results.cases()]
    return "\n".join([*blocks, *notes(results)])


def block(results: Results, subject: str, size: int, clock: Clock | None = None) -> str:
    """Return a line per peer, for a subject at a size.

    Args:
        results: of a run.
        subject, size: which.
        clock: by which to judge; None: the subject's own.
    """
    ours = baseline(set(ran(results)))
    bases = {"÷ asyncio": "asyncio", "÷ rescind": ours or "", "÷ tokio": "tokio"}
    if "tokio" not in ran(results):
        del bases["÷ tokio"]
    base_rows = [results.row(subject, size, base) for base in bases.values()]
    cells = [["", "per operation", "±", *bases, "busy"]]
    for peer in ran(results):
        row = results.row(subject, size, peer)
        if row is not None and (row.samples or row.error):
            cells.append(_line(results, row, base_rows, clock))
    title = f"{subject} × {size:,}: {results.about.get(subject, '')}"
    return "\n".join([title, *_aligned(cells), ""])


def _line(
    results: Results, row: Row, bases: Sequence[Row | None], clock: Clock | None
) -> list[str]:
    measured = row.measured(clock)
    if measured is None:
        return [row.peer, f"failed: {row.error}", "", *["" for _ in bases], ""]
    return [
        row.peer,
        amount(measured.median, row.measure),
        f"{100 * measured.spread():.0f} %",
        *[ratio_text(results.ratio(row, base, clock)) for base in bases],
        f"{row.busy():.2f}" if row.measure == "time" and row.clock == "cpu" else "",
    ]


def notes(results: Results) -> list[str]:
    """Say who was left out, and whether others used the machine meanwhile."""
    lines = [
        f"{name} was left out: {peer['skip']}"
        for name, peer in results.peers.items()
        if "skip" in peer
    ]
    stretched = sorted(
        row.busy()
        for row in results.rows
        if row.samples and row.clock == "cpu" and row.measure == "time"
    )
    middle = stretched[len(stretched) // 2] if stretched else 1.0
    if middle > BUSY:
        lines.append(
            f"The machine was busy: samples took {middle:.2f} times as long as they computed. "
            "CPU time is told; caches and clock rates were shared all the same."
        )
    return lines


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]

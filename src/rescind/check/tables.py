"""The two tables of a report as lines of styled spans: places × modes, and the coverage of awaits.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from rescind._core.frames import shortened
from rescind.check.coverage import FileCoverage, State, percent_of
from rescind.check.groups import titles
from rescind.check.layout import Line, Span, visible
from rescind.check.places import brief, in_source, label
from rescind.check.plan import USUAL_MODES
from rescind.check.points import Instant, Mode
from rescind.check.report import Report, Verdict

__all__ = ["coverage_lines", "matrix_lines", "numbers"]

_MOST_ROWS: Final = 40
_ALL: Final = 100
_SIGNS: Final[dict[Verdict | None, Span]] = {
    Verdict.SURVIVED: ("good", "✓"),
    Verdict.BROKEN: ("bad", "✗"),
    Verdict.UNRESOLVED: ("warn", "?"),
    None: ("dim", "·"),
}
_RANK: Final = {Verdict.SURVIVED: 0, Verdict.UNRESOLVED: 1, Verdict.BROKEN: 2}
_PAIR: Final = (Instant.PARKED, Instant.WOKEN)

_Cells = dict[tuple[Mode, Instant], Verdict]


def matrix_lines(report: Report, width: int = 100) -> Iterator[Line]:
    """Yield the table of places and modes: in each cell the worst, first parked, then woken."""
    rows = _rows(report)
    if not rows:
        return
    used = {mode for cells in rows.values() for mode, _ in cells}
    modes = [mode for mode in (*USUAL_MODES, Mode.CLOSE) if mode in used]
    shown = dict(list(rows.items())[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:  # those that matter
        worst = sorted(rows.items(), key=lambda row: -max(_RANK[one] for one in row[1].values()))
        kept = {place for place, _ in worst[:_MOST_ROWS]}
        shown = {place: cells for place, cells in rows.items() if place in kept}
    known = titles(report)
    names = {place: visible(brief(shortened(known.get(place, place)))) for place in shown}
    space = max(width - sum(len(mode.value) + 2 for mode in modes), 24)
    longest = min(max(map(len, names.values())), space)
    headings = tuple(("key", f"  {mode.value}") for mode in modes)
    yield ("key", "place".ljust(longest)), *headings
    for place, cells in shown.items():
        name = names[place]
        if len(name) > longest:
            name = "…" + name[len(name) - longest + 1 :]
        spans: list[Span] = [("", name.ljust(longest))]
        for mode in modes:
            signs = _cell(cells, mode)
            pad = 0 if mode is modes[-1] else len(mode.value) - len(signs)
            spans += [("", "  "), *signs, ("", " " * pad)]
        yield tuple(spans)
    if len(rows) > len(shown):
        yield (("dim", f"and {len(rows) - len(shown)} more places"),)
    yield (
        *(("dim", "parked, then woken: "), _SIGNS[Verdict.SURVIVED], ("dim", " survived  ")),
        *(_SIGNS[Verdict.BROKEN], ("dim", " broken  ")),
        *(_SIGNS[Verdict.UNRESOLVED], ("dim", " unresolved  ")),
        *(_SIGNS[None], ("dim", " not tried")),
    )


def _rows(report: Report) -> dict[str, _Cells]:
    """Return the worst of each place, mode and instant, over all visits and tasks."""
    rows: dict[str, _Cells] = {}
    for (point, instant, mode), verdict in report.matrix.items():
        cells = rows.setdefault(label(point, instant), {})
        known = cells.get((mode, instant))
        if known is None or _RANK[verdict] > _RANK[known]:
            cells[mode, instant] = verdict
    return {place: rows[place] for place in sorted(rows, key=in_source)}


def _cell(cells: _Cells, mode: Mode) -> list[Span]:
    instants = {instant for _, instant in cells}
    columns = _PAIR if instants & {*_PAIR} else tuple(instants)
    return [_SIGNS[cells.get((mode, instant))] for instant in columns]


def coverage_lines(files: Sequence[FileCoverage], width: int = 100) -> Iterator[Line]:
    """Yield the table of coverage: per file the awaits, those canceled, broken and missing."""
    if not files:
        yield (("dim", "coverage: no await of your own files was seen; name others with --source"),)
        return
    names = {file.file: visible(brief(shortened(file.file))) for file in files}
    longest = max(len("file"), len("total"), *map(len, names.values()))
    heading = f"{'awaits':>6}  {'canceled':>8}  {'shielded':>8}  {'broken':>6}  missing"
    yield (("key", f"{'file'.ljust(longest)}  {heading}"),)
    for file in files:
        missing = numbers(file.lines(State.NEVER, State.SEEN))
        broken = file.count(State.BROKEN)
        yield (
            ("", f"{names[file.file].ljust(longest)}  {len(file.awaits):>6}  "),
            (_style(file.percent), f"{file.percent:>7.0f}%"),
            ("", f"  {file.count(State.SHIELDED):>8}  "),
            ("bad" if broken else "", f"{broken:>6}"),
            ("dim", f"  {missing}".rstrip()),
        )
    if len(files) > 1:
        awaits = sum(len(file.awaits) for file in files)
        percent = percent_of(files)
        yield (
            ("key", f"{'total'.ljust(longest)}  {awaits:>6}  "),
            (_style(percent), f"{percent:>7.0f}%"),
            ("key", f"  {sum(file.count(State.SHIELDED) for file in files):>8}"),
            ("key", f"  {sum(file.count(State.BROKEN) for file in files):>6}"),
        )


def _style(percent: float) -> str:
    return "good" if percent >= _ALL else "warn" if percent else "bad"


def numbers(lines: Sequence[int]) -> str:
    """Return numbers in few words.

    Example:
        >>> from rescind.check.tables import numbers
        >>> numbers([3, 4, 5, 9])
        '3-5, 9'
    """
    said: list[str] = []
    start: int | None = None
    for line, following in pairwise([*lines, 0]):
        start = line if start is None else start
        if following != line + 1:
            said.append(str(start) if start == line else f"{start}-{line}")
            start = None
    return ", ".join(said)

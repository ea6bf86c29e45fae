"""`dots` and `lines`: results as SVG, which a page styles by its classes.

*What it is not.* A decision on colors: each peer has a class, ``p-NAME``, which the page's style
sheet knows, in light and in dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from bench.table import ratio_text

__all__ = ["Dot", "Line", "dots", "lines"]

WIDTH: Final = 560
#: Of a row of `dots`, and of the names and the figures beside the plot.
ROW, NAMES, FIGURES = 23, 112, 132
#: Of `lines`: its height, and the room for the axes and the names at the ends of the lines.
HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 270, 58, 112, 34, 12
#: Names at the ends of lines are at least so far apart.
APART: Final = 14
#: Marks of a logarithmic axis, within each power of ten.
_STEPS: Final = (1, 2, 5)
#: From so many powers of ten on, only those are marked.
_MANY: Final = 2


@dataclass(frozen=True)
class Dot:
    """What one peer takes.

    Args:
        peer: its name.
        ratio: the middle, as a multiple of what stands at 1.
        least, most: the range of the rounds, as multiples too.
        figure: what is written beside it.
    """

    peer: str
    ratio: float
    least: float
    most: float
    figure: str


@dataclass(frozen=True)
class Line:
    """How the cost of one peer grows.

    Args:
        peer: its name.
        points: sizes, each with what an operation takes.
    """

    peer: str
    points: Sequence[tuple[int, float]]


def _marks(least: float, most: float) -> Iterator[float]:
    """Yield the marks of a logarithmic axis."""
    low, high = math.floor(math.log10(least)), math.ceil(math.log10(most))
    steps = (1,) if high - low > _MANY else _STEPS
    for power in range(low, high + 1):
        for step in steps:
            mark = step * 10.0**power
            if least <= mark <= most:
                yield mark


def _place(value: float, least: float, most: float, start: float, end: float) -> float:
    share = (math.log(value) - math.log(least)) / (math.log(most) - math.log(least))
    return start + share * (end - start)


def dots(title: str, found: Sequence[Dot]) -> str:
    """Return a row for each peer: a dot at its ratio, on the range of its rounds.

    Args:
        title: what a screen reader says.
        found: in the order of the rows; not empty, and no ratio is 0.
    """
    least = min(1.0, *(dot.least for dot in found)) / 1.25
    most = max(1.0, *(dot.most for dot in found)) * 1.25
    bottom = ROW * len(found)
    start, end = NAMES, WIDTH - FIGURES
    parts: list[str] = []
    for mark in _marks(least, most):
        x = _place(mark, least, most, start, end)
        kind = "one" if mark == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>')
        parts.append(_text("axis", x, bottom + 14, "middle", f"{mark:g}×"))
    for number, dot in enumerate(found):
        y = ROW * (number + 0.5)
        low, middle, high = (
            _place(value, least, most, start, end) for value in (dot.least, dot.ratio, dot.most)
        )
        span = f"{ratio_text(dot.least)} to {ratio_text(dot.most)}"
        said = escape(f"{dot.peer}: {dot.figure}, {ratio_text(dot.ratio)} ({span})")
        parts += [
            f'<g class="p-{escape(dot.peer)}"><title>{said}</title>',
            _text("name", start - 12, y + 4, "end", dot.peer),
            f'<line class="stem" x1="{start}" x2="{middle:.1f}" y1="{y}" y2="{y}"/>',
            f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="5"/>',
            _text("figure", WIDTH - 58, y + 4, "end", dot.figure),
            _text("ratio", WIDTH - 2, y + 4, "end", ratio_text(dot.ratio)),
            "</g>",
        ]
    return _svg(title, bottom + 20, parts)


def lines(title: str, found: Sequence[Line], unit: float, name: str) -> str:
    """Return a line for each peer: what an operation takes at each size, both logarithmic.

    Args:
        title: what a screen reader says.
        found: none is without points, and none of these is 0.
        unit: by which costs are divided; ``name``: what that is called.
    """
    sizes = sorted({size for line in found for size, _ in line.points})
    costs = [cost / unit for line in found for _, cost in line.points]
    least, most = min(costs) / 1.3, max(costs) * 1.3
    first, last = (sizes[0], sizes[-1]) if len(sizes) > 1 else (sizes[0] / 2, sizes[0] * 2)
    start, end, floor = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
    parts: list[str] = []
    for mark in _marks(least, most):
        y = _place(mark, least, most, floor, TOP)
        parts.append(f'<line class="grid" x1="{start}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text("axis", start - 8, y + 4, "end", f"{mark:g}"))
    for size in sizes:
        x = _place(size, first, last, start, end)
        parts.append(_text("axis", x, floor + 18, "middle", f"{size:,}"))
    parts.append(_text("axis", start - 8, floor + 18, "end", name))
    ends: list[tuple[float, Line]] = []
    for line in found:
        places = [
            (_place(size, first, last, start, end), _place(cost / unit, least, most, floor, TOP))
            for size, cost in line.points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<g class="p-{escape(line.peer)}"><polyline points="{path}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places]
        parts.append("</g>")
        ends.append((places[-1][1], line))
    parts += _named(ends, end + 10)
    return _svg(title, HEIGHT, parts)


def _named(ends: list[tuple[float, Line]], x: float) -> Iterator[str]:
    """Yield the names at the ends of lines, moved apart where two would touch."""
    ends.sort(key=lambda pair: pair[0])
    places: list[float] = []
    for y, _ in ends:
        places.append(max(y, places[-1] + APART) if places else y)
    below = max(0.0, places[-1] - (HEIGHT - BOTTOM)) if places else 0.0
    for place, (_, line) in zip(places, ends, strict=True):
        text = _text("name", x, place - below + 4, "start", line.peer)
        yield f'<g class="p-{escape(line.peer)}">{text}</g>'


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )

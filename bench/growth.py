"""`growths`: how the cost of an operation grows with how many take part, and whose growth that is.

*What it is not.* A judgement of times: a ratio of two sizes of one peer in one run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers import baseline
from bench.results import Results
from bench.table import amount, ran

__all__ = ["FLAT", "OFF", "Growth", "growth_cells", "growth_sentences", "growths"]

#: An operation shall cost at most so many times as much where a hundred thousand take part.
FLAT: Final = 1.5

#: Follows the name of a peer whose collector was off.
OFF: Final = ", no collector"

#: By subject, what the least scheduler in plain Python does in its place.
_LEAST: Final = {name: f"floor_least_{name}_grown" for name in ("switch", "spawn_join")}
_LEAST_PEER: Final = "asyncio"
_NAMES: Final = {"least": "the least in Python"}


@dataclass(frozen=True)
class Growth:
    """How a subject grows.

    Args:
        subject: which.
        sizes: the least and the most that take part.
        costs: by peer what an operation takes at these sizes, in seconds; by its name and `OFF`
            without the collector; by ``least`` for the least scheduler in plain Python.
        ours: the peer that is rescind.
    """

    subject: str
    sizes: tuple[int, int]
    costs: dict[str, tuple[float, float]]
    ours: str

    def times(self, who: str) -> float:
        """Return how many times as much an operation takes at the most."""
        few, many = self.costs[who]
        return many / few

    def flat(self) -> bool:
        """Tell whether rescind's cost is flat."""
        return self.times(self.ours) <= FLAT


def growths(results: Results, uncollected: Results | None = None) -> list[Growth]:
    """Return the growth of each subject that rescind did at several sizes, in order.

    Args:
        results: of a run over several sizes.
        uncollected: of the same without the collector; None: there is none.
    """
    ours = baseline(set(ran(results)))
    found: list[Growth] = []
    for subject in dict.fromkeys(name for name, _ in results.cases()):
        sizes = [size for name, size in results.cases() if name == subject]
        if subject.startswith("floor_") or len(sizes) < 2 or ours is None:  # noqa: PLR2004
            continue
        ends = min(sizes), max(sizes)
        costs = {peer: _costs(results, subject, ends, peer) for peer in ran(results)}
        if uncollected is not None:
            for peer in ran(uncollected):
                costs[peer + OFF] = _costs(uncollected, subject, ends, peer)
        if subject in _LEAST:
            costs["least"] = _costs(results, _LEAST[subject], ends, _LEAST_PEER)
        known = {who: both for who, both in costs.items() if both is not None}
        if ours in known:
            found.append(Growth(subject, ends, known, ours))
    return found


def _costs(
    results: Results, subject: str, sizes: tuple[int, int], peer: str
) -> tuple[float, float] | None:
    medians: list[float] = []
    for size in sizes:
        row = results.row(subject, size, peer)
        measured = None if row is None or row.measure != "time" else row.measured()
        if measured is None or not measured.median:
            return None
        medians.append(measured.median)
    return medians[0], medians[1]


def growth_cells(found: Sequence[Growth]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table: per peer the cost at both ends, and the ratio."""
    who = list(dict.fromkeys(name for each in found for name in each.costs))
    header = ["", *[_NAMES.get(name, name) for name in who]]
    rows: list[list[str]] = []
    for each in found:
        cells = [f"`{each.subject}`, {each.sizes[0]:,} → {each.sizes[1]:,}"]
        for name in who:
            if name not in each.costs:
                cells.append("–")
                continue
            few, many = each.costs[name]
            mark = "" if name != each.ours else " ✓" if each.flat() else " ✗"
            cells.append(
                f"{amount(few, 'time')} → {amount(many, 'time')}: {each.times(name):.1f}×{mark}"
            )
        rows.append(cells)
    return header, rows


def growth_sentences(found: Sequence[Growth]) -> Iterator[str]:
    """Say of each that is not flat how much others grow, who do the same with the same machine."""
    for each in found:
        if each.flat():
            continue
        others = [
            f"{_NAMES.get(name, name)} {each.times(name):.1f} ×"
            for name in each.costs
            if name != each.ours
        ]
        beside = f" beside {', '.join(others)}" if others else ""
        yield f"`{each.subject}` grows {each.times(each.ours):.1f} ×{beside}."

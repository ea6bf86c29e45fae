"""`floors`: what CPython alone takes for each native subject, by the parts of the same run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers import baseline
from bench.results import Results, Row
from bench.subjects.floor import NEEDS, looks
from bench.table import amount, ran, ratio_text

__all__ = ["GOALS", "Floor", "floors", "goal_text", "sentences", "turns"]

#: A native subject shall cost at most so many times what the peer does, in rescind's compiled form.
GOALS: Final = {"tokio": 3.0, "asyncio": 1 / 8, "uvloop": 1 / 4, "trio": 1 / 12}


@dataclass(frozen=True)
class Floor:
    """A native subject beside its floor.

    Args:
        subject: which.
        size: at which it was measured.
        floor: seconds, for the parts that it needs at least.
        row: of rescind's best form.
        ratios: by peer, how many times its cost rescind's is.
        alone: by peer, how many times its cost the floor alone is.
        plain: how many times asyncio's cost schedulers in plain Python are, by name: the least
            there is (``bare``), the least that keeps the rules (``rules``), and rescind's
            interpreted form (``rescind``). Empty where one of these was not measured.
    """

    subject: str
    size: int
    floor: float
    row: Row
    ratios: dict[str, float]
    alone: dict[str, float]
    plain: dict[str, float]

    def meets(self, peer: str) -> bool:
        """Tell whether the goal beside a peer is met."""
        return self.ratios[peer] <= GOALS[peer]

    def allows(self, peer: str) -> bool:
        """Tell whether a runtime that costs nothing itself would meet the goal beside a peer."""
        return self.alone[peer] <= GOALS[peer]


def floors(results: Results) -> list[Floor]:
    """Return a floor for each native subject of a run that has the parts."""
    ours = baseline(set(ran(results)))
    parts = _parts(results)
    found: list[Floor] = []
    for subject, size in results.cases():
        row = results.row(subject, size, ours or "")
        needs = NEEDS.get(subject)
        if row is None or not row.samples or needs is None or not needs.keys() <= parts.keys():
            continue
        floor = sum(parts[part] * number for part, number in needs.items())
        floor += parts.get("look", 0.0) * looks(subject, size)
        peers = {peer: results.row(subject, size, peer) for peer in GOALS}
        ratios = {peer: results.ratio(row, other) for peer, other in peers.items()}
        found.append(
            Floor(
                subject,
                size,
                floor,
                row,
                {peer: ratio for peer, ratio in ratios.items() if ratio is not None},
                {
                    peer: floor / statistics.median(other.values())
                    for peer, other in peers.items()
                    if other is not None and other.samples
                },
                _plain(results, subject, size, parts),
            )
        )
    return found


def _parts(results: Results) -> dict[str, float]:
    return {
        row.subject.removeprefix("floor_"): statistics.median(row.values())
        for row in results.rows
        if row.subject.startswith("floor_") and row.peer == "asyncio" and row.samples
    }


def _plain(
    results: Results, subject: str, size: int, parts: Mapping[str, float]
) -> dict[str, float]:
    base = results.row(subject, size, "asyncio")
    pure = results.row(subject, size, "rescind-pure")
    ours = None if pure is None else results.ratio(pure, base)
    least = {kind: parts.get(f"least_{subject}_{kind}") for kind in ("bare", "rules")}
    if ours is None or base is None or not base.samples or None in least.values():
        return {}
    stock = statistics.median(base.values())
    found = {kind: each / stock for kind, each in least.items() if each is not None}
    return {**found, "rescind": ours}


def goal_text(peer: str) -> str:
    """Return a goal in words."""
    return f"÷ {peer} (≤ {_goal(peer)})"


def turns(results: Results) -> str:
    """Say what of a turn is the floor's; empty where that was not measured."""
    parts = _parts(results)
    if not {"look", "turn"} <= parts.keys():
        return ""
    return (
        f"To let the host look for I/O is a system call of {amount(parts['look'], 'time')}, which "
        "`race2` and `timeout` have in each operation, and `switch` in each round of all its "
        "tasks; it is in their floor. A turn of asyncio's own loop around that call takes "
        f"{amount(parts['turn'], 'time')}."
    )


def sentences(found: Sequence[Floor]) -> list[str]:
    """Say which goals are out of reach, which are missed; and where plain Python could be."""
    lines: list[str] = []
    for each in found:
        missed = [peer for peer in GOALS if peer in each.ratios and not each.meets(peer)]
        beyond = [peer for peer in missed if not each.allows(peer)]
        if beyond:
            listed = _listed(
                f"{ratio_text(each.alone[peer])} {peer}, where the goal is {_goal(peer)}"
                for peer in beyond
            )
            lines.append(
                f"`{each.subject}`: out of reach of any runtime for Python's coroutines, since "
                f"CPython's own part alone costs {listed}."
            )
        within = [peer for peer in missed if each.allows(peer)]
        if within:
            listed = _listed(
                f"{ratio_text(each.ratios[peer])} {peer} where {_goal(peer)} is the goal and "
                f"{ratio_text(each.alone[peer])} the floor"
                for peer in within
            )
            lines.append(f"`{each.subject}`: missed, though CPython would allow it: {listed}.")
    for each in found:
        if each.plain:
            bare, rules, ours = (each.plain[kind] for kind in ("bare", "rules", "rescind"))
            lines.append(
                f"`{each.subject}` interpreted costs {ours:.1f} × asyncio. The least scheduler "
                f"in plain Python takes {bare:.2f} ×, the least that keeps the rules {rules:.2f} ×."
            )
    return lines


def _goal(peer: str) -> str:
    goal = GOALS[peer]
    return f"{goal:g}" if goal >= 1 else f"1/{1 / goal:g}"


def _listed(parts: Iterable[str]) -> str:
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last

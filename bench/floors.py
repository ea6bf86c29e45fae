"""`floors`: what CPython alone takes for each native subject, by the parts of the same run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.peers import baseline
from bench.results import Results, Row
from bench.subjects.floor import NEEDS
from bench.table import ran

__all__ = ["GOALS", "Floor", "floors"]

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
        of_tokio: how many times tokio's cost the floor alone is; None without tokio.
        plain: how many times asyncio's cost schedulers in plain Python are, by name: the least
            there is (``bare``), the least that keeps the rules (``rules``), and rescind's
            interpreted form (``rescind``). Empty where one of these was not measured.
    """

    subject: str
    size: int
    floor: float
    row: Row
    ratios: dict[str, float]
    of_tokio: float | None
    plain: dict[str, float]

    def meets(self, peer: str) -> bool:
        """Tell whether the goal beside a peer is met."""
        return self.ratios[peer] <= GOALS[peer]


def floors(results: Results) -> list[Floor]:
    """Return a floor for each native subject of a run that has the parts."""
    ours = baseline(set(ran(results)))
    parts = {
        row.subject.removeprefix("floor_"): statistics.median(row.values())
        for row in results.rows
        if row.subject.startswith("floor_") and row.peer == "asyncio" and row.samples
    }
    found: list[Floor] = []
    for subject, size in results.cases():
        row = results.row(subject, size, ours or "")
        needs = NEEDS.get(subject)
        if row is None or not row.samples or needs is None or not needs.keys() <= parts.keys():
            continue
        floor = sum(parts[part] * number for part, number in needs.items())
        ratios = {peer: results.ratio(row, results.row(subject, size, peer)) for peer in GOALS}
        tokio = results.row(subject, size, "tokio")
        found.append(
            Floor(
                subject,
                size,
                floor,
                row,
                {peer: ratio for peer, ratio in ratios.items() if ratio is not None},
                floor / statistics.median(tokio.values()) if tokio and tokio.samples else None,
                _plain(results, subject, size, parts),
            )
        )
    return found


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
    goal = GOALS[peer]
    return f"÷ {peer} (≤ {f'{goal:g}' if goal >= 1 else f'1/{1 / goal:g}'})"


def sentences(found: Sequence[Floor]) -> list[str]:
    """Say how much of a missed goal is the floor: beside tokio, and interpreted beside asyncio."""
    lines: list[str] = []
    for each in found:
        if "tokio" not in each.ratios or each.of_tokio is None or each.meets("tokio"):
            continue
        kind = (
            "which is above the goal already"
            if each.of_tokio > GOALS["tokio"]
            else "so that the goal is not out of reach"
        )
        lines.append(
            f"`{each.subject}` costs {each.ratios['tokio']:.1f} × tokio; CPython's own part alone "
            f"is {each.of_tokio:.1f} ×, {kind}."
        )
    for each in found:
        if each.plain:
            bare, rules, ours = (each.plain[kind] for kind in ("bare", "rules", "rescind"))
            lines.append(
                f"`{each.subject}` interpreted costs {ours:.1f} × asyncio. The least scheduler "
                f"in plain Python takes {bare:.2f} ×, the least that keeps the rules {rules:.2f} ×."
            )
    return lines

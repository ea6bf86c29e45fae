"""`measure`: all peers, subject by subject, in rounds that change between the peers.

*Invariants.*
 M1  In each round of a subject and size every peer is measured once, and each round begins with
     another peer: what comes after whom, and what the machine does meanwhile, falls on all alike.
 M2  A peer that cannot, or fails, is asked no more for that subject; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bench.peers import Peer, Place
from bench.process import Process
from bench.results import Results, Row, Sample, machine
from bench.subject import Subject

__all__ = ["Plan", "measure"]

#: When a subject has failed at one size for a peer, the larger sizes are not tried.
FAILED: Final = "it failed at a smaller size"


@dataclass(frozen=True)
class Plan:
    """What is measured, and how.

    Args:
        cases: subjects, each with its sizes in ascending order.
        peers: whom.
        rounds: samples of each.
        seconds: for which a sample repeats its work at least.
        collect: is Python's garbage collector ``on`` or ``off`` while it is measured?
        patience: for one sample, in seconds.
    """

    cases: Sequence[tuple[Subject, Sequence[int]]]
    peers: Sequence[Peer]
    rounds: int = 5
    seconds: float = 0.05
    collect: str = "on"
    patience: float = 120.0


Say: TypeAlias = Callable[[str], object]
#: Called when a subject has been measured at a size.
Seen: TypeAlias = Callable[[Results, str, int], object]


def measure(plan: Plan, place: Place, say: Say, seen: Seen | None = None) -> Results:
    """Measure; tell ``say`` what comes next, and ``seen`` what has come."""
    results = Results(
        machine(),
        {"rounds": plan.rounds, "seconds": plan.seconds, "gc": plan.collect},
        {},
        {subject.name: subject.about for subject, _ in plan.cases},
    )
    processes = [Process(peer, place, patience=plan.patience) for peer in plan.peers]
    try:
        present: list[Process] = []
        for process in processes:
            hello = process.start()
            results.peers[process.peer.name] = {"about": process.peer.about, **hello}
            if "skip" in hello:
                say(f"{process.peer.name} is left out: {hello['skip']}")
            else:
                present.append(process)
        for subject, sizes in plan.cases:
            failed: set[str] = set()
            for size in sizes:
                say(f"{subject.name} × {size:,}")
                rows = {peer.name: _row(subject, size, peer) for peer in _peers(present)}
                results.rows += rows.values()
                _measure_case(plan, rows, present, failed, say)
                if seen is not None:
                    seen(results, subject.name, size)
    finally:
        for process in processes:
            process.close()
    return results


def _measure_case(
    plan: Plan, rows: dict[str, Row], processes: list[Process], failed: set[str], say: Say
) -> None:
    for name in failed & rows.keys():
        rows[name].skip = FAILED
    for number in range(plan.rounds):
        for process in _rotated(processes, number):  # (M1)
            row = rows[process.peer.name]
            if row.skip is None and row.error is None:
                _sample(plan, process, row)
            if row.error is not None and row.peer not in failed:
                failed.add(row.peer)  # (M2)
                say(f"  {row.peer}: {row.error}")


def _peers(processes: list[Process]) -> list[Peer]:
    return [process.peer for process in processes]


def _row(subject: Subject, size: int, peer: Peer) -> Row:
    return Row(subject.name, size, peer.name, subject.clock, subject.measure)


def _sample(plan: Plan, process: Process, row: Row) -> None:
    answer = process.ask(row.subject, row.size, plan.seconds, plan.collect)
    if "skip" in answer:
        row.skip = answer["skip"]
    elif "error" in answer:
        row.error = answer["error"]
    else:
        row.samples.append(
            Sample(answer["ops"], answer["wall"], answer["cpu"], answer.get("amount", 0.0))
        )


def _rotated(processes: list[Process], by: int) -> list[Process]:
    by %= max(len(processes), 1)
    return processes[by:] + processes[:by]

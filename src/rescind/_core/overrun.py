"""`Overrun`: a cleanup that did not end within its grace, as it was found just before its drop.

*What it is.* What a shutdown's report and the command line show. Data: it holds no frame, no
future and no task, and can be pickled.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .reason import CancelReason
from .site import Site

__all__ = ["Overrun", "held_up"]


@dataclass(frozen=True, slots=True)
class Overrun:
    """A cleanup that did not end within its grace.

    Attributes:
        task: the task's name; or what the future inside a task was.
        reason: why it had been canceled, with the reasons that one follows from.
        place: ``file:line in function`` of the await at which its cleanup was stuck.
        seconds: how long after the request it was dropped.
        abandoned: it went on even then, and is never polled again.
        id: the task's id; None for a future inside a task.
        within: the task that such a future was in, as ``task 3 'name'``; None for a task itself.
        stack: where its cleanup was, outermost frame first, libraries' frames included.
        what: what it awaited there, such as ``sleep(3600)``.
        waits_for: the ids of the tasks for whose end it waited, if it waited for nothing else.
    """

    task: str
    reason: CancelReason
    place: str
    seconds: float
    abandoned: bool
    id: int | None = None
    within: str | None = None
    stack: tuple[Site, ...] = ()
    what: str = ""
    waits_for: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """How it is called in messages: ``task 3 'name'``, or the future and its task."""
        if self.id is not None:
            return f"task {self.id} {self.task!r}"
        return self.task if self.within is None else f"{self.task} in {self.within}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        return {
            "task": self.task,
            "id": self.id,
            "within": self.within,
            "reason": [link.line() for link in self.reason.chain()],
            "place": self.place,
            "stack": [f"{site} in {site.function}" for site in self.stack],
            "what": self.what,
            "seconds": self.seconds,
            "abandoned": self.abandoned,
            "waits_for": list(self.waits_for),
        }


def held_up(late: Sequence[Overrun]) -> set[int]:
    """Return the ids of those that only waited for others that overran.

    Those that wait for each other in a circle are not among them: nobody else held them up.
    """
    waits: dict[int, set[int]] = {}
    for one in late:
        if one.id is not None:
            waits.setdefault(one.id, set()).update(one.waits_for)
    edges = {number: targets & waits.keys() for number, targets in waits.items()}
    behind: dict[int, set[int]] = {number: set() for number in edges}
    for number, targets in edges.items():
        for target in targets:
            behind[target].add(number)
    circles = _circles(edges, behind)
    return {number for number, targets in edges.items() if targets and number not in circles}


def _circles(ahead: dict[int, set[int]], behind: dict[int, set[int]]) -> set[int]:
    """Return those from which a way leads back to them."""
    knots = _peeled(behind, ahead, _peeled(ahead, behind, set(ahead)))
    found: set[int] = set()
    while knots:
        start = knots.pop()
        circle = _reached(start, ahead) & _reached(start, behind)
        found |= circle
        knots -= circle
    return found


def _reached(start: int, edges: dict[int, set[int]]) -> set[int]:
    seen: set[int] = set()
    ahead = list(edges[start])
    while ahead:
        number = ahead.pop()
        if number not in seen:
            seen.add(number)
            ahead += edges[number]
    return seen


def _peeled(ahead: dict[int, set[int]], behind: dict[int, set[int]], among: set[int]) -> set[int]:
    """Return those ``among`` that are left when all that lead nowhere are taken off, repeatedly."""
    left = set(among)
    degree = {number: len(ahead[number] & left) for number in left}
    ends = [number for number in left if not degree[number]]
    while ends:
        number = ends.pop()
        left.discard(number)
        for before in behind[number] & left:
            degree[before] -= 1
            if not degree[before]:
                ends.append(before)
    return left

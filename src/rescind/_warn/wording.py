"""What is said of canceled tasks: who cleans up for long, what holds it up, what was swallowed.

*What it is.* One line for each warning, from what an `Explanation` knows. It is imported when there
is something to say.

*Threads.* The runtime's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rescind._core.explanation import reason_text
from rescind._core.outcome import Completed
from rescind._core.waiting import waits_of
from rescind._warn.places import label_of, words

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.explanation import Explanation
    from rescind._core.outcome import Outcome
    from rescind._core.reason import CancelReason
    from rescind._core.task import Task
    from rescind._warn.deliveries import Part
    from rescind._warn.places import Mark

__all__ = ["absorbed_line", "cleanup_line", "part_line", "shield_line"]


def absorbed_line(task: Task[Any], outcome: Outcome[Any], place: Mark, reason: CancelReason) -> str:
    """Say that a task has swallowed its cancellation, where that was raised, and why."""
    at = words(place)
    value = "a value"
    if isinstance(outcome, Completed) and outcome.value is None:
        value = "None"
    return (
        f"{label_of(task)} returned {value} although it was canceled: its Cancellation was "
        f"raised{f' at {at},' if at else ''} and swallowed. Let it pass, or raise it again "
        f"after cleaning up. Canceled: {reason_text(reason)}"
    )


def cleanup_line(found: Explanation) -> str:
    """Say who has been cleaning up for long, where, and who holds that up."""
    info = found.task
    text = f"{info.label} has been cleaning up for {info.asked or 0.0:.1f} s"
    if info.waits_for:
        text += f": it waits for {info.waits_for}"
    return f"{text}{_rest(found, info.grace_left, info.reasons[0])}"


def part_line(cell: Cell[Any], part: Part, found: Explanation, now: float) -> str:
    """Say what of a task is slow to end: which child of what, or which part of it."""
    info = found.task
    who = label_of(cell)
    if cell.parent is None:
        who = f"a part of {who}"
    elif cell.parent.future is not None:
        who += f", in its {waits_of(cell.parent, '')[0].what}"
    text = f"{who}, has been cleaning up for {now - part.since:.1f} s"
    if info.waits_for:
        text += f": it waits for {info.waits_for}"
    at = part.request.grace_at
    left = None if at is None else at - now
    return f"{text}{_rest(found, left, part.request.reason)}"


def shield_line(found: Explanation) -> str:
    """Say which shield holds a cancellation back, and where it is."""
    info = found.task
    text = (
        f"{info.label} was asked to cancel {info.asked or 0.0:.1f} s ago, and the shield at "
        f"{info.shields[0]} holds it back"
    )
    if info.waits_for:
        text += f" while it waits for {info.waits_for}"
    return f"{text}{_rest(found, info.grace_left, info.reasons[0])}"


def _rest(found: Explanation, grace_left: float | None, reason: CancelReason) -> str:
    """Where, who blocks, the grace that is left, and why it was canceled."""
    info = found.task
    text = f", {info.place}" if info.place else ""
    if info.blocked_by:
        text += f", blocked by {', '.join(one.label for one in info.blocked_by[:3])}"
    if found.cycle:
        text += f", and these wait for each other: {' → '.join(found.cycle)}"
    if grace_left is not None:
        text += f". It is dropped in {max(grace_left, 0.0):.1f} s"
    return f"{text}. Canceled: {reason_text(reason)}"

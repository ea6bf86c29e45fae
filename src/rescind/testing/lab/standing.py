"""What the lab itself contributes to the state of a run: who is where in its queues.

*What it is.* For a prune by visited states. A program's author can name its data; the order in
which tasks are ready, have yielded, or wait for timers is the lab's.

*What it is not.* Everything: in which order several wait at one primitive, or several children of a
combinator were woken, it does not know. Where that could matter it says so, and nothing is pruned.

*Threads.* The lab's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from rescind._core.phase import Phase
from rescind.testing.lab.places import way_of
from rescind.testing.lab.task import LabTask

if TYPE_CHECKING:
    from rescind.testing.lab.executor import LabExecutor

__all__ = ["standing"]


def standing(lab: LabExecutor) -> Hashable | None:
    """Return who is ready, has yielded, and waits for a timer, in order; None if that is not all.

    It is all if at most one task waits for something else, and none has several children: a line of
    one has no order.
    """
    now = lab.now()
    timers = [(at - now, _path(waker)) for at, waker in lab.waiting_for_time()]
    yielded = [_path(waker) for waker in lab.yielded]
    known = {*yielded, *(path for _, path in timers)}
    tasks = [task for task in lab.made if task.ended is None]
    waiting = [
        task
        for task in tasks
        if task.phase in (Phase.PARKED, Phase.CLEANING) and task.path not in known
    ]
    if None in known or len(waiting) > 1 or any(map(_has_children, tasks)):
        return None
    if any(task._graced for task in tasks):
        return None  # until when, is no part of this; and the timer may be still to come
    phases = tuple((task.path, task.phase) for task in tasks)
    return (phases, tuple(lab.ready_paths), tuple(yielded), tuple(timers))


def _path(waker: object) -> str | None:
    return waker.path if isinstance(waker, LabTask) else None


def _has_children(task: LabTask[object]) -> bool:
    """Does it wait for several at a time?"""
    if task.phase == Phase.NEW:
        return False
    return any(getattr(found, "_children", None) is not None for found in way_of(task.future))

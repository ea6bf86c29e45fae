"""What an injection of each kind does to a task at its point.

*What it is.* A group, a token or a deadline is found from the task: the group that it is a child of
or whose block it is parked in, the innermost guard or deadline on the way to what it waits for.
A race is lost by letting a sibling win: one that waits for a timer has it fire now.

*Threads.* The lab's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.deadline import Deadline
from rescind._core.phase import Phase
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.timers import Timer
from rescind.combinators.race import Race
from rescind.combinators.timeout import Timeout
from rescind.tasks.block import OwnBlock
from rescind.tasks.group import TaskGroup
from rescind.tasks.group_children import GroupChild
from rescind.tasks.token import CancellationToken
from rescind.testing.lab.injection import INJECTOR, Instant, Kind
from rescind.testing.lab.places import way_of

if TYPE_CHECKING:
    from rescind.testing.lab.executor import LabExecutor
    from rescind.testing.lab.task import LabTask

__all__ = ["kinds_at", "strike"]


def kinds_at(task: LabTask[Any], instant: Instant) -> tuple[Kind, ...]:
    """Return which kinds would do something to ``task`` at this instant."""
    if instant is Instant.CLEANUP_WOKEN:
        return (Kind.SECOND, Kind.GRACE)
    kinds = [Kind.TASK]
    if instant is Instant.CLEANUP:
        kinds = [Kind.SECOND, Kind.GRACE]
    else:
        if _parent(task) is not None:
            kinds.append(Kind.PARENT)
        if _group(task) is not None:
            kinds.append(Kind.GROUP)
    if _token(task) is not None:
        kinds.append(Kind.TOKEN)
    if _deadline(task) is not None:
        kinds.append(Kind.DEADLINE)
    # A child that is woken is polled before a sibling that is woken after it (R18): it is too late.
    if instant is not Instant.WOKEN and _deciding(task) is not None:
        kinds.append(Kind.RACE_LOST)
    return tuple(kinds)


def strike(task: LabTask[Any], kind: Kind) -> bool:
    """Cancel; return False if there is nothing of that kind around the task."""
    if kind in (Kind.SECOND, Kind.GRACE) and task.request is None:
        return False
    if kind is Kind.TASK or kind is Kind.SECOND:
        task.cancel(_reason(task, "injected"))
    elif kind is Kind.GRACE:
        task.cancel(_reason(task, "injected: no grace is left"), grace=0)
    elif kind is Kind.PARENT:
        parent = _parent(task)
        if parent is None:
            return False
        parent.cancel(_reason(task, "injected into the parent"))
    elif kind is Kind.GROUP:
        group = _group(task)
        if group is None:
            return False
        group.cancel(_reason(task, "injected into the group"))
    elif kind is Kind.TOKEN:
        token = _token(task)
        if token is None:
            return False
        token.cancel(_reason(task, "injected into the token"))
    elif kind is Kind.RACE_LOST:
        return _fire(_deciding(task))
    else:
        return _expire(task)
    return True


def _reason(task: LabTask[Any], words: str) -> CancelReason:
    return CancelReason(CancelKind.EXPLICIT, words, INJECTOR, None, task.lab.host.time)


def _parent(task: LabTask[Any]) -> LabTask[Any] | None:
    path = task.path.rpartition("/")[0]
    for other in task.lab.made:
        if other.path == path and other.ended is None:
            return other
    return None


def _group(task: LabTask[Any]) -> TaskGroup | None:
    """Return the group whose block the task is in, or else that it is a child of, while open."""
    for found in reversed(_way(task)):
        if isinstance(found, OwnBlock):
            group = found._parent
            if isinstance(group, TaskGroup) and not group.closed:
                return group
    for callback in task._on_end or ():
        if isinstance(callback, GroupChild) and not callback.group.closed:
            return callback.group
    return None


def _token(task: LabTask[Any]) -> CancellationToken | None:
    for found in reversed(_way(task)):
        token = getattr(found, "_token", None)
        if isinstance(token, CancellationToken) and not token.canceled:
            return token
    return None


def _deadline(task: LabTask[Any]) -> Any:
    for found in reversed(_way(task)):
        if isinstance(found, Deadline) and found.request is None:
            return found
        if isinstance(found, Timeout):
            waiting = cast("Timeout[object]", found)
            if waiting._request is None and waiting._timer is not None:
                return waiting
    return None


def _expire(task: LabTask[Any]) -> bool:
    """Let the innermost deadline pass now."""
    found = _deadline(task)
    if isinstance(found, Deadline):
        found.wake()
        return True
    return isinstance(found, Timeout) and _fire(cast("Timeout[object]", found)._timer)


def _deciding(task: LabTask[Any]) -> Timer | None:
    """Return the timer with which a child of the innermost race, that is undecided, would win."""
    for found in reversed(_way(task)):
        if not isinstance(found, Race):
            continue
        race = cast("Race[object]", found)
        alive = [child for child in race._children.cells if child.ended is None]
        if any(child.request is not None for child in alive):
            continue  # it is decided, or canceled
        # The point is in the first child: it is the one to lose, if another one can win.
        for child in (*alive[1:], *alive[:1]):
            timer = _timer_of(child, task.lab)
            if timer is not None and len(alive) > 1:
                return timer
    return None


def _timer_of(child: Cell[Any], lab: LabExecutor) -> Timer | None:
    """Return the timer that a cell waits for, if it does: not one that only limits its wait."""
    limits = [
        cast("Timeout[object]", found)._timer
        for found in way_of(child.future)
        if isinstance(found, Timeout)
    ]
    for timer in lab.timers_of(child):
        if timer not in limits:
            return timer
    return None


def _fire(timer: Timer | None) -> bool:
    """Fire a timer before its time."""
    waker = None if timer is None else timer.waker
    if timer is None or waker is None:
        return False
    timer.cancel()
    timer.fired = True
    waker.wake()
    return True


def _way(task: LabTask[Any]) -> list[Any]:
    """Return what lies between the task and what it waits for, scopes included, outermost first."""
    way: list[Any] = []
    for future in () if task.phase == Phase.NEW else way_of(task.future):
        way.append(future)
        if isinstance(future, CoroutineFuture):
            way += cast("CoroutineFuture[object]", future).scopes
    return way

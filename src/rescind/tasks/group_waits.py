"""What waits for a group: its parent at the end of the block, and whoever canceled it.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending
from rescind._core.reason import CancelRequest
from rescind._core.scope import pending_request
from rescind._core.waitlist import Waiter

if TYPE_CHECKING:
    from rescind._core.task import Task
    from rescind.tasks.group import TaskGroup

__all__ = ["Drained", "GroupEnd"]

#: How many of the children waited for are named in a repr.
_SHOWN = 3


class Drained(Future[None]):
    """Waits until no child is alive.

    Cancellation: passed on to the children, which are waited for. If the group had failed before,
    it ends normally, so that the errors are raised first (G5).
    """

    __slots__ = ("_group", "_taken", "_told", "_waited")
    _native = True

    def __init__(self, group: TaskGroup) -> None:
        self._taken = False
        self._group = group
        # Was a cancellation passed on? And who was alive then?
        self._told = False
        self._waited: tuple[Task[Any], ...] = ()

    @property
    def tasks(self) -> tuple[Task[Any], ...]:
        """Those that it waits for, or waited for when it was canceled.

        Reports of a shutdown tell by it who was held up by whom: a child whose grace ends with its
        parent's may have been dropped a moment before.
        """
        return tuple(dict.fromkeys((*self._waited, *self._group.tasks)))

    def poll(self, cx: Context) -> Pending | None:
        group = self._group
        if group.wake_when_empty(cx.waker):
            return PENDING
        if group.told_by_parent and pending_request(self) is not None:
            # The children were canceled on account of it: what follows the block must not run as if
            # they had done their work. So this is a park, and it is delivered here.
            cx.waker.wake()
            return PENDING
        return None

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        group = self._group
        if not self._told:
            self._told = True
            self._waited = group.tasks
            group.surrounded(request)
        if group.wake_when_empty(cx.waker):
            return PENDING
        return Canceled(request.reason) if group.told_by_parent else Completed(None)

    def blocked_by(self) -> tuple[Task[Any], ...]:
        return self._group.tasks

    def __repr__(self) -> str:
        tasks = self._group.tasks or self._waited
        names = ", ".join(task.name for task in tasks[:_SHOWN])
        more = ", …" if len(tasks) > _SHOWN else ""
        return f"the end of {len(tasks)} in group {self._group.name!r}: {names or 'none'}{more}"


class GroupEnd(Future[Outcome[Any]]):
    """Waits until a group is closed.

    Cancellation: safe. The group goes on as it would.
    """

    __slots__ = ("_group", "_taken", "_waiter")
    _native = True

    def __init__(self, group: TaskGroup) -> None:
        self._taken = False
        self._group = group
        self._waiter: Waiter | None = None

    def poll(self, cx: Context) -> Outcome[Any] | Pending:
        group = self._group
        group.check_runtime(cx.executor)
        if group.closed:
            reason = group.reason
            return Completed(None) if reason is None else Canceled(reason)
        if self._waiter is None:
            self._waiter = group.enders.join(cx.waker)
        else:
            self._waiter.waker = cx.waker
        return PENDING

    def drop(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._group.enders.leave(waiter)

    def blocked_by(self) -> tuple[Task[Any], ...]:
        return self._group.tasks

    def __repr__(self) -> str:
        return f"the end of {self._group!r}"

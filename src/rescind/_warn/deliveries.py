"""`Deliveries`: notes where cancellations are raised, for what is said of them later.

*What it is.* With each task where its own cancellation was raised, in case it is swallowed; and
what else is being cleaned up in tasks that were not canceled themselves: branches that lost a race,
work whose timeout has passed, the block of a deadline.

*Invariants.*
 D1  What is noted keeps no coroutine alive, and no executor: the process holds this observer.

*Threads.* Those of the executors; of others' it takes no notice.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.hooks import Observer, hooks
from rescind._core.scope import CancelScope
from rescind._core.task import Task
from rescind._warn.places import mark

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.executor import Executor
    from rescind._core.reason import CancelRequest
    from rescind._core.scope import ScopeStack

__all__ = ["Deliveries", "Part"]

#: From so many parts on, those that have ended are sorted out at once, and not at the next beat.
_MANY: Final = 1_000


class Part:
    """A part of a task that is being cleaned up.

    Attributes:
        request: its cancellation.
        since: host time at which that was raised.
    """

    __slots__ = ("_cell", "_stack", "request", "since")

    def __init__(
        self, stack: CoroutineFuture[Any], cell: Cell[Any], request: CancelRequest, since: float
    ) -> None:
        self._stack = weakref.ref(stack)
        self._cell = weakref.ref(cell)
        self.request = request
        self.since = since

    def cell(self) -> Cell[Any] | None:
        """Return the task or child in which it is; None if it has ended, or its task is canceled.

        What is cleaned up because the task was canceled is the task's to tell.
        """
        stack, cell = self._stack(), self._cell()
        if stack is None or cell is None or cell.ended is not None:
            return None
        coroutine: Any = stack.coroutine
        if getattr(coroutine, "cr_frame", coroutine) is None:
            return None
        if self.request is not stack.request and not any(
            isinstance(scope, CancelScope) and scope.request is self.request
            for scope in stack.scopes
        ):
            return None  # its block was left
        outer = cell
        while outer.parent is not None:
            outer = outer.parent
        return None if outer.request is not None else cell


class Deliveries(Observer):
    """Notes where the cancellations of one executor are raised.

    Args:
        executor: whose.
        parts: note those of parts of a task, too.

    Attributes:
        parts: what else is being cleaned up.
    """

    _steady = True

    def __init__(self, executor: Executor, *, parts: bool) -> None:
        self._executor = weakref.ref(executor)  # D1
        self._wants_parts = parts
        self._many = _MANY
        self.parts: list[Part] = []

    def delivered(self, stack: ScopeStack, request: CancelRequest) -> None:
        try:
            self._note(stack, request)
        except Exception:
            hooks.take_off(self, "delivered")

    def _note(self, stack: ScopeStack, request: CancelRequest) -> None:
        cx = stack.cx
        if cx is None or cx.executor is not self._executor():
            return
        cell = cx.cell
        task: Task[Any] | None = cell if isinstance(cell, Task) else None
        if task is not None and request is stack.request:
            driven = getattr(stack, "_coro", None)  #: compiled: driven = coroutine_in(stack)
            task.raised_at = mark(driven)
        asked = None if task is None else task.request
        own = asked is not None and asked.reason is request.reason
        if not own and self._wants_parts and cell is not None and cx.executor is not None:
            if isinstance(stack, CoroutineFuture):
                coroutine = cast("CoroutineFuture[object]", stack)
                #: compiled: part = new_part(coroutine, cell, request, cx.executor.now())
                part = Part(coroutine, cell, request, cx.executor.now())  #: compiled: pass
                self.parts.append(part)
            if len(self.parts) >= self._many:
                self.unfinished()

    def unfinished(self) -> list[Part]:
        """Return the parts that are still being cleaned up; forget the others."""
        self.parts = [part for part in self.parts if part.cell() is not None]
        self._many = max(_MANY, 2 * len(self.parts))
        return self.parts

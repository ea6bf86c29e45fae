"""`Fetch`: a future that waits for members of a set to end; what the dynamic sets are asked with.

*Invariants.*
 W1  One fetch waits at a time. Outcomes stay in the set until a fetch returns them: one that is
     canceled or dropped has taken nothing (R7).
 W2  A member of the set cannot fetch: it would wait for itself.

*Threads.* The executor's thread.
"""

from __future__ import annotations

from typing import Any, TypeVar

from rescind._core.cell import Cell
from rescind._core.errors import UsageError
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, NoopWaker, Pending, Waker, polled_after_end
from rescind._core.reason import CancelRequest
from rescind._core.task import Task
from rescind.combinators.members import Member, Members

__all__ = ["Drain", "Fetch"]

T = TypeVar("T")

_NOBODY = NoopWaker()


class Fetch(Future[T]):
    """Waits until there is something to hand out; a subclass says what.

    Args:
        members: whose ends are waited for.
        name: of the method that returned it, for messages.
    """

    __slots__ = ("_children", "_given", "_name", "_taken", "waker")
    _native = True

    def __init__(self, members: Members, name: str) -> None:
        self._taken = False
        self._given = False
        self._children = members
        self._name = name
        self.waker: Waker = _NOBODY

    def _attempt(self) -> T | Pending:
        """Hand out what there is; `PENDING` if it has to be waited for; or raise."""
        raise NotImplementedError

    def poll(self, cx: Context) -> T | Pending:
        if self._given:
            polled_after_end(self)
        members = self._children
        if members.fetcher is not self:
            self._check(cx)
        self._given = True  # unless it has to wait: also if it raises
        members.fetcher = None
        value = self._attempt()
        if value is PENDING:
            self._given = False
            self.waker = cx.waker
            members.fetcher = self
        return value

    def drop(self) -> None:
        self._given = True
        if self._children.fetcher is self:
            self._children.fetcher = None

    def _check(self, cx: Context) -> None:
        """Refuse what could never end, or would take from somebody else (W1, W2)."""
        members = self._children
        what = f"{self._name} of a {members.what}"
        if members.cx is None or isinstance(members.fetcher, Drain):
            raise UsageError(
                f"{what} was awaited outside of its block: fetch inside of 'async with ... as s:'"
            )
        if members.cx.executor is not cx.executor:
            raise UsageError(f"{what} was awaited in another runtime than that of its block")
        cell: Cell[Any] | None = cx.cell
        while cell is not None:
            if isinstance(cell, Member) and cell.is_of(members):
                raise UsageError(
                    f"{what} was awaited by {cell.name}, which is in it and would wait for itself; "
                    "let the body of the block fetch the outcomes"
                )
            cell = cell.parent
        if members.fetcher is not None:
            raise UsageError(
                f"{what} was awaited while somebody else awaits the same: each outcome is handed "
                "out once, so let one task fetch, and pass them on"
            )

    def __repr__(self) -> str:
        return f"{self._name} of a {self._children.what}"


class Drain(Fetch[None]):
    """Waits until every member has ended, and the task that drives them, if there is one.

    Cancellation: only makes the awaiting coroutine's grace count; the members are drained first. If
        the body had failed before, that failure goes out, and the cancellation comes at the next
        park: raised here, it would take the failure's place (R15).
    """

    __slots__ = ("_failed", "_pump")

    def __init__(self, members: Members, pump: Task[None] | None, *, failed: bool) -> None:
        super().__init__(members, "the end of the block")
        self._pump = pump
        self._failed = failed

    def _attempt(self) -> Pending | None:
        if self._children.alive or (self._pump is not None and not self._pump.done()):
            return PENDING
        return None

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        if self.poll(cx) is PENDING:
            return PENDING
        return Completed(None) if self._failed else Canceled(request.reason)

    def _check(self, cx: Context) -> None:
        """Take the place of another task's fetch, which finds that the block was left."""
        other = self._children.fetcher
        if other is not None:
            other.waker.wake()

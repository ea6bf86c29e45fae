"""`shared`: one future, awaited by many; and `now_or_never`: polled once, and no more.

*Invariants.*
 H1  The inner future is polled by one subscriber at a time: the first in line. If that one leaves
     while a poll is owed, the next in line does it.
 H2  It is canceled when the last subscriber leaves, who drains it; never before.
 H3  Every subscriber gets the same result.
 H4  Nobody subscribes to what waits for themselves, by way of other shared futures perhaps: that
     would never end, and is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar, cast

from rescind._core.cell import Cell
from rescind._core.dropping import drop_overdue
from rescind._core.ending import ended_by, raise_all
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.frames import strip
from rescind._core.into import as_future
from rescind._core.intofuture import IntoFuture
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import (
    PENDING,
    Context,
    Future,
    NoopWaker,
    Pending,
    polled_after_end,
)
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.waitlist import Waiter, WaitList
from rescind._core.watched import watched
from rescind._host.bridge import executor_here

__all__ = ["Shared", "now_or_never", "shared"]

T = TypeVar("T")


class _SharedCell(Cell[T]):
    """The inner future; its ready queue is "somebody who waits, please poll"."""

    __slots__ = ("due", "subscribers")

    def __init__(self, future: Future[T], executor: Executor | None) -> None:
        super().__init__(future, executor)
        self.due = True
        # Each wants the cell as a part of which it waits.
        self.subscribers = WaitList()

    @property
    def name(self) -> str:
        return f"shared {self.future!r}"

    def _enqueue(self) -> None:
        self.due = True
        self.nudge()

    def nudge(self) -> None:
        """Wake the first in line, without taking them out (H1)."""
        for waiter in self.subscribers:
            waiter.waker.wake()
            break

    def waits_for(self, cell: Cell[Any] | None) -> bool:
        """Does it wait for ``cell``: is that a part of it, or of what it subscribed to (H4)?"""
        seen: set[Cell[Any]] = set()
        ahead = [cell]
        while ahead:
            link = ahead.pop()
            while link is not None and link not in seen:
                if link is self:
                    return True
                seen.add(link)
                if isinstance(link, _SharedCell):
                    ahead += [waiter.wants for waiter in link.subscribers]
                link = link.parent
        return False

    def _ended(self, outcome: Outcome[T]) -> None:
        self.subscribers.wake_all()


class Shared(IntoFuture[T], Generic[T]):
    """A result that can be awaited any number of times, by any task of one runtime.

    Cancellation: safe for each subscriber; the future is canceled when all of them have left.
    """

    __slots__ = ("_cell", "_factory", "_first", "_runtime")

    def __init__(self, first: Future[T] | None, factory: Callable[[], Awaitable[T]] | None) -> None:
        # The future before the first subscriber polls; None from then on, and with a factory.
        self._first = first
        self._factory = factory
        # The run under way, or the one that ended; None before the first.
        self._cell: _SharedCell[T] | None = None
        self._runtime: Executor | None = None

    def into_future(self) -> Future[T]:
        """Return a new subscription."""
        return _Subscription(self)

    def peek(self) -> Outcome[T] | None:
        """Return how it ended, if it has."""
        return None if self._cell is None else self._cell.ended

    def cell(self, cx: Context) -> _SharedCell[T]:
        """Return the run to subscribe to; start the first, or another after a cancellation."""
        cell = self._cell
        if cell is not None:
            if cell.cx.executor is not cx.executor:
                raise UsageError(
                    f"{self!r} is shared within one runtime; it was first awaited in another"
                )
            restart = self._factory is not None and isinstance(cell.ended, Canceled)
            if not restart:
                return cell
        first, self._first = self._first, None
        if first is None:
            assert self._factory is not None
            first = as_future(self._factory())
        self._cell = cell = _SharedCell(first, cx.executor)
        return cell

    def __repr__(self) -> str:
        what = self._first if self._cell is None else self._cell.future or self._cell.ended
        return f"shared({what or self._factory!r})"


class _Subscription(Future[T]):
    __slots__ = ("_cell", "_given", "_shared", "_taken", "_waiter")
    _native = True

    def __init__(self, owner: Shared[T]) -> None:
        self._taken = False
        self._given = False
        self._shared = owner
        self._cell: _SharedCell[T] | None = None
        self._waiter: Waiter | None = None

    def poll(self, cx: Context) -> T | Pending:
        if self._given:
            polled_after_end(self)
        cell = self._cell
        if cell is None:
            cell = self._cell = self._shared.cell(cx)
        if cell.ended is None:
            if self._waiter is None:
                if cell.waits_for(cx.cell):
                    self._cell = None
                    raise UsageError(f"{self!r} waits for itself, so it could never end")
                self._waiter = cell.subscribers.join(cx.waker, cx.cell)
            else:
                self._waiter.waker = cx.waker
            if cell.due:
                cell.due = False
                cell.step()
        if cell.ended is None:
            return PENDING
        self._given = True
        self._leave()
        self._cell = None
        return cell.ended.unwrap()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        cell = self._cell
        if cell is None:
            return Canceled(request.reason)
        if cell.ended is None and len(cell.subscribers) > (self._waiter is not None):
            self.drop()
            return Canceled(request.reason)  # the others go on (H2)
        if cell.ended is None:
            if cell.request is None:
                follow = request.follow(message="the last subscriber left")
                follow.grace_at = None  # the subscriber's ends it
                cell.ask(follow)
            try:
                self.poll(cx)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exc:
                strip(exc)
            if cell.ended is None:
                return PENDING
        self._given = True
        self._leave()
        self._cell = None
        ended = cell.ended
        del cell  # the frames of the exception in it may refer back to this one
        try:
            if isinstance(ended, Canceled):
                return Canceled(request.reason, ended.also)
            return ended
        finally:
            del ended

    def drop(self) -> None:
        cell = self._cell
        if cell is None:
            return
        self._leave()
        if cell.ended is not None:
            return
        if len(cell.subscribers):
            if cell.due:
                cell.nudge()
            return
        reason = CancelReason(CancelKind.PARENT, "the last subscriber was dropped")
        cell.drop_now(CancelRequest(reason))
        if isinstance(cell.ended, (Error, Canceled)):
            raise_all(list(cell.ended.also))

    def _leave(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and self._cell is not None:
            self._cell.subscribers.leave(waiter)

    def __repr__(self) -> str:
        return repr(self._shared)


def shared(fut: Awaitable[T] | Callable[[], Awaitable[T]]) -> Shared[T]:
    """Return something that can be awaited many times and gives everybody the result of ``fut``.

    Nothing runs before the first await. When every subscriber has been canceled, ``fut`` is.

    To await it in ``fut`` itself could never end, and is refused. A task that ``fut`` has spawned,
    and waits for, may await it all the same: somebody may cancel either, or ``fut`` may give up
    waiting. If nobody does, that is a hang, of which the runtime warns; on the virtual clock it is
    a `Deadlock`, which names them.

    Args:
        fut: a coroutine, a future, or anything that can be awaited; or a function that returns one:
            then an await after the cancellation starts anew.

    Raises:
        TaskCanceled: on awaiting, if ``fut`` was canceled and cannot be started anew.
        UsageError: on awaiting it in ``fut`` itself, which could never end; or in another runtime.

    Cancellation: safe. One subscriber's cancellation is invisible to the others.

    Source: futures-rs' ``Shared``; restarting as cats-effect's ``memoize`` was asked to.
    """
    if callable(fut) and not hasattr(fut, "__await__"):
        return Shared(None, fut)
    return Shared(as_future(cast("Awaitable[T]", fut)), None)


_NEVER: Final = CancelReason(CancelKind.PARENT, "it was not ready at once")


def now_or_never(fut: Awaitable[T]) -> Outcome[T] | None:
    """Poll ``fut`` once, here and now; drop it if it has no result yet.

    In a task of rescind, of asyncio or of trio, ``fut`` may use the clock and whatever else that
    one can; a coroutine has an identity of its own. Elsewhere it is polled by hand.

    Returns:
        Its outcome, or None if it was pending and is dropped.

    Cancellation: does not wait.

    Source: futures-rs' ``now_or_never``.
    """
    future: Future[Any] = watched(as_future(fut))
    executor = executor_here()
    if executor is None:
        return _polled_once(future, None)
    identity, budget = executor.identity, executor.budget
    executor.refill()  # or a poll that is not the task's first would find less than there is
    try:
        return _polled_once(future, executor)
    finally:
        executor.budget = budget
        # The caller goes on as who it was (R28).
        if executor.identity is not identity:
            if identity is None:
                executor.resign()
            else:
                executor.assume(identity)


def _polled_once(future: Future[T], executor: Executor | None) -> Outcome[T] | None:
    try:
        result = future.poll(Context(NoopWaker(), executor))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        strip(exc)
        return ended_by(exc, None)
    if isinstance(result, Pending):
        failures, _ = drop_overdue(future, executor, repr(future), _NEVER, overran=False)
        raise_all(list(failures))
        return None
    return Completed(result)

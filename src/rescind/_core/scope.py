"""Shields, gates and deadlines inside one coroutine: a stack of scopes.

*What it is.* A coroutine holds back the delivery of a cancellation with a shield (R12), lets it
in again for one future with the shield's gate, and cancels a stretch of itself with a deadline
(R21). All three are entries in the scope stack of the `CoroutineFuture` that drives it.

*What it is not.* Inherited: children of combinators, and spawned tasks, have stacks of their own.

*Invariants.*
 C1  A cancellation has a base: 0 for the future's own request, i + 1 for the deadline at index i.
     It is held back by every shield at or above its base that the awaited future's gates do not
     open, and by nothing below: a deadline inside a shield works.
 C2  From delivery until the canceled stretch is left, nothing from outside it is delivered: the
     cleanup runs once, undisturbed (R9). ``floor`` marks how far up that protection reaches;
     scopes entered later, by the cleanup itself, lie above it and work.
 C3  Leaving a shield checks nothing: the next park delivers.

*Threads.* The executor's thread only.

*Source.* cats-effect's ``uncancelable`` and ``poll``; trio's shielded cancel scopes.
"""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .current import Region, foreign, local
from .ending import split_cancellation
from .errors import Cancellation, TimedOut, UsageError
from .grace import checked_seconds
from .poll import Future, Waker
from .reason import CancelKind, CancelReason, CancelRequest, make_reason

if TYPE_CHECKING:
    from .cell import Cell
    from .timers import Timer

__all__ = [
    "Deadline",
    "Mask",
    "ScopeStack",
    "cancel_requested",
    "effective_deadline",
    "innermost",
    "pending_request",
]


class Mask:
    """A scope that holds cancellation back; what a shield is to the stack (C1)."""

    __slots__ = ()

    def opened_by(self, leaf: Future[Any] | None) -> bool:
        """Is cancellation let in while ``leaf`` is awaited?"""
        raise NotImplementedError


class ScopeStack(Region):
    """The part of a coroutine's driver that decides whether a cancellation is due.

    Attributes:
        scopes: shields and deadlines that are open, outermost first.
        floor: how many scopes are under the protection of C2.
        unwinding: was ``request`` raised inside?
        attention: may a cancellation be due? (One flag, so that the common case costs one test.)
        waker: the latest waker of the driver; what a deadline wakes.
    """

    __slots__ = ("attention", "floor", "scopes", "unwinding", "waker")

    scopes: list[Mask | Deadline]
    floor: int
    unwinding: bool
    attention: bool
    waker: Waker | None

    def delivered(self) -> bool:
        return self.unwinding

    def held(self) -> bool:
        """Does a shield of the host's world hold back what comes from outside (R30)?"""
        return False

    def holds(self) -> bool:
        return self.floor > 0 or self.unwinding or self.masked(0, None)

    def masked(self, base: int, leaf: Future[Any] | None) -> bool:
        """Is a cancellation with this base held back by a shield, with ``leaf`` awaited (C1)?"""
        for scope in self.scopes[base:]:
            if isinstance(scope, Mask) and not scope.opened_by(leaf):
                return True
        return False

    def due(self, leaf: Future[Any] | None) -> CancelRequest | None:
        """Return the outermost cancellation that must be delivered if ``leaf`` parks, if any."""
        if (
            self.request is not None
            and not self.unwinding
            and self.floor == 0
            and not self.masked(0, leaf)
        ):
            return self.request
        for index in range(self.floor, len(self.scopes)):
            scope = self.scopes[index]
            if (
                isinstance(scope, Deadline)
                and scope.request is not None
                and not scope.delivered
                and not self.masked(index + 1, leaf)
            ):
                return scope.request
        return None

    def mark_delivered(self, request: CancelRequest) -> None:
        """Note that ``request`` is raised now: protect its cleanup (C2)."""
        if request is self.request:
            self.unwinding = True
            self.floor = len(self.scopes)
            return
        for scope in self.scopes:
            if isinstance(scope, Deadline) and scope.request is request:
                scope.delivered = True
                scope.floor_before = self.floor
                self.floor = len(self.scopes)
                return

    def leave(self, scope: Mask | Deadline) -> None:
        """Take ``scope`` off the stack; no check for a cancellation (C3)."""
        if scope in self.scopes:
            self.scopes.remove(scope)
        if isinstance(scope, Deadline) and scope.delivered and not self.unwinding:
            self.floor = scope.floor_before
        self.floor = min(self.floor, len(self.scopes))


def innermost(what: str) -> ScopeStack:
    """Return the stack of the running coroutine; raise `UsageError` if rescind drives none."""
    region = local.region
    intruded = region is not None and foreign.drives is not None and foreign.drives(region)
    if intruded or not isinstance(region, ScopeStack):
        raise UsageError(
            f"{what} needs to be entered inside a coroutine that rescind drives; "
            "run it with rescind.run(...), spawn(...) or a combinator"
        )
    return region


class Deadline(Waker):
    """``async with deadline(5) as d:`` cancels its block when the time is over.

    Inside it is a `Cancellation` of kind ``DEADLINE``; at the end of the block, and only there,
    it becomes `TimedOut`. A value that is ready at the deadline wins (R7, R21).

    Attributes:
        at: host time, in seconds, at which it expires.
        request: the cancellation, once it has expired.
        delivered: was that raised inside the block?
    """

    __slots__ = (
        "_entered",
        "_seconds",
        "_stack",
        "_timer",
        "at",
        "delivered",
        "floor_before",
        "request",
    )

    def __init__(self, seconds: float) -> None:
        self._seconds = checked_seconds(seconds, "the deadline")
        self._stack: ScopeStack | None = None
        self._timer: Timer | None = None
        # The reason without its words: the task and the line that entered the block (R14).
        self._entered: CancelReason | None = None
        self.at = float("inf")
        self.request: CancelRequest | None = None
        self.delivered = False
        self.floor_before = 0

    async def __aenter__(self) -> Deadline:
        if self._stack is not None:
            raise UsageError("this deadline was already entered; call deadline() for each block")
        self._stack = stack = innermost("deadline()")
        stack.scopes.append(self)
        self.reschedule(self._seconds)
        assert stack.cx is not None  # or it could not have been scheduled
        self._entered = make_reason(None, stack.cx.runtime("deadline()"), CancelKind.DEADLINE)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        stack = self._stack
        if stack is not None:
            stack.leave(self)
        if self.request is None or not self.delivered:
            return
        cancellation, rest = split_cancellation(exc)
        if cancellation is None or rest is not None:
            return
        if cancellation.reason is self.request.reason:
            raise _timed_out(cancellation, self._seconds) from exc

    @property
    def expired(self) -> bool:
        """Is the time over?"""
        return self.request is not None

    def reschedule(self, seconds: float) -> None:
        """Expire ``seconds`` from now instead; raises `UsageError` outside the block."""
        seconds = checked_seconds(seconds, "the deadline")
        stack = self._stack
        if stack is None or self not in stack.scopes:
            raise UsageError("a deadline can be rescheduled only inside its block")
        if self.request is not None:
            raise UsageError(f"this deadline of {self._seconds:g} s has already expired")
        cx = stack.cx
        if cx is None:
            raise UsageError("a deadline can be rescheduled only by the coroutine that entered it")
        if self._timer is not None:
            self._timer.cancel()
        executor = cx.runtime("deadline()")
        self._seconds = seconds
        self.at = executor.now() + seconds
        self._timer = None
        if self.at != float("inf"):
            self._timer = executor.add_timer(self.at, self)

    def wake(self) -> None:
        """Expire: called by the timer."""
        stack, entered = self._stack, self._entered
        if stack is None or entered is None:
            return
        words = f"the deadline of {self._seconds:g} s has passed"
        self.request = CancelRequest(replace(entered, message=words, at=self.at))
        stack.attention = True
        if stack.waker is not None:
            stack.waker.wake()


def _timed_out(exc: Cancellation, seconds: float) -> TimedOut:
    error = TimedOut(f"timed out after {seconds:g} s")
    error.also = exc.also
    for other in exc.also:
        error.add_note(f"while cleaning up: {other!r}")
    return error


def pending_request(leaf: Future[Any] | None = None) -> CancelRequest | None:
    """Return the request that would be delivered if the running code parked on ``leaf`` now.

    It looks outwards from the innermost region: through the coroutines and shields being
    polled, and through the cells they belong to, until something holds cancellation back.
    """
    region = local.region
    while region is not None:
        if isinstance(region, ScopeStack):
            due = region.due(leaf)
            if due is not None and due is not region.request:
                return due  # of a deadline inside
            if region.held() or region.floor > 0 or region.unwinding or region.masked(0, leaf):
                return None
            if due is not None:
                return due
        elif region.holds():
            return None
        outer = region.outer
        cell = None if region.cx is None else region.cx.cell
        limit = None if outer is None or outer.cx is None else outer.cx.cell
        while cell is not None and cell is not limit:
            if cell.request is not None:
                return None if cell.canceling else cell.request
            cell = cell.parent
        region, leaf = outer, None
    return _pending_of_task()


def _pending_of_task() -> CancelRequest | None:
    """Return the pending request of the running task: its future may be no coroutine at all."""
    task = None if local.executor is None else local.executor.current
    return None if task is None or task.canceling else task.request


def cancel_requested() -> CancelRequest | None:
    """Return the nearest request that concerns the running code, delivered, shielded or not."""
    region = local.region
    cell: Cell[Any] | None = None
    while region is not None:
        if region.request is not None:
            return region.request
        if isinstance(region, ScopeStack):
            for scope in reversed(region.scopes):
                if isinstance(scope, Deadline) and scope.request is not None:
                    return scope.request
        cell = None if region.cx is None else region.cx.cell
        region = region.outer
        while cell is not None:
            if cell.request is not None:
                return cell.request
            cell = cell.parent
    return None


def effective_deadline() -> float | None:
    """Return the earliest host time at which a deadline or timeout cancels the running code."""
    earliest: float | None = None
    region = local.region
    while region is not None:
        times = [] if region.cx is None else [region.cx.deadline_at]
        if isinstance(region, ScopeStack):
            times += [scope.at for scope in region.scopes if isinstance(scope, Deadline)]
        for at in times:
            if at is not None and at != float("inf") and (earliest is None or at < earliest):
                earliest = at
        region = region.outer
    return earliest

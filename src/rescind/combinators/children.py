"""`Children`: what every combinator is made of: cells, polled in the parent's task when woken.

*What it is.* A small executor inside a future. Each child is a cell with its own waker, context
variables and asyncio identity (R18); a wake-up queues the child here, and wakes the parent.

*Invariants.*
 B1  Only woken children are polled; first polls in argument order, later ones in wake order, or, if
     ``biased``, in argument order.
 B2  A child's outcome is reported once, by `step`, in the order of their ends.
 B3  A canceled child is driven until its cleanup is done, or dropped when its grace is over; its
     grace never ends later than that of the request under which the parent itself is canceled
     (R10).
 B4  Dropping drops every child, even if one raises.

*Threads.* The executor's thread; children's wakers from any.

*Source.* futures-concurrency's per-child wakers; FuturesUnordered's ready queue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from typing import Any, Final, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.ending import raise_all
from rescind._core.errors import UsageError
from rescind._core.fifo import fifo
from rescind._core.frames import place_of
from rescind._core.grace import UNSET, Grace
from rescind._core.hooks import hooks
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Error, Outcome
from rescind._core.poll import Context, Future, polled_inside
from rescind._core.reason import (
    CancelKind,
    CancelReason,
    CancelRequest,
    called,
    new_reason,
    new_request,
)
from rescind._core.uncopied import refuse_copy
from rescind._core.watched import Watched

__all__ = [
    "Child",
    "Children",
    "Owner",
    "cancel_children",
    "enclosing_grace",
    "futures_of",
    "parent_reason",
    "place",
]

OnUndelivered = Callable[[Any], object]

_DROPPED: Final = CancelReason(CancelKind.PARENT, "the parent future was dropped")


def futures_of(awaitables: Iterable[Awaitable[Any]], what: str) -> list[Future[Any]]:
    """Return futures for the arguments of a combinator; if one is no awaitable, drop the others."""
    futures: list[Future[Any]] = []
    rest = iter(awaitables)
    try:
        for awaitable in rest:
            futures.append(as_future(awaitable))
    except (TypeError, UsageError) as exc:
        exc.add_note(f"as argument {len(futures)} of {what}()")
        for future in futures:
            future.drop()
        for awaitable in rest:
            close = getattr(awaitable, "close", None)
            if isinstance(awaitable, Future):
                awaitable.drop()
            elif close is not None and hasattr(awaitable, "cr_frame"):
                close()
        raise
    return futures


class Owner:
    """Who polls children: what they tell of their wake-ups, and of their end.

    Attributes:
        grace: for the cleanup of a canceled child; `UNSET`: the task's.
    """

    __slots__ = ()
    __reduce__ = refuse_copy

    grace: Grace  #: compiled: pass

    def enqueue(self, child: Child) -> None:
        """Queue a woken child, and see to it that it is stepped."""
        raise NotImplementedError

    def note_end(self, child: Child) -> None:
        """Note that a child has ended."""
        raise NotImplementedError


class Child(Cell[Any]):
    """One child: a cell whose ready queue is its parent's.

    Attributes:
        index: its place among the arguments.
        key: how users name it, or None.
    """

    __slots__ = ("_owner", "index", "key")

    #: compiled: def __init__(self, one, index, fut, cx, key): self._begin(one, index, fut, cx, key)

    def __init__(  #: compiled: def _begin(
        self, owner: Owner, index: int, future: Future[Any], cx: Context, key: object = None
    ) -> None:
        # None once it has ended: the owner holds its children, and this would close the circle.
        self._owner: Owner | None = owner
        self.index = index
        self.key = key
        # -- Cell
        self._phase = 0
        known = future._native  #: compiled: known = native(future)
        self.future = future if known else Watched(future)
        #: compiled: own = Context.__new__(Context)
        own = Context(self)  #: compiled: own.waker = self
        own.executor = cx.executor
        own.cell = self
        own.deadline_at = cx.deadline_at
        self.cx = own
        self.parent = cx.cell
        self.request = self.ended = self.dependents = self._grace_timer = None
        self.grace = owner.grace
        self.context = copy_context()
        self.started = self.absorbed = self.overran = self.lost = self._graced = False
        if hooks.spawned is not None:
            hooks.spawned(self)

    def label(self) -> object:
        return (self.index if self.key is None else self.key,)

    @property
    def name(self) -> str:
        future = self.future
        what = f" {future!r}" if future is not None else ""
        if self.key is not None:
            return f"child {self.key!r}{what}"
        return f"child {self.index}{what}"

    def _enqueue(self) -> None:
        owner = self._owner
        if isinstance(owner, Children):
            among = owner
            among.enqueue(self)
        elif owner is not None:
            owner.enqueue(self)

    def _ended(self, outcome: Outcome[Any]) -> None:
        owner, self._owner = self._owner, None
        if isinstance(owner, Children):
            among = owner
            among.note_end(self)
        elif owner is not None:
            owner.note_end(self)


class Children(Owner):
    """The children of one combinator.

    Args:
        grace: for the cleanup of a canceled child; `UNSET`: the task's.
        biased: poll woken children in argument order (B1).
    """

    __slots__ = (
        "_ended",
        "_forwarded",
        "_ready",
        "_round",
        "_stepping",
        "_waker",
        "alive",
        "biased",
        "cells",
        "grace",
    )

    def __init__(self, grace: Grace = UNSET, biased: bool = False) -> None:
        self.grace = grace
        self.biased = biased
        self.cells: list[Child] = []
        # How many have not ended.
        self.alive = 0
        self._ready: fifo[Child] = fifo()
        self._ended: list[Child] = []
        # Is a child being stepped now?
        self._stepping = False
        # How many entries of the ready queue belong to the round under way.
        self._round = 0
        # To how many children the parent's request was passed on.
        self._forwarded = 0
        # Wakes the parent; the latest one.
        self._waker: Any = None

    # -- growing ----------------------------------------------------------------------------------

    def start(self, futures: Iterable[Future[Any]], cx: Context) -> None:
        """Make a cell for each future, queued for its first poll."""
        for future in futures:
            self.add(future, cx)

    def add(self, future: Future[Any], cx: Context, key: object = None) -> Child:
        """Make a cell for one more future, queued for its first poll."""
        self._waker = cx.waker
        #: compiled: child = Child.__new__(Child)
        #: compiled: child._begin(self, len(self.cells), future, cx, key)
        child = Child(self, len(self.cells), future, cx, key)  #: compiled: pass
        self.cells.append(child)
        self.alive += 1
        self._ready.append(child)  #: compiled: put(self._ready, child)
        return child

    def enqueue(self, child: Child) -> None:
        """Queue a woken child, and wake the parent."""
        self._ready.append(child)  #: compiled: put(self._ready, child)
        waker = self._waker
        if isinstance(waker, Cell):
            waiting = cast("Cell[object]", waker)  #: compiled: waiting = waker
            waiting.wake()
        elif waker is not None:
            waker.wake()

    def note_end(self, child: Child) -> None:
        """Note that a child has ended."""
        self.alive -= 1
        self._ended.append(child)

    def __repr__(self) -> str:
        return f"<combinator of {len(self.cells)}>"

    def release(self) -> None:
        """Let go of the children and the parent's waker: all have ended, and are reported."""
        self.cells = []
        self._waker = None

    # -- driving ----------------------------------------------------------------------------------

    def begin(self, cx: Context) -> None:
        """Begin to step the children that are woken now; `advance` goes on."""
        if self._stepping:
            polled_inside(self)
        self._waker = cx.waker
        ready = self._ready
        # One round: those queued now. A child woken meanwhile has its turn in the parent's next.
        # A round that the budget cut short goes on first, or a hot child, if biased, would be
        # before the others for ever.
        if self._round == 0:
            self._round = len(ready)
            if self.biased and len(ready) > 1:
                woken = [ready.popleft() for _ in range(len(ready))]
                for child in sorted(woken, key=_index):
                    ready.append(child)

    def advance(self, cx: Context) -> Child | None:
        """Step children until one has ended, and return that, once (B1, B2); None: all had a turn.

        The caller may cancel others in between.
        """
        ready = self._ready
        executor = cx.executor
        while not self._ended and self._round and ready:  #: compiled: while _goes_on(self, ready):
            if executor is not None and executor.budget <= 0:
                break
            self._round -= 1
            self._stepping = True
            try:
                #: compiled: child = first_of(ready)
                ready.popleft().step()  #: compiled: child.step()
            finally:
                self._stepping = False
        if self._ended:
            return self._ended.pop(0)
        if ready:  #: compiled: if ready._count:
            if executor is not None and executor.budget <= 0:
                executor.defer(cx.waker)  # the host looks for I/O first
            else:
                cx.waker.wake()  #: compiled: wake_up(cx.waker)
        return None

    # -- canceling --------------------------------------------------------------------------------

    def cancel(self, reason: CancelReason, cx: Context, wanted: bool) -> None:
        """Ask each child that has not ended to cancel; mark all before one is stepped (R13).

        With ``wanted``, somebody takes the value of one that completes all the same. Otherwise an
        operation of a primitive gives back what it was given, but has not said yet (R7).
        """
        if not wanted:
            for child in self.cells:
                child.lost = True
        cancel_children(self.cells, reason, self.grace, cx)

    def forward(self, request: CancelRequest) -> None:
        """Pass the parent's own request on to every child that has not ended (R13, B3)."""
        first, self._forwarded = self._forwarded, len(self.cells)
        for index in range(first, self._forwarded):
            child = self.cells[index]
            if child.ended is None and child.request is None:
                following = request.follow()
                following.grace_at = None  # the parent's ends it: one report, not one for each
                child.ask(following)

    def drop(self) -> None:
        """Drop every child that has not ended, in argument order (B4)."""
        self._waker = None
        request = CancelRequest(_DROPPED)
        errors: list[BaseException] = []
        for child in self.cells:
            if child.ended is None:
                try:
                    child.drop_now(request)
                except (KeyboardInterrupt, SystemExit):
                    pass  # it is in the outcome too, and raised when all are dropped (B4)
                outcome = child.ended
                if isinstance(outcome, (Error, Canceled)):
                    errors += outcome.also
        while self._ready:
            self._ready.popleft()
        self._ended.clear()
        raise_all(errors)


def _index(child: Child) -> int:
    return child.index


def cancel_children(
    children: Iterable[Child], reason: CancelReason, given: Grace, cx: Context
) -> None:
    """Ask each child that has not ended to cancel, with the grace ``given``, or else its own."""
    enclosing = enclosing_grace(cx.cell)
    executor = cx.executor
    now = 0.0 if executor is None else executor.now()
    for child in children:
        if child.ended is not None:
            continue
        grace = child.effective_grace() if given is UNSET else given
        at = None if grace is None or executor is None else now + grace
        request = new_request(reason, at, None, True)
        if enclosing is not None:
            request.shorten(enclosing)
        child.ask(request)


def enclosing_grace(cell: Cell[Any] | None) -> float | None:
    """Return the earliest time at which the grace of a cell around ends, or None (R10)."""
    earliest: float | None = None
    while cell is not None:
        request = cell.request
        if request is not None and request.grace_at is not None:
            earliest = request.grace_at if earliest is None else min(earliest, request.grace_at)
        cell = cell.parent
    return earliest


def place() -> str | None:
    """Return ``file:line`` of the await in which the running combinator is polled, if any."""
    region = local.region  #: compiled: region = get_region()
    if not isinstance(region, CoroutineFuture):
        return None
    driver = cast("CoroutineFuture[object]", region)  #: compiled: driver = region
    return place_of(driver.coroutine)  #: compiled: return place_of(driver._coro)


def parent_reason(
    kind: CancelKind, message: str, cx: Context, cause: CancelReason | None = None
) -> CancelReason:
    """Return the reason that a combinator gives to a child: by its task, at its await, now."""
    executor = cx.executor
    by: str | None = None
    at: float | None = None
    if executor is not None:
        at = executor.now()
        if executor.current is not None:
            by = called(executor.current)
    return new_reason(kind, message, by, place(), at, cause)

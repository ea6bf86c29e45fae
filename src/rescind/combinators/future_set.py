"""`FutureSet`: futures that come and go, driven as long as its block is open (R22).

*What it is.* The face of `Members`: keys, the block, and what can be asked of it. The block
belongs to the coroutine that opened it; its members run inside that coroutine's task, each under an
identity, context variables and a waker of its own (R18).

*Threads.* The thread of its runtime.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from threading import get_ident
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast, overload

from rescind._core.current import foreign, local
from rescind._core.ending import closing, split_cancellation
from rescind._core.errors import UsageError, WouldBlock
from rescind._core.grace import UNSET, Grace, checked_grace
from rescind._core.into import as_future
from rescind._core.outcome import Outcome
from rescind._core.poll import PENDING, Future
from rescind._core.reason import CancelKind, CancelReason, make_reason
from rescind._core.scope import ScopeStack, innermost
from rescind._core.task import Task
from rescind._core.uncopied import refuse_copy
from rescind._host.bridge import executor_here
from rescind.combinators.fetching import Drain, Fetch
from rescind.combinators.members import Members, Pump

__all__ = ["FutureSet", "FutureSetStatistics", "Next", "checked_limit"]

K = TypeVar("K")
T = TypeVar("T")
Self = TypeVar("Self", bound="FutureSet[Any, Any]")

NEW: Final = 0
OPEN: Final = 1
LEFT: Final = 2


@dataclass(frozen=True, slots=True)
class FutureSetStatistics:
    """A snapshot of a set's counters.

    Attributes:
        waiting: futures that have not begun, because of the limit.
        running: futures under way, those in their cleanup included.
        unfetched: futures that have ended, whose outcome was not fetched yet.
        added: futures ever added.
        fetched: outcomes ever fetched.
    """

    waiting: int
    running: int
    unfetched: int
    added: int
    fetched: int


class Next(Fetch[Any]):
    """Waits for the next outcome of a set.

    Args:
        members: the set's.
        name: of the method, for messages.
        empty: what to raise if nothing is left; None: return None then.
    """

    __slots__ = ("_empty",)

    def __init__(
        self, members: Members, name: str, empty: Callable[[], BaseException] | None
    ) -> None:
        super().__init__(members, name)
        self._empty = empty

    def _attempt(self) -> Any:
        members = self._children
        member = members.take()
        if member is not None:
            return member.key, member.ended
        if members.alive:
            return PENDING
        if self._empty is not None:
            raise self._empty()
        return None


class FutureSet(Generic[K, T]):
    """Futures that come and go, driven as long as the block is open, each outcome fetched once.

    ``async with FutureSet() as s:`` opens the block. What is added runs inside the task that opened
    it, also while the body awaits something else. Leaving the block, in whatever way, cancels what
    has not ended (kind ``GROUP_EXIT``) and waits for its cleanup. Iterating gives ``(key,
    outcome)`` in the order of ends, until the set is empty; more may be added meanwhile, from
    anywhere in the same runtime, and iterating begun anew.

    It works in a plain task of asyncio or trio too: then a task of rescind's beside it drives it.

    Args:
        limit: how many may be under way at once; those added later wait their turn, unpolled, in
            the order of adding. None: all. At least 1.
        grace: for the cleanup of a canceled future, in seconds; by default the task's.
        biased: poll woken futures in the order of adding, instead of that of waking.
        on_undelivered: called on leaving with each value that nobody fetched; without it such a
            value is discarded. A failure that nobody fetched is logged.

    Raises:
        UsageError: on entering: twice, or where no runtime and no asyncio loop runs; in all
            other methods: outside of the block.
        ValueError: ``limit`` is less than 1; ``grace`` is negative or NaN.

    Cancellation: leaving the block is shielded: it ends when all have ended, within the grace.

    Example:
        >>> import rescind
        >>> async def main():
        ...     async with rescind.FutureSet[str, int]() as s:
        ...         s.add(rescind.ready(1), key="a")
        ...         s.add(rescind.ready(2), key="b")
        ...         async for key, outcome in s:
        ...             print(key, outcome)
        >>> rescind.run(main)
        a Completed(value=1)
        b Completed(value=2)

    Source: tokio's ``JoinMap``, but in one task; futures-rs's ``FuturesUnordered``, but never
    unpolled while the body awaits something else.
    """

    __slots__ = ("__weakref__", "_members", "_pump", "_stack", "_state", "_successor")
    __reduce__ = refuse_copy
    _what = "FutureSet"

    def __init__(
        self,
        *,
        limit: int | None = None,
        grace: Grace = UNSET,
        biased: bool = False,
        on_undelivered: Callable[[T], object] | None = None,
    ) -> None:
        self._members = Members(
            self._what,
            limit=None if limit is None else checked_limit(limit, self._what),
            grace=checked_grace(grace),
            biased=biased,
            on_undelivered=on_undelivered,
        )
        self._state = NEW
        # The coroutine's scope stack; None outside the block, and where a task of ours drives.
        self._stack: ScopeStack | None = None
        # The task that drives, under a driver that is not ours.
        self._pump: Task[None] | None = None
        # The next default key.
        self._successor = 0

    # -- the block --------------------------------------------------------------------------------

    async def __aenter__(self: Self) -> Self:
        self._enter()
        return self

    def _enter(self) -> None:
        members = self._members
        what = members.what
        if self._state != NEW:
            raise UsageError(f"this {what} was already entered; make a new one for each block")
        region = local.region
        if region is not None and not (foreign.drives is not None and foreign.drives(region)):
            stack = innermost(f"{what}()")
            stack.invite(members)
            self._stack = stack
            members.cx = stack.cx
        else:
            executor = executor_here()
            if executor is None:
                raise UsageError(
                    f"{what}() was entered where no runtime and no asyncio loop runs; "
                    "use rescind.run(...)"
                )
            pump = executor.spawn(Pump(members), name=what)
            if pump.done():
                raise UsageError(f"{what}() was entered after the runtime had been shut down")
            pump.on_end(lambda _outcome: members.notify())
            self._pump = pump
            members.cx = pump.cx
        self._state = OPEN

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        members = self._members
        if self._state != OPEN or members.cx is None:
            self._state = LEFT  # it was dropped with the coroutine that had opened it
            return
        try:
            stack = self._stack
            if closing(exc) and (stack is None or stack.cx is None):
                return  # closed: nothing can be awaited (in an async generator's aclose it can)
            members.close(self._reason_to_leave(exc))
            pump = self._pump
            if pump is not None:
                pump.wake()
            if members.alive or pump is not None:
                failed = exc is not None and not isinstance(exc, CancelledError)
                await Drain(members, pump, failed=failed and split_cancellation(exc)[0] is None)
        finally:
            self._leave()

    def _reason_to_leave(self, exc: BaseException | None) -> CancelReason:
        members = self._members
        reason = self._reason(f"the block of the {members.what} was left", CancelKind.GROUP_EXIT)
        cancellation = split_cancellation(exc)[0]
        return reason if cancellation is None else replace(reason, cause=cancellation.reason)

    def _leave(self) -> None:
        """Drop what has not ended, which is nothing if leaving could be awaited."""
        members = self._members
        self._state = LEFT
        stack, self._stack = self._stack, None
        pump, self._pump = self._pump, None
        try:
            if members.alive:
                members.discard()
        finally:
            if stack is not None:
                stack.dismiss(members)
            if pump is not None and not pump.done():
                _end_pump(pump, members)
            members.release()

    # -- coming and going -------------------------------------------------------------------------

    @overload
    def add(self: FutureSet[int, T], fut: Awaitable[T]) -> int: ...
    @overload
    def add(self, fut: Awaitable[T], key: K) -> K: ...
    def add(self, fut: Awaitable[T], key: Any = None) -> Any:
        """Add a future: it is first polled in the next step, or when the limit allows it.

        What is added while the block is being left is canceled before its first poll.

        Args:
            fut: a coroutine, a future, or anything that can be awaited.
            key: how the outcome is told apart; hashable. By default a running number.

        Returns:
            The key.

        Raises:
            TypeError: ``fut`` cannot be awaited, or ``key`` cannot be hashed.
            UsageError: another future in the set has this key, its outcome not fetched yet; or the
                block is not open. ``fut`` is dropped then.
        """
        future = as_future(fut)
        members = self._members
        try:
            self._check_open("add()")
            if key is None:
                while self._successor in members.by_key:
                    self._successor += 1
                key = self._successor
                self._successor += 1
            elif key in members.by_key:
                raise UsageError(
                    f"the key {key!r} is taken: cancel that future, or fetch its outcome, before "
                    "another is added under it"
                )
        except (TypeError, UsageError):
            future.drop()
            raise
        members.add(key, future)
        return key

    def cancel(self, key: K, reason: str | CancelReason | None = None) -> bool:
        """Ask one future to cancel; its outcome can be fetched when its cleanup is done.

        Returns:
            False if there is no such future, or it has ended already.
        """
        self._check_open("cancel()")
        member = self._members.by_key.get(key)
        if member is None or member.ended is not None:
            return False
        self._members.cancel((member,), self._reason(reason, CancelKind.EXPLICIT))
        return True

    def cancel_all(self, reason: str | CancelReason | None = None) -> int:
        """Ask all futures to cancel, those that wait for the limit too; the set stays open.

        Returns:
            How many were asked: those that had not ended.
        """
        self._check_open("cancel_all()")
        members = self._members.cells
        self._members.cancel(members, self._reason(reason, CancelKind.EXPLICIT))
        return len(members)

    # -- fetching ---------------------------------------------------------------------------------

    def next(self) -> Future[tuple[K, Outcome[T]] | None]:
        """Return a future of the next ``(key, outcome)``, in the order of ends; None if empty.

        Raises:
            UsageError: somebody else is fetching; or a future that is in the set tries to.

        Cancellation: safe. What was not returned stays in the set.
        """
        return Next(self._members, "next()", None)

    def next_nowait(self) -> tuple[K, Outcome[T]] | None:
        """Return the next ``(key, outcome)`` of those that have ended; None if the set is empty.

        Raises:
            WouldBlock: all that are in the set are still under way.
        """
        self._check_open("next_nowait()")
        members = self._members
        member = members.take()
        if member is not None:
            return cast("K", member.key), cast("Outcome[T]", member.ended)
        if members.alive:
            raise WouldBlock(f"none of the {members.alive} futures in the {members.what} has ended")
        return None

    def __aiter__(self: Self) -> Self:
        return self

    def __anext__(self) -> Future[tuple[K, Outcome[T]]]:
        return Next(self._members, "iterating", StopAsyncIteration)

    # -- what it holds ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many outcomes can still be fetched, now or later."""
        return len(self._members.by_key)

    def __contains__(self, key: object) -> bool:
        """Is there a future with this key, ended or not, whose outcome was not fetched?"""
        return key in self._members.by_key

    def keys(self) -> tuple[K, ...]:
        """Return the keys of all whose outcome was not fetched, in the order of adding."""
        return tuple(self._members.by_key)

    def statistics(self) -> FutureSetStatistics:
        """Return a snapshot of the counters."""
        members = self._members
        return FutureSetStatistics(
            waiting=members.waiting,
            running=members.alive - members.waiting,
            unfetched=len(members.ended),
            added=members.added,
            fetched=members.fetched,
        )

    def __repr__(self) -> str:
        return repr(self._members)

    # -- checks -----------------------------------------------------------------------------------

    def _check_open(self, what: str) -> None:
        """Refuse what makes no sense outside of the block, or without anybody to drive."""
        members = self._members
        cx = members.cx
        if cx is None:
            when = "before its block" if self._state == NEW else "after its block was left"
            raise UsageError(f"{what} of a {members.what} was called {when}: use 'async with'")
        if self._pump is not None and self._pump.done():
            raise UsageError(f"{what} of a {members.what} was called after its runtime's shutdown")
        executor = cx.executor
        if executor is not None and executor.thread != get_ident():
            raise UsageError(
                f"{what} of a {members.what} was called from another thread than its runtime's; "
                "go there first, with loop.call_soon_threadsafe(...) or runtime.spawn(...)"
            )

    def _reason(self, reason: str | CancelReason | None, kind: CancelKind) -> CancelReason:
        cx = self._members.cx
        assert cx is not None
        if cx.executor is not None:
            return make_reason(reason, cx.executor, kind)
        return reason if isinstance(reason, CancelReason) else CancelReason(kind, reason)


def checked_limit(limit: int, what: str) -> int:
    """Return ``limit`` if it is a number of things that can be under way at once."""
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"the limit of {what}() must be an int, not {limit!r}")
    if limit < 1:
        raise ValueError(f"the limit of {what}() must be at least 1, or nothing runs: {limit!r}")
    return limit


def _end_pump(pump: Task[None], members: Members) -> None:
    """End the task that drives, where nothing can be awaited, and its loop may be closed."""
    if members.closing is None:
        members.closing = CancelReason(CancelKind.GROUP_EXIT)
    try:
        pump.wake()
    except RuntimeError:
        pass  # so it is: nobody will miss it

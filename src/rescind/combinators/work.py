"""`Work`: the engine of `concurrently`: a set that is filled from a source of items.

*What it is.* A `FutureSet` that calls a function for each item, as there is room. A source that
awaits is iterated by one child of its own, the *feeder*, from the first item to ``aclose``: an
async generator with a timeout or a cancel scope inside has one identity throughout (R28).

*Invariants.*
 Y1  Calls under way, and results that wait to be handed out, are never more than ``limit``. An item
     is pulled only when there is room for it.
 Y2  The first failure cancels the others at once; it is raised when they have ended, and after
     the results that had come before it.
 Y3  Every result is handed out, or goes to ``on_undelivered``; every failure is raised, or kept
     with the one that is, or logged.

*Threads.* The thread of its runtime.

*Source.* futures-rs's ``buffered`` and ``buffer_unordered``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sized,
)
from dataclasses import dataclass
from threading import get_ident
from types import AsyncGeneratorType
from typing import Any, Final

from rescind._core.errors import UsageError
from rescind._core.grace import Grace
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome, attach
from rescind._core.poll import PENDING, Context, Pending, Waker
from rescind._core.reason import CancelKind, CancelRequest
from rescind.combinators.future_set import NEW, OPEN, FutureSet
from rescind.combinators.members import Member, Members
from rescind.time import poll_fn

__all__ = ["Progress", "Work"]

_log: Final = logging.getLogger("rescind")
_FEEDER: Final = "the source"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far `concurrently` has come.

    Attributes:
        done: calls that have returned a value.
        failed: calls that have raised, or were canceled.
        running: calls under way.
        total: how many items there are; None if the source does not tell.
    """

    done: int
    failed: int
    running: int
    total: int | None


class Work(FutureSet[Any, Any]):
    """The set behind a `Concurrently`: which may go out of scope while this is driven."""

    # No __slots__: there is one for each call of `concurrently`, and nothing is gained.
    _what = "concurrently"

    def __init__(
        self,
        fn: Callable[[Any], Awaitable[Any]],
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        limit: int,
        ordered: bool,
        raising: bool,
        on_progress: Callable[[Progress], object] | None,
        grace: Grace,
        on_undelivered: Callable[[Any], object] | None,
    ) -> None:
        super().__init__(grace=grace, on_undelivered=on_undelivered)
        self._fn = fn
        self._items: Iterable[Any] | AsyncIterable[Any] = items
        # The iterator of a source that does not await; None if the feeder has it, or nobody.
        self._source: Iterator[Any] | None = None
        self._limit = limit
        self._ordered = ordered
        self._raising = raising
        self._progress = on_progress
        self._total = len(items) if isinstance(items, Sized) else None
        self._calls = 0
        self._done = 0
        self._failed = 0
        # Is nothing to be pulled any more?
        self._exhausted = False
        # Results that wait for those before them, by number; and the number that is next.
        self._held: dict[int, Member] = {}
        self._turn = 0
        # A source that awaits, as long as it was not closed.
        self._unclosed: AsyncIterator[Any] | None = None
        # What is going to be raised (Y2), and how many results come before it.
        self._failure: BaseException | None = None
        self._left = 0
        # Wakes the feeder when there is room.
        self.feeder: Waker | None = None
        # Was the end, or the failure, given out?
        self.finished = False
        # Was it entered with ``async with``?
        self.in_block = False

    # -- filling ----------------------------------------------------------------------------------

    def _enter(self) -> None:
        items = self._items
        awaits = isinstance(items, AsyncIterable)
        source: Any = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        super()._enter()
        self._items = ()
        self._members.on_end = self._ended
        if awaits:
            self._unclosed = source
            self._members.add(_FEEDER, as_future(self._feed(source)))
        else:
            self._source = source
            try:
                self._fill()
            except BaseException:  # an interrupt: what else a source raises is kept
                self._leave()
                raise

    def has_room(self) -> bool:
        """May another call begin (Y1)?"""
        members = self._members
        alive = members.alive - (_FEEDER in members.by_key)
        return alive + len(members.ended) + len(self._held) < self._limit

    def _room(self, cx: Context) -> Pending | None:
        """Wait until another call may begin."""
        if self.has_room():
            return None
        self.feeder = cx.waker
        return PENDING

    def _fill(self) -> None:
        """Pull items of a source that does not await."""
        source = self._source
        while source is not None and self.has_room():
            if self._exhausted or self._members.closing is not None:
                self._source = source = None
                return
            try:
                item = next(source)
            except StopIteration:
                self._exhausted = True
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exc:
                self._fail(exc, "the source of the items failed")
            else:
                self._begin(item)

    async def _feed(self, source: AsyncIterator[Any]) -> None:
        """Pull items of a source that awaits, then close it."""
        try:
            while not self._exhausted:
                await poll_fn(self._room)
                try:
                    item = await anext(source)
                except StopAsyncIteration:
                    break
                self._begin(item)
        except GeneratorExit:
            raise  # nothing can be awaited: see _leave
        except BaseException:
            await self._close()
            raise
        await self._close()

    async def _close(self) -> None:
        source, self._unclosed = self._unclosed, None
        aclose = getattr(source, "aclose", None)
        if aclose is not None:
            await aclose()

    def _begin(self, item: Any) -> None:
        number = self._calls
        self._calls += 1
        try:
            awaitable = self._fn(item)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            awaitable = _raise(exc)
        try:
            future = as_future(awaitable)
        except TypeError:
            name = getattr(self._fn, "__qualname__", repr(self._fn))
            error = TypeError(
                f"concurrently() needs an async function, but {name}(...) returned {awaitable!r}, "
                "which cannot be awaited; give it an 'async def'"
            )
            self._fail(error, f"call number {number} of concurrently() failed")
        except UsageError as exc:
            self._fail(exc, f"call number {number} of concurrently() failed")
        else:
            self._members.add(number, future)

    # -- ends -------------------------------------------------------------------------------------

    def _ended(self, member: Member) -> None:
        """Sort what a member has ended with; called as the last of its step."""
        members = self._members
        number: Any = member.key
        if number is _FEEDER:
            members.ended.pop()
            del members.by_key[_FEEDER]
            self._exhausted = True
            self._end_of_source(member)
            return
        outcome = member.ended
        if isinstance(outcome, Completed):
            self._done += 1
        else:
            self._failed += 1
        if members.closing is not None:
            return
        if self._raising and not isinstance(outcome, Completed):
            assert outcome is not None
            members.ended.pop()
            del members.by_key[number]
            self._fail(_failure_of(outcome), f"call number {number} of concurrently() failed")
        elif self._ordered:
            members.ended.pop()
            del members.by_key[number]
            self._held[number] = member
        if self._progress is not None:
            self._tell(self._progress)

    def _end_of_source(self, feeder: Member) -> None:
        outcome = feeder.ended
        if isinstance(outcome, Error):
            self._fail(outcome.exception, "the source of the items failed")
        if isinstance(outcome, (Error, Canceled)):
            if isinstance(outcome, Canceled) and feeder.request is None:
                error = Canceled(outcome.reason).error("the source of the items")
                self._fail(error, "the source of the items was canceled")
            for exc in outcome.also:
                self._fail(exc, "closing the source of the items failed")

    def _tell(self, on_progress: Callable[[Progress], object]) -> None:
        members = self._members
        running = members.alive - (_FEEDER in members.by_key)
        try:
            on_progress(Progress(self._done, self._failed, running, self._total))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            self._fail(exc, "on_progress of concurrently() failed")

    def _fail(self, exc: BaseException, note: str) -> None:
        """Cancel the others, and keep what is to be raised (Y2); later failures go with it."""
        self._exhausted = True
        if self._failure is not None:
            attach(self._failure, exc, note)
            return
        members = self._members
        if members.closing is not None:
            _log.error("%s, while it was left", note, exc_info=exc)
            return
        exc.add_note(note)
        self._failure = exc
        self._left = len(members.ended)
        members.close(self._reason(f"{note}: {exc!r}", CancelKind.SIBLING_FAILED))

    # -- handing out ------------------------------------------------------------------------------

    def attempt(self) -> Any:
        """Return the next result; `PENDING` if there is none yet; raise at the end."""
        members = self._members
        member = self._pop()
        if member is not None:
            if self._source is not None:
                self._fill()  # so that as many are under way while the body handles this one
            outcome: Outcome[Any] | None = member.ended
            assert outcome is not None
            return outcome.unwrap() if self._raising else outcome
        if members.alive:
            return PENDING
        failure, self._failure = self._failure, None
        self.finished = True
        if failure is not None:
            self._keep_failures(failure)
        if not self.in_block:
            self._leave()
        try:
            raise StopAsyncIteration if failure is None else failure
        finally:
            del failure  # a traceback keeps this frame

    def _pop(self) -> Member | None:
        """Take the result that is next, and let another call begin."""
        members = self._members
        if self._ordered:
            member = self._held.pop(self._turn, None)
            if member is not None:
                self._turn += 1
                members.fetched += 1
            elif members.closing is not None and self._failure is None and not members.alive:
                member = members.take()  # the runtime was shut down
        elif self._failure is None or self._left:
            self._left -= 1
            member = members.take()
        else:
            member = None
        if member is not None and self.feeder is not None:
            feeder, self.feeder = self.feeder, None
            feeder.wake()
        return member

    def _keep_failures(self, failure: BaseException) -> None:
        """Keep with the failure how those failed that were canceled for it (Y3)."""
        members = self._members
        for member in members.ended:
            outcome = member.ended
            if isinstance(outcome, Error):
                attach(failure, outcome.exception, f"call number {member.key} failed too")
            if isinstance(outcome, (Error, Canceled)):
                for exc in outcome.also:
                    attach(failure, exc, f"the cleanup of call number {member.key} failed")
        values = [m for m in members.ended if isinstance(m.ended, Completed)]
        members.ended.clear()
        members.ended.extend(values)

    def _leave(self) -> None:
        self._members.ended.extend(self._held.values())
        self._held = {}
        failure, self._failure = self._failure, None
        if failure is not None:
            _log.error("concurrently() failed, and nobody asked for its results", exc_info=failure)
        del failure
        self._source = self._progress = None
        cx = self._members.cx
        super()._leave()
        source = self._unclosed
        if source is None or cx is None or cx.executor is None:
            return
        # It was dropped in the middle, where nothing can be awaited. The loop closes async
        # generators that go out of scope; where it does not, and for other sources, we do.
        if isinstance(source, AsyncGeneratorType) and sys.get_asyncgen_hooks().finalizer:
            self._unclosed = None
        else:
            closing = as_future(self._close())
            try:
                cx.executor.spawn(closing, name="closing the source of concurrently()").detach()
            except RuntimeError:
                closing.drop()  # its loop is closed

    def begin(self) -> None:
        """Open the block of a plain ``async for``, unless it is open."""
        if self._state == NEW:
            self._enter()

    @property
    def members(self) -> Members:
        """The calls under way."""
        return self._members

    def give_up(self, request: CancelRequest) -> Outcome[Any] | Pending:
        """Cancel and drain everything: without a block nobody else will."""
        members = self._members
        if members.closing is None:
            members.close(request.follow(CancelKind.GROUP_EXIT).reason)
        if members.alive:
            return PENDING
        failure, self._failure = self._failure, None
        self.finished = True
        self._leave()
        return Canceled(request.reason, () if failure is None else (failure,))

    def abandon(self) -> None:
        """Drop everything: the iterator went out of scope (R3)."""
        self.finished = True
        if self._state != OPEN:
            return
        cx = self._members.cx
        executor = None if cx is None else cx.executor
        if executor is not None and executor.thread != get_ident():
            executor.post(self._leave)  # the collector may run anywhere
        else:
            self._leave()


async def _raise(exc: BaseException) -> Any:
    raise exc


def _failure_of(outcome: Outcome[Any]) -> BaseException:
    if isinstance(outcome, Error):
        return outcome.exception
    assert isinstance(outcome, Canceled)
    return outcome.error("a call of concurrently()")

"""The poll protocol: `Future`, `Context`, `Waker`, `PENDING`.

*What it is.* A future is an object with ``poll(cx)``; whoever awaits it, polls it. To cancel it
is never to poll it again: `poll_cancel` gives it a chance to clean up, `drop` ends it at once.

*What it is not.* An ``asyncio.Future``: nothing runs until somebody polls, and nobody else
can set the result.

*Invariants.*
 F1  ``poll`` returns `PENDING`, or the output, or raises. If `PENDING`, it has stored
     ``cx.waker`` (only the latest counts) and will wake it (R1).
 F2  A future is polled by one owner at a time: `take` marks it when it is given away.
 F3  After `poll_cancel` has begun, only `poll_cancel` and `drop` are called (R4).
 F4  `drop` has an effect once, is synchronous, and ends the leaf first (R3).

*Threads.* A future is polled on its executor's thread only. `Waker.wake` may be called from any.

*Source.* Rust's ``Future``; ``poll_cancel`` after Holk (2023), with its open questions decided:
an unstarted future runs nothing, a second request continues the same cleanup.
"""

from __future__ import annotations

import enum
from collections.abc import Generator, Iterable
from types import CoroutineType  #: compiled: from types import CoroutineType, GenericAlias
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeAlias, TypeVar

from .current import foreign, local
from .errors import PolledAfterCompletion, UsageError
from .outcome import Outcome, canceled
from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .cell import Cell
    from .executor import Executor
    from .reason import CancelRequest

__all__ = [
    "PENDING",
    "Context",
    "Future",
    "NoopWaker",
    "Pending",
    "Waker",
    "new_context",
    "polled_after_end",
    "take",
]

T_co = TypeVar("T_co", covariant=True)
F = TypeVar("F", bound="Future[Any]")


class Pending(enum.Enum):
    """The type of `PENDING`."""

    PENDING = "pending"

    def __repr__(self) -> str:
        return "PENDING"

    def __bool__(self) -> bool:
        raise UsageError(
            "PENDING has no truth value; compare it by identity: 'if fut.poll(cx) is PENDING'"
        )


PENDING: Final = Pending.PENDING
Poll: TypeAlias = "T_co | Pending"


class Waker:
    """Marks its owner runnable. Callable from any thread, any number of times (R2)."""

    __slots__ = ()
    __reduce__ = refuse_copy

    def wake(self) -> None:
        """Mark the owner runnable; a no-op if it already is, and after it has ended."""
        raise NotImplementedError

    def wake_here(self) -> None:
        """Mark the owner runnable; its executor's thread is the one that calls."""
        self.wake()


class NoopWaker(Waker):
    """A waker that wakes nobody, for polls whose answer is wanted now or never."""

    __slots__ = ()

    def wake(self) -> None:
        """Do nothing."""


_NOBODY: Final = NoopWaker()


class Context:
    """What `Future.poll` is given.

    Attributes:
        waker: to be stored by a future that returns `PENDING`.
        executor: clock, timers and budget; None if the future is polled by hand.
        cell: the task or combinator child as a part of which the future is polled, or None.
        deadline_at: the earliest host time at which something further out will cancel the
            future because of a timeout; None if there is none.
    """

    __slots__ = ("cell", "deadline_at", "executor", "waker")
    __reduce__ = refuse_copy

    def __init__(
        self,
        waker: Waker,
        executor: Executor | None = None,
        cell: Cell[Any] | None = None,
        deadline_at: float | None = None,
    ) -> None:
        self.waker = waker
        self.executor = executor
        self.cell = cell
        self.deadline_at = deadline_at

    def derive(self, *, waker: Waker | None = None, deadline_at: float | None = None) -> Context:
        """Return a context for an inner future: with another waker, or with a deadline.

        The deadline that comes out is the earlier of this context's and the given one.
        """
        at = self.deadline_at
        if at is None or (deadline_at is not None and deadline_at < at):
            at = deadline_at
        return Context(self.waker if waker is None else waker, self.executor, self.cell, at)

    def release(self) -> None:
        """Refer to nobody any more: what was polled with this context has ended."""
        self.waker = _NOBODY
        self.cell = None

    def runtime(self, what: str) -> Executor:
        """Return the executor; raise `UsageError` if ``what`` is polled outside a runtime."""
        if self.executor is None:
            raise UsageError(
                f"{what} needs a runtime's clock, but it is polled by hand, without one: "
                "give its Context an executor, or run it with rescind.run(...) or run_virtual(...)"
            )
        return self.executor


#: Makes one; in the compiled form without a call through Python.
new_context = Context  #: compiled: pass


class Future(Generic[T_co]):
    """Something that can be polled until it has its output. Lazy: creating it does nothing.

    Write a subclass with `poll`; `poll_cancel` and `drop` have defaults under which the future is
    canceled correctly. Give it a ``drop`` if it holds something that must be released.

    A future is single-use: it is awaited once, or given to one combinator.
    """

    __slots__ = ()
    __reduce__ = refuse_copy
    #: compiled: __class_getitem__ = classmethod(GenericAlias)

    _taken: bool = False  #: compiled: pass
    """Has somebody become its owner (F2)? Slotted subclasses define a slot for it."""

    _native: ClassVar[bool] = False
    """Is it one of rescind's own, which need no watching (see `watched.Watched`)?"""

    def poll(self, cx: Context) -> T_co | Pending:
        """Return the output, or `PENDING` having stored ``cx.waker``, or raise (F1)."""
        raise NotImplementedError(f"{type(self).__qualname__} must define poll(self, cx)")

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T_co] | Pending:
        """Begin, then drive, the cancellation: `PENDING` while cleanup awaits, else an outcome.

        The default drops the future. An outcome other than `Canceled` says that the future
        ended first: its value is then delivered, and the cancellation arrives later (R7).
        """
        self.drop()
        return canceled(request.reason, ())

    def drop(self) -> None:
        """Release what the future holds, at once; called once, also if it was never polled."""

    def blocked_by(self) -> Iterable[object]:
        """Tell who has to act before a parked future can go on: tasks, or words; for `explain`.

        Called between two polls, perhaps on another thread: it only looks.
        """
        return ()

    def __await__(self) -> Generator[Any, Any, T_co]:
        taken: Any = self
        try:  #: compiled: if True:
            if taken._taken:  #: compiled: if True:
                take(self, "awaited")
            taken._taken = True  #: compiled: pass
        except AttributeError:  #: compiled: if False:
            pass  # as in `take`, which this is without a call
        # One generator, and no second one for who drives: each takes 50 lines' time.
        try:
            drive: Generator[Any, Any, T_co] | None = None
            if local.seat.region is not None:  #: compiled: if has_region():
                try:
                    value: T_co = yield self  #: compiled: return parked_on(self)
                except RuntimeError as exc:
                    drive = elsewhere(self, exc)
                    if drive is None:
                        raise
                else:
                    return value
            if drive is None:
                drive = under_others(self)
            return (yield from drive)  #: compiled: return drive
        finally:
            # A traceback keeps this frame: through a task that failed it would be a cycle.
            del self, taken  #: compiled: pass


def park(future: Future[T_co]) -> Generator[Any, Any, T_co]:
    """Return what an await of a taken future is to the coroutine of ours in which it is."""
    try:
        try:
            value: T_co = yield future
        except RuntimeError as exc:
            drive = elsewhere(future, exc)
            if drive is None:
                raise
        else:
            return value
        return (yield from drive)
    finally:
        del future  # as in `Future.__await__`


def under_others(future: Future[T_co]) -> Generator[Any, Any, T_co]:
    """Return how to wait for a future where no coroutine of ours runs."""
    if foreign.drive is not None:
        return foreign.drive(future)
    raise UsageError(f"{future!r} was awaited where no runtime runs; use rescind.run(...)")


def elsewhere(future: Future[T_co], exc: RuntimeError) -> Generator[Any, Any, T_co] | None:
    """Return how to wait for a future after all, if its driver did not know it; else None.

    A stock task that was run eagerly, inside our poll, cannot wait for what we yield, and says so
    when it is driven by its loop: park there its own way.
    """
    if local.region is not None or "bad yield" not in str(exc):
        return None
    if foreign.drive is None:
        raise UsageError(f"{future!r} was awaited under another driver")
    return foreign.drive(future)


def polled_after_end(future: Future[Any]) -> NoReturn:
    """Refuse to poll a future that has given its output out (R1)."""
    raise PolledAfterCompletion(
        f"{future!r} was polled after it had ended; its output was already given out: keep that, "
        "or use rescind.shared(...) to await one result several times"
    )


def polled_inside(future: object) -> NoReturn:
    """Refuse a re-entrant poll (R1)."""
    raise UsageError(
        f"{future!r} was polled from inside its own poll; to be polled again, call cx.waker.wake()"
    )


def never_again(future: Future[Any], *, running: bool) -> NoReturn:
    """Refuse to begin what has begun: it runs, or it has ended (R1)."""
    if running:
        polled_inside(future)
    polled_after_end(future)


#: Types of rescind's own futures that a coroutine has awaited: their leaves need no other look.
natives: Final[set[type[Any]]] = set()


def adopted(driver: Future[Any], yielded: object, executor: Executor | None) -> Future[Any]:
    """Return the leaf for what is no future of ours; raise `TypeError` if it cannot be one."""
    if executor is not None:
        leaf = executor.host.adopt(yielded)  #: compiled: leaf = adopted_by(executor.host, yielded)
        if leaf is not None:
            return leaf
        where = f"on the host {executor.host.name!r}"
    else:
        where = "when it is polled by hand"
    raise TypeError(
        f"{driver!r} awaited something that yielded {yielded!r}, which rescind cannot wait for "
        f"{where}; await a rescind future, or run on an asyncio host for asyncio's awaitables"
    )


def check_new(coro: object) -> None:
    """Refuse a native coroutine that somebody else has begun to drive (F2)."""
    #: compiled: if is_new(coro): return
    if isinstance(coro, CoroutineType) and (
        coro.cr_frame is None or coro.cr_suspended or coro.cr_running
    ):
        raise UsageError(
            f"{coro!r} cannot be used here: it was already awaited or has ended. "
            "Call the async function again for a new coroutine"
        )


def take(future: F, what: str) -> F:
    """Mark ``future`` as owned (F2) and return it; raise `UsageError` if it already was."""
    #: compiled: if not future._taken: future._taken = True; return future
    if future._taken:
        raise UsageError(
            f"{future!r} cannot be {what}: it was already awaited, spawned or given to a "
            "combinator. A future is single-use; make a new one, or use rescind.shared(...) "
            "to await one result several times"
        )
    try:
        future._taken = True
    except AttributeError:
        # A slotted subclass of the user's without the slot: it cannot be marked.
        pass
    return future

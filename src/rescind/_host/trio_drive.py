"""Futures awaited by trio's tasks (R31).

*What it is.* `drive` polls a future in the trio task that awaits it. A cancellation by trio becomes
``poll_cancel`` with a reason of kind ``FOREIGN``; it is drained, behind a shield, and propagates.

*Invariants.*
 Z2  Each await is a checkpoint, as trio promises. In a scope that is canceled already, the future
     is canceled before its first poll (R5): what leaves a block drains it all the same. If it is
     ready without a park, others run, and it keeps its value (R7).

*Threads.* The run's thread.

*Source.* trio's documentation on checkpoints.
"""

from __future__ import annotations

import signal
from typing import Any, TypeVar

try:
    import trio
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "rescind._host.trio_drive serves programs of trio's, which is missing"
    ) from exc

from rescind._core.errors import Cancellation
from rescind._core.executor import Executor
from rescind._core.outcome import Completed, Error
from rescind._core.phase import Phase
from rescind._core.poll import Future
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._host.driven import ForeignCell, grace_at
from rescind._host.trio import TrioHost, executor_of_run
from rescind._host.trio_seat import Seat

__all__ = ["drive"]

T = TypeVar("T")


class _TrioCell(ForeignCell[T]):
    """A future that a trio task polls."""

    __slots__ = ("seat",)

    def __init__(self, future: Future[T], executor: Executor, seat: Seat) -> None:
        super().__init__(future, executor, seat.task)
        self.seat = seat

    def _enqueue(self) -> None:
        self.queued = True
        self.seat.wake()


async def drive(future: Future[T]) -> T:
    """Poll ``future`` in the trio task that is running now, until its end (R31)."""
    executor = executor_of_run()
    host = executor.host
    assert isinstance(host, TrioHost)
    seat = host.sit()
    cell = _TrioCell(future, executor, seat)
    # The exception with which trio canceled the task, once it has.
    canceled: BaseException | None = None
    parked = False
    try:
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except (trio.Cancelled, KeyboardInterrupt) as exc:
            canceled = _pass_on(cell, exc, None)
        while True:
            if cell.queued:
                cell.begin()
                cell.step()
            if cell.ended is not None and seat.owed is None:
                break
            parked = True
            try:
                await _rest(cell, draining=canceled is not None)
            except (trio.Cancelled, KeyboardInterrupt) as exc:
                canceled = _pass_on(cell, exc, canceled)
        if not parked:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return _settle(cell, canceled)
    finally:
        canceled = None
        host.rise(seat)
        if cell.ended is None:
            cell.drop_now(CancelRequest(CancelReason(CancelKind.FOREIGN, "closed by its driver")))
        # A traceback keeps this frame: what it refers to would be a cycle.
        del cell, future, seat


async def _rest(cell: _TrioCell[Any], *, draining: bool) -> None:
    """Park, or let the host look for I/O if a step is due already (E2).

    While it drains it parks behind a shield: a scope that is canceled stays so, and would cancel
    every park. Ctrl-C comes through a shield, and `Abort.FAILED` would keep it out.
    """
    seat = cell.seat
    due = cell.queued and seat.owed is None
    if not draining:
        if due:
            await trio.lowlevel.checkpoint()
        else:
            await seat.park()
        return
    with trio.CancelScope(shield=True):
        if due:
            await trio.lowlevel.checkpoint()
        else:
            await seat.park()


def _pass_on(
    cell: _TrioCell[Any], exc: BaseException, before: BaseException | None
) -> BaseException:
    """Cancel the future because trio canceled the task; return what is to be raised at the end."""
    executor = cell.executor
    if isinstance(exc, KeyboardInterrupt):
        reason = CancelReason(CancelKind.SIGNAL, "interrupted", at=executor.now())
    else:
        by: str | None = getattr(exc, "source_task", None)
        reason = CancelReason(CancelKind.FOREIGN, _words(exc), by, at=executor.now())
    at: float | None = None
    if before is None:
        at = grace_at(executor)
    elif isinstance(before, KeyboardInterrupt):
        at = executor.now()  # the second Ctrl-C: no more cleanup (R24)
    request = CancelRequest(reason, grace_at=at)
    if before is None and cell.phase is Phase.READY:
        with cell.foreseeing(request):
            cell.begin()
            cell.step()
    cell.ask(request)
    del cell  # an exception's frames may refer back to this one
    return exc


def _words(exc: BaseException) -> str | None:
    """Return why trio canceled the task, where it says so (from trio 0.31 on)."""
    given: str | None = getattr(exc, "reason", None)
    if given is None and getattr(exc, "source", None) == "deadline":
        return "a deadline of trio's has passed"
    return given


def _settle(cell: _TrioCell[T], canceled: BaseException | None) -> T:
    """Return the value; or raise the error, or what trio canceled the task with."""
    outcome = cell.ended
    assert outcome is not None
    try:
        if isinstance(outcome, (Completed, Error)):
            # trio raises its own cancellation at the next checkpoint; Ctrl-C is given only once.
            if isinstance(canceled, KeyboardInterrupt):
                trio.lowlevel.current_trio_token().run_sync_soon(signal.raise_signal, signal.SIGINT)
            if isinstance(outcome, Completed):
                return outcome.value
            raise outcome.exception
        if canceled is None:
            raise Cancellation(outcome.reason, outcome.also)
        canceled.__traceback__ = None
        if isinstance(canceled, trio.Cancelled) and trio.current_effective_deadline() > 0:
            canceled.add_note(
                "The cancel scope was left meanwhile: was it entered in a coroutine that rescind "
                "polls? There, use rescind.timeout(...) or rescind.deadline(...)"
            )
        if outcome.also:
            # trio's scopes take out what is theirs, and let the rest pass: nothing is lost (R15).
            raise BaseExceptionGroup(
                "errors while cleaning up after trio's cancellation", [canceled, *outcome.also]
            )
        raise canceled
    finally:
        del cell, canceled, outcome  # a traceback keeps this frame, too

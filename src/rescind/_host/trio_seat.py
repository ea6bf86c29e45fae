"""How one of trio's tasks is parked, by us or by trio's own primitives.

*What it is.* A `Seat` parks its task with ``wait_task_rescheduled``, and wakes it. `Owed` is the
leaf for a primitive of trio's that parked the task against our will, and cannot be stopped.

*Invariants.*
 Z1  A parked task is rescheduled once: by its first wake, by trio's cancellation, or by a primitive
     of trio's that could not be aborted; never by two of them.

*Threads.* The run's thread.

*Source.* trio's documentation of ``wait_task_rescheduled``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

try:
    import trio
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "rescind._host.trio_seat serves programs of trio's, which is missing"
    ) from exc

from rescind._core.errors import UsageError
from rescind._core.outcome import Completed
from rescind._core.poll import PENDING, Context, Future, NoopWaker, Pending, Waker
from rescind._core.reason import CancelRequest

__all__ = ["Owed", "Seat"]


class Seat:
    """Where one trio task parks.

    Attributes:
        task: the trio task.
        owed: what waits for a primitive of trio's that reschedules the task in its own time.
    """

    __slots__ = ("_parked", "_token", "owed", "task")

    def __init__(self) -> None:
        self.task = trio.lowlevel.current_task()
        self.owed: Owed | None = None
        self._token = trio.lowlevel.current_trio_token()
        self._parked = False

    def wake(self) -> None:
        """Reschedule the task, if it is parked (Z1)."""
        if not self._parked or self.owed is not None:
            return
        try:
            here = trio.lowlevel.current_trio_token()
        except RuntimeError:
            return  # the run broke down, and left the task parked
        if here is self._token:
            self._parked = False
            trio.lowlevel.reschedule(self.task)

    async def park(self) -> None:
        """Park until woken; raise what trio cancels the task with."""
        sent: object = None
        error: BaseException | None = None
        self._parked = True
        try:
            sent = await trio.lowlevel.wait_task_rescheduled(self._abort)
        except BaseException as exc:
            if self.owed is None or isinstance(exc, GeneratorExit):
                raise
            error = exc
        finally:
            self._parked = False
        owed, self.owed = self.owed, None
        if owed is not None:
            owed.pay(_Sent(sent, error))

    def _abort(self, _raise_cancel: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        if self.owed is not None:
            return trio.lowlevel.Abort.FAILED
        self._parked = False
        return trio.lowlevel.Abort.SUCCEEDED


class _Sent:
    """What trio resumed a task with, in the shape in which its primitives expect it."""

    __slots__ = ("_error", "_value")

    def __init__(self, value: object, error: BaseException | None) -> None:
        self._value = value
        self._error = error

    def unwrap(self) -> object:
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error


class Owed(Future[_Sent]):
    """The leaf for a primitive of trio's that cannot be aborted, such as a thread's.

    It reschedules the task when it is done, so until then nothing else may (Z1).

    Args:
        error: what the await then raises; None if the primitive raises that itself.
    """

    __slots__ = ("_error", "_sent", "_taken", "_waker")
    _native = True

    def __init__(self, error: UsageError | None) -> None:
        self._taken = True
        self._error = error
        self._sent: _Sent | None = None
        self._waker: Waker = NoopWaker()

    def pay(self, sent: _Sent) -> None:
        """Take what the primitive gave."""
        self._sent = sent
        self._waker.wake()

    def poll(self, cx: Context) -> _Sent | Pending:
        sent = self._sent
        if sent is None:
            self._waker = cx.waker
            return PENDING
        if self._error is not None:
            raise self._error
        return sent

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
        sent = self.poll(cx)
        return PENDING if sent is PENDING else Completed(sent)

    def drop(self) -> None:
        self._waker = NoopWaker()

    def __repr__(self) -> str:
        return "something of trio's that cannot be aborted"

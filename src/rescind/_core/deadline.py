"""`Deadline`: a cancel scope that expires (R21).

*Threads.* The executor's thread only.

*Source.* ``asyncio.timeout``, trio's ``fail_after``.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from .current import local
from .errors import Cancellation, TimedOut, UsageError
from .frames import caller_line
from .grace import checked_seconds
from .poll import Waker
from .reason import CancelKind, CancelReason, CancelRequest, called
from .scope import CancelScope

if TYPE_CHECKING:
    from .task import Task
    from .timers import Timer

__all__ = ["Deadline"]


class Deadline(CancelScope, Waker):
    """``async with deadline(5) as d:`` cancels its block when the time is over.

    Inside it is a `Cancellation` of kind ``DEADLINE``; at the end of the block, and only there,
    it becomes `TimedOut`. A value that is ready at the deadline wins (R7, R21).

    Attributes:
        at: host time, in seconds, at which it expires.
        request: the cancellation, once it has expired.
        delivered: was that raised inside the block?
    """

    __slots__ = ("_line", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = checked_seconds(seconds, "the deadline")
        self._timer: Timer | None = None
        # Who entered the block, and in which line: words are made of it when it expires (R14).
        self._task: Task[Any] | None = None
        self._line: tuple[str, int] | None = None

    async def __aenter__(self) -> Deadline:
        if self.stack is not None:
            raise UsageError("this deadline was already entered; call deadline() for each block")
        stack = self.enter("deadline()")
        self.reschedule(self._seconds)
        assert stack.cx is not None  # or it could not have been scheduled
        self._task = None if local.executor is None else local.executor.current
        self._line = caller_line()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.leave()
        self._task = None
        cancellation = self.caught(exc)
        if cancellation is not None:
            raise _timed_out(cancellation, self._seconds) from exc

    @property
    def expired(self) -> bool:
        """Is the time over?"""
        return self.request is not None

    def reschedule(self, seconds: float) -> None:
        """Expire ``seconds`` from now instead; raises `UsageError` outside the block."""
        seconds = checked_seconds(seconds, "the deadline")
        stack = self.stack
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
        task, line = self._task, self._line
        words = f"the deadline of {self._seconds:g} s has passed"
        by = None if task is None else called(task)
        where = None if line is None else f"{line[0]}:{line[1]}"
        self.cancel(CancelRequest(CancelReason(CancelKind.DEADLINE, words, by, where, self.at)))


def _timed_out(exc: Cancellation, seconds: float) -> TimedOut:
    error = TimedOut(f"timed out after {seconds:g} s")
    error.also = exc.also
    for other in exc.also:
        error.add_note(f"while cleaning up: {other!r}")
    return error

"""`Deadline`: a cancel scope that expires (R21).

*Threads.* The executor's thread only.

*Source.* ``asyncio.timeout``, trio's ``fail_after``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from .current import local
from .errors import Cancellation, TimedOut, UsageError
from .frames import caller
from .given import LEFT, entered
from .grace import checked_seconds
from .reason import CancelKind, called, new_reason, new_request
from .scope import CancelScope, ScopeStack

if TYPE_CHECKING:
    from .task import Task
    from .timers import Timer

__all__ = ["Deadline"]

_NEVER: Final = float("inf")
_DEADLINE: Final = CancelKind.DEADLINE


class Deadline(CancelScope):
    """``async with deadline(5) as d:`` cancels its block when the time is over.

    Inside it is a `Cancellation` of kind ``DEADLINE``; at the end of the block, and only there,
    it becomes `TimedOut`. A value that is ready at the deadline wins (R7, R21).

    Attributes:
        at: host time, in seconds, at which it expires.
        request: the cancellation, once it has expired.
        delivered: was that raised inside the block?
    """

    __slots__ = ("_seconds", "_task", "_timer", "_where")

    def __init__(self, seconds: float) -> None:
        super().__init__()  #: compiled: self.at = _NEVER
        self._seconds = checked_seconds(seconds, "the deadline")
        self._timer: Timer | None = None
        # Who entered the block, and in which line: told when it expires (R14).
        self._task: Task[Any] | None = None
        self._where: str | None = None

    def __aenter__(self) -> Awaitable[Deadline]:
        if self.stack is not None:
            raise UsageError("this deadline was already entered; call deadline() for each block")
        stack = self.enter("deadline()")
        try:
            self._set_timer(stack, self._seconds)
        except UsageError:
            self.leave()
            raise
        executor = local.executor  #: compiled: executor = get_executor()
        self._task = None if executor is None else executor.current
        self._where = caller()
        return entered(self)

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        if self._timer is not None:
            self._timer.cancel()
        self.leave()
        self._task = None
        if self.request is not None:
            cancellation = self.caught(exc)
            if cancellation is not None:
                raise _timed_out(cancellation, self._seconds) from exc
        return LEFT

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
        self._set_timer(stack, seconds)

    def _set_timer(self, stack: ScopeStack, seconds: float) -> None:
        cx = stack.cx
        if cx is None:
            raise UsageError("a deadline can be rescheduled only by the coroutine that entered it")
        if self._timer is not None:
            self._timer.cancel()
        executor = cx.executor or cx.runtime("deadline()")
        self._seconds = seconds
        self.at = executor.now() + seconds
        self._timer = None
        if self.at != _NEVER:
            self._timer = executor.add_timer(self.at, self)

    def wake(self) -> None:
        """Expire: called by the timer."""
        task = self._task
        words = f"the deadline of {self._seconds:g} s has passed"
        by = None if task is None else called(task)
        reason = new_reason(_DEADLINE, words, by, self._where, self.at, None)
        self.cancel(new_request(reason, None, None, True))


def _timed_out(exc: Cancellation, seconds: float) -> TimedOut:
    error = TimedOut(f"timed out after {seconds:g} s")
    error.also = exc.also
    for other in exc.also:
        error.add_note(f"while cleaning up: {other!r}")
    return error

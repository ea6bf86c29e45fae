"""`Job`: one call in a thread, seen from both sides.

*What it is.* What the runtime and the thread share: the call, whether it has begun, whether it
was asked to end, and what came of it.

*State diagram*; each transition is made under the lock, by one side::

    QUEUED ── begin (thread) ──► RUNNING ── end (thread) ──► ENDED
    QUEUED ── revoke (runtime) ──► REVOKED
    RUNNING ── detach (runtime) ──► DETACHED ── end (thread): report

*Invariants.*
 J1  The function runs at most once; never, if it was revoked.
 J2  What it gives goes to exactly one place: the waiter, or, once nobody waits, `undelivered`.
 J3  The job counts as work outside (`Executor.outside`) from its submission until it is told,
     revoked or detached; it is counted off once, on the runtime's thread.
 J4  An ended or revoked job holds neither the function nor its arguments.

*Threads.* `begin` and `run` on the pool's thread, the rest on the runtime's, but for what is
documented otherwise.

*Source.* tokio's ``spawn_blocking`` and its task state; trio's ``abandon_on_cancel``.
"""

from __future__ import annotations

import contextvars
import enum
import logging
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Generic, TypeVar

from rescind._core.errors import Cancellation
from rescind._core.executor import Executor
from rescind._core.frames import strip
from rescind._core.poll import NoopWaker, Waker
from rescind._core.reason import CancelReason
from rescind._core.site import Site
from rescind._core.task import Task
from rescind.tasks.token import CancellationToken

__all__ = ["Job", "JobState", "working"]

T = TypeVar("T")

_log = logging.getLogger("rescind")
_NOBODY: Final = NoopWaker()


class JobState(enum.Enum):
    """Where a job is in its life."""

    QUEUED = "queued"
    REVOKED = "revoked"
    RUNNING = "running"
    DETACHED = "detached"
    ENDED = "ended"


class _Working(threading.local):
    """The job that this thread runs now, or None."""

    job: Job[Any] | None = None


working = _Working()


class Job(Generic[T]):
    """One call in a thread.

    Attributes:
        name: for messages.
        executor: the runtime that it works for.
        waker: who is woken at the end.
        reason: why it was asked to end; None as long as it was not. Read from any thread.
    """

    __slots__ = (
        "_answered",
        "_asked",
        "_call",
        "_context",
        "_counted",
        "_error",
        "_ident",
        "_inner",
        "_lock",
        "_lost",
        "_state",
        "_token",
        "_undelivered",
        "_value",
        "executor",
        "name",
        "reason",
        "waker",
    )

    def __init__(
        self,
        call: Callable[[], T],
        name: str,
        executor: Executor,
        undelivered: Callable[[T], object] | None,
    ) -> None:
        self.name = name
        self.executor = executor
        self.waker: Waker = _NOBODY
        self.reason: CancelReason | None = None
        self._lock = threading.Lock()
        self._state = JobState.QUEUED
        # The call, and the context variables that it sees; None once it ended, or never will run.
        self._call: Callable[[], T] | None = call
        self._context: contextvars.Context | None = contextvars.copy_context()
        self._undelivered = undelivered
        # Set when it is asked to end: what `wait` waits for.
        self._asked = threading.Event()
        # What the function hands on to others; made when it first asks for it.
        self._token: CancellationToken | None = None
        # Does it count as work outside (J3)?
        self._counted = False
        # The thread that runs it; None before and after.
        self._ident: int | None = None
        # The task that the function waits for at present; it is canceled with it.
        self._inner: Task[Any] | None = None
        # Set when that has ended, or will never end; None while it waits for none.
        self._answered: threading.Event | None = None
        # Has its runtime gone, so that nothing will ever be answered?
        self._lost = False
        # What came of it: a value, unless there is an error; empty once it was taken.
        self._value: T | None = None
        self._error: BaseException | None = None

    @property
    def state(self) -> JobState:
        """Where it is in its life; callable from any thread."""
        return self._state

    @property
    def ended(self) -> bool:
        """Is there a result to take?"""
        return self._state is JobState.ENDED

    # -- the thread's side ------------------------------------------------------------------------

    def begin(self) -> bool:
        """Become RUNNING in this thread; return False if it was revoked (J1)."""
        with self._lock:
            if self._state is not JobState.QUEUED:
                return False
            self._state = JobState.RUNNING
            self._ident = threading.get_ident()
            return True

    def run(self) -> None:
        """Call the function, and hand over what comes of it (J2)."""
        call, context = self._call, self._context
        assert call is not None and context is not None
        value: T | None = None
        error: BaseException | None = None
        working.job = self
        try:
            value = context.run(call)
        except BaseException as exc:
            strip(exc)
            error = exc
        finally:
            working.job = None
            del call, context  # before the waiter is told: they may hold what it waits for
        self._hand_over(value, error)
        del self, value, error

    def _hand_over(self, value: T | None, error: BaseException | None) -> None:
        with self._lock:
            self._call = self._context = None
            self._ident = None
            detached = self._state is JobState.DETACHED
            self._state = JobState.ENDED
            if not detached:
                self._value, self._error = value, error
        if detached:
            self._report(value, error)
        else:
            self.executor.post(self._tell)

    # -- the runtime's side -----------------------------------------------------------------------

    def submitted(self) -> None:
        """Count as work outside from now on (J3)."""
        self._counted = True
        self.executor.outside += 1

    def ask(self, reason: CancelReason) -> None:
        """Ask the function to end, and cancel what it waits for; callable from any thread."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            inner, token = self._inner, self._token
        self._asked.set()
        if inner is not None:
            inner.cancel(reason)
        if token is not None:
            try:
                token.cancel(reason)
            except Exception:
                _log.exception("a callback for the cancellation of %s failed", self.name)

    def revoke(self) -> bool:
        """See to it that the function never runs; return False if it has begun."""
        with self._lock:
            if self._state is not JobState.QUEUED:
                return False
            self._state = JobState.REVOKED
            self._call = self._context = None  # J4
        self._count_off()
        return True

    def detach(self) -> bool:
        """Wait for the function no more, while it goes on; return False if it has ended."""
        with self._lock:
            if self._state is not JobState.RUNNING:
                return False
            self._state = JobState.DETACHED
        self.waker = _NOBODY
        self._count_off()
        return True

    def take(self) -> T:
        """Return the value of the ended function, or raise what it raised; once."""
        value, self._value = self._value, None
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return value  # type: ignore[return-value]  # without an error there is a value
        finally:
            del error  # its traceback refers to this frame

    def discard(self) -> None:
        """Give what the ended function gave to whoever wants what nobody waits for (J2)."""
        value, self._value = self._value, None
        error, self._error = self._error, None
        self.waker = _NOBODY
        self._count_off()
        self._report(value, error)

    def _tell(self) -> None:
        self._count_off()
        self.waker.wake()

    def _count_off(self) -> None:
        if self._counted:
            self._counted = False
            self.executor.outside -= 1

    def _report(self, value: T | None, error: BaseException | None) -> None:
        """Hand on a result for which nobody waits."""
        try:
            if error is None:
                if self._undelivered is not None:
                    self._undelivered(value)  # type: ignore[arg-type]  # it is a value
            elif not isinstance(error, Cancellation):
                _log.error(
                    "%s failed in its thread when nobody waited for it any more",
                    self.name,
                    exc_info=(type(error), error, error.__traceback__),
                )
        except BaseException:
            _log.exception("on_undelivered of %s failed", self.name)

    # -- for the function -------------------------------------------------------------------------

    def wait(self, timeout: float | None) -> bool:
        """Block its thread until it is asked to end; return False if the time is over first."""
        return self._asked.wait(timeout)

    def token(self) -> CancellationToken:
        """Return the token that is canceled when it is asked to end."""
        with self._lock:
            if self._token is not None:
                return self._token
            token, reason = CancellationToken(), self.reason
            self._token = token
        if reason is not None:
            token.cancel(reason)
        return token

    def enter(self, task: Task[Any]) -> threading.Event:
        """Note the task that its thread waits for; return what is to be set at its end."""
        answered = threading.Event()
        with self._lock:
            self._inner = task
            self._answered = answered
            lost, reason = self._lost, self.reason
        if reason is not None:
            task.cancel(reason)
        if lost:
            answered.set()
        return answered

    def leave(self) -> None:
        """Note that its thread waits for no task any more."""
        with self._lock:
            self._inner = self._answered = None

    def lose(self) -> None:
        """Note that its runtime has gone: wait for nothing; callable from any thread."""
        with self._lock:
            self._lost = True
            answered = self._answered
        if answered is not None:
            answered.set()

    # -- for dumps --------------------------------------------------------------------------------

    def stack(self) -> list[Site]:
        """Return where the function is, outermost place first; callable from any thread."""
        ident = self._ident
        frame: FrameType | None = None if ident is None else sys._current_frames().get(ident)
        sites: list[Site] = []
        while frame is not None and frame.f_globals.get("__name__") != __name__:
            code = frame.f_code
            sites.append(Site(code.co_filename, frame.f_lineno or 0, code.co_qualname))
            frame = frame.f_back
        return sites[::-1]

"""A guard around futures that users write: it finds the classic faults of a hand-written ``poll``.

*What it is.* rescind's own futures keep the protocol by construction. Everybody else's are driven
through a `Watched`, which checks what Rust's compiler and tokio's loom would: a waker that was not
stored, a poll after the end, a poll from inside the poll, a `drop` that runs twice.

*How a lost waker is found.* The future is polled with a context and a waker of its own. If
``poll`` returns `PENDING` and nothing holds on to either, and nobody woke meanwhile, then nothing
can ever wake the future: that is reported at once, instead of a hang. A future must therefore
hold its waker strongly.

*Threads.* The executor's thread; the waker may be called from any.
"""

from __future__ import annotations

import inspect
import sys
from typing import TypeVar

from .errors import PolledAfterCompletion, UsageError
from .frames import strip
from .outcome import Canceled, Completed, Error, Outcome, attach
from .poll import PENDING, Context, Future, Pending, Waker, polled_after_end, polled_inside
from .reason import CancelRequest

__all__ = ["Watched", "watched"]

T = TypeVar("T")


class _WatchedWaker(Waker):
    """Passes wake-ups on to the waker of the latest poll, and knows whether there was one."""

    __slots__ = ("__weakref__", "target", "woken")

    def __init__(self, target: Waker) -> None:
        self.target: Waker | None = target
        self.woken = False

    def wake(self) -> None:
        self.woken = True
        target = self.target
        if target is not None:
            target.wake()


class Watched(Future[T]):
    """Drives a future that somebody else wrote, and checks that it keeps the protocol."""

    __slots__ = ("_cx", "_held", "_polling", "_state", "_taken", "inner")
    _native = True

    def __init__(self, inner: Future[T]) -> None:
        self._taken = True
        self._cx: Context | None = None
        self._held = (0, 0)
        self._polling = False
        self._state = "unpolled"
        self.inner = inner

    def poll(self, cx: Context) -> T | Pending:
        if self._state == "ended":
            polled_after_end(self.inner)
        if self._state == "canceling":
            raise UsageError(f"{self.inner!r} was polled after poll_cancel had begun (R4)")
        self._claim("polled")
        # No local may refer to the context: `_check_stored` counts the references to it.
        try:
            result = self.inner.poll(self._enter(cx))
        except BaseException:
            self._end()
            raise
        finally:
            self._polling = False
        if result is PENDING:
            self._check_stored("poll")
            return PENDING
        self._end()
        if inspect.iscoroutine(result):
            result.close()
            raise UsageError(
                f"{type(self.inner).__qualname__}.poll must be a plain function, "
                "not an 'async def': return PENDING or the output"
            )
        return result

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        if self._state == "ended":
            raise PolledAfterCompletion(
                f"{self.inner!r} was canceled after it had ended; keep the outcome that it gave"
            )
        if self._state == "polled" and self._woken():
            # It may have its output: look before it is dropped (R7), as a coroutine's driver does.
            value = self.poll(cx)
            if not isinstance(value, Pending):
                return Completed(value)
        self._claim("canceling")
        try:
            outcome = self.inner.poll_cancel(self._enter(cx), request)
        except (KeyboardInterrupt, SystemExit):
            self._end()
            raise
        except BaseException as exc:
            strip(exc)
            self._end()
            return Canceled(request.reason, (exc,))  # R15: the cleanup failed, and that is kept
        finally:
            self._polling = False
        if outcome is PENDING:
            self._check_stored("poll_cancel")
            return PENDING
        self._end()
        if not isinstance(outcome, (Completed, Error, Canceled)):
            raise UsageError(
                f"{type(self.inner).__qualname__}.poll_cancel must return PENDING, Completed, "
                f"Error or Canceled, not {outcome!r}"
            )
        if isinstance(outcome, Error):
            for other in outcome.also:  # with the exception, which is what is raised (R15)
                attach(outcome.exception, other, "while cleaning up")
        return outcome

    def drop(self) -> None:
        if self._polling:
            raise UsageError(f"{self.inner!r} cannot be dropped while it is being polled")
        if self._state != "ended":
            self._end()
            self.inner.drop()

    def _claim(self, state: str) -> None:
        """Refuse a poll from inside the poll, which goes on unharmed by it (R1)."""
        if self._polling:
            polled_inside(self.inner)
        self._polling = True
        self._state = state

    def _enter(self, cx: Context) -> Context:
        own = self._cx
        if own is None:
            own = self._cx = Context(_WatchedWaker(cx.waker))
            waker = own.waker
            self._held = (sys.getrefcount(own), sys.getrefcount(waker))
        watched_waker = own.waker
        assert isinstance(watched_waker, _WatchedWaker)
        watched_waker.target = cx.waker
        watched_waker.woken = False
        own.executor, own.cell, own.deadline_at = cx.executor, cx.cell, cx.deadline_at
        return own

    def _woken(self) -> bool:
        """Was it woken since its last poll?"""
        own = self._cx
        return own is not None and isinstance(own.waker, _WatchedWaker) and own.waker.woken

    def lost(self) -> bool:
        """Does nobody hold its waker any more, though it waits, so that nothing can wake it?"""
        own = self._cx
        if own is None or self._polling or self._woken():
            return False
        waker = own.waker
        held = (sys.getrefcount(own), sys.getrefcount(waker))
        return held[0] <= self._held[0] and held[1] <= self._held[1]

    def _check_stored(self, method: str) -> None:
        own = self._cx
        assert own is not None
        waker = own.waker
        held = (sys.getrefcount(own), sys.getrefcount(waker))
        assert isinstance(waker, _WatchedWaker)
        if waker.woken or held[0] > self._held[0] or held[1] > self._held[1]:
            return
        inner = self.inner
        self._end()
        inner.drop()
        raise UsageError(
            f"{type(inner).__qualname__}.{method} returned PENDING without storing cx.waker, so "
            "nothing could ever wake it. Store it before returning, as in "
            "'self.waker = cx.waker; return PENDING', and call wake() when there is progress"
        )

    def _end(self) -> None:
        """Mark as ended; late wake-ups of whoever still holds the waker reach nobody (R2)."""
        self._state = "ended"
        own, self._cx = self._cx, None
        if own is not None:
            waker = own.waker
            assert isinstance(waker, _WatchedWaker)
            waker.target = None
            own.cell = None

    def __repr__(self) -> str:
        return repr(self.inner)


def watched(future: Future[T]) -> Future[T]:
    """Return ``future`` itself if it is rescind's own, else a `Watched` around it."""
    return future if future._native else Watched(future)

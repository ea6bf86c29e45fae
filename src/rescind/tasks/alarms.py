"""The deadlines of tokens: on the clock of this thread's runtime, or of a thread of their own.

*What it is.* `set_alarm` cancels a token after a time. Where a runtime, or an asyncio loop, runs on
this thread, that is a timer of its executor, and so virtual under the manual host. Elsewhere, it is
one of a thread that all plain threads share; it lives only as long as there is a deadline.

*Invariants.*
 A1  An alarm does not keep its token alive; a token that is gone, canceled or detached leaves no
     timer behind.
 A2  `Alarm.stop` takes no lock: a finalizer may call it, on any thread.

*Threads.* Any.

*Source.* Go's ``context.WithTimeout``; .NET's ``CancelAfter``.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread, get_ident
from time import monotonic
from typing import Final

from rescind._core.executor import Executor
from rescind._core.poll import Waker
from rescind._core.reason import CancelKind, CancelReason, make_reason
from rescind._core.timers import Timer, Timers
from rescind._host.bridge import executor_here
from rescind.tasks.tree import SECTION, Node

__all__ = ["Alarm", "passed", "set_alarm"]

_log = logging.getLogger("rescind")

#: How long the thread waits at most, in seconds; it looks again then. A queue cannot wait for ever.
_LONGEST: Final = 3600.0


class Alarm:
    """The timer of one token, which owns it: it stops with its token."""

    __slots__ = ("_stop",)

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop: Callable[[], None] | None = stop

    def stop(self) -> None:
        """Never ring; a no-op if it has rung, or was stopped (A2)."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def __del__(self) -> None:
        self.stop()


class _Bell(Waker):
    """What the timer wakes: it cancels the token, if that still exists (A1)."""

    __slots__ = ("_node", "_now", "_reason")

    def __init__(self, node: Node, reason: CancelReason, now: Callable[[], float]) -> None:
        self._node = weakref.ref(node)
        self._reason = reason
        self._now = now

    def wake(self) -> None:
        node = self._node()
        if node is not None:
            reason = self._reason
            node.expire(
                CancelReason(reason.kind, reason.message, reason.by, reason.where, self._now())
            )


class _Clock:
    """The clock of threads that run no loop: a thread with a heap of timers.

    Everything reaches it through a queue whose ``put`` may be called in the middle of anything,
    finalizers included. The thread alone touches the heap.
    """

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._timers = Timers()
        # The process in which its thread runs; 0 if none does. A fork leaves the thread behind.
        self._process = 0

    def add(self, seconds: float, waker: Waker) -> Callable[[], None]:
        """Wake ``waker`` after ``seconds``, on the clock's thread; return how to prevent it."""
        entry = _Entry(self._timers, monotonic() + seconds, waker)
        with SECTION:
            self._inbox.put(entry.add)
            if self._process != os.getpid():
                self._process = os.getpid()
                try:
                    Thread(target=self._run, name="rescind deadlines", daemon=True).start()
                except BaseException:
                    self._process = 0
                    raise
        return partial(self._inbox.put, entry.cancel)

    def _run(self) -> None:
        timers, inbox = self._timers, self._inbox
        while True:
            at = timers.next_at()
            if at is None:
                with SECTION:
                    if inbox.empty():
                        self._process = 0
                        return
                wait = 0.0
            else:
                wait = min(max(at - monotonic(), 0.0), _LONGEST)
            try:
                inbox.get(timeout=wait)()
                while True:  # what was set by now, before any of it rings: in the order of times
                    inbox.get_nowait()()
            except Empty:
                pass
            try:
                timers.fire(monotonic())
            except BaseException as exc:  # an interrupt, in a callback; the others go on
                _log.error("a callback of a deadline was interrupted", exc_info=exc)


class _Entry:
    """One timer of the clock, from the outside."""

    __slots__ = ("_at", "_timer", "_timers", "_waker")

    def __init__(self, timers: Timers, at: float, waker: Waker) -> None:
        self._timers = timers
        self._at = at
        self._waker = waker
        self._timer: Timer | None = None

    def add(self) -> None:
        self._timer = self._timers.add(self._at, self._waker)

    def cancel(self) -> None:
        timer = self._timer
        if timer is not None:
            timer.cancel()


_clock: Final = _Clock()


def passed(seconds: float, executor: Executor | None) -> CancelReason:
    """Return the reason of a token whose deadline of ``seconds``, set here and now, is over."""
    message = f"the deadline of {seconds:g} s has passed"
    return make_reason(message, executor, CancelKind.DEADLINE)


def set_alarm(node: Node, seconds: float) -> None:
    """Cancel ``node`` after ``seconds``; the reason names the place that set the deadline."""
    executor = executor_here()
    reason = passed(seconds, executor)
    if executor is None:
        node.arm(Alarm(_clock.add(seconds, _Bell(node, reason, monotonic))))
        return
    timer = executor.add_timer(executor.now() + seconds, _Bell(node, reason, executor.now))
    node.arm(Alarm(partial(_stop, executor, timer)))


def _stop(executor: Executor, timer: Timer) -> None:
    """Cancel a timer of an executor, which only its own thread may do."""
    if timer.fired:
        return
    if executor.thread == get_ident():
        timer.cancel()
    else:
        executor.post(timer.cancel)

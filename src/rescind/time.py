"""Time: `now`, `sleep`, `sleep_until`, `interval`, `yield_now`, `checkpoint`; and simple futures.

All times are the host's, in seconds: a loop's monotonic clock, or the manual host's virtual one.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from typing import Literal, NoReturn, TypeVar

from rescind._core import scope
from rescind._core.grace import checked_seconds
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.timers import Timer
from rescind._core.uncopied import refuse_copy
from rescind._host.ticks import Tick
from rescind.tasks.current import here

__all__ = [
    "Interval",
    "Never",
    "PollFn",
    "Ready",
    "Sleep",
    "checkpoint",
    "interval",
    "never",
    "now",
    "poll_fn",
    "ready",
    "sleep",
    "sleep_until",
    "yield_now",
]

T = TypeVar("T")

Missed = Literal["burst", "delay", "skip"]


def now() -> float:
    """Return the time of this thread's host, in seconds; only differences mean something.

    Raises:
        UsageError: no runtime or asyncio loop runs on this thread.
    """
    return here("now()").now()


def sleep(seconds: float) -> Future[None]:
    """Return a future that is ready after ``seconds``, counted from when it is first polled.

    Args:
        seconds: not negative; 0 parks once, as `yield_now`; infinity never ends.

    Raises:
        ValueError: negative or NaN.
        TypeError: no number.

    Cancellation: safe. The timer is removed.

    Source: tokio's ``sleep``, but the time counts from the first poll: creating it does nothing.
    """
    seconds = checked_seconds(seconds, "sleep")
    return Tick() if seconds == 0 else Sleep(seconds, None)


def sleep_until(at: float) -> Future[None]:
    """Return a future that is ready at host time ``at``, in seconds; at once if that is past.

    Raises:
        ValueError: NaN.

    Cancellation: safe. The timer is removed.
    """
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise TypeError(f"sleep_until needs a host time in seconds, not {at!r}")
    if math.isnan(at):
        raise ValueError(f"sleep_until needs a host time in seconds, not NaN: {at!r}")
    return Sleep(None, float(at))


class Sleep(Future[None]):
    """The future that `sleep` and `sleep_until` return."""

    __slots__ = ("_at", "_seconds", "_taken", "_timer")
    _native = True

    def __init__(self, seconds: float | None, at: float | None) -> None:
        self._taken = False
        self._seconds = seconds
        # The host time of the end; None before the first poll of a `sleep`.
        self._at = at
        self._timer: Timer | None = None

    def poll(self, cx: Context) -> Pending | None:
        timer = self._timer
        if timer is not None:
            if timer.fired:
                self._timer = self._at = self._seconds = None
                return None
            timer.waker = cx.waker
            return PENDING
        executor = cx.runtime("sleep")
        if self._at is None:
            if self._seconds is None:
                polled_after_end(self)
            self._at = executor.now() + self._seconds
        elif self._at <= executor.now():
            self._at = None
            return None
        self._timer = executor.add_timer(self._at, cx.waker)
        return PENDING

    def drop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def __repr__(self) -> str:
        if self._seconds is not None:
            return f"sleep({self._seconds:g})"
        return "sleep()" if self._at is None else f"sleep_until({self._at:g})"


def yield_now() -> Future[None]:
    """Return a future that lets every other ready task run, and the host look for I/O, once.

    Cancellation: safe.

    Source: tokio's ``yield_now``.
    """
    return Tick()  #: compiled: return Tick.__new__(Tick)


def checkpoint() -> Future[None]:
    """Return a future that parks only if a cancellation waits to be delivered here.

    For long computations: cheap when nobody asked. It does not let others run; see `yield_now`.

    Cancellation: safe; it is what it is for.

    Source: trio's ``checkpoint_if_cancelled``.
    """
    return Checkpoint()


class Checkpoint(Future[None]):
    """The future that `checkpoint` returns."""

    __slots__ = ("_given", "_taken")
    _native = True

    def __init__(self) -> None:
        self._taken = False
        self._given = False

    def poll(self, cx: Context) -> Pending | None:
        if self._given:
            polled_after_end(self)
        if scope.pending_request(self) is None:
            self._given = True
            return None
        cx.waker.wake()
        return PENDING

    def __repr__(self) -> str:
        return "checkpoint()"


def ready(value: T) -> Future[T]:
    """Return a future that has ``value`` at its first poll.

    Cancellation: safe; it never parks.

    Source: Rust's ``future::ready``.
    """
    return Ready(value)


class Ready(Future[T]):
    """The future that `ready` returns."""

    __slots__ = ("_given", "_taken", "_value")
    _native = True

    def __init__(self, value: T) -> None:
        self._taken = False
        self._given = False
        self._value = value

    def poll(self, cx: Context) -> T:
        if self._given:
            polled_after_end(self)
        self._given = True
        return self._value

    def __repr__(self) -> str:
        return f"ready({self._value!r})"


def never() -> Future[NoReturn]:
    """Return a future that never has an output.

    Cancellation: safe; the only way to end it.

    Source: Rust's ``future::pending``.
    """
    return Never()


class Never(Future[NoReturn]):
    """The future that `never` returns."""

    __slots__ = ("_taken",)
    _native = True

    def __init__(self) -> None:
        self._taken = False

    def poll(self, cx: Context) -> Pending:
        return PENDING

    def __repr__(self) -> str:
        return "never()"


def poll_fn(fn: Callable[[Context], T | Pending]) -> Future[T]:
    """Return a future whose ``poll`` is ``fn``.

    Args:
        fn: called with the context; it returns `PENDING` having stored ``cx.waker``, or the output.

    Raises:
        TypeError: ``fn`` is not callable.

    Cancellation: ``fn`` is not called again.

    Source: Rust's ``future::poll_fn``.
    """
    if not callable(fn):
        raise TypeError(f"poll_fn needs a function of the context, not {fn!r}")
    return PollFn(fn)


class PollFn(Future[T]):
    """The future that `poll_fn` returns."""

    def __init__(self, fn: Callable[[Context], T | Pending]) -> None:
        self._fn = fn

    def poll(self, cx: Context) -> T | Pending:
        return self._fn(cx)

    def __repr__(self) -> str:
        return f"poll_fn({getattr(self._fn, '__qualname__', self._fn)})"


def interval(period: float, *, missed: Missed = "burst") -> Interval:
    """Return ticks at a fixed period, the first one at once.

    Args:
        period: seconds between ticks; more than 0.
        missed: what follows when a tick was late by more than a period: ``"burst"`` catches up at
            once, ``"delay"`` counts the period anew from the late tick, ``"skip"`` leaves
            the missed ones out and keeps the rhythm.

    Raises:
        ValueError: the period is not positive, or ``missed`` is not known.

    Example:
        ``async for at in interval(1.0): ...``

    Source: tokio's ``interval`` and its ``MissedTickBehavior``.
    """
    if checked_seconds(period, "the period") == 0:
        raise ValueError(f"the period must be more than 0 seconds: {period!r}")
    if missed not in ("burst", "delay", "skip"):
        raise ValueError(f"missed must be 'burst', 'delay' or 'skip': {missed!r}")
    return Interval(float(period), missed)


class Interval(AsyncIterator[float]):
    """Ticks; made by `interval`.

    Attributes:
        period: seconds between ticks.
    """

    __slots__ = ("_missed", "_next_at", "period")
    __reduce__ = refuse_copy

    def __init__(self, period: float, missed: Missed) -> None:
        self.period = period
        self._missed = missed
        # When the next tick is due; None before the first.
        self._next_at: float | None = None

    def tick(self) -> Future[float]:
        """Return a future of the next tick; it gives the host time for which the tick was due.

        Cancellation: safe. The tick is not taken.
        """
        return _Tick(self)

    def reset(self) -> None:
        """Count the period anew from now: the next tick is one period away."""
        self._next_at = now() + self.period

    def __anext__(self) -> Future[float]:
        return self.tick()

    def due(self, at: float) -> float:
        """Return when the next tick is due, at host time ``at``."""
        if self._next_at is None:
            self._next_at = at
        return self._next_at

    def advance(self, at: float) -> None:
        """Take the tick that is due, at host time ``at``."""
        due = self.due(at)
        following = due + self.period
        if following < at:
            if self._missed == "delay":
                following = at + self.period
            elif self._missed == "skip":
                following = due + math.ceil((at - due) / self.period) * self.period
        self._next_at = following


class _Tick(Future[float]):
    __slots__ = ("_given", "_interval", "_sleep", "_taken")
    _native = True

    def __init__(self, owner: Interval) -> None:
        self._taken = False
        self._given = False
        self._interval = owner
        self._sleep: Sleep | None = None

    def poll(self, cx: Context) -> float | Pending:
        executor = cx.runtime("interval")
        if self._given:
            polled_after_end(self)
        while True:
            if self._sleep is None:
                self._sleep = Sleep(None, self._interval.due(executor.now()))
            if self._sleep.poll(cx) is PENDING:
                return PENDING
            at = executor.now()
            due = self._interval.due(at)
            if due <= at:
                break
            self._sleep = None  # meanwhile it was reset, or another took that tick
        self._given = True
        self._interval.advance(at)
        return due

    def drop(self) -> None:
        if self._sleep is not None:
            self._sleep.drop()

    def __repr__(self) -> str:
        return f"tick of interval({self._interval.period:g})"

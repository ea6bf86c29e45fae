"""Polling by hand: no runtime, no sleep, every step visible."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from rescind._core.ending import ended_by
from rescind._core.executor import Executor
from rescind._core.frames import strip
from rescind._core.into import as_future
from rescind._core.outcome import Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelKind, CancelReason, CancelRequest

__all__ = ["CountingWaker", "context", "poll_cancel_once", "poll_once"]

T = TypeVar("T")


class CountingWaker(Waker):
    """A waker that counts.

    Attributes:
        wakes: how many times it was called.
    """

    __slots__ = ("__weakref__", "wakes")

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        """Count one."""
        self.wakes += 1


def context(waker: Waker | None = None, *, executor: Executor | None = None) -> Context:
    """Return a context for polls by hand.

    Args:
        waker: by default a new `CountingWaker`.
        executor: clock and timers, if the future needs them, such as a manual runtime's.
    """
    return Context(CountingWaker() if waker is None else waker, executor)


def poll_once(fut: Awaitable[T], cx: Context | None = None) -> Outcome[T] | Pending:
    """Poll ``fut`` once and return its outcome, or `PENDING`; it can be polled again.

    Args:
        fut: a future; a coroutine or other awaitable is given a future of its own, which is gone
            after the call, so poll those through `rescind.lowlevel.as_future`.
        cx: by default a context that wakes nobody and has no clock.
    """
    future: Future[Any] = fut if isinstance(fut, Future) else as_future(fut)
    try:
        result = future.poll(context() if cx is None else cx)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        strip(exc)
        return ended_by(exc, None)
    return PENDING if isinstance(result, Pending) else Completed(result)


def poll_cancel_once(
    fut: Future[T],
    cx: Context | None = None,
    request: CancelRequest | str = "canceled by hand",
) -> Outcome[T] | Pending:
    """Call ``poll_cancel`` once; a str makes a request of kind ``EXPLICIT`` with that message."""
    if isinstance(request, str):
        request = CancelRequest(CancelReason(CancelKind.EXPLICIT, request))
    return fut.poll_cancel(context() if cx is None else cx, request)

"""`shield` and `shielded`: hold a cancellation back (R12)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Generic, TypeVar

from rescind._core.current import local
from rescind._core.ending import ended_by
from rescind._core.gate import Gate
from rescind._core.into import as_future
from rescind._core.outcome import Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelRequest
from rescind._core.region import Region
from rescind._core.watched import watched

__all__ = ["Shield", "shield", "shielded"]

T = TypeVar("T")


class Shield(Region, Generic[T]):
    """The future that `shield` returns."""

    __slots__ = ("_given", "_taken", "inner")
    _native = True

    def __init__(self, inner: Future[T]) -> None:
        self._taken = False
        self._given = False
        self.outer = None
        self.cx = None
        self.request = None
        self.inner = watched(inner)

    def holds(self) -> bool:
        return True

    def poll(self, cx: Context) -> T | Pending:
        if self._given:
            polled_after_end(self)
        outer = local.region
        self.outer, self.cx = outer, cx
        local.region = self
        result: T | Pending = PENDING
        self._given = True
        try:
            result = self.inner.poll(cx)
        finally:
            local.region = outer
            self.outer = self.cx = None
        if result is PENDING:
            self._given = False
        return result

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        self.request = request
        try:
            result = self.poll(cx)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            return ended_by(exc, None)
        return PENDING if isinstance(result, Pending) else Completed(result)

    def drop(self) -> None:
        self._given = True
        self.inner.drop()

    def __repr__(self) -> str:
        return f"shield({self.inner!r})"


def shield(fut: Awaitable[T]) -> Future[T]:
    """Return a future that runs ``fut`` to its end although the parent is asked to cancel.

    The value is delivered to the await; the cancellation arrives at the next park after it. The
    grace still bounds it: when that is over, ``fut`` is dropped (R10).

    Args:
        fut: a coroutine, a future, or anything that can be awaited.

    Cancellation: shielded. A future that was never polled still runs.

    Source: cats-effect's ``uncancelable``. Unlike ``asyncio.shield``, nothing goes on unwatched.
    """
    return Shield(as_future(fut))


def shielded() -> Gate:
    """Return a context manager that holds cancellation back: ``with shielded() as gate: ...``.

    ``await gate.open(fut)`` lets it in again for that one future, undoing only this shield.
    Leaving the block checks nothing: the next park delivers. Children of combinators and spawned
    tasks do not inherit the shield.

    Raises:
        UsageError: on entering, if no coroutine of rescind's runs; or when it is entered twice.

    Cancellation: shielded; bounded by the grace (R10).

    Source: cats-effect's ``uncancelable`` and ``poll``; trio's shielded scopes.
    """
    return Gate()

"""How a future ended that raised: with an error, or because it was canceled.

*What it is.* The one place that decides between `Error` and `Canceled`, so that a cell, a
coroutine and a combinator agree (R15).

*Threads.* Any.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from .errors import Cancellation
from .outcome import Canceled, Error, Outcome, also_of
from .reason import CancelKind, CancelReason, CancelRequest

__all__ = ["ended_by", "raise_all"]


def _contexts(exc: BaseException) -> Cancellation | None:
    """Return the cancellation that ``exc`` was raised in the course of, if any."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        if isinstance(current, Cancellation):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None


def ended_by(exc: BaseException, request: CancelRequest | None) -> Outcome[Any]:
    """Return the outcome of a future that raised ``exc``.

    An error that was raised while cleaning up after a delivered ``request`` is listed in
    ``Canceled.also`` (R15); one raised after the cancellation was absorbed is an `Error`.
    """
    if isinstance(exc, Cancellation):
        return Canceled(exc.reason if request is None else request.reason, exc.also)
    if isinstance(exc, CancelledError):
        if request is not None:
            return Canceled(request.reason)
        return Canceled(CancelReason(CancelKind.FOREIGN, str(exc) or None))
    if request is not None:
        cancellation = _contexts(exc)
        if cancellation is not None:
            return Canceled(request.reason, (*cancellation.also, exc))
    return Error(exc, also_of(exc))


def raise_all(errors: list[BaseException]) -> None:
    """Raise what failed while a future was dropped, if anything did."""
    if len(errors) == 1:
        raise errors.pop()
    if errors:
        raise BaseExceptionGroup("several cleanups failed while a future was dropped", errors)

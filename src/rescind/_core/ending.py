"""How a future ended that raised: with an error, or because it was canceled.

*What it is.* The one place that decides between `Error` and `Canceled`, so that a cell, a
coroutine and a combinator agree (R15).

*Threads.* Any.
"""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any, cast

from .errors import Cancellation
from .outcome import Canceled, Error, Outcome, also_of, canceled
from .reason import CancelKind, CancelReason, CancelRequest

__all__ = ["closing", "ended_by", "raise_all", "split_cancellation"]


def split_cancellation(
    exc: BaseException | None,
) -> tuple[Cancellation | None, BaseException | None]:
    """Return the cancellation that ``exc`` is, or that it is a group of, and what else is in it.

    Before Python 3.13, ``asyncio.TaskGroup`` knows ``CancelledError`` itself alone, and wraps a
    `Cancellation` that passes through it into a group.
    """
    if isinstance(exc, Cancellation):
        return exc, None
    if not isinstance(exc, BaseExceptionGroup):
        return None, exc
    group = cast("BaseExceptionGroup[BaseException]", exc)
    own, rest = group.split(Cancellation)
    first: BaseException | None = own
    while isinstance(first, BaseExceptionGroup):
        first = cast("BaseExceptionGroup[BaseException]", first).exceptions[0]
    return (first, rest) if isinstance(first, Cancellation) else (None, group)


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


def _together(also: tuple[BaseException, ...], exc: BaseException) -> tuple[BaseException, ...]:
    """Return what failed, in order, each once."""
    own = [one for one in (exc, *also_of(exc)) if not any(one is other for other in also)]
    return (*also, *own)


def ended_by(exc: BaseException, request: CancelRequest | None) -> Outcome[Any]:
    """Return the outcome of a future that raised ``exc``.

    An error that was raised while cleaning up after a delivered ``request`` is listed in
    ``Canceled.also`` (R15); one raised after the cancellation was absorbed is an `Error`.
    """
    if type(exc) is Cancellation:  # as most are: the rest is looked for in groups only
        return canceled(exc.reason if request is None else request.reason, exc.also)
    cancellation, rest = split_cancellation(exc)
    if cancellation is not None:
        also = cancellation.also if rest is None else (*cancellation.also, rest)
        return Canceled(cancellation.reason if request is None else request.reason, also)
    if isinstance(exc, CancelledError):
        if request is not None:
            return Canceled(request.reason)
        return Canceled(CancelReason(CancelKind.FOREIGN, str(exc) or None))
    if request is not None:
        cancellation = _contexts(exc)
        if cancellation is not None:
            return Canceled(request.reason, _together(cancellation.also, exc))
    return Error(exc, also_of(exc))


def closing(exc: BaseException | None) -> bool:
    """Was ``exc`` raised in the course of a ``close()``: is it, or does it replace, its signal?"""
    seen: set[int] = set()
    ahead = [] if exc is None else [exc]
    while ahead:
        link = ahead.pop()
        if isinstance(link, GeneratorExit):
            return True
        if id(link) in seen:
            continue
        seen.add(id(link))
        if isinstance(link, BaseExceptionGroup):
            ahead += cast("BaseExceptionGroup[BaseException]", link).exceptions
        ahead += [one for one in (link.__cause__, link.__context__) if one is not None]
    return False


def raise_all(errors: list[BaseException]) -> None:
    """Raise what failed while a future was dropped, if anything did."""
    if len(errors) == 1:
        raise errors.pop()
    if errors:
        raise BaseExceptionGroup("several cleanups failed while a future was dropped", errors)

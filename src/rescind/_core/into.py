"""`as_future`: a `Future` for anything that can be awaited.

*What it is.* The door through which coroutines, tasks and the awaitables of other worlds come
into a combinator, a task or a runtime; and the place that says what is wrong with the rest.

*Threads.* Any: it only wraps, and polls nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from types import CoroutineType
from typing import Any, TypeVar, cast

from .coroutine import CoroutineFuture
from .current import foreign
from .intofuture import IntoFuture
from .poll import Future, check_new, take

__all__ = ["as_future"]

T = TypeVar("T")


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


def as_future(awaitable: Awaitable[T]) -> Future[T]:
    """Return a `Future` for anything that can be awaited, and take it over (F2).

    Args:
        awaitable: a rescind future, a coroutine, a task, an ``asyncio.Future`` of the loop that
            will await it, a ``concurrent.futures.Future``, or anything with ``__await__``.

    Returns:
        The future, to be polled by whoever called: it is taken. What users give to a combinator
        goes through here by itself.

    Raises:
        TypeError: it cannot be awaited; the message says what was probably meant.
        UsageError: it was already awaited or given away.
        RuntimeError: on awaiting: an ``asyncio.Future`` is of another loop.

    Cancellation: that of what was given. An ``asyncio.Future`` is canceled, and its end awaited; a
    task of ours goes on; a function in a thread never starts, or goes on, and its result is lost.

    Source: Rust's ``IntoFuture``; ``asyncio.ensure_future``.
    """
    #: compiled: if is_new(awaitable): return driving(awaitable)
    if isinstance(awaitable, CoroutineType):  # what `inspect.iscoroutine` looks at
        coro: CoroutineType[Any, Any, T] = awaitable  # pyright: ignore[reportUnknownVariableType]
        check_new(coro)
        driver: CoroutineFuture[T] = CoroutineFuture(coro)
        driver._taken = True
        return driver
    if isinstance(awaitable, Future):
        return take(awaitable, "used here")
    if isinstance(awaitable, IntoFuture):
        return take(awaitable.into_future(), "used here")
    adapted = foreign.adapt(awaitable)
    if adapted is not None:
        return take(cast("Future[T]", adapted), "used here")
    if hasattr(type(awaitable), "__await__") or inspect.isawaitable(awaitable):
        return take(CoroutineFuture(_await(awaitable)), "used here")
    if inspect.iscoroutinefunction(awaitable):
        raise TypeError(
            f"expected an awaitable, but got the async function {awaitable.__qualname__!r} itself; "
            f"call it: {awaitable.__name__}(...)"
        )
    hint = ""
    if callable(awaitable):
        hint = "; to run a plain function, call it, or use a thread"
    raise TypeError(
        f"expected an awaitable (a coroutine, a future, a task), but got "
        f"{type(awaitable).__qualname__}: {awaitable!r}{hint}"
    )

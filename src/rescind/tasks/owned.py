"""Resources handed to a task that may never start (R5)."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from rescind._core.coroutine import CoroutineFuture
from rescind._core.outcome import Canceled, Outcome
from rescind._core.poll import PENDING, Context, Future, NoopWaker, Pending
from rescind._core.reason import CancelRequest
from rescind._core.watched import watched

__all__ = ["Owned"]

T = TypeVar("T")


class Owned(Future[T]):
    """Runs a future; if that is canceled before its first poll, closes the resources instead.

    A resource is closed by its ``aclose``, or its ``close``, the last one first, all of them even
    if one raises. Once the future was polled, the resources are its own business.

    Cancellation: before the first poll, waits for ``aclose``; afterwards that of the future.
    """

    __slots__ = ("_closing", "_resources", "_taken", "inner")
    _native = True

    def __init__(self, inner: Future[T], resources: tuple[Any, ...] | list[Any]) -> None:
        if not isinstance(resources, (tuple, list)):
            raise TypeError(
                f"owned must be a tuple or a list of resources, not {resources!r}; "
                "for a single one, pass owned=[resource]"
            )
        for resource in resources:
            if _closer(resource) is None:
                raise TypeError(
                    f"owned resources must have close() or aclose(), but {resource!r} has neither"
                )
        self._taken = True
        self.inner = watched(inner)
        # None once they belong to the body, or are closed.
        self._resources: tuple[Any, ...] | None = tuple(resources)
        self._closing: CoroutineFuture[tuple[BaseException, ...]] | None = None

    def poll(self, cx: Context) -> T | Pending:
        self._resources = None
        return self.inner.poll(cx)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        if self._resources is not None:
            self.inner.drop()
            self._closing = CoroutineFuture(_close_all(self._resources))
            self._resources = None
        if self._closing is None:
            return self.inner.poll_cancel(cx, request)
        errors = self._closing.poll(cx)
        return PENDING if isinstance(errors, Pending) else Canceled(request.reason, errors)

    def drop(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            closing.drop()
            return
        resources, self._resources = self._resources, None
        self.inner.drop()
        if resources is not None:
            _close_now(resources)

    def __repr__(self) -> str:
        return repr(self.inner)


def _closer(resource: Any) -> Any:
    return getattr(resource, "aclose", None) or getattr(resource, "close", None)


async def _close_all(resources: tuple[Any, ...]) -> tuple[BaseException, ...]:
    errors: list[BaseException] = []
    for resource in reversed(resources):
        try:
            result = _closer(resource)()
            if inspect.isawaitable(result):
                await result
        except Exception as exc:
            errors.append(exc)
    return tuple(errors)


def _close_now(resources: tuple[Any, ...]) -> None:
    """Close without awaiting: an ``aclose`` that must await is run as far as it goes."""
    closing = CoroutineFuture(_close_all(resources))
    cx = Context(NoopWaker())
    errors = closing.poll(cx)
    if isinstance(errors, Pending):
        closing.drop()
    elif errors:
        raise BaseExceptionGroup("several cleanups failed while a future was dropped", errors)

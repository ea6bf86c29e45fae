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

    __slots__ = ("_closing", "_left", "_resources", "_taken", "inner")
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
        # What is to be closed yet; the one being closed is out already.
        self._left: list[Any] = []

    def poll(self, cx: Context) -> T | Pending:
        self._resources = None
        return self.inner.poll(cx)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        if self._resources is not None:
            self.inner.drop()
            self._left, self._resources = list(self._resources), None
            self._closing = CoroutineFuture(_close_all(self._left))
        if self._closing is None:
            return self.inner.poll_cancel(cx, request)
        errors = self._closing.poll(cx)
        return PENDING if isinstance(errors, Pending) else Canceled(request.reason, errors)

    def drop(self) -> None:
        closing, self._closing = self._closing, None
        if closing is not None:
            try:
                closing.drop()
            finally:
                _close_now(self._left)
            return
        resources, self._resources = self._resources, None
        self.inner.drop()
        if resources is not None:
            _close_now(list(resources))

    def __repr__(self) -> str:
        return repr(self.inner)


def _closer(resource: Any) -> Any:
    return getattr(resource, "aclose", None) or getattr(resource, "close", None)


async def _close_all(resources: list[Any]) -> tuple[BaseException, ...]:
    """Close and take out the last one, until none is left."""
    errors: list[BaseException] = []
    while resources:
        resource = resources.pop()
        try:
            result = _closer(resource)()
            if inspect.isawaitable(result):
                await result
        except Exception as exc:
            errors.append(exc)
    return tuple(errors)


def _close_now(resources: list[Any]) -> None:
    """Close without awaiting: an ``aclose`` that must await is run as far as it goes."""
    failures: list[BaseException] = []
    while resources:  # one that must await ends the round; the others have theirs
        closing = CoroutineFuture(_close_all(resources))
        try:
            errors = closing.poll(Context(NoopWaker()))
            if isinstance(errors, Pending):
                closing.drop()
            else:
                failures += errors
        except BaseException as exc:
            failures.append(exc)
    if failures:
        raise BaseExceptionGroup("several cleanups failed while a future was dropped", failures)

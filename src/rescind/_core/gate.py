"""`Gate`: a shield inside one coroutine, and its gate for one future (R12).

*What it is.* The scope with which a coroutine holds cancellation back, for the stack of its
driver (`scope.ScopeStack`), and the future with which it lets it in again.

*What it is not.* A part of the stack's module: a gate takes any awaitable, so it stands above the
driver of coroutines, which is built on the stack.

*Threads.* The executor's thread only.

*Source.* cats-effect's ``uncancelable`` and ``poll``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import TracebackType
from typing import Any, TypeVar, cast

from .coroutine import CoroutineFuture
from .current import local
from .errors import UsageError
from .frames import caller
from .into import as_future
from .outcome import Outcome
from .poll import PENDING, Context, Future, Pending
from .reason import CancelRequest
from .scope import Mask, ScopeStack, innermost, pending_request
from .watched import watched

__all__ = ["Gate", "Opened"]

T = TypeVar("T")


class Gate(Mask):
    """A shield, and the gate through which cancellation is let in again for one future.

    Made by `shielded`. While it is open, a cancellation from outside waits; the first park after
    the block delivers it. It does not reach the children of combinators started inside.

    Attributes:
        where: ``file:line`` at which the shield was entered.
    """

    __slots__ = ("_stack", "where")

    def __init__(self) -> None:
        self._stack: ScopeStack | None = None
        self.where: str | None = None

    def __enter__(self) -> Gate:
        if self._stack is not None:
            raise UsageError(
                "this shield was already entered; call shielded() once for each 'with'"
            )
        self._stack = innermost("shielded()")
        self.where = caller()
        self._stack.push(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stack is not None:
            self._stack.leave(self)

    def open(self, fut: Awaitable[T]) -> Opened[T]:
        """Return a future that runs ``fut`` with this shield, and only this one, undone.

        In another coroutine than the shield's, and when opened twice, it changes nothing.
        A cancellation that waits already is delivered on entering: ``fut`` then never starts.

        Cancellation: that of ``fut``.
        """
        return Opened(self, as_future(fut))

    def opened_by(self, leaf: Future[Any] | None) -> bool:
        """Does awaiting ``leaf`` go through this gate, be it inside of ``on_cancel(..., f)``?"""
        current: Any = leaf
        while current is not None:
            if isinstance(current, Opened) and current.gate is self:
                return True
            current = getattr(cast("object", current), "inner", None)
        return False


class Opened(Future[T]):
    """The future that `Gate.open` returns."""

    __slots__ = ("_started", "_taken", "gate", "inner")
    _native = True

    def __init__(self, gate: Gate, fut: Future[T]) -> None:
        self._taken = False
        self._started = False
        self.gate = gate
        self.inner = watched(fut)

    def poll(self, cx: Context) -> T | Pending:
        if not self._started:
            # What the coroutine awaits, which is what decides: in a child of a combinator, say, the
            # gate opens nothing, and to park here would be to wait for nothing.
            region = local.region
            leaf = region.leaf if isinstance(region, CoroutineFuture) else None
            if pending_request(leaf) is not None:
                cx.waker.wake()
                return PENDING
            self._started = True
        return self.inner.poll(cx)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        self._started = True
        return self.inner.poll_cancel(cx, request)

    def drop(self) -> None:
        self.inner.drop()

    def __repr__(self) -> str:
        return f"gate.open({self.inner!r})"

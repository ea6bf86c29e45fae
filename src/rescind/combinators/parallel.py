"""`Parallel`: a future with several children; what `race`, `join` and `outcomes` have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from rescind._core.dropping import failures_of
from rescind._core.ending import raise_all
from rescind._core.grace import UNSET, Grace, checked_grace
from rescind._core.outcome import Canceled, Error, Outcome, canceled
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelRequest
from rescind.combinators.children import Child, Children

__all__ = ["Parallel"]

T = TypeVar("T")

#: How many of the children waited for are named in a repr.
_SHOWN: Final = 3


class Parallel(Future[T]):
    """Runs all children until each has ended; subclasses say what an end means, and the result.

    Cancellation: forwarded to every child; all are drained, then the future is canceled, unless
    `_despite` finds that the children had a result first (R7).
    """

    __slots__ = ("_children", "_futures", "_given", "_taken")
    _native = True
    _what = "parallel"

    def __init__(
        self, futures: Iterable[Future[Any]], *, biased: bool = False, grace: Grace = UNSET
    ) -> None:
        self._prepare(futures, biased, grace)

    def _prepare(self, futures: Iterable[Future[Any]], biased: bool, grace: Grace) -> None:
        self._taken = False
        self._given = False
        # The futures before the first poll; None from then on.
        self._futures: tuple[Future[Any], ...] | None = tuple(futures)
        grace = grace if grace is UNSET else checked_grace(grace)
        #: compiled: self._children = new_children(grace, biased)
        self._children = Children(grace, biased)  #: compiled: pass

    # -- for subclasses ---------------------------------------------------------------------------

    def _child_ended(self, child: Child, cx: Context) -> None:
        """React to the end of a child, such as by canceling the others."""

    def _result(self) -> T:
        """Return the output, or raise: every child has ended."""
        raise NotImplementedError

    def _despite(self) -> Outcome[T] | None:
        """Return the result that the children reached although the parent was canceled, if any."""
        return None

    def _untold(self) -> tuple[BaseException, ...]:
        """Return the failures that were going to be raised, or told of, at the end (R15)."""
        return ()

    def _forget(self) -> None:
        """Let go of the children, which have ended: their outcomes are given out."""
        self._children.release()

    # -- Future -----------------------------------------------------------------------------------

    def poll(self, cx: Context) -> T | Pending:
        children = self._children
        if self._futures is not None:
            futures, self._futures = self._futures, None
            children.start(futures, cx)
        elif self._given:
            polled_after_end(self)
        self._advance(children, cx)
        if children.alive:
            return PENDING
        self._given = True
        try:
            return self._result()
        finally:
            self._forget()

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[T] | Pending:
        if self._futures is not None:
            self.drop()
            return Canceled(request.reason)
        children = self._children
        children.forward(request)
        self._advance(children, cx)
        if children.alive:
            return PENDING
        self._given = True
        try:
            return self._despite() or canceled(request.reason, self._failures())
        finally:
            self._forget()

    def _advance(self, children: Children, cx: Context) -> None:
        children.begin(cx)
        child = children.advance(cx)
        while child is not None:
            self._child_ended(child, cx)
            child = None  # an exception's frames may refer back to this one
            child = children.advance(cx)

    def drop(self) -> None:
        futures, self._futures = self._futures, None
        errors: list[BaseException] = []
        if futures is None:
            errors += () if self._given else self._untold()
            self._given = True
            try:
                self._children.drop()
            except BaseException as exc:
                errors += failures_of(exc)
            raise_all(errors)
            return
        self._given = True
        for future in futures:
            try:
                future.drop()
            except BaseException as exc:
                errors.append(exc)
        raise_all(errors)

    def _failures(self) -> tuple[BaseException, ...]:
        """Return every failure of a child, in argument order (R15)."""
        failures: list[BaseException] = []
        for child in self._children.cells:
            outcome = child.ended
            if isinstance(outcome, Error):
                failures.append(outcome.exception)
            if isinstance(outcome, (Error, Canceled)):
                failures += outcome.also
        return tuple(failures)

    def __repr__(self) -> str:
        if self._futures is not None:
            return f"{self._what} of {len(self._futures)}"
        if self._given:
            return f"{self._what}, ended"
        waiting = [repr(child.future) for child in self._children.cells if child.ended is None]
        shown = ", ".join(waiting[:_SHOWN]) + (", …" if len(waiting) > _SHOWN else "")
        return f"{self._what} of {len(self._children.cells)}, waiting for {shown or 'nothing'}"

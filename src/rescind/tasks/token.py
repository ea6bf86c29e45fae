"""`CancellationToken`: one cancellation for whoever listens, across tasks and threads (R26).

*What it is.* A flag with a reason, in a tree: to cancel a token cancels everything below it. It is
handed to those who are to stop together: tasks guard a future with it, threads look at it, and
libraries register callbacks.

*What it is not.* Part of a task. Canceling a token cancels no task by itself: a guarded future is
canceled, and its awaiter gets `TaskCanceled`; `Cancellation` always means the task itself (R17).

*Threads.* Any, for everything but the futures, which belong to those who await them.

*Source.* tokio-util's ``CancellationToken``, .NET's, Go's ``context``; with a reason, which
tokio's users ask for (#5249), and which Go has as ``context.Cause``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, TypeVar

from rescind._core.current import local
from rescind._core.errors import TaskCanceled
from rescind._core.grace import UNSET, Grace, checked_grace, checked_seconds
from rescind._core.into import as_future
from rescind._core.outcome import Outcome
from rescind._core.poll import Future
from rescind._core.reason import CancelReason, make_reason
from rescind._core.uncopied import refuse_copy
from rescind._host.bridge import executor_here
from rescind.tasks.alarms import passed, set_alarm
from rescind.tasks.guarding import Guard, RunUntilCanceled, WaitCanceled
from rescind.tasks.tree import Call, Node, raise_errors

__all__ = ["CancellationToken", "Registration", "TokenStatistics"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenStatistics:
    """Who depends on a token now.

    Attributes:
        children: tokens that are canceled with it, made by `CancellationToken.child` or
            `CancellationToken.linked`; theirs are not counted.
        waiters: futures parked on it.
        callbacks: callbacks that are registered, and neither called nor removed.
    """

    children: int
    waiters: int
    callbacks: int


class Registration:
    """A callback that was registered with `CancellationToken.on_cancel`.

    A context manager as well: leaving the block removes the callback. A registration that is
    dropped stays registered; one that is kept keeps its token.

    *Threads.* Any.
    """

    __slots__ = ("_call", "_token")
    __reduce__ = refuse_copy

    def __init__(self, token: Node, call: Call) -> None:
        self._token = token
        self._call = call

    def remove(self) -> bool:
        """Take the callback back; it does not wait for one that is being called.

        Returns:
            True if the callback will never be called; False if it was, or is being called in this
            moment by another thread, or had been removed before.
        """
        return self._token.unregister(self._call)

    def __enter__(self) -> Registration:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


class CancellationToken(Node):
    """Cancels, once and for good, whatever was given it, wherever that runs.

    A new token depends on nothing; `child`, `linked` and `after` make tokens that are canceled by
    others, or by the clock. Canceling goes down, never up. When a token is canceled, all that
    depends on it reads canceled before anybody is told (R13); then waiting futures are woken, then
    callbacks called.

    A child keeps its parent; a parent does not keep its children. So a token that nobody refers
    to is gone, with its callbacks, and leaves nothing with its parents. Tokens are compared, and
    usable as keys, by identity; a copy of a token is the token.

    As a context manager, a token leaves what it depends on when the block ends, as with `detach`;
    that does not cancel it.

    *Threads.* Any.

    Example:
        >>> import rescind
        >>> stop = rescind.CancellationToken()
        >>> child = stop.child()
        >>> stop.cancel("closing time")
        True
        >>> child.canceled, child.reason.cause.message
        (True, 'closing time')
        >>> stop.cancel("again")
        False

    Source: tokio-util's ``CancellationToken``; .NET's; Go's ``context``.
    """

    __slots__ = ()

    # -- making -----------------------------------------------------------------------------------

    @classmethod
    def after(cls, seconds: float) -> CancellationToken:
        """Return a token that is canceled after ``seconds``, for a reason of kind ``DEADLINE``.

        The clock is that of the runtime, or of the asyncio loop, of this thread, and stops with it;
        on a thread without one, it is a real clock that all such threads share. A callback that
        raises is logged then, since nobody has canceled who could be told.

        Args:
            seconds: not negative; counted from now; 0 cancels at once, infinity never.

        Raises:
            ValueError: ``seconds`` is negative or NaN.
            TypeError: it is no number.
        """
        token = cls()
        token._limit(checked_seconds(seconds, "a token's deadline"))
        return token

    @classmethod
    def linked(cls, *tokens: CancellationToken) -> CancellationToken:
        """Return a token that is canceled as soon as one of ``tokens`` is.

        Best used as ``with CancellationToken.linked(a, b) as both:``. It leaves its sources when
        the block ends, or when nobody refers to it: a long-lived source does not grow.

        Args:
            tokens: the sources; if some are canceled already, the first of these is the cause.
                None at all make a token that depends on nothing.

        Raises:
            TypeError: one of them is no token.

        Source: .NET's ``CreateLinkedTokenSource``, which leaks unless it is disposed.
        """
        for token in tokens:
            if not isinstance(token, CancellationToken):
                raise TypeError(f"linked() needs tokens, but got {token!r}")
        made = cls()
        made.attach(tokens)
        return made

    def child(self, *, timeout: float | None = None) -> CancellationToken:
        """Return a token that is canceled with this one, and can be canceled alone.

        It is born canceled if this one is canceled.

        Args:
            timeout: seconds after which it is canceled anyhow, as with `after`; None: no such.

        Raises:
            ValueError: ``timeout`` is negative or NaN.
            TypeError: it is no number.
        """
        if timeout is not None:
            timeout = checked_seconds(timeout, "a token's timeout")
        made = CancellationToken()
        made.attach((self,))
        if timeout is not None and not made.canceled:
            made._limit(timeout)
        return made

    def detach(self) -> None:
        """Depend on nothing any more: neither on other tokens, nor on a deadline.

        What depends on this token still does. A no-op on a canceled token.
        """
        self.disarm()
        self.leave_all()

    def _limit(self, seconds: float) -> None:
        if seconds == 0:
            self.expire(passed(seconds, executor_here()))
        elif seconds != float("inf"):
            set_alarm(self, seconds)

    # -- canceling --------------------------------------------------------------------------------

    def cancel(self, reason: str | CancelReason | None = None) -> bool:
        """Cancel this token and all that depend on it; the first reason is the primary one.

        Everybody is told on this thread, before it returns; but if another thread has canceled the
        token just now, that one may still be at it.

        Args:
            reason: words, or a complete `CancelReason`.

        Returns:
            True if this call canceled it; False if it was canceled before: the reason is kept in
            `reasons` then.

        Raises:
            BaseException: what a callback raised, after all were called.
            BaseExceptionGroup: several raised; in the order in which they were called.
            TypeError: ``reason`` is neither words nor a reason.
        """
        canceled, errors = self.mark_and_deliver(make_reason(reason, local.executor))
        del self  # what callbacks raise refers back to this frame
        raise_errors(errors)
        return canceled

    @property
    def canceled(self) -> bool:
        """Was it canceled? Once it is, it stays so."""
        return self._reasons is not None

    @property
    def reasons(self) -> tuple[CancelReason, ...]:
        """All reasons for which it was canceled, in order; empty as long as it is not."""
        return tuple(self._reasons or ())

    def raise_if_canceled(self) -> None:
        """Raise if the token is canceled: for threads, and for long computations.

        Raises:
            TaskCanceled: it is, for this reason.

        Source: .NET's ``ThrowIfCancellationRequested``.
        """
        reason = self.reason
        if reason is not None:
            error = TaskCanceled(reason)
            error.what = "the token"
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame

    # -- being told -------------------------------------------------------------------------------

    def wait(self) -> Future[CancelReason]:
        """Return a future of the reason, ready when the token is canceled; any number of them.

        Cancellation: safe. It leaves the token.
        """
        return WaitCanceled(self)

    def on_cancel(self, fn: Callable[[CancelReason], object]) -> Registration:
        """Have ``fn(reason)`` called once when the token is canceled; at once if it is.

        It is called on the thread that cancels, in the order of registration. Keep the token, or
        the registration: a callback on a token that nobody refers to is gone with it.

        Args:
            fn: a plain function; what it raises, the one who cancels gets.

        Returns:
            The registration, by which the callback can be removed.

        Raises:
            TypeError: ``fn`` is not callable, or is an async function.
            BaseException: what ``fn`` raised, if it was called at once.

        Source: Go's ``context.AfterFunc``, .NET's ``Register``.
        """
        if not callable(fn):
            raise TypeError(f"on_cancel needs a function of the reason, not {fn!r}")
        if inspect.iscoroutinefunction(fn):
            raise TypeError(
                f"on_cancel needs a plain function, since a thread may call it, not the async "
                f"{fn!r}; in a task, use 'reason = await token.wait()'"
            )
        call = Call(fn)
        raise_errors(self.register(call))
        return Registration(self, call)

    def guard(self, fut: Awaitable[T], *, grace: Grace = UNSET) -> Future[T]:
        """Return a future of ``fut``'s value, canceled with the token.

        If the token is canceled, ``fut`` is canceled and drained, and `TaskCanceled` is raised. A
        value that ``fut`` has, wins. If the token is canceled before the first poll, ``fut`` is
        never polled.

        Args:
            fut: a coroutine, a future, or anything that can be awaited.
            grace: for its cleanup, in seconds; by default the task's.

        Raises:
            TaskCanceled: the token was canceled, with the token's reason; errors of the cleanup
                are in its notes.
            BaseException: what ``fut`` raised.

        Cancellation: that of ``fut``.

        Example:
            >>> import rescind
            >>> async def main():
            ...     stop = rescind.CancellationToken()
            ...     task = rescind.spawn(stop.guard(rescind.never()))
            ...     await rescind.yield_now()
            ...     stop.cancel("closing time")
            ...     try:
            ...         await task
            ...     except rescind.TaskCanceled as exc:
            ...         return exc.reason.message
            >>> rescind.run(main)
            'closing time'

        Source: tokio-util's ``run_until_cancelled``, drained.
        """
        future = as_future(fut)
        _check(future, grace)
        return Guard(self, future, grace=grace)

    def run_until_canceled(self, fut: Awaitable[T], *, grace: Grace = UNSET) -> Future[Outcome[T]]:
        """Return a future of ``fut``'s outcome: as `guard`, but it never raises.

        Args:
            fut: a coroutine, a future, or anything that can be awaited.
            grace: for its cleanup, in seconds; by default the task's.

        Returns:
            A future of `Completed`, of `Error`, or of `Canceled` with the token's reason if that
            was why.

        Cancellation: that of ``fut``.

        Source: tokio-util's ``run_until_cancelled``.
        """
        future = as_future(fut)
        _check(future, grace)
        running: RunUntilCanceled[T] = RunUntilCanceled(self, future, grace=grace)
        return running

    # -- as an object -----------------------------------------------------------------------------

    def statistics(self) -> TokenStatistics:
        """Return who depends on it now; nobody, once it is canceled."""
        return TokenStatistics(len(self._children), len(self._waiters), len(self._calls))

    def __enter__(self) -> CancellationToken:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.detach()

    def __copy__(self) -> CancellationToken:
        return self

    def __deepcopy__(self, _memo: object) -> CancellationToken:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a cancellation token cannot be pickled: it belongs to its process; "
            "send its reason instead, which can"
        )

    def __repr__(self) -> str:
        reason = self.reason
        state = "not canceled" if reason is None else f"canceled: {reason.line()}"
        return f"<CancellationToken {state}>"


def _check(future: Future[object], grace: Grace) -> None:
    try:
        checked_grace(grace)
    except (TypeError, ValueError):
        future.drop()
        raise

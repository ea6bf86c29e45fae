"""`poll_straight`, `cancel_straight`: in plain Python, polls of a coroutine in a turn in one piece.

*What it is.* What `CoroutineFuture._poll`, `_step` and `_drive` do where nothing is the matter: a
turn is under way, no cancellation was ever asked for, nothing is polled beside. And the first step
of a cancellation, where the leaf is merely dropped and no scope is open. Where something is the
matter, they hand over to those, there and then. Each call of a function costs plain Python as much
as ten lines without one; in the compiled form it costs nothing, and these are not called.

*What it is not.* A second driver: it decides nothing about cancellation, budgets or what is
adopted. The invariants are those of `coroutine`.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from sys import getrefcount
from typing import TYPE_CHECKING, Any, Final, cast

from . import outcome as outcomes
from .ending import ended_by
from .errors import Cancellation, UsageError
from .frames import strip
from .outcome import attach
from .poll import PENDING, Future, natives

if TYPE_CHECKING:
    from .coroutine import CoroutineFuture
    from .executor import Executor
    from .poll import Context
    from .reason import CancelRequest
    from .region import Region

__all__ = [
    "ENDED",
    "NEW",
    "NO_CANCELLATION",
    "PARKED",
    "RAISED",
    "RUNNING",
    "cancel_straight",
    "drop_at",
    "poll_straight",
]

# The states of a driver.
NEW: Final = 0
PARKED: Final = 1
RUNNING: Final = 2
ENDED: Final = 3

#: What a driver's step returns for an exception, which is in ``_raised``.
RAISED: Final[Any] = object()
NO_CANCELLATION: Final = (KeyboardInterrupt, SystemExit)

#: The ``poll_cancel`` of leaves that are merely dropped.
_DROPS: Final[Any] = cast("Any", Future).poll_cancel


def _references_of_one() -> int:
    one = BaseException()
    return getrefcount(one)


#: What counts the references of what a local variable alone refers to.
_ALONE: Final = _references_of_one()


def poll_straight(driver: CoroutineFuture[Any], cx: Context) -> Any:
    """Poll a driver; the method ``poll`` of its class in plain Python."""
    executor = cx.executor
    if executor is None or not executor.keeps or driver.attention or driver.company is not None:
        return driver._poll(cx)
    if driver._state != PARKED:
        driver._start(cx)
    seat: Any = executor.seat
    identity, leaf = driver._identity, driver._leaf
    driver._state = RUNNING
    driver.outer = outer = seat.region
    driver.cx = cx
    driver.waker = cx.waker
    seat.region = driver
    if executor.identity is not identity and identity is not None:
        if executor.identity is None:
            executor.assume(identity)
        else:  # as there
            executor.identity = identity
            put: Any = executor._put
            put(identity)
    value: Any = None
    error: BaseException | None = None
    try:
        try:
            while True:
                if leaf is not None:
                    if executor.budget <= 0:
                        break
                    driver._fresh = False
                    try:
                        value = leaf.poll(cx)
                    except NO_CANCELLATION:
                        raise
                    except BaseException as exc:
                        strip(exc)
                        error = exc
                    if value is PENDING:
                        if driver.attention:
                            driver._canceling = driver._due(leaf)
                            if driver._canceling is not None:
                                break
                        return PENDING
                    executor.budget -= 1  # D7
                    driver._leaf = None
                    if error is not None:
                        break
                    if executor.identity is not identity and identity is not None:
                        executor.assume(identity)  # what was polled inside had its own (D6)
                try:
                    yielded = driver._coro.send(value)
                except StopIteration as stop:
                    driver._state = ENDED
                    return stop.value
                except BaseException:
                    driver._state = ENDED
                    raise
                value = None
                if type(yielded) not in natives:
                    try:
                        yielded = driver._adopt(yielded, cx)
                    except (TypeError, UsageError) as exc:
                        error, leaf = exc, None
                        break
                driver._leaf = leaf = yielded
                driver._fresh, yielded = True, None  # as in `CoroutineFuture._drive`
            return _hand_over(driver, cx, error, False)
        finally:
            error = None  # which may refer to this frame
            seat.region = outer
            driver.outer = driver.cx = None
            if driver._state == RUNNING:
                driver._state = PARKED
            else:
                if executor.identity is not None:
                    _pass_on(executor, outer)
                driver._release()
    except NO_CANCELLATION as exc:
        drop_at(driver, exc)
        raise


def cancel_straight(driver: CoroutineFuture[Any], cx: Context, request: CancelRequest) -> Any:
    """Cancel a driver; the method ``poll_cancel`` of its class in plain Python.

    In one piece where the leaf needs no cleanup of its own, and the coroutine has opened no scope.
    """
    executor = cx.executor
    leaf: Any = driver._leaf
    if (
        executor is None
        or not executor.keeps
        or executor.budget <= 0
        or driver._state != PARKED
        or driver.attention
        or driver.company is not None
        or driver.scopes
        or leaf is None
        or type(leaf).poll_cancel is not _DROPS  # pyright: ignore[reportUnknownMemberType]
    ):
        return driver._poll_cancel(cx, request)
    driver.request = request
    driver.attention = True
    seat: Any = executor.seat
    identity = driver._identity
    driver._state = RUNNING
    driver.outer = outer = seat.region
    driver.cx = cx
    driver.waker = cx.waker
    seat.region = driver
    try:
        try:
            if executor.identity is not identity and identity is not None:
                executor.assume(identity)
            value = _cancel_leaf(driver, executor, request, cx)
        finally:
            seat.region = outer
            driver.outer = driver.cx = None
            if driver._state == RUNNING:
                driver._state = PARKED
            else:
                if executor.identity is not None:
                    _pass_on(executor, outer)
                driver._release()
    except NO_CANCELLATION as exc:
        drop_at(driver, exc)
        raise
    except BaseException as exc:
        strip(exc)
        return ended_by(exc, request)
    if value is not RAISED:
        return PENDING if value is PENDING else outcomes.completed(value)
    raised, driver._raised = driver._raised, None
    try:
        if type(raised) is Cancellation:
            if getrefcount(raised) != _ALONE:
                strip(raised)  # somebody has kept it; else it ends here, with its traceback
            return outcomes.canceled(request.reason, raised.also)
        if isinstance(raised, NO_CANCELLATION):
            raise raised
        strip(raised)
        return ended_by(raised, request)
    finally:
        del raised  # as in `CoroutineFuture.poll_cancel`


def _cancel_leaf(
    driver: CoroutineFuture[Any], executor: Executor, request: CancelRequest, cx: Context
) -> Any:
    """Cancel the leaf, and raise in the coroutine; as ``_drive`` does, and with its result."""
    leaf: Any = driver._leaf
    driver._fresh = False
    value: Any = None
    error: BaseException | None = None
    absorbed = False
    try:
        try:
            value = leaf.poll(cx)
            if value is PENDING:
                due = driver._due(leaf)
                if due is None:
                    return PENDING
                absorbed = due is request
                if absorbed:
                    leaf.drop()
                else:
                    driver._canceling = due
        except NO_CANCELLATION:
            raise
        except BaseException as exc:
            strip(exc)
            error, absorbed = exc, False
        if driver._canceling is not None:
            return driver._drive(cx, None, False)  # the host's world asks for something else
        if absorbed:
            value = None
            driver.mark_delivered(request)
            error = Cancellation(request.reason)
        executor.budget -= 1  # D7
        driver._leaf = None
        identity = driver._identity
        if executor.identity is not identity and identity is not None:
            executor.assume(identity)  # what was polled inside had its own (D6)
        try:
            yielded = driver._coro.send(value) if error is None else driver._coro.throw(error)
        except StopIteration as stop:
            driver._state = ENDED
            return stop.value
        except BaseException as exc:
            driver._state = ENDED
            driver._raised = exc
            return RAISED
        value = error = None
        try:
            known = type(yielded) in natives
            driver._leaf = yielded if known else driver._adopt(yielded, cx)
            driver._fresh, yielded = True, None  # as in `CoroutineFuture._drive`
        except (TypeError, UsageError) as exc:
            error = exc
        return driver._drive(cx, error, absorbed)
    finally:
        error = None  # whose traceback may refer to this frame


def _pass_on(executor: Executor, outer: Region | None) -> None:
    """Give the place of the ended one's identity to that of the coroutine which polls it.

    That one goes on next. To put back first what was there before all takes four calls more.
    """
    identity: Any = None
    if outer is not None and outer.cx is not None and outer.cx.executor is executor:
        identity = getattr(outer, "_identity", None)
    if identity is None:
        executor.resign()  # the ended one is nobody's any more
    else:
        executor.identity = identity
        put: Any = executor._put
        put(identity)


def _hand_over(
    driver: CoroutineFuture[Any], cx: Context, error: BaseException | None, absorbed: bool
) -> Any:
    """Let the driver's own methods go on with the step; as ``_poll`` does."""
    value: Any = driver._drive(cx, error, absorbed)
    if value is not RAISED:
        return value
    raised, driver._raised = driver._raised, None
    raise raised


def drop_at(driver: CoroutineFuture[Any], exc: BaseException) -> None:
    """Drop a driver that an interrupt has passed through (D8)."""
    try:
        driver.drop()
    except BaseException as other:
        attach(exc, other, "while it was dropped")

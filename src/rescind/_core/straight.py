"""`poll_straight`: in plain Python, the poll of a coroutine in a turn, in one piece.

*What it is.* What `CoroutineFuture._poll`, `_step` and `_drive` do where nothing is the matter: a
turn is under way, no cancellation was ever asked for, nothing is polled beside. Where something is,
it hands over to them, there and then. Each call of a function costs plain Python as much as ten
lines without one; in the compiled form it costs nothing, and this is not called.

*What it is not.* A second driver: it decides nothing about cancellation, budgets or what is
adopted. The invariants are those of `coroutine`.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .errors import UsageError
from .frames import strip
from .outcome import attach
from .poll import PENDING, natives

if TYPE_CHECKING:
    from .coroutine import CoroutineFuture
    from .executor import Executor
    from .poll import Context
    from .region import Region

__all__ = [
    "ENDED",
    "NEW",
    "NO_CANCELLATION",
    "PARKED",
    "RAISED",
    "RUNNING",
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
            return _hand_over(driver, cx, error)
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


def _hand_over(driver: CoroutineFuture[Any], cx: Context, error: BaseException | None) -> Any:
    """Let the driver's own methods go on with the step; as ``_poll`` does."""
    value: Any = driver._drive(cx, error)
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

"""The leaf for a bare ``yield``: asyncio's ``sleep(0)``, anyio's checkpoints (R32)."""

from __future__ import annotations

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.poll import PENDING, Context, Future, Pending, Waker, polled_after_end
from rescind._core.region import Region
from rescind._core.scope import pending_request
from rescind._host.identity import Identity

__all__ = ["Foreseen", "Tick"]


class Foreseen(Region):
    """Around what a foreign driver polls, when it has been canceled and will ask for that next."""

    __slots__ = ()


class Tick(Future[None]):
    """Parks until the host has looked for I/O; a spurious poll does not shorten it.

    Cancellation: safe.
    """

    __slots__ = ("_given", "_round", "_taken", "_waker")
    _native = True

    def __init__(self) -> None:
        self._taken = False
        self._given = False
        # Whom the executor wakes after the host had its turn; None before the first poll.
        self._waker: Waker | None = None
        # The executor's round in which it was asked for that.
        self._round = 0

    def poll(self, cx: Context) -> Pending | None:
        executor = cx.executor
        waker = self._waker
        if waker is None:
            self._waker = cx.waker
            if executor is None:
                cx.waker.wake()
            else:
                self._round = executor.rounds
                executor.defer(cx.waker)
            return PENDING
        if executor is not None and executor.rounds == self._round:
            if waker is not cx.waker:
                self._waker = cx.waker
                executor.defer(cx.waker)
            return PENDING
        if self._given:
            polled_after_end(self)
        seat = local.seat if executor is None else executor.seat or local.seat  #: compiled: pass
        region = seat.region  #: compiled: region = get_region()
        quiet, driver = False, region
        if isinstance(driver, CoroutineFuture):  #: compiled: if False:
            quiet = not (driver.attention or driver.outer)  # whatever is asked sets the first
        if not quiet and _is_canceled(region, self):
            return PENDING  # there is no value to lose, so a cancellation need not wait
        self._given = True
        return None

    def __repr__(self) -> str:
        return "yield to the host"


def _is_canceled(region: Region | None, leaf: Tick) -> bool:
    """Would a cancellation, ours or asyncio's, be delivered at once if ``leaf`` were pending?"""
    if not isinstance(region, CoroutineFuture):
        return isinstance(region, Foreseen)
    #: compiled: driver = region
    identity = region._identity  #: compiled: identity = driver._identity
    if isinstance(identity, Identity) and identity._must_cancel:
        return True
    attention = region.attention  #: compiled: attention = driver.attention
    outer = region.outer  #: compiled: outer = driver.outer
    return (attention or outer is not None) and pending_request(leaf) is not None

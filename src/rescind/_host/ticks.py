"""The leaf for a bare ``yield``: asyncio's ``sleep(0)``, anyio's checkpoints (R32)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.poll import (
    PENDING,
    Context,
    Future,
    NoopWaker,
    Pending,
    Waker,
    polled_after_end,
)
from rescind._core.region import Region
from rescind._core.scope import pending_request
from rescind._host.identity import Identity

if TYPE_CHECKING:
    from rescind._core.engine import Engine
    from rescind._host.driving import Rest

__all__ = ["Foreseen", "LoopTick", "Queue", "Tick"]

#: Whom a tick wakes that was waited for.
_GIVEN: Final = NoopWaker()


class Foreseen(Region):
    """Around what a foreign driver polls, when it has been canceled and will ask for that next."""

    __slots__ = ()


class Tick(Future[None]):
    """Parks until the host has looked for I/O; a spurious poll does not shorten it.

    Cancellation: safe.
    """

    __slots__ = ("_round", "_taken", "_waker")
    _native = True

    def __init__(self) -> None:
        self._taken = False
        # Whom the executor wakes after the host had its turn; None before the first poll, and
        # `_GIVEN` after the last.
        self._waker: Waker | None = None

    def poll(self, cx: Context) -> Pending | None:
        executor = cx.executor
        waker = self._waker
        if waker is None:
            self._waker = waker = cx.waker
            # The executor's round in which it was asked for that.
            self._round: int = 0 if executor is None else executor.rounds
            if executor is None:
                waker.wake()
            else:
                executor.defer(waker)
            return PENDING
        if executor is not None and executor.rounds == self._round:
            if waker is not cx.waker:
                self._waker = cx.waker
                executor.defer(cx.waker)
            return PENDING
        if waker is _GIVEN:
            polled_after_end(self)
        seat = local.seat if executor is None else executor.seat or local.seat  #: compiled: pass
        region = seat.region  #: compiled: region = get_region()
        quiet, driver = False, region
        if isinstance(driver, CoroutineFuture) and not driver.attention:  #: compiled: if False:
            # Whatever is asked of itself sets ``attention``.
            quiet = driver.outer is None or pending_request(self) is None
        if not quiet and _is_canceled(region, self):
            return PENDING  # there is no value to lose, so a cancellation need not wait
        self._waker = _GIVEN
        return None

    def __repr__(self) -> str:
        return "yield to the host"


class Queue:
    """An asyncio loop's own queue, as rescind's leaves stand in it.

    Attributes:
        loop: the loop.
        length: how many who yield stand there.
        calling: is one of our callbacks under way, which resumes what it wakes?
        rested: the parks of stock tasks that it has ended; they are resumed when it is done.
    """

    __slots__ = ("calling", "length", "loop", "rested")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.length = 0
        self.calling = False
        self.rested: list[Rest] = []

    def wake(self, executor: Engine, waker: Waker) -> None:
        """Wake, from a callback of the loop's, and let run at once whom that concerns."""
        if self.calling:  # somebody runs the loop within a callback
            executor.wake_directly(waker)
            return
        self.calling = True
        try:
            executor.wake_directly(waker)
        finally:
            self.calling = False
            if self.rested:
                self._resume()

    def _resume(self) -> None:
        rested, self.rested = self.rested, []
        for index, rest in enumerate(rested):
            try:
                rest.resume()
            except BaseException:  # Ctrl-C passes through the loop: the others later
                for other in rested[index + 1 :]:
                    other.call_soon()
                raise


class LoopTick(Tick):
    """The same, for what asyncio's code yields on its own loop: with a place in the loop's queue.

    So who yields runs after those that stood there before, and before those that came later, as a
    stock task does. Libraries whose locks and pools are tried out in that order waste no work
    in it: httpcore's pool looked at its connections a third more often where all who had yielded
    went on at once.
    """

    __slots__ = ("_cx", "_queue", "_told")

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self._queue = queue
        # Whom to wake; None before the first poll, and when nobody waits any more.
        self._cx: Context | None = None
        # Has the loop come to it?
        self._told = False

    def poll(self, cx: Context) -> Pending | None:
        if self._told:
            if self._waker is _GIVEN:
                polled_after_end(self)
            region = local.region  #: compiled: region = get_region()
            if _is_canceled(region, self):
                return PENDING  # as above
            self._waker = _GIVEN
            return None
        first = self._cx is None
        self._cx = cx
        if first:
            queue = self._queue
            queue.loop.call_soon(self)
            queue.length += 1
        return PENDING

    def drop(self) -> None:
        self._cx = None

    def __call__(self) -> None:
        """Note that the loop has come to it."""
        self._told = True
        self._queue.length -= 1
        cx = self._cx
        if cx is None:
            return
        executor = cx.executor
        if executor is None:
            cx.waker.wake()
        else:
            self._queue.wake(executor, cx.waker)


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

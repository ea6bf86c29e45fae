"""The leaf for a bare ``yield``: asyncio's ``sleep(0)``, anyio's checkpoints (R32)."""

from __future__ import annotations

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import Region, local
from rescind._core.poll import PENDING, Context, Future, NoopWaker, Pending, Waker, polled_after_end
from rescind._core.scope import pending_request
from rescind._host.identity import Identity

__all__ = ["Tick"]


class Tick(Future[None], Waker):
    """Parks until the host has looked for I/O; a spurious poll does not shorten it.

    Cancellation: safe.
    """

    __slots__ = ("_asked", "_fired", "_given", "_taken", "_waker")
    _native = True

    def __init__(self) -> None:
        self._taken = False
        self._asked = False
        self._fired = False
        self._given = False
        self._waker: Waker = NoopWaker()

    def poll(self, cx: Context) -> Pending | None:
        if self._fired:
            if self._given:
                polled_after_end(self)
            if _is_canceled(local.region, self):
                return PENDING  # there is no value to lose, so a cancellation need not wait
            self._given = True
            return None
        self._waker = cx.waker
        if not self._asked:
            self._asked = True
            if cx.executor is None:
                self.wake()
            else:
                cx.executor.defer(self)
        return PENDING

    def wake(self) -> None:
        """Note that the host had its turn."""
        self._fired = True
        self._waker.wake()

    def drop(self) -> None:
        self._waker = NoopWaker()

    def __repr__(self) -> str:
        return "yield to the host"


def _is_canceled(region: Region | None, leaf: Tick) -> bool:
    """Would a cancellation, ours or asyncio's, be delivered at once if ``leaf`` were pending?"""
    if not isinstance(region, CoroutineFuture):
        return False
    identity = region.identity
    if isinstance(identity, Identity) and identity.requested:
        return True
    concerned = region.attention or region.outer is not None
    return concerned and pending_request(leaf) is not None

"""What the tests of trio share."""

from collections.abc import Callable, Coroutine
from typing import Any

import trio
from trio.testing import MockClock

import rescind
from rescind.lowlevel import PENDING, Context, Pending, Waker

__all__ = ["Slow", "Woken", "after", "run"]

Main = Callable[[], Coroutine[Any, Any, Any]]


def run(main: Main) -> Any:
    """Run on a virtual clock: what is waited for comes at once."""
    return trio.run(main, clock=MockClock(autojump_threshold=0))


async def after(seconds: float, value: str) -> str:
    """Return ``value`` after so long."""
    await rescind.sleep(seconds)
    return value


class Slow:
    """Work whose cleanup takes time; notes what it was told."""

    def __init__(self, seconds: float = 5) -> None:
        self.seconds = seconds
        self.reason: rescind.CancelReason | None = None
        self.clean = False

    async def work(self) -> None:
        """Wait; when canceled, clean up with three parks."""
        try:
            await rescind.sleep(1000)
        except rescind.Cancellation as exc:
            self.reason = exc.reason.cause or exc.reason
            await rescind.yield_now()
            await rescind.sleep(self.seconds)
            await rescind.yield_now()
            self.clean = True
            raise


class Woken(rescind.lowlevel.Future[str]):
    """Ready when told; counts its polls, and gives its waker away: the driver's own."""

    _native = True

    def __init__(self) -> None:
        self.waker: Waker | None = None
        self.polls = 0
        self.value: str | Pending = PENDING

    def poll(self, cx: Context) -> str | Pending:
        self.waker = cx.waker
        self.polls += 1
        return self.value

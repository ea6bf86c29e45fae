"""The manual host waits for work that goes on outside, and does not jump past it."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

import rescind
from rescind import Deadlock, Runtime
from rescind.lowlevel import PENDING, Context, Executor, Future, ManualHost, Pending, Waker


class Outside(Future[str]):
    """A future that a thread completes, once the gate is open."""

    def __init__(self, gate: threading.Event) -> None:
        self.gate = gate
        self.ended = False
        self.waker: Waker | None = None
        self.executor: Executor | None = None
        self.thread = threading.Thread(target=self.work)

    def poll(self, cx: Context) -> str | Pending:
        if self.ended:
            self.thread.join()
            return "from outside"
        if self.waker is None:
            assert cx.executor is not None
            self.executor = cx.executor
            self.executor.outside += 1
            self.waker = cx.waker
            self.thread.start()
        return PENDING

    def work(self) -> None:
        self.gate.wait(60)
        assert self.executor is not None
        self.executor.post(self.end)

    def end(self) -> None:
        assert self.executor is not None
        assert self.waker is not None
        self.ended = True
        self.executor.outside -= 1
        self.waker.wake()


def test_work_outside_is_no_deadlock() -> None:
    """Nothing can run and no timer is set, but a thread will post: the host waits for it."""
    gate = threading.Event()
    threading.Timer(0.05, gate.set).start()

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(Outside(gate)) == "from outside"
        assert runtime.now() == 0


def test_deadlock_is_told_again_once_the_work_outside_has_ended() -> None:
    """The wait is for work that is under way, not for ever after."""
    gate = threading.Event()
    gate.set()

    async def main() -> None:
        await Outside(gate)
        await rescind.never()

    with Runtime(host=ManualHost(), grace=0) as runtime:
        with pytest.raises(Deadlock):
            runtime.block_on(main())


def test_clock_stands_still_while_work_goes_on_outside() -> None:
    """A timer of an hour does not fire before the work has ended; afterwards the clock jumps."""
    gate = threading.Event()
    threading.Timer(0.05, gate.set).start()
    log: list[Any] = []

    async def sleeper() -> None:
        await rescind.sleep(3600)
        log.append(("slept", rescind.now()))

    async def worker() -> None:
        log.append((await Outside(gate), rescind.now()))

    with Runtime(host=ManualHost()) as runtime:
        runtime.block_on(rescind.join(sleeper(), worker()))

    assert log == [("from outside", 0.0), ("slept", 3600.0)]


def test_timer_fires_after_as_much_real_time_although_the_work_goes_on() -> None:
    """A timeout around work that does not end comes, at the pace of a real clock."""
    gate = threading.Event()

    def timed(call: Callable[[], Any]) -> float:
        started = monotonic()
        call()
        return monotonic() - started

    async def main() -> None:
        task = rescind.spawn(Outside(gate))
        await rescind.sleep(0.05)
        await rescind.sleep(0.05)
        gate.set()
        assert await task == "from outside"

    with Runtime(host=ManualHost()) as runtime:
        seconds = timed(lambda: runtime.block_on(main()))
        assert runtime.now() == pytest.approx(0.1)

    assert seconds >= 0.1 - 1e-6

"""What other threads ask of a runtime that is just ending, or has ended."""

import sys
import threading
from typing import Any

import pytest

import rescind
from rescind import Canceled, Outcome, Runtime
from rescind._report import ShutdownReport
from rescind._shutdown import Shutdown
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Waker
from tests.conftest import HostFactory

SECONDS = 20.0


class Slow(Future[None]):
    """Takes its time when it is dropped, as a destructor that waits for another thread does."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.go = threading.Event()

    def poll(self, cx: Context) -> Any:
        raise AssertionError("it is never polled")

    def drop(self) -> None:
        self.closing.set()
        assert self.go.wait(SECONDS)


def test_a_thread_that_waits_for_what_the_shutdown_just_ends_is_told(
    host: HostFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that `stop` admits and drops: who asks for its end meanwhile is not forgotten."""
    runtime = host()
    runtime.block_on(rescind.yield_now())
    slow = Slow()
    tasks: list[Any] = []
    ended: list[Outcome[Any]] = []

    def spawn() -> None:
        tasks.append(runtime.spawn(slow))

    def wait() -> None:
        assert slow.closing.wait(SECONDS)
        spawning.join(SECONDS)
        handle = tasks[0].cancellation_handle()
        waiting = threading.Timer(0.05, slow.go.set)
        waiting.start()
        ended.append(handle.wait(SECONDS / 4))
        waiting.join()

    # Posted when the shutdown has looked for the last time, before it stops the executor.
    finish = Shutdown.finish

    def finish_later(shutdown: Shutdown) -> ShutdownReport:
        spawning.start()
        spawning.join(SECONDS)
        waiter.start()
        return finish(shutdown)

    spawning, waiter = threading.Thread(target=spawn), threading.Thread(target=wait)
    monkeypatch.setattr(Shutdown, "finish", finish_later)
    runtime.shutdown()
    waiter.join(SECONDS)

    assert [Canceled] == [type(outcome) for outcome in ended]


def test_nothing_is_kept_of_what_is_posted_after_the_end(host: HostFactory) -> None:
    """Wakers, handles and spawns of other threads: a closed runtime does not grow with them."""
    wakers: list[Waker] = []

    def park(cx: Context) -> Any:
        wakers.append(cx.waker)
        return PENDING

    runtime = host()
    task = runtime.spawn(rescind.poll_fn(park))
    runtime.block_on(rescind.yield_now())
    runtime.shutdown()
    before = sys.getrefcount(task)

    def late() -> None:
        for _ in range(10):
            wakers[0].wake()
            task.cancel("late")
            task.cancellation_handle().wait(SECONDS)
            assert runtime.spawn(rescind.ready(1)).done()
            runtime.executor.post(lambda: None)

    thread = threading.Thread(target=late)
    thread.start()
    thread.join(SECONDS)

    assert ([], set()) == (list(runtime.executor._inbox), runtime.executor._posted)
    assert before == sys.getrefcount(task)


def test_a_shutdown_that_is_interrupted_at_its_first_step_admits_nothing_more() -> None:
    """R24: an interrupt comes out of what other threads had asked for; a spawn is still refused."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    runtime = Runtime(host=ManualHost())
    runtime.block_on(rescind.yield_now())
    runtime.executor.post(interrupt)
    with pytest.raises(KeyboardInterrupt):
        Shutdown(runtime.executor, None).run()

    assert isinstance(runtime.spawn(rescind.ready(1)).outcome(), Canceled)
    runtime.shutdown()

"""Runs of trio's, and what of ours belongs to each: begun, served, ended with it."""

import gc
import subprocess
import sys
import threading
import weakref
from typing import Any

import anyio
import pytest
import trio
from trio.testing import MockClock

import rescind
from rescind.blocking import spawn_blocking
from rescind.sync import Event, channel
from tests.host.trio_kit import Slow, after, run


def test_what_serves_a_run_ends_with_it() -> None:
    """Nothing of it is left, run after run, though timers were set."""
    alive: list[weakref.ref[object]] = []

    async def main() -> None:
        with trio.move_on_after(1):
            await rescind.race(rescind.sleep(1000))
        token = rescind.CancellationToken().child(timeout=500)
        assert not token.canceled
        from rescind._host.bridge import executor_here

        executor = executor_here()
        assert executor is not None
        alive.append(weakref.ref(executor))

    for _ in range(3):
        run(main)
    gc.collect()
    assert [ref() for ref in alive] == [None, None, None]


def test_runs_in_several_threads_have_each_their_own() -> None:
    """A channel leads from one run to another."""
    sender, receiver = channel[int](1)
    got: list[int] = []

    async def send() -> None:
        for item in range(5):
            await sender.send(item)
        sender.close()

    async def receive() -> None:
        got.extend([item async for item in receiver])

    threads = [threading.Thread(target=trio.run, args=(main,)) for main in (send, receive)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [0, 1, 2, 3, 4]


@pytest.mark.leaks_threads("trio keeps the threads of its pool for ten seconds")
def test_trio_as_a_guest_of_asyncio() -> None:
    """Futures are awaited on both sides, each its own way, and meet in a channel."""
    import asyncio

    async def main() -> list[object]:
        sender, receiver = channel[str](1)
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        async def guest() -> str:
            await rescind.sleep(0.001)
            await sender.send("from trio")
            with trio.move_on_after(0.001) as scope:
                await rescind.race(rescind.sleep(50))
            return f"canceled: {scope.cancelled_caught}"

        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda outcome: done.set_result(outcome.unwrap()),
        )
        async with asyncio.timeout(10):
            received = await rescind.race(receiver.recv(), rescind.never())
            return [received, await done]

    assert asyncio.run(main()) == ["from trio", "canceled: True"]


@pytest.mark.leaks_threads("trio keeps the threads of its pool for ten seconds")
def test_a_guest_is_woken_by_its_hosts_own_code() -> None:
    """Which runs on the same thread, but in no task of trio's."""
    import asyncio

    async def main() -> str:
        event = Event()
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        async def guest() -> str:
            loop.call_later(0.005, event.set)
            await event.wait()
            return "woken"

        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda outcome: done.set_result(outcome.unwrap()),
        )
        async with asyncio.timeout(10):
            woken: str = await done
            return woken

    assert asyncio.run(main()) == "woken"


def test_a_run_in_a_thread_of_a_runtime() -> None:
    """It is nobody's but trio's."""

    async def inner() -> str:
        return await after(0.001, "inner")

    async def main() -> str:
        return await spawn_blocking(trio.run, inner)

    assert rescind.run(main) == "inner"


def test_a_spawned_task_is_canceled_and_cleans_up_when_the_run_ends() -> None:
    """It is ours, beside trio's tasks; the run waits for its cleanup."""
    slow = Slow()

    async def main() -> rescind.Task[None]:
        task = rescind.spawn(slow.work())
        assert await rescind.spawn(after(1, "done")) == "done"
        return task

    task = run(main)
    assert slow.reason is not None
    assert isinstance(task.outcome(), rescind.Canceled)
    assert (slow.clean, slow.reason.kind) == (True, rescind.CancelKind.SHUTDOWN)


def test_a_system_task_that_cleans_up_as_the_run_ends_is_waited_for() -> None:
    """Its timers are served, though the server is asked to end at the same time; and no longer."""
    slow = Slow(seconds=5)
    clock = MockClock(autojump_threshold=0)

    async def lasting() -> None:
        await rescind.race(slow.work())

    async def main() -> None:
        trio.lowlevel.spawn_system_task(lasting)
        await rescind.sleep(1)

    began = clock.current_time()
    trio.run(main, clock=clock)
    assert (slow.clean, clock.current_time() - began) == (True, 6.0)


def test_an_async_generator_that_was_left_open_may_await_as_the_run_ends() -> None:
    """When trio finalizes it, the system tasks have ended; it is served all the same."""
    seen: list[str] = []

    async def generate() -> Any:
        try:
            yield 1
        finally:
            with trio.CancelScope(shield=True):
                seen.append(await rescind.race(after(1, "cleaned up"), rescind.never()))

    kept: list[Any] = []

    async def main() -> None:
        kept.append(generate())
        await kept[0].__anext__()
        await rescind.sleep(1)

    run(main)
    assert seen == ["cleaned up"]


def test_blocking_work_is_done_in_threads_that_end_with_the_run() -> None:
    """The pool is the run's; the fixture of the suite sees whether a thread is left."""

    async def main() -> list[int]:
        return list(await rescind.join(spawn_blocking(int, "1"), spawn_blocking(int, "2")))

    assert trio.run(main) == [1, 2]


def test_a_task_group_outside_our_coroutines_is_refused() -> None:
    """A nursery is what a trio task has; in a branch of a combinator a group works."""

    async def branch() -> str:
        async with rescind.task_group() as group:
            task = group.spawn(after(1, "in a group"))
        return await task

    async def main() -> str:
        with pytest.raises(rescind.UsageError, match="coroutine that rescind drives"):
            async with rescind.task_group():
                pass
        return await rescind.race(branch())

    assert run(main) == "in a group"


def _in_asyncio(main: Any) -> Any:
    import asyncio

    return asyncio.run(main())


@pytest.mark.parametrize("drive", [run, _in_asyncio], ids=["trio", "asyncio"])
def test_no_reference_cycle_is_left_by_an_error_or_a_cancellation(drive: Any) -> None:
    """What the frames held is gone at once, without the collector."""

    class Held:
        pass

    async def failing(held: Held) -> None:
        await rescind.sleep(0.001)
        raise KeyError(held)

    async def canceled(held: Held) -> None:
        await rescind.sleep(100)
        raise KeyError(held)

    async def main() -> list[object]:
        held, other = Held(), Held()
        alive = [weakref.ref(held), weakref.ref(other)]
        try:
            await rescind.race(failing(held))
        except KeyError:
            pass
        if drive is run:
            with trio.move_on_after(1):
                await rescind.race(canceled(other))
        else:
            with anyio.move_on_after(0.001):
                await rescind.race(canceled(other))
        del held, other
        return [ref() for ref in alive]

    gc.collect()
    gc.disable()
    try:
        assert drive(main) == [None, None]
    finally:
        gc.enable()


def test_trio_is_not_imported_by_us() -> None:
    """Programs without it do not pay for it."""
    code = "import rescind, sys; rescind.run(rescind.sleep(0)); sys.exit('trio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_asyncio_run_inside_a_trio_task_is_asyncios() -> None:
    """Whose task is the innermost one drives: asyncio's, though trio has a current one, too."""
    import asyncio

    async def main() -> list[str]:
        inner = asyncio.run(after(0.001, "inner"))
        return [inner, await after(1, "outer")]

    assert run(main) == ["inner", "outer"]

"""The end of a runtime: the cases of tokio's `rt_*`, `task_blocking`, `task_local_set` and `task`.

What `test_runtime` has already is not repeated.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    Runtime,
    TaskCanceled,
    UsageError,
    current_runtime,
    never,
    ready,
    run,
    sleep,
    spawn,
    yield_now,
)
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Waker

from .support import Flag, by_hand, settle


def started(runtime: Runtime, *futures: Any) -> list[Any]:
    """Spawn these, and let them park."""
    tasks = [runtime.spawn(future) for future in futures]
    runtime.block_on(settle())
    return tasks


async def interrupting() -> None:
    """Panic, as far as that exists in Python."""
    raise KeyboardInterrupt


def test_shutdown_of_a_task_that_was_never_polled_destroys_it_now() -> None:
    """Tokio task.rs, create_shutdown1: the future is dropped, the handle reads canceled."""
    flag = Flag()
    runtime = Runtime(host=ManualHost())
    task = runtime.spawn(flag)
    runtime.shutdown(grace=0)
    assert (flag.polls, flag.drops, type(task.outcome())) == (0, 1, Canceled)


def test_shutdown_destroys_a_task_whose_handle_is_gone() -> None:
    """Tokio task.rs, create_shutdown2: with or without a joiner."""
    flag = Flag()
    runtime = Runtime(host=ManualHost())
    runtime.spawn(flag)
    gc.collect()
    runtime.shutdown(grace=0)
    assert (flag.polls, flag.drops) == (0, 1)


@pytest.mark.parametrize("grace", [0.0, 1.0])
def test_shutdown_ends_one_that_yields_for_ever(host: Any, grace: float) -> None:
    """Tokio task.rs, shutdown and shutdown_immediately: it has no say in it."""

    async def forever() -> None:
        while True:
            await yield_now()

    runtime = host()
    (task,) = started(runtime, forever())
    report = runtime.shutdown(grace=grace)
    assert (type(task.outcome()), report.overran) == (Canceled, ())


def test_destructor_that_spawns_is_harmless(host: Any) -> None:
    """Tokio task.rs, spawn_during_shutdown: the new one is destroyed too, and its own as well."""
    born: list[Any] = []

    class Spawns(Future[None]):
        def __init__(self, depth: int) -> None:
            self.depth = depth

        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            return PENDING

        def drop(self) -> None:
            if self.depth:
                born.append(spawn(Spawns(self.depth - 1)))

    runtime = host()
    started(runtime, Spawns(3))
    runtime.shutdown()
    assert [type(task.outcome()) for task in born] == [Canceled] * 3


def test_interrupt_of_a_task_leaves_a_runtime_that_can_be_shut_down(host: Any) -> None:
    """Tokio rt_basic and task_local_set, shutdown_on_panic: the rest is dropped in order."""
    flag = Flag()
    runtime = host()
    started(runtime, flag)
    runtime.spawn(interrupting())
    with pytest.raises(KeyboardInterrupt):
        runtime.block_on(never())
    report = runtime.shutdown()
    assert (flag.drops, report.canceled, runtime.tasks()) == (1, 2, [])


def test_wakes_in_a_destructor_after_an_interrupt_are_harmless(host: Any) -> None:
    """Tokio rt_basic, wake_in_drop_after_panic: one dies by it, and wakes another as it does."""
    other = Flag()

    class Wakes(Flag):
        def drop(self) -> None:
            other.nudge()
            super().drop()

    async def dies() -> None:
        try:
            await Wakes()
        finally:
            raise KeyboardInterrupt

    runtime = host()
    started(runtime, other, dies())
    with pytest.raises(KeyboardInterrupt):
        runtime.shutdown()
    assert (other.drops, runtime.tasks()) == (1, [])


def test_a_second_thread_cannot_block_on_a_runtime_that_ends(host: Any) -> None:
    """Tokio rt_basic, shutdown_all_concurrent_block_on: with us one thread runs it, by R-lock."""
    errors: list[str] = []

    def other() -> None:
        for call in (lambda: runtime.block_on(ready(1)), runtime.shutdown):
            with pytest.raises(UsageError) as caught:
                call()
            errors.append(str(caught.value))

    async def body() -> None:
        try:
            await never()
        finally:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(60)

    runtime = host()
    started(runtime, body())
    runtime.shutdown()
    assert ["another thread" in text for text in errors] == [True, True]


def test_shutdown_drops_each_future_before_it_returns(host: Any) -> None:
    """Tokio rt_common eagerly_drops_futures_on_shutdown, rt_threaded
    drop_threadpool_drops_futures.
    """
    flags = [Flag() for _ in range(10)]

    async def around(flag: Flag) -> None:
        await flag

    runtime = host()
    started(runtime, *(around(flag) for flag in flags))
    runtime.shutdown()
    assert [flag.drops for flag in flags] == [1] * 10


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_readiness_of_a_socket_while_it_shuts_down_wakes_nobody(name: Any) -> None:
    """Tokio rt_common, io_notify_while_shutting_down: data comes for those that are dying."""
    import socket

    resumed: list[bytes] = []

    async def reading(sock: socket.socket) -> None:
        resumed.append(await asyncio.get_running_loop().sock_recv(sock, 1))

    async def slow() -> None:
        try:
            await never()
        finally:
            for _, theirs in pairs:
                theirs.send(b"x")
            await sleep(0.01)

    for _ in range(10):
        pairs = [socket.socketpair() for _ in range(5)]
        for ours, _theirs in pairs:
            ours.setblocking(False)
        runtime = Runtime(host=name)
        started(runtime, slow(), *(reading(ours) for ours, _ in pairs))
        report = runtime.shutdown()
        for ours, theirs in pairs:
            ours.close()
            theirs.close()
        assert (report.clean, runtime.tasks()) == (True, [])
    # Those for which it came before their cancellation was delivered have it (R7); no other.
    assert set(resumed) <= {b"x"}


def test_shutdown_waits_no_longer_than_it_must(host: Any) -> None:
    """Tokio rt_common, shutdown_wakeup_time: a timer that is far away does not hold it up."""
    runtime = host()
    started(runtime, sleep(3600))
    began = runtime.now()
    runtime.shutdown(grace=1000.0)
    assert runtime.now() - began < 100


def test_runtime_in_thread_local_storage_ends_with_its_thread() -> None:
    """Tokio rt_common, runtime_in_thread_local: dropped when the thread is gone."""
    storage = threading.local()
    flag = Flag()

    def in_thread() -> None:
        storage.runtime = Runtime(host=ManualHost())
        started(storage.runtime, flag)

    with pytest.warns(ResourceWarning, match="never shut down"):  # noqa: PT031  # the thread warns
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        del thread
        gc.collect()
    assert flag.drops == 1


def test_waker_in_thread_local_storage_may_wake_after_the_end() -> None:
    """Tokio rt_common, wake_by_ref_from_thread_local: it wakes as its thread ends; nobody cares."""
    storage = threading.local()
    wakers: list[Waker] = []

    class WakesAtTheEnd:
        def __del__(self) -> None:
            wakers[0].wake()

    class Leaf(Future[None]):
        def poll(self, cx: Context) -> Any:
            wakers.append(cx.waker)
            return PENDING

    def in_thread() -> None:
        storage.last = WakesAtTheEnd()
        with Runtime(host=ManualHost()) as runtime:
            started(runtime, Leaf())

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert len(wakers) == 1


def test_ten_thousand_that_wake_each_other_as_they_are_dropped() -> None:
    """Tokio rt_common, shutdown_concurrent_spawn; rt_threaded, hang_on_shutdown: it ends."""
    many = 10_000
    drops: list[int] = []
    wakers: dict[int, Waker] = {}

    class Ring(Future[None]):
        def __init__(self, number: int) -> None:
            self.number = number

        def poll(self, cx: Context) -> Any:
            wakers[self.number] = cx.waker
            return PENDING

        def drop(self) -> None:
            drops.append(self.number)
            wakers[(self.number + 1) % many].wake()
            spawn(ready(None))

    runtime = Runtime(host=ManualHost())
    started(runtime, *(Ring(number) for number in range(many)))
    report = runtime.shutdown()
    assert (drops, report.canceled, runtime.tasks()) == (list(range(many)), many, [])


def test_wake_from_a_thread_during_the_shutdown_reaches_a_cleanup(host: Any) -> None:
    """Tokio rt_threaded, wake_during_shutdown: a cleanup that waits for a thread goes on."""
    done = Flag()
    trace: list[object] = []

    async def body() -> None:
        try:
            await never()
        finally:
            thread = threading.Thread(target=lambda: done.set(7))
            runtime.executor.outside += 1
            thread.start()
            trace.append(await done)
            runtime.executor.outside -= 1
            thread.join()

    runtime = host()
    started(runtime, body())
    runtime.shutdown()
    assert trace == [7]


def test_task_that_keeps_its_own_runtime_leaks_nothing() -> None:
    """Tokio rt_handle, reference cycle: the runtime, its task, and the runtime in the task."""
    dropped: list[str] = []

    async def body(kept: Runtime) -> None:
        try:
            await never()
        finally:
            dropped.append(kept.name)

    def make() -> None:
        runtime = Runtime(host=ManualHost(), name="kept")
        started(runtime, body(runtime))

    with pytest.warns(ResourceWarning, match="never shut down"):  # noqa: PT031  # both are one
        make()
        gc.collect()
    assert dropped == ["kept"]


def test_shutdown_in_async_code_says_why_not_and_may_be_had_at_once(host: Any) -> None:
    """Tokio task_blocking: a message where it would block; shutdown_background is allowed."""

    async def main() -> tuple[str, int]:
        inner = host()
        inner.spawn(never())
        with pytest.raises(UsageError) as caught:
            inner.shutdown()
        return str(caught.value), inner.shutdown(grace=0).canceled

    with host() as outer:
        text, canceled = outer.block_on(main())
    assert ("could not be waited for" in text, canceled) == (True, 1)


def test_leaf_of_a_runtime_that_is_gone_is_refused_by_another(host: Any) -> None:
    """Tokio rt_shutdown_err: a handle to what is gone gives an error or an outcome, no hang."""
    with host() as first:
        (task,) = started(first, never())

    async def main() -> Any:
        with pytest.raises(UsageError, match="another runtime"):
            await task.join()
        return task.outcome()

    with host() as second:
        assert isinstance(second.block_on(main()), Canceled)


def test_join_resolves_when_no_runtime_is_left(host: Any) -> None:
    """Tokio row "join after the runtime is gone": by method, from any thread, for ever the same."""
    with host() as runtime:
        good, bad, hung = started(runtime, ready(7), failing(), never())
    outcomes = [task.outcome() for task in (good, bad, hung)]
    again: list[Any] = []
    thread = threading.Thread(
        target=lambda: again.extend(
            task.cancellation_handle().wait(60) for task in (good, bad, hung)
        )
    )
    thread.start()
    thread.join()
    assert [type(one) for one in outcomes] == [Completed, Error, Canceled]
    assert again == outcomes
    with pytest.raises(TaskCanceled):
        hung.unwrap()


async def failing() -> None:
    """Fail."""
    raise ValueError


def test_tasks_that_threads_have_spawned_are_dropped_without_a_loop_for_ever() -> None:
    """Tokio task_local_set, drop_cancels_remote_tasks: what is queued from elsewhere, too."""
    born: list[Any] = []
    runtime = Runtime(host=ManualHost())

    def remote() -> None:
        born.extend(runtime.spawn(never()) for _ in range(100))

    thread = threading.Thread(target=remote)
    thread.start()
    thread.join()
    report = runtime.shutdown()
    assert (report.canceled, {type(task.outcome()) for task in born}) == (100, {Canceled})


def test_local_task_joined_elsewhere_is_told_of_the_end(host: Any) -> None:
    """Tokio task_local_set, join_local_future_elsewhere: a plain thread waits through the end."""
    got: list[Any] = []
    runtime = host()
    (task,) = started(runtime, never())
    handle = task.cancellation_handle()
    thread = threading.Thread(target=lambda: got.append(handle.wait(60)))
    thread.start()
    runtime.shutdown()
    thread.join()
    assert [one.reason.kind for one in got] == [CancelKind.SHUTDOWN]


def test_run_shuts_down_what_main_left_behind(host: Any) -> None:
    """Tokio ``#[tokio::main]``: when main returns, the tasks that it spawned are dropped."""
    seen: list[str] = []

    async def left() -> None:
        try:
            await never()
        finally:
            seen.append(current_runtime().name)

    async def main() -> int:
        spawn(left())
        await settle()
        return 7

    with by_hand():  # a runtime that is not run hinders no other
        assert run(main, host=host._host()) == 7
    assert len(seen) == 1

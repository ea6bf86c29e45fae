"""What tokio's own tests pin for blocking work and processes, one test each.

The files named are tokio's: ``tests/task_blocking.rs``, ``tests/process_kill_on_drop.rs``,
``src/runtime/tests/loom_blocking.rs``, ``tests/task_abort.rs``, ``tests/rt_common.rs``.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, Error, Runtime, TaskCanceled, UsageError
from rescind.blocking import block_on, open_process, spawn_blocking, thread_pool
from tests.blocking.kit import Gate, alive, noted, until
from tests.conftest import HostFactory


def test_task_blocking_basic_blocking(host: HostFactory) -> None:
    """``basic_blocking``: many, from tasks, give their values; the threads are shared."""

    def work() -> str:
        time.sleep(0.005)
        return "hello"

    async def one() -> str:
        return await spawn_blocking(work)

    async def main() -> tuple[str, ...]:
        return await rescind.join(*(rescind.spawn(one()) for _ in range(20)))

    with host() as runtime:
        assert runtime.block_on(main()) == ("hello",) * 20


def test_task_blocking_block_in_blocking(host: HostFactory) -> None:
    """``block_in_blocking``: a blocking function blocks on a future of its runtime."""

    async def main() -> int:
        return await spawn_blocking(lambda: block_on(rescind.ready(42)))

    with host() as runtime:
        assert runtime.block_on(main()) == 42


def test_task_blocking_block_in_block(host: HostFactory) -> None:
    """``block_in_block``: to block inside async code is refused; blocking functions nest."""

    async def nested() -> int:
        return await spawn_blocking(lambda: 42)

    async def main() -> int:
        with pytest.raises(UsageError):
            block_on(rescind.ready(1))
        return await spawn_blocking(lambda: block_on(nested()))

    with host() as runtime:
        assert runtime.block_on(main()) == 42


def test_task_blocking_panic_is_the_joiners(host: HostFactory) -> None:
    """A panic in the function is the join's error, and the thread serves the next."""

    async def main() -> list[Any]:
        thread_pool().limit = 1
        failed = await spawn_blocking(lambda: 1 / 0).join()
        return [type(failed.exception), await spawn_blocking(int)]  # type: ignore[union-attr]

    with host() as runtime:
        assert runtime.block_on(main()) == [ZeroDivisionError, 0]


def test_task_blocking_dropping_a_runtime_in_async_code_tells_what_is_wrong(
    host: HostFactory,
) -> None:
    """tokio: *Cannot drop a runtime in a context where blocking is not allowed*."""

    async def main() -> None:
        other = Runtime()
        other.spawn(rescind.sleep(0.01))
        with pytest.raises(UsageError, match="cannot be shut down here"):
            other.shutdown()
        await spawn_blocking(other.shutdown)

    with host() as runtime:
        runtime.block_on(main())


@pytest.mark.parametrize("inside", [False, True])
def test_task_blocking_can_shutdown_with_zero_timeout_in_runtime(
    inside: bool, host: HostFactory
) -> None:
    """A busy thread is left behind at once; without a wait, that may be done in async code too."""
    gate = Gate()
    other = Runtime()

    async def start() -> None:
        spawn_blocking(gate)
        await until(gate.begun.is_set)

    async def shut_down() -> Any:
        return other.shutdown(grace=0)

    other.block_on(start())
    with host() as runtime:
        report = runtime.block_on(shut_down()) if inside else other.shutdown(grace=0)
    held = gate.holds
    gate.open()

    assert held
    assert len(report.leftovers) == 1


def test_row_60_abort_stops_it_before_it_started_and_not_after(host: HostFactory) -> None:
    """``abort`` has no effect on blocking work that runs; queued work never starts."""
    running, queued = Gate("value"), Gate()

    async def main() -> list[Any]:
        thread_pool().limit = 1
        tasks = [spawn_blocking(running), spawn_blocking(queued)]
        await until(running.begun.is_set)
        for task in tasks:
            task.cancel()
        second = await tasks[1].join()
        assert not tasks[0].done()
        running.open()
        return [await tasks[0].join(), type(second), queued.runs]

    with host() as runtime:
        assert runtime.block_on(main()) == [Completed("value"), Canceled, 0]


def test_row_60_runtime_waits_for_it_but_not_for_ever(host: HostFactory) -> None:
    """Tokio's drop waits for ever; ``shutdown_timeout`` leaks the thread: ours is that, always."""
    gate = Gate()

    async def main() -> None:
        spawn_blocking(gate)
        await until(gate.begun.is_set)

    with host(grace=0.1) as runtime:
        runtime.block_on(main())
    held = gate.holds
    gate.open()

    assert held


@pytest.mark.parametrize("turns", range(20))
def test_loom_blocking_spawn_racing_shutdown_always_resolves(turns: int) -> None:
    """``racy_shutdown``: a call spawned by another thread ran, or is canceled; never neither."""
    ran: list[int] = []
    tasks: list[rescind.Task[Any]] = []
    runtime = Runtime(grace=5)

    async def call(number: int) -> None:
        await spawn_blocking(ran.append, number)

    def spawner() -> None:
        for number in range(30):
            tasks.append(runtime.spawn(call(number)))

    async def main() -> None:
        for _ in range(turns):
            await rescind.yield_now()

    thread = threading.Thread(target=spawner)
    thread.start()
    runtime.block_on(main())
    runtime.shutdown()
    thread.join(60)

    outcomes = [task.outcome() for task in tasks]
    assert len(outcomes) == 30
    assert all(
        isinstance(one, (Completed, Canceled))
        or (isinstance(one, Error) and isinstance(one.exception, TaskCanceled))
        for one in outcomes
    )
    assert sum(isinstance(one, Completed) for one in outcomes) <= len(ran)


def test_loom_blocking_mandatory_work_runs_even_while_shutting_down(host: HostFactory) -> None:
    """``spawn_mandatory_blocking``: here, a shielded call that has begun is waited for."""
    gate = Gate("flushed")
    values: list[Any] = []

    async def flush() -> None:
        task = spawn_blocking(gate)
        values.append(await rescind.shield(task))

    async def main() -> None:
        rescind.spawn(flush())
        await until(gate.begun.is_set)

    runtime = host(grace=20)
    runtime.block_on(main())
    threading.Timer(0.05, gate.open).start()
    runtime.shutdown()

    assert values == ["flushed"]


def test_rt_common_spawn_blocking_from_a_blocking_function(host: HostFactory) -> None:
    """``spawn_blocking`` inside one: through the runtime that it works for."""

    async def inner() -> str:
        return await spawn_blocking(lambda: "inner")

    async def main() -> str:
        return await spawn_blocking(lambda: block_on(inner()))

    with host() as runtime:
        assert runtime.block_on(main()) == "inner"


def test_rt_common_spawn_blocking_outside_a_runtime_is_refused() -> None:
    """*There is no reactor running*, tokio says."""
    with pytest.raises(UsageError, match="needs a running runtime"):
        spawn_blocking(int)


def test_process_kill_on_drop(tmp_path: Path, host: HostFactory) -> None:
    """``kill_on_drop``: a child whose handle goes out of scope is killed, with its own children.

    tokio kills the child alone, and its test shows that a grandchild lives on.
    """
    child, grandchild = tmp_path / "child", tmp_path / "grandchild"
    stay = 'echo $$ > "$0.tmp"; mv "$0.tmp" "$0"; while true; do sleep 1; done'

    async def main() -> None:
        async with open_process(["sh", "-c", f"sh -c '{stay}' {grandchild} & {stay}", str(child)]):
            await until(lambda: child.exists() and grandchild.exists())

    with host() as runtime:
        runtime.block_on(main())

    assert [alive(noted(path)) for path in (child, grandchild)] == [False, False]

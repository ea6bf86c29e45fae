"""The pool: how many threads, in which order, for how long."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, Runtime, UsageError
from rescind.blocking import ThreadPool, ThreadPoolStatistics, spawn_blocking, thread_pool
from rescind.lowlevel import ManualHost
from tests.blocking.kit import Gate, until
from tests.conftest import HostFactory


def test_at_most_limit_threads_run_in_order_of_submission(host: HostFactory) -> None:
    """First come, first served: the queue is a queue."""
    begun: list[int] = []
    gate = threading.Event()
    most: list[int] = []

    def work(number: int, pool: ThreadPool) -> None:
        begun.append(number)
        most.append(pool.statistics().threads)
        gate.wait(60)

    async def main() -> ThreadPoolStatistics:
        pool = thread_pool()
        pool.limit = 2
        tasks = [spawn_blocking(work, number, pool) for number in range(6)]
        await until(lambda: len(begun) == 2)
        waiting = pool.statistics()
        gate.set()
        await rescind.join(*tasks)
        return waiting

    with host() as runtime:
        waiting = runtime.block_on(main())

    assert waiting == ThreadPoolStatistics(threads=2, idle=0, queued=4, detached=0)
    assert (sorted(begun[:2]), sorted(begun), max(most)) == ([0, 1], list(range(6)), 2)


def test_single_thread_runs_jobs_strictly_in_order(host: HostFactory) -> None:
    """With one thread the order of the queue is the order of the runs."""
    ran: list[int] = []

    async def main() -> None:
        thread_pool().limit = 1
        await rescind.join(*(spawn_blocking(ran.append, number) for number in range(50)))

    with host() as runtime:
        runtime.block_on(main())

    assert ran == list(range(50))


def test_idle_thread_is_used_again(host: HostFactory) -> None:
    """One after the other needs one thread."""

    async def main() -> set[int]:
        idents: set[int] = set()
        for _ in range(20):
            idents.add(await spawn_blocking(threading.get_ident))
            await until(lambda: thread_pool().statistics().idle == 1)
        assert thread_pool().statistics().threads == 1
        return idents

    with host() as runtime:
        assert len(runtime.block_on(main())) == 1


def test_idle_thread_is_promised_to_one_call_alone(host: HostFactory) -> None:
    """Two calls come at once, and one thread is idle: the other call gets a new one."""
    gates = [Gate(), Gate()]

    async def main() -> None:
        await spawn_blocking(int)
        await until(lambda: thread_pool().statistics().idle == 1)
        tasks = [spawn_blocking(gate) for gate in gates]
        await until(lambda: all(gate.begun.is_set() for gate in gates))
        for gate in gates:
            gate.open()
        await rescind.join(*tasks)

    with host() as runtime:
        runtime.block_on(main())


def test_idle_thread_ends_after_a_while() -> None:
    """And another is started when there is work again."""

    async def main() -> None:
        pool = ThreadPool(idle=0.01)
        assert await spawn_blocking(int, pool=pool) == 0
        await until(lambda: pool.statistics().threads == 0)
        assert await spawn_blocking(int, "3", pool=pool) == 3

    with Runtime() as runtime:
        runtime.block_on(main())


def test_no_thread_is_started_before_there_is_work() -> None:
    """A pool by itself costs nothing."""
    before = threading.active_count()
    pool = ThreadPool(3)
    assert (threading.active_count(), repr(pool)) == (
        before,
        "<ThreadPool 'blocking', 0 of 3 threads>",
    )


def test_limit_can_be_raised_while_calls_wait(host: HostFactory) -> None:
    """The calls that wait get their threads at once."""
    gates = [Gate() for _ in range(3)]

    async def main() -> None:
        pool = thread_pool()
        pool.limit = 1
        tasks = [spawn_blocking(gate) for gate in gates]
        await until(lambda: pool.statistics().queued == 2)
        pool.limit = 3
        await until(lambda: all(gate.begun.is_set() for gate in gates))
        for gate in gates:
            gate.open()
        await rescind.join(*tasks)

    with host() as runtime:
        runtime.block_on(main())


def test_limit_can_be_lowered_and_surplus_threads_end(host: HostFactory) -> None:
    """The idle ones at once, the busy ones with their work."""
    gates = [Gate() for _ in range(3)]

    async def main() -> None:
        pool = thread_pool()
        tasks = [spawn_blocking(gate) for gate in gates]
        await until(lambda: all(gate.begun.is_set() for gate in gates))
        gates[0].open()
        await until(lambda: pool.statistics().idle == 1)
        pool.limit = 1
        await until(lambda: pool.statistics().threads == 2)
        for gate in gates:
            gate.open()
        await rescind.join(*tasks)
        await until(lambda: pool.statistics().threads == 1)
        assert await spawn_blocking(int) == 0

    with host() as runtime:
        runtime.block_on(main())


def test_detached_call_keeps_its_place(host: HostFactory) -> None:
    """The bound is a bound: what nobody waits for is still a thread."""
    stuck, waiting = Gate(), Gate()
    waiting.open()

    async def main() -> None:
        pool = thread_pool()
        pool.limit = 1
        first = spawn_blocking(stuck, on_overrun="detach")
        await until(stuck.begun.is_set)
        await first.cancel()
        second = spawn_blocking(waiting)
        await rescind.yield_now()
        assert pool.statistics() == ThreadPoolStatistics(1, 0, queued=1, detached=1)
        assert waiting.runs == 0
        stuck.open()
        assert await second == "through"

    with host() as runtime:
        runtime.block_on(main())


def test_pool_of_ones_own_has_a_limit_of_its_own(host: HostFactory) -> None:
    """What waits there does not wait in the runtime's pool; it ends with the runtime."""
    gate = Gate()
    pool = ThreadPool(1, name="database")

    async def main() -> list[Any]:
        task = spawn_blocking(gate, pool=pool)
        await until(gate.begun.is_set)
        queued = spawn_blocking(lambda: threading.current_thread().name, pool=pool)
        other = await spawn_blocking(int)
        assert not queued.done()
        gate.open()
        await task
        return [other, await queued]

    with host() as runtime:
        assert runtime.block_on(main()) == [0, "database-1"]

    assert repr(pool) == "<ThreadPool 'database', closed>"


def test_pool_belongs_to_one_runtime() -> None:
    """Another one is refused, also after the end of the first."""
    pool = ThreadPool(name="database")

    async def main() -> int:
        return await spawn_blocking(int, pool=pool)

    with Runtime(name="one") as runtime:
        runtime.block_on(main())
    with Runtime(name="two") as runtime:
        with pytest.raises(UsageError, match=r"belongs to the runtime 'one'.*by 'two'"):
            runtime.block_on(main())


def test_own_pool_is_never_taken_for_the_runtimes() -> None:
    """The runtime's is another, also if it is made later."""

    async def main() -> None:
        pool = ThreadPool()
        await spawn_blocking(int, pool=pool)
        assert thread_pool() is not pool
        assert thread_pool() is thread_pool()

    with Runtime() as runtime:
        runtime.block_on(main())


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"limit": 0}, ValueError, "at least 1 thread, not 0"),
        ({"limit": True}, TypeError, "a number of threads, not True"),
        ({"limit": 1.5}, TypeError, "a number of threads, not 1.5"),
        ({"idle": -1}, ValueError, "-1"),
        ({"idle": float("nan")}, ValueError, "nan"),
    ],
)
def test_bad_options_are_refused(options: Any, kind: type[Exception], text: str) -> None:
    """With the offending value."""
    with pytest.raises(kind, match=text):
        ThreadPool(**options)


def test_limit_is_checked_when_it_is_set() -> None:
    """As when the pool is made."""
    pool = ThreadPool()
    with pytest.raises(ValueError, match="not -3"):
        pool.limit = -3


def test_idle_for_ever_is_allowed() -> None:
    """The thread then ends with the runtime."""

    async def main() -> int:
        return await spawn_blocking(int, pool=ThreadPool(idle=float("inf")))

    with Runtime() as runtime:
        assert runtime.block_on(main()) == 0


def test_system_that_refuses_a_thread_fails_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is an error, not a hang; with a thread at hand, it waits for that."""
    start = threading.Thread.start

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> list[Any]:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        failed = await spawn_blocking(int).join()
        monkeypatch.setattr(threading.Thread, "start", start)
        gate = Gate()
        running = spawn_blocking(gate)
        await until(gate.begun.is_set)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        queued = spawn_blocking(int)
        await rescind.yield_now()
        gate.open()
        return [failed, await running, await queued]

    with Runtime() as runtime:
        failed, *values = runtime.block_on(main())

    assert values == ["through", 0]
    assert isinstance(failed, rescind.Error)
    assert "could start no thread" in str(failed.exception)


def test_many_calls_from_many_tasks_all_run_once(host: HostFactory) -> None:
    """Each value arrives once, whatever the threads do."""
    ran: list[int] = []

    def work(number: int) -> int:
        ran.append(number)
        return number

    async def main() -> list[int]:
        thread_pool().limit = 5
        return list(await rescind.join(*(spawn_blocking(work, number) for number in range(500))))

    with host() as runtime:
        assert runtime.block_on(main()) == list(range(500))

    assert sorted(ran) == list(range(500))


def test_submissions_race_with_idle_threads_that_end() -> None:
    """A thread whose time is over when work comes takes it, or leaves it; none is lost."""

    async def main() -> None:
        pool = ThreadPool(2, idle=0.0)
        for number in range(500):
            assert await spawn_blocking(int, number, pool=pool) == number

    with Runtime() as runtime:
        runtime.block_on(main())


def test_cancel_races_with_the_start(host: HostFactory) -> None:
    """Each call either never ran, or its value was delivered: never both, never neither."""
    ran: list[int] = []

    def work(number: int) -> int:
        ran.append(number)
        return number

    async def main() -> list[Any]:
        thread_pool().limit = 2
        tasks = [spawn_blocking(work, number) for number in range(300)]
        await rescind.yield_now()
        for task in tasks:
            task.cancel("race")
        return [await task.join() for task in tasks]

    with host() as runtime:
        outcomes = runtime.block_on(main())

    completed = [outcome.value for outcome in outcomes if isinstance(outcome, Completed)]
    assert completed == sorted(ran)
    assert all(isinstance(one, (Completed, Canceled)) for one in outcomes)
    assert not any(one.dropped for one in outcomes if isinstance(one, Canceled))


def test_virtual_clock_stands_still_while_a_function_runs() -> None:
    """However long it takes: a timeout around it does not fire because the clock jumped."""
    gate = Gate()

    async def main() -> tuple[object, float]:
        task = spawn_blocking(gate)
        await until(gate.begun.is_set)
        threading.Timer(0.05, gate.open).start()
        return await rescind.timeout(task, 3600), rescind.now()

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == ("through", 0.0)


def test_virtual_clock_jumps_past_detached_functions() -> None:
    """Nobody waits for them, so nothing of theirs will happen."""
    gate = Gate()

    async def main() -> float:
        task = spawn_blocking(gate, on_overrun="detach")
        await until(gate.begun.is_set)
        await task.cancel()
        await rescind.sleep(3600)
        gate.open()
        return rescind.now()

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == 3600

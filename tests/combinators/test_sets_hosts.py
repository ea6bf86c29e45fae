"""The dynamic sets over every host, among asyncio's libraries, and in plain asyncio programs."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    FutureSet,
    UsageError,
    concurrently,
    never,
    select,
    sleep,
)
from rescind._host.bridge import executor_here
from rescind.sync import Event
from tests.combinators.kit import Ledger
from tests.conftest import HostFactory

TICK = 0.002


def run(host: HostFactory, main: Callable[[], Awaitable[Any]]) -> Any:
    """Run on this host; nothing may be left."""
    with host() as runtime:
        value = runtime.block_on(main())
        assert runtime.tasks() == []
        return value


async def crawl(ledger: Ledger) -> Any:
    """Use all three."""
    seen: list[Any] = []
    # One begins to sleep when the one before has been seen: their order is no matter of time.
    after = {1: 3, 3: 2}
    gates = {n: Event() for n in (1, 2, 3)}
    gates[1].set()

    async def work(n: int) -> Any:
        await gates[n].wait()
        return await ledger.work(str(n), TICK, n, cleanup=TICK)

    async with FutureSet[Any, Any](limit=2) as s:
        for n in (3, 1, 2):
            s.add(work(n), n)
        async for key, _ in s:
            seen.append(key)
            if key in after:
                gates[after[key]].set()
            async with select(ledger.work("x", TICK), y=ledger.work("y", 60)) as branches:
                seen.append((await branches.first())[0])
        s.add(ledger.work("late", 60, cleanup=TICK))

    async def source() -> AsyncIterator[int]:
        with ledger.entry("source"):
            for n in (2, 1):
                await sleep(0)
                yield n

    async with concurrently(
        lambda n: ledger.work("c", n * TICK, n), source(), limit=2, ordered=True
    ) as results:
        seen += [r async for r in results]
    return seen


EXPECTED = [1, 0, 3, 0, 2, 0, 2, 1]


def test_the_same_on_every_host(host: HostFactory) -> None:
    """Sets with limits, selects in handlers, an async source: same result, nothing left."""
    ledger = Ledger()
    assert (EXPECTED, []) == (run(host, lambda: crawl(ledger)), ledger.open)


def test_members_have_identities_of_their_own(host: HostFactory) -> None:
    """`asyncio.timeout` in one member concerns it alone (R18, R28)."""
    if host.name == "manual":
        pytest.skip("asyncio needs a loop")

    async def times_out() -> str:
        try:
            async with asyncio.timeout(TICK):
                await asyncio.sleep(60)
        except TimeoutError:
            return "timed out"
        return "unreachable"

    async def sleeps() -> str:
        await asyncio.sleep(5 * TICK)
        return "slept"

    async def tells() -> int:
        before = asyncio.current_task()
        await sleep(0)
        assert before is asyncio.current_task()
        return id(before)

    async def main() -> Any:
        own = asyncio.current_task()
        async with FutureSet[Any, Any]() as s:
            for key, member in (("t", times_out()), ("s", sleeps()), (1, tells()), (2, tells())):
                s.add(member, key)
            await asyncio.sleep(10 * TICK)
            assert asyncio.current_task() is own
            found = {key: outcome.unwrap() async for key, outcome in s}
        return found["t"], found["s"], len({id(own), found[1], found[2]})

    assert ("timed out", "slept", 3) == run(host, main)


def test_members_have_context_variables_of_their_own(host: HostFactory) -> None:
    """A copy of those of whoever adds, as they are then."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def member(name: str) -> tuple[str, str]:
        inherited = variable.get()
        variable.set(name)
        await sleep(0)
        return inherited, variable.get()

    async def main() -> Any:
        variable.set("before")
        async with FutureSet[str, Any]() as s:
            s.add(member("a"), "a")
            variable.set("after")
            s.add(member("b"), "b")
            found = {key: outcome.unwrap() async for key, outcome in s}
            return found, variable.get()

    assert ({"a": ("before", "a"), "b": ("after", "b")}, "after") == run(host, main)


def test_asyncios_timeout_around_the_block_drains_it(host: HostFactory) -> None:
    """One channel of its own: the body is canceled by it, once, and the members are drained."""
    if host.name == "manual":
        pytest.skip("asyncio needs a loop")
    ledger = Ledger()

    async def main() -> Any:
        try:
            async with asyncio.timeout(5 * TICK):
                async with FutureSet[Any, Any]() as s:
                    s.add(ledger.work("a", 60, cleanup=5 * TICK))
                    s.add(ledger.work("b", 60, cleanup=TICK))
                    await s.next()
        except TimeoutError:
            return ledger.events
        return None

    assert ["+a", "+b", "-b", "-a"] == run(host, main)


def test_another_thread_is_refused(host: HostFactory) -> None:
    """The set belongs to its runtime's thread; what it was given is dropped."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            found: list[str] = []

            def elsewhere() -> None:
                with pytest.raises(UsageError, match="another thread") as caught:
                    s.add(never())
                found.append(str(caught.value))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            return len(found), len(s)

    assert (1, 0) == run(host, main)


# -- in plain asyncio ------------------------------------------------------------------------------


def in_asyncio(main: Callable[[], Any]) -> Any:
    """Run a plain asyncio program; no task and no cycle may be left."""

    async def outer() -> Any:
        value = await main()
        await asyncio.sleep(0)
        executor = executor_here()
        assert executor is not None
        assert (1, {}) == (len(asyncio.all_tasks()), executor.tasks)
        return value

    value = asyncio.run(outer())
    gc.collect()
    return value


def test_all_three_work_in_plain_asyncio() -> None:
    """Without a runtime, a task of ours on the same loop drives them (R31)."""
    ledger = Ledger()
    assert (EXPECTED, []) == (in_asyncio(lambda: crawl(ledger)), ledger.open)


def test_in_asyncio_members_run_while_the_body_awaits() -> None:
    """Also while the body awaits something of asyncio's."""

    async def main() -> Any:
        async with FutureSet[Any, Any]() as s:
            s.add(Ledger().work("a", TICK, "a"))
            s.add(never())
            for _ in range(1000):
                if s.statistics().unfetched:
                    break
                await asyncio.sleep(TICK)
            return s.next_nowait(), repr(s)

    expected = ((0, Completed("a")), "<FutureSet of 1, 1 of them not ended>")
    assert expected == in_asyncio(main)


def test_in_asyncio_the_task_that_drives_ends_with_the_block() -> None:
    """The statement after the block finds it gone; it was there inside."""

    async def main() -> Any:
        executor = executor_here()
        assert executor is not None
        async with FutureSet[Any, Any]():
            inside = [task.name for task in executor.tasks.values()]
        return inside, dict(executor.tasks)

    assert (["FutureSet"], {}) == in_asyncio(main)


@pytest.mark.parametrize("where", ["next", "body", "drain"])
def test_a_cancellation_by_asyncio_drains(where: str) -> None:
    """Canceled in a fetch, in the body's own await, in the drain itself: everything is drained."""
    ledger = Ledger()

    async def main() -> Any:
        entered = asyncio.Event()

        async def body() -> None:
            async with FutureSet[Any, Any]() as s:
                s.add(ledger.work("a", 60, cleanup=2 * TICK))
                await asyncio.sleep(TICK)
                entered.set()
                if where == "next":
                    await s.next()
                elif where == "body":
                    await asyncio.sleep(60)
            ledger.events.append("left")

        task = asyncio.create_task(body())
        await entered.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert (True, ["+a", "-a"]) == (in_asyncio(main), ledger.events)


def test_in_asyncio_a_timeout_around_a_fetch_loses_nothing() -> None:
    """`asyncio.timeout` around `next` leaves the outcome in the set (R7)."""

    async def main() -> Any:
        go = asyncio.Event()

        async def member() -> str:
            await go.wait()
            return "a"

        async with FutureSet[Any, Any]() as s:
            s.add(member())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(TICK):
                    await s.next()
            go.set()
            return await s.next()

    assert (0, Completed("a")) == in_asyncio(main)


def test_in_asyncio_concurrently_without_a_block() -> None:
    """A failure is raised after the drain; a cancellation drains; a break drops."""
    log: list[Any] = []

    async def work(n: int) -> int:
        try:
            await sleep(n * TICK)
        finally:
            log.append(n)
        if n == 3:
            raise ValueError(n)
        return n

    async def loop(*items: int, stop: int | None = None) -> list[int]:
        got: list[int] = []
        async for r in concurrently(work, items, limit=3):
            got.append(r)
            if r == stop:
                break
        return got

    async def main() -> Any:
        found: list[Any] = [await loop(2, 1)]
        with pytest.raises(ValueError, match="3"):
            await loop(1, 3, 30_000)
        found.append(await loop(1, 20_000, stop=1))
        task = asyncio.create_task(loop(1, 40_000))
        await asyncio.sleep(4 * TICK)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(TICK)
        return found

    assert [[1, 2], [1]] == in_asyncio(main)
    assert [1, 2, 1, 3, 30_000, 1, 20_000, 1, 40_000] == log


@pytest.mark.parametrize("where", ["thread", "closed loop"])
def test_an_iterator_that_is_collected_elsewhere_drops_its_calls(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In another thread, or when the loop has gone: the calls are dropped, nothing is logged."""
    log: list[Any] = []
    kept: list[Any] = []

    async def work(n: int) -> int:
        try:
            await sleep(n)
        finally:
            log.append((n, threading.current_thread() is threading.main_thread()))
        return n

    async def source() -> AsyncIterator[int]:
        for n in (0, 60, 70):
            yield n

    async def main() -> None:
        kept.append(concurrently(work, source(), limit=2))
        await anext(kept[0])
        if where == "thread":
            thread = threading.Thread(target=kept.clear)
            thread.start()
            thread.join()
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(main())
    kept.clear()
    gc.collect()
    assert ([(0, True), (60, True)], []) == (log[:2], caplog.records)


def test_in_asyncio_a_closed_coroutine_drops_its_members() -> None:
    """The coroutine is closed when its loop has gone: members are dropped, nothing is raised."""
    log: list[str] = []

    async def member() -> None:
        try:
            await never()
        finally:
            log.append("dropped")

    async def body() -> None:
        async with FutureSet[Any, Any]() as s:
            s.add(member())
            await asyncio.sleep(60)

    async def main() -> Any:
        coro = body()
        loop = asyncio.get_running_loop()
        task = loop.create_task(coro)
        await asyncio.sleep(2 * TICK)
        return task, coro

    loop = asyncio.new_event_loop()
    task, coro = loop.run_until_complete(main())
    loop.close()
    coro.close()
    task._log_destroy_pending = False
    assert ["dropped"] == log


def test_an_eager_asyncio_task_inside_a_runtime_has_a_pump() -> None:
    """A stock task that runs inside a poll of ours is not the coroutine that is being polled."""

    async def main() -> Any:
        async def stock() -> Any:
            async with FutureSet[Any, Any]() as s:
                s.add(Ledger().work("a", TICK, "a"))
                return [item async for item in s]

        return await asyncio.get_running_loop().create_task(stock())

    assert [(0, Completed("a"))] == rescind.run(main())


def test_the_runtimes_shutdown_reaches_members_of_stock_tasks() -> None:
    """Those that a stock task opened are canceled with the runtime's tasks, and drained (R24)."""
    ledger = Ledger()
    found: list[Any] = []

    async def main() -> None:
        async def stock() -> None:
            async with FutureSet[Any, Any]() as s:
                s.add(ledger.work("a", 60, cleanup=TICK))
                item = await s.next()
                assert item is not None
                found.append(item[1])
                found.append(await s.next())
                with pytest.raises(UsageError, match="shutdown"):
                    s.add(never())

        async with rescind.Runtime.attach():
            task = asyncio.create_task(stock())
            await asyncio.sleep(2 * TICK)
        await task

    asyncio.run(main())
    outcome, empty = found
    assert isinstance(outcome, Canceled)
    assert (None, []) == (empty, ledger.open)
    assert CancelKind.SHUTDOWN in [link.kind for link in outcome.reason.chain()]


def test_an_error_of_a_member_reaches_asyncio_code() -> None:
    """As an outcome, with the exception itself."""
    boom = ValueError("boom")

    async def main() -> Any:
        async with select(a=Ledger().work("a", TICK, boom)) as s:
            return await s.first()

    assert ("a", Error(boom)) == in_asyncio(main)

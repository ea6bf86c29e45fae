"""`RwLock`: many that read or one that writes, in order of arrival; nobody is starved."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rescind import (
    Canceled,
    Completed,
    UsageError,
    WouldBlock,
    current_task,
    join,
    never,
    sleep,
    spawn,
    yield_now,
)
from rescind.lowlevel import PENDING
from rescind.sync import RwLock, RwLockStatistics
from rescind.testing import poll_once, run_virtual
from tests.conftest import HostFactory
from tests.sync.kit import Party, Victim, in_threads, parked, sweep, value, wakes

# -- by hand ---------------------------------------------------------------------------------------


def test_many_read_at_once() -> None:
    """Readers do not wait for each other."""
    lock = RwLock()
    outcomes = [Party(lock.acquire_read()).poll() for _ in range(3)]

    assert ([Completed(None)] * 3, 3) == (outcomes, lock.statistics().readers)


@pytest.mark.parametrize("first", ["read", "write"])
def test_one_writes_alone(first: str) -> None:
    """K1: a writer waits for whoever is inside, and others wait for the writer."""
    lock = RwLock()
    getattr(lock, f"acquire_{first}_nowait")()
    (writer,) = parked(lock.acquire_write())
    (reader,) = parked(lock.acquire_read())
    getattr(lock, f"release_{first}")()

    assert (Completed(None), PENDING) == (writer.poll(), reader.poll())
    lock.release_write()
    assert Completed(None) == reader.poll()


def test_queued_writer_holds_back_later_readers() -> None:
    """K2: else readers that come and go would starve it."""
    lock = RwLock()
    lock.acquire_read_nowait()
    writer, reader = parked(lock.acquire_write(), lock.acquire_read())
    with pytest.raises(WouldBlock):
        lock.acquire_read_nowait()
    lock.release_read()

    assert ([1, 0], Completed(None)) == (wakes([writer, reader]), writer.poll())


def test_readers_at_the_head_are_let_in_together() -> None:
    """K3: up to the next writer."""
    lock = RwLock()
    lock.acquire_write_nowait()
    parties = parked(
        lock.acquire_read(), lock.acquire_read(), lock.acquire_write(), lock.acquire_read()
    )
    lock.release_write()
    assert [1, 1, 0, 0] == wakes(parties)
    lock.release_read()
    assert [1, 1, 0, 0] == wakes(parties)
    lock.release_read()
    assert [1, 1, 1, 0] == wakes(parties)
    lock.release_write()
    assert [1, 1, 1, 1] == wakes(parties)


@pytest.mark.parametrize("end", ["cancel", "drop"])
def test_queued_writer_that_leaves_lets_the_readers_behind_it_through(end: str) -> None:
    """K4: while another reads."""
    lock = RwLock()
    lock.acquire_read_nowait()
    writer, reader, other = parked(lock.acquire_write(), lock.acquire_read(), lock.acquire_read())
    outcome = getattr(writer, end)()

    assert outcome is None or isinstance(outcome, Canceled)
    assert [Completed(None)] * 2 == [reader.poll(), other.poll()]
    assert 3 == lock.statistics().readers


@pytest.mark.parametrize("form", ["read", "write"])
def test_drop_after_being_let_in_lets_the_next_in(form: str) -> None:
    """O1: it was inside, and never saw it."""
    lock = RwLock()
    lock.acquire_write_nowait()
    first, writer = parked(getattr(lock, f"acquire_{form}")(), lock.acquire_write())
    lock.release_write()
    first.drop()

    assert (1, Completed(None)) == (writer.wakes, writer.poll())


@pytest.mark.parametrize("form", ["read", "write"])
def test_cancel_after_being_let_in_delivers_it(form: str) -> None:
    """R7: it is inside."""
    lock = RwLock()
    lock.acquire_write_nowait()
    first, writer = parked(getattr(lock, f"acquire_{form}")(), lock.acquire_write())
    lock.release_write()

    assert (Completed(None), PENDING) == (first.cancel(), writer.poll())
    getattr(lock, f"release_{form}")()
    assert Completed(None) == writer.poll()


def test_acquire_does_nothing_before_it_is_polled() -> None:
    """Futures are lazy, and so are blocks."""
    lock = RwLock()
    lock.acquire_write().drop()
    lock.write().__aenter__().drop()
    assert not lock.locked()


def test_nowait_takes_it_or_says_who_is_inside() -> None:
    """The message tells the state, and what waits."""
    lock = RwLock(name="table")
    lock.acquire_read_nowait()
    with pytest.raises(WouldBlock, match=r"<RwLock 'table', read by 1> cannot be had at once; 'aw"):
        lock.acquire_write_nowait()
    lock.release_read()
    lock.acquire_write_nowait()
    with pytest.raises(WouldBlock, match=r"written by code outside .*acquire_read\(\)'"):
        lock.acquire_read_nowait()


def test_releasing_what_one_does_not_hold_is_refused() -> None:
    """Each form for itself."""
    lock = RwLock()
    for release, words in (
        (lock.release_read, "code outside every task cannot stop reading <RwLock, free>"),
        (lock.release_write, "cannot stop writing .*: it does not write"),
        (lock.downgrade, "cannot downgrade .*: it does not write"),
    ):
        with pytest.raises(UsageError, match=words):
            release()
    lock.acquire_read_nowait()
    with pytest.raises(UsageError):
        lock.release_write()
    lock.release_read()
    lock.acquire_write_nowait()
    with pytest.raises(UsageError):
        lock.release_read()
    lock.release_write()


def test_downgrade_lets_readers_in_but_no_writer() -> None:
    """No writer comes between the change and the look at it."""
    lock = RwLock()
    lock.acquire_write_nowait()
    reader, writer, late = parked(lock.acquire_read(), lock.acquire_write(), lock.acquire_read())
    lock.downgrade()

    assert [1, 0, 0] == wakes([reader, writer, late])
    assert 2 == lock.statistics().readers
    lock.release_read()
    lock.release_read()
    assert Completed(None) == writer.poll()


def test_reader_that_is_dropped_after_another_stopped_in_its_place_counts_once() -> None:
    """Readers of one task are alike: as many are inside as have not stopped."""
    lock = RwLock()
    lock.acquire_write_nowait()
    seen, unseen = parked(lock.acquire_read(), lock.acquire_read())
    lock.release_write()
    assert Completed(None) == seen.poll()
    lock.release_read()
    unseen.drop()
    assert not lock.locked()


# -- whose it is -----------------------------------------------------------------------------------


def test_whoever_would_wait_for_itself_is_refused() -> None:
    """Write in write, read in write, write in read."""

    async def main() -> list[str]:
        lock = RwLock()
        messages = []
        for inside, asked in (("write", "write"), ("write", "read"), ("read", "write")):
            async with getattr(lock, inside)():
                with pytest.raises(UsageError) as caught:
                    await getattr(lock, f"acquire_{asked}")()
                messages.append(str(caught.value).split("'main' ")[1])
                with pytest.raises(UsageError):
                    getattr(lock, f"acquire_{asked}_nowait")()
            assert not lock.locked()
        return messages

    messages = value(run_virtual(main))
    assert messages[0].startswith("writes in <RwLock, written by task")
    assert messages[1].endswith("it would wait for itself for ever")
    assert messages[2].startswith("reads in <RwLock, read by 1>: to write there it would wait")


def test_whoever_reads_may_read_again_although_a_writer_waits() -> None:
    """Else it would wait for the writer, which waits for it."""

    async def main() -> list[str]:
        lock = RwLock()
        order = []

        async def write() -> None:
            async with lock.write():
                order.append("write")

        async with lock.read():
            writer = spawn(write())
            await yield_now()
            async with lock.read():
                order.append("again")
            lock.acquire_read_nowait()
            lock.release_read()
        await writer
        return order

    assert ["again", "write"] == value(run_virtual(main))


def test_branches_of_a_join_wait_for_each_other() -> None:
    """One task, but two that wait."""
    lock = RwLock()
    seen: list[str] = []

    async def branch(name: str) -> None:
        async with lock.write():
            seen.append(f"+{name}")
            await sleep(1)
            seen.append(f"-{name}")

    run_virtual(lambda: join(branch("a"), branch("b"))).unwrap()
    assert ["+a", "-a", "+b", "-b"] == seen


def test_block_stops_what_it_began_and_nothing_else() -> None:
    """Another reader of the same task stays inside; a block released by hand is told."""

    async def main() -> int:
        lock = RwLock()
        lock.acquire_read_nowait()
        async with lock.read():
            pass
        inside = lock.statistics().readers
        lock.release_read()
        with pytest.raises(UsageError, match=r"read of .* was released inside its block already"):
            async with lock.read():
                lock.release_read()
        with pytest.raises(UsageError, match=r"write of .* was released inside its block already"):
            async with lock.write():
                lock.release_write()
        return inside

    assert 1 == value(run_virtual(main))


def test_block_object_is_entered_once_at_a_time() -> None:
    """It remembers who was let in; after the block it can be used again."""

    async def main() -> int:
        lock = RwLock()
        block = lock.read()
        async with block:
            with pytest.raises(UsageError, match="is entered already; make another one"):
                await block.__aenter__()
        async with block as inside:
            assert inside is block
            return lock.statistics().readers

    assert 1 == value(run_virtual(main))


def test_block_that_writes_can_go_on_as_a_reader() -> None:
    """And leaves as what it is by then."""

    async def main() -> list[Any]:
        lock = RwLock()
        seen = []
        async with lock.write() as held:
            held.downgrade()
            stats = lock.statistics()
            seen += [stats.readers, stats.writer]
            with pytest.raises(UsageError, match="cannot be downgraded: this block does not write"):
                held.downgrade()
        with pytest.raises(UsageError):
            held.downgrade()
        async with lock.read() as reading:
            with pytest.raises(UsageError):
                reading.downgrade()
        return [*seen, lock.locked()]

    assert [1, None, False] == value(run_virtual(main))


def test_another_task_may_not_release_it() -> None:
    """It is the holder's task's."""

    async def main() -> None:
        lock = RwLock()

        async def intruder(release: Any) -> None:
            with pytest.raises(UsageError):
                release()

        async with lock.write():
            await spawn(intruder(lock.release_write))
            await spawn(intruder(lock.downgrade))
        async with lock.read():
            await spawn(intruder(lock.release_read))

    run_virtual(main).unwrap()


def test_leaving_the_block_never_suspends_wherever_it_is_closed() -> None:
    """The block knows who was let in, so it may be closed from anywhere."""
    lock = RwLock()

    async def hold(block: Any) -> None:
        async with block:
            await never()

    for block in (lock.read(), lock.write()):
        (holder,) = parked(hold(block))
        assert lock.locked()

        async def close(party: Party = holder) -> None:
            party.drop()

        run_virtual(close).unwrap()
        assert not lock.locked()


# -- what it says ----------------------------------------------------------------------------------


def test_statistics_and_reprs_say_who_is_inside_and_who_waits() -> None:
    """A frozen snapshot; the future that waits tells for what."""

    async def main() -> RwLockStatistics:
        lock = RwLock(name="t")
        told = f"task {current_task().id} 'main'"
        futures = [lock.acquire_read(), lock.acquire_write(), lock.acquire_read()]

        async def others() -> None:
            assert [PENDING] * 3 == [poll_once(future) for future in futures]

        async with lock.write():
            await spawn(others())
            assert f"<RwLock 't', written by {told}>" == repr(lock)
            assert f"acquire_write of {lock!r}" == repr(futures[1])
            assert f"acquire_read of {lock!r}" == repr(futures[0])
            assert f"write of {lock!r}" == repr(lock.write())
            stats = lock.statistics()
        for future in futures:
            future.drop()
        assert stats == RwLockStatistics(0, told, 2, 1)
        return lock.statistics()

    assert RwLockStatistics(0, None, 0, 0) == value(run_virtual(main))
    assert "<RwLock, free>" == repr(RwLock())


# -- tasks, hosts, threads -------------------------------------------------------------------------


def test_canceled_at_every_park_it_stays_usable_and_fair() -> None:
    """A victim that reads, writes and downgrades is ended at each park."""

    async def scenario(victim: Victim) -> None:
        lock = RwLock()
        order: list[str] = []

        async def use(name: str, block: Any) -> None:
            async with block:
                order.append(name)
                await sleep(1)

        async def thrice() -> None:
            await use("v", lock.write())
            async with lock.write() as held:
                await sleep(1)
                held.downgrade()
                await sleep(1)
            await use("v", lock.read())

        async with lock.read():
            tasks = []
            for coro in (
                use("r1", lock.read()),
                victim(thrice()),
                use("r2", lock.read()),
                use("w", lock.write()),
                use("r3", lock.read()),
            ):
                tasks.append(spawn(coro))
                await yield_now()
        for task in tasks:
            await task.join()
        assert ["r1", "r2", "w", "r3"] == [name for name in order if name != "v"]
        assert RwLockStatistics(0, None, 0, 0) == lock.statistics()

    assert sweep(scenario) >= 6


def test_it_works_on_every_host(host: HostFactory) -> None:
    """Readers together, writers alone."""
    inside: list[str] = []

    async def main() -> bool:
        lock = RwLock()

        async def read() -> None:
            async with lock.read():
                inside.append("r")
                await yield_now()
                assert "w" not in inside
                inside.remove("r")

        async def write() -> None:
            async with lock.write():
                assert not inside
                inside.append("w")
                await yield_now()
                inside.remove("w")

        for task in [spawn(write() if index % 3 == 0 else read()) for index in range(12)]:
            await task
        return lock.locked()

    with host() as runtime:
        assert runtime.block_on(main()) is False


@pytest.mark.parametrize("kind", ["rescind", "asyncio"])
def test_runtimes_in_two_threads_exclude_each_other(kind: str) -> None:
    """A pair that is written in two steps is never read in between."""
    lock = RwLock()
    pair = [0, 0]

    async def write() -> None:
        for _ in range(50):
            async with lock.write():
                pair[0] += 1
                await yield_now()
                pair[1] += 1

    async def read() -> None:
        for _ in range(50):
            async with lock.read():
                await yield_now()
                assert pair[0] == pair[1]

    async def main() -> None:
        await join(write(), read(), read())

    in_threads(main, main, host=kind)
    assert ([100, 100], False) == (pair, lock.locked())


def test_canceled_asyncio_writer_lets_readers_through() -> None:
    """From plain asyncio tasks, with asyncio's own cancellation."""

    async def main() -> list[str]:
        lock = RwLock()
        order: list[str] = []

        async def read() -> None:
            async with lock.read():
                order.append("read")

        async def write() -> None:
            async with lock.write():
                order.append("write")

        async with lock.read():
            writer = asyncio.ensure_future(write())
            await asyncio.sleep(0)
            reader = asyncio.ensure_future(read())
            await asyncio.sleep(0)
            assert not order
            writer.cancel()
            await reader
        await asyncio.gather(writer, return_exceptions=True)
        return order

    assert ["read"] == asyncio.run(main())

"""A loser of a race that was given something in the same step gives it back (R7)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.poll import NoopWaker
from rescind.lowlevel import PENDING, Context
from rescind.sync import Event, Mutex, RwLock, Semaphore, channel
from tests.core.kit import request


class Thing:
    """A primitive whose only piece is out, an operation that waits for it, and a look for it.

    Args:
        hold: takes the piece.
        wait: waits for it.
        release: puts it back, to be given to whoever waits.
        there: says whether it can be had.
    """

    def __init__(
        self,
        hold: Callable[[], Awaitable[Any]],
        wait: Callable[[], Awaitable[Any]],
        release: Callable[[], object],
        there: Callable[[], object],
    ) -> None:
        self.hold, self.wait, self.release, self.there = hold, wait, release, there


def a_mutex() -> Thing:
    """Its lock."""
    mutex = Mutex()
    return Thing(mutex.acquire, mutex.acquire, mutex.release, lambda: not mutex.locked())


def a_semaphore() -> Thing:
    """Its one permit."""
    semaphore = Semaphore(1)

    def there() -> bool:
        semaphore.acquire_nowait()  # or it raises
        return True

    return Thing(semaphore.acquire, semaphore.acquire, semaphore.release, there)


def a_channel() -> Thing:
    """An item."""
    sender, receiver = channel[int](1)

    async def nothing() -> None:
        pass

    return Thing(
        nothing, receiver.recv, lambda: sender.send_nowait(7), lambda: receiver.recv_nowait() == 7
    )


def a_lock_for_writers() -> Thing:
    """The lock, for one who writes."""
    lock = RwLock()

    def there() -> bool:
        lock.acquire_write_nowait()  # or it raises
        return True

    return Thing(lock.acquire_write, lock.acquire_write, lock.release_write, there)


THINGS = [a_mutex, a_semaphore, a_channel, a_lock_for_writers]


async def _raced(thing: Thing, race: Callable[[Event], Awaitable[Any]]) -> None:
    stop = Event()
    await thing.hold()
    racer = rescind.spawn(race(stop))
    for _ in range(3):
        await rescind.yield_now()
    stop.set()
    thing.release()
    await racer.join()


@pytest.mark.parametrize("make", THINGS)
def test_the_loser_gives_back_what_it_was_given(make: Callable[[], Thing]) -> None:
    """It was woken with it in the step in which another one has won, and never said so."""

    async def main() -> None:
        thing = make()
        await _raced(thing, lambda stop: rescind.race(stop.wait(), thing.wait(), biased=True))
        assert thing.there()

    rescind.run(main)


@pytest.mark.parametrize("make", THINGS)
def test_so_does_one_that_is_wrapped(make: Callable[[], Thing]) -> None:
    """However deep: nobody inside has a cleanup that would give it back."""

    async def main() -> None:
        thing = make()

        def race(stop: Event) -> Awaitable[Any]:
            wrapped = rescind.join(rescind.timeout(thing.wait(), 60))
            return rescind.race(stop.wait(), wrapped, biased=True)

        await _raced(thing, race)
        assert thing.there()

    rescind.run(main)


@pytest.mark.parametrize("make", THINGS)
def test_a_coroutine_that_loses_has_it_delivered(make: Callable[[], Thing]) -> None:
    """It goes on to its next park, and is canceled there: it has it, and gives it back itself."""
    got = []

    async def main() -> None:
        thing = make()

        async def uses() -> None:
            got.append(await thing.wait())
            await rescind.never()

        await _raced(thing, lambda stop: rescind.race(stop.wait(), uses(), biased=True))

    rescind.run(main)
    assert len(got) == 1


@pytest.mark.parametrize("inside", [False, True])
def test_what_another_thread_gives_between_two_polls_goes_to_a_coroutine_alone(
    inside: bool,
) -> None:
    """A coroutine's leaf is polled before it is canceled; it may be given something in between."""

    async def nothing() -> None:
        pass

    semaphore, cx = Semaphore(1), Context(NoopWaker())
    semaphore.acquire_nowait()
    cx.cell = cell = Cell(CoroutineFuture(nothing()), None)
    cell.lost = True
    acquire = semaphore.acquire()
    assert acquire.poll(cx) is PENDING
    semaphore.release()
    driver = CoroutineFuture(nothing())
    driver.cx = cx if inside else Context(NoopWaker())
    local.region = driver
    try:
        ended = acquire.poll_cancel(cx, request())
    finally:
        local.region = driver.cx = None
    assert (isinstance(ended, rescind.Completed), semaphore.statistics().available) == (
        inside,
        0 if inside else 1,
    )
    driver.drop()
    assert cell.future is not None
    cell.future.drop()


@pytest.mark.parametrize("make", THINGS)
def test_with_somebody_to_take_it_the_value_is_told(make: Callable[[], Thing]) -> None:
    """``on_undelivered`` gets what it has; nothing is given back behind its back."""
    told: list[object] = []

    async def main() -> None:
        thing = make()
        await _raced(
            thing,
            lambda stop: rescind.race(
                stop.wait(), thing.wait(), biased=True, on_undelivered=told.append
            ),
        )
        assert len(told) == 1

    rescind.run(main)


@pytest.mark.parametrize("make", THINGS)
def test_so_do_the_siblings_of_one_that_failed(make: Callable[[], Thing]) -> None:
    """The values of a failed join go to nobody."""

    async def fails(stop: Event) -> None:
        await stop.wait()
        raise KeyError(stop)

    async def main() -> None:
        thing = make()

        async def joined(stop: Event) -> None:
            with pytest.raises(KeyError):
                await rescind.join(fails(stop), thing.wait(), biased=True)

        await _raced(thing, joined)
        assert thing.there()

    rescind.run(main)


def test_a_loser_that_gives_back_overran_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It ends at once, however little grace there is."""

    async def main() -> rescind.RuntimeStatistics:
        thing = a_mutex()
        await _raced(
            thing, lambda stop: rescind.race(stop.wait(), thing.wait(), biased=True, grace=1)
        )
        return rescind.current_runtime().statistics()

    rescind.run(main)
    assert caplog.records == []

"""Sets, `concurrently` and shared futures: in every order, canceled everywhere."""

from collections.abc import AsyncIterator
from typing import Any

import rescind
from rescind.sync import Event
from tests.explorations.kit import holds


def test_a_place_in_a_set_is_given_back() -> None:
    """At the limit the next one begins when one ends, and one that waits can be canceled."""

    async def main() -> None:
        running: list[int] = []

        async def work(number: int) -> int:
            running.append(number)
            assert 1 == len(running)
            try:
                await rescind.sleep(1)
            finally:
                running.remove(number)
            return number

        async def body() -> None:
            async with rescind.FutureSet[int, int](limit=1) as members:
                for number in range(3):
                    members.add(work(number), key=number)
                await rescind.yield_now()
                members.cancel(2, "not that one")
                ended = [key async for key, _ in members]
            assert [0, 1, 2] == sorted(ended)

        async with rescind.task_group() as g:
            g.spawn(body())

    holds(main, changes=1)


def test_outcomes_of_a_set_come_in_the_order_of_ends() -> None:
    """Who ended first is fetched first, also if nobody fetched meanwhile."""

    async def main() -> None:
        async with rescind.FutureSet[int, None]() as members:
            for number, seconds in enumerate((3, 1, 2)):
                members.add(rescind.sleep(seconds), key=number)
            await rescind.sleep(4)
            assert [1, 2, 0] == [key async for key, _ in members]

    holds(main, changes=0)


def test_a_value_that_nobody_fetched_is_handed_back() -> None:
    """Fetched, or given to on_undelivered, whoever is canceled (M5)."""

    async def main() -> None:
        made: list[int] = []
        fetched: list[int] = []
        back: list[int] = []

        async def work(number: int) -> int:
            await rescind.sleep(number)
            made.append(number)
            return number

        async def body() -> None:
            async with rescind.FutureSet[int, int](on_undelivered=back.append) as members:
                for number in (1, 2):
                    members.add(work(number))
                async for _key, outcome in members:
                    fetched.append(outcome.unwrap())
                    await rescind.sleep(3)
                    break

        task = rescind.spawn(body())
        await task.join()
        assert sorted(made) == sorted(fetched + back)

    holds(main)


def test_a_canceled_fetch_lets_others_fetch() -> None:
    """It has taken nothing, and leaves the place free."""

    async def main() -> None:
        async with rescind.FutureSet[int, str]() as members:
            members.add(_after(2, "value"), key=7)
            for _ in range(2):
                try:
                    await rescind.timeout(members.next(), 0.5)
                except rescind.TimedOut:
                    pass
            found = await members.next()
            assert found == (7, rescind.Completed("value"))

    holds(main, changes=1)


async def _after(seconds: float, value: Any) -> Any:
    await rescind.sleep(seconds)
    return value


def test_concurrently_keeps_to_its_limit() -> None:
    """Never more calls than that, and all items, be it that their source awaits or not."""

    async def main() -> None:
        for source in (range(4), None):
            running: list[int] = []
            most: list[int] = []

            async def work(
                number: int, running: list[int] = running, most: list[int] = most
            ) -> int:
                running.append(number)
                most.append(len(running))
                await rescind.sleep(1)
                running.remove(number)
                return number

            items: Any = _items(4) if source is None else source
            async with rescind.concurrently(work, items, limit=2) as results:
                assert [0, 1, 2, 3] == sorted([one async for one in results])
            assert 2 == max(most)

    holds(main, changes=1, runs=300)


async def _items(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await rescind.yield_now()
        yield number


def test_the_first_failure_of_concurrently_cancels_the_others() -> None:
    """They are canceled at once, drained, and then it is raised (Y2)."""

    async def main() -> None:
        ended: list[int] = []

        async def work(number: int) -> None:
            try:
                await rescind.sleep(1 if number == 0 else 9)
                raise LookupError(number)
            finally:
                await rescind.shield(rescind.sleep(1))
                ended.append(number)

        try:
            async with rescind.concurrently(work, range(3), limit=3) as results:
                async for _ in results:
                    pass
        except LookupError:
            assert [0, 1, 2] == sorted(ended)
            assert rescind.now() <= 4
        else:
            raise AssertionError("it did not fail")

    holds(main, changes=1)


def test_a_shared_future_goes_on_when_its_poller_leaves() -> None:
    """Whoever of the subscribers is canceled, the others get the value (H1, H2, H3)."""

    async def main() -> None:
        opened = Event()

        async def load() -> str:
            await opened.wait()
            await rescind.sleep(1)
            return "value"

        once = rescind.shared(load)
        tasks = [rescind.spawn(_subscribe(once)) for _ in range(3)]
        await rescind.sleep(1)
        opened.set()
        outcomes = [await task.join() for task in tasks]
        for outcome in outcomes:
            if isinstance(outcome, rescind.Completed):
                assert "value" == outcome.value
        assert any(isinstance(one, rescind.Completed) for one in outcomes)

    holds(main)


async def _subscribe(once: Any) -> Any:
    return await once


def test_a_shared_future_ends_with_its_last_subscriber() -> None:
    """Canceled or dropped: what it has begun is over when the last one has left (H2)."""

    async def main() -> None:
        open_now: list[str] = []

        async def load() -> None:
            open_now.append("load")
            try:
                await rescind.sleep(3)
            finally:
                open_now.remove("load")

        once = rescind.shared(load)
        for grace in (None, 0):
            tasks = [rescind.spawn(_subscribe(once)) for _ in range(2)]
            await rescind.sleep(1)
            for task in tasks:
                await task.cancel("left", grace=grace)
            assert [] == open_now, grace

    holds(main, changes=1)

"""Locks between tasks: in every order, canceled everywhere."""

import rescind
from rescind import sync
from tests.explorations.kit import holds


def test_a_writer_between_readers_has_its_turn() -> None:
    """In order of arrival: those who read, the writer, those who read (K2)."""

    async def main() -> None:
        lock = sync.RwLock()
        order: list[str] = []

        async def uses(name: str, *, write: bool) -> None:
            async with lock.write() if write else lock.read():
                order.append(name)
                await rescind.sleep(1)

        tasks = []
        for name in ("a", "W", "b"):
            tasks.append(rescind.spawn(uses(name, write=name == "W")))
            await rescind.yield_now()
        for task in tasks:
            await task.join()
        assert [one for one in ("a", "W", "b") if one in order] == order

    holds(main, changes=1)


def test_who_is_notified_while_nobody_holds_the_mutex_goes_on() -> None:
    """A notification needs no mutex, and the waiter takes it when it is free (C2)."""

    async def main() -> None:
        condition = sync.Condition()
        woken: list[str] = []

        async def waits() -> None:
            async with condition:
                await condition.wait()
                woken.append("went on")

        task = rescind.spawn(waits())
        await rescind.sleep(1)
        condition.notify()
        await task.join()
        assert not condition.locked()

    holds(main)

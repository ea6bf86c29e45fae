"""Programs with one fault each, for the explorer to find."""

from collections import deque
from typing import Any

import rescind
from rescind.sync import Event, Mutex


class Slot:
    """Where one who waits is given an item."""

    def __init__(self) -> None:
        self.filled = Event()
        self.item: Any = None


class LossyQueue:
    """Loses an item if a getter is canceled, and its cleanup is cut after it was given one."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.slots: deque[Slot] = deque()

    def put(self, item: Any) -> None:
        """Give the item to who waits first, or keep it."""
        if self.slots:
            slot = self.slots.popleft()
            slot.item = item
            slot.filled.set()
        else:
            self.items.append(item)

    async def get(self) -> Any:
        """Return an item; one that came too late is put back, after a word to the log."""
        if self.items:
            return self.items.popleft()
        slot = Slot()
        self.slots.append(slot)
        try:
            await slot.filled.wait()
            return slot.item
        except rescind.Cancellation:
            for _ in range(3):
                await rescind.yield_now()
            if slot.item is not None:
                self.items.appendleft(slot.item)
            raise
        finally:
            if slot in self.slots:
                self.slots.remove(slot)


async def loses_an_item() -> None:
    """Two cancels and an order: the item is neither delivered nor in the queue."""
    queue = LossyQueue()
    got: list[Any] = []

    async def consume() -> None:
        try:
            got.append(await rescind.timeout(queue.get(), 1))
        except rescind.TimedOut:
            pass

    async def produce() -> None:
        await rescind.sleep(1)
        queue.put("item")

    async with rescind.task_group() as g:
        produced = g.spawn(produce(), name="producer")
        g.spawn(consume(), name="consumer")
    if isinstance(produced.outcome(), rescind.Completed):
        assert ["item"] == [*got, *queue.items], "the item is lost"


async def locks_crosswise() -> None:
    """Two tasks take two locks in opposite order: it hangs if their timers come the other way."""
    left, right = Mutex(name="left"), Mutex(name="right")

    async def transfer(one: Mutex, other: Mutex, pauses: int) -> None:
        await rescind.sleep(1)
        for _ in range(pauses):
            await rescind.yield_now()
        async with one:
            await rescind.yield_now()
            async with other:
                pass

    async with rescind.task_group() as g:
        g.spawn(transfer(left, right, 0), name="there")
        g.spawn(transfer(right, left, 1), name="back")


async def forgets_a_permit() -> None:
    """A hand-made lock stays taken if its holder is canceled: the next one waits for ever."""
    taken = Event()
    free = Event()
    free.set()

    async def work() -> None:
        await free.wait()
        free.clear()
        taken.set()
        await rescind.sleep(1)
        free.set()

    async with rescind.task_group() as g:
        g.spawn(work(), name="first")
        g.spawn(work(), name="second")


async def races_for_a_number() -> int:
    """Reads, yields and writes: an update is lost if another task comes in between."""
    number = 0

    async def add() -> None:
        nonlocal number
        seen = number
        if seen == 0:
            await rescind.yield_now()
        number = seen + 1

    async def late() -> None:
        await rescind.yield_now()
        await add()

    async with rescind.task_group() as g:
        g.spawn(add(), name="one")
        g.spawn(late(), name="two")
    return number


async def leaves_a_task() -> None:
    """What main spawns outlives it, if main's own sleep is over first."""

    async def lingering() -> None:
        await rescind.sleep(1)

    rescind.spawn(lingering(), name="lingering")
    await rescind.yield_now()
    await rescind.sleep(1)


async def spins_when_canceled() -> None:
    """Retries whatever happens, a cancellation included."""

    async def stubborn() -> None:
        while True:
            try:
                await rescind.sleep(1)
            except rescind.Cancellation:
                while True:
                    await rescind.yield_now()
            return

    async with rescind.task_group() as g:
        g.spawn(stubborn(), name="stubborn")

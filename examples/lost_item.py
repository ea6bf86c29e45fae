"""A queue that loses an item about once a month: found, shrunk, and shown, in less than a second.

Whoever waits in `get` has a slot, and `put` fills the first one. A getter that is canceled although
its slot was filled puts the item back: the author has thought of that. But first it writes a line
to the log, which takes a moment. If the getter's timeout comes just before the item, and its task
is canceled in that moment, and while it writes its line the item arrives and its patience is
over: then the item was given away, and nobody has it.

No test with a real clock meets these three events in this order. The lab does: it runs the program
in virtual time, in every order and canceled at every await, the simplest runs first.

It is a script: `python examples/lost_item.py`.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import rescind
from rescind.sync import Event
from rescind.testing import Exploration, explore, replay


class Slot:
    """Where one who waits is given an item."""

    def __init__(self) -> None:
        self.filled = Event()
        self.item: str | None = None


class Queue:
    """Hands an item to who waits first, or keeps it."""

    def __init__(self) -> None:
        self.items: deque[str] = deque()
        self.slots: deque[Slot] = deque()

    def put(self, item: str) -> None:
        """Fill the first slot, or keep the item."""
        if self.slots:
            slot = self.slots.popleft()
            slot.item = item
            slot.filled.set()
        else:
            self.items.append(item)

    async def get(self) -> str | None:
        """Return an item, as soon as there is one."""
        if self.items:
            return self.items.popleft()
        slot = Slot()
        self.slots.append(slot)
        try:
            await slot.filled.wait()
            return slot.item
        except rescind.Cancellation:
            await self.give_up(slot)
            raise
        finally:
            if slot in self.slots:
                self.slots.remove(slot)

    async def give_up(self, slot: Slot) -> None:
        """Tell the log, then put back what came too late."""
        await rescind.sleep(0)  # the log
        self.put_back(slot)

    def put_back(self, slot: Slot) -> None:
        """Give an item that came too late to the next one, at the head of the queue."""
        if slot.item is not None:
            self.items.appendleft(slot.item)
            slot.item = None


class Mended(Queue):
    """Puts back in a `finally` without an await, which runs also if the cleanup is cut short."""

    async def give_up(self, slot: Slot) -> None:
        """Tell the log; whatever becomes of that, put back what came too late."""
        try:
            await rescind.sleep(0)
        finally:
            self.put_back(slot)


def program(make: Callable[[], Queue]) -> Callable[[], Awaitable[None]]:
    """Return a consumer with a second's patience, and a producer who needs a second."""

    async def main() -> None:
        queue = make()
        got: list[str | None] = []

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
            assert [*got, *queue.items] == ["item"], "the item is lost"

    return main


def tell(name: str, report: Exploration) -> None:
    """Say what exploring a program has found."""
    print(f"{name}: {report.verdict}")
    if report.run is None or report.failure is None:
        return
    orders, injections = len(report.changes.choices), len(report.changes.injections)
    print(f"  {report.failure}")
    print(f"  with {orders} change of order and {injections} injections", end=", ")
    print(f"in {len(report.run.trace)} steps, after {report.runs} runs\n")
    print(report.timeline())


def main() -> None:
    """Explore both queues; make the run that fails once more, from its token."""
    lossy = program(Queue)
    report = explore(lossy, budget=60)
    tell("the queue", report)
    assert report.token is not None
    assert report.run is not None
    again = replay(lossy, report.token)
    print(f"\nreplayed from its token: the same steps, {again.trace == report.run.trace}\n")
    tell("mended", explore(program(Mended), budget=60))


if __name__ == "__main__":
    main()

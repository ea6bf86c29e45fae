"""Programs of asyncio, anyio and trio, canceled by them at every await: nothing is lost (R31)."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import rescind
from rescind.sync import Condition, Event, Mutex, Semaphore, channel, oneshot
from tests.host.stock import DRIVERS, Program, sweep

SHORT = 0.0004


class Holding(Program):
    """Holds permits in branches; each ends, or is canceled and runs its cleanup to its end."""

    def __init__(self) -> None:
        self.permits = Semaphore(3)
        self.began = 0
        self.ended = 0

    async def hold(self, seconds: float) -> float:
        """Hold a permit for so long; the cleanup parks twice, once for a timer."""
        async with self.permits:
            self.began += 1
            try:
                await rescind.yield_now()
                await rescind.sleep(seconds)
            except rescind.Cancellation:
                await rescind.yield_now()
                await rescind.sleep(SHORT)
                self.ended += 1
                raise
            self.ended += 1
        return seconds

    def check(self) -> None:
        assert (self.permits.available, self.began) == (3, self.ended)


class Race(Holding):
    awaits = 8

    async def victim(self) -> None:
        for _ in range(2):
            assert await rescind.race(self.hold(SHORT), self.hold(9)) == SHORT


class Join(Holding):
    awaits = 5

    async def victim(self) -> None:
        for _ in range(2):
            assert await rescind.join(self.hold(SHORT), self.hold(0)) == (SHORT, 0)


class Timeout(Holding):
    awaits = 6

    async def victim(self) -> None:
        for _ in range(2):
            with pytest.raises(rescind.TimedOut):
                await rescind.timeout(self.hold(9), SHORT)


class Deadline(Holding):
    awaits = 3

    async def victim(self) -> None:
        async def limited() -> str:
            try:
                async with rescind.deadline(SHORT):
                    await self.hold(9)
            except rescind.TimedOut:
                return "timed out"
            return "not in time"

        assert await rescind.join(limited(), limited()) == ("timed out", "timed out")


class Shield(Holding):
    awaits = 5

    async def victim(self) -> None:
        await rescind.shield(self.hold(SHORT))
        await rescind.shield(rescind.race(self.hold(SHORT), self.hold(9)))


class Members(Holding):
    awaits = 3

    async def victim(self) -> None:
        async with rescind.FutureSet[int, float](limit=2) as members:
            for n in range(3):
                members.add(self.hold(n * SHORT), key=n)
            fetched = [key async for key, _ in members]
        assert sorted(fetched) == [0, 1, 2]


class Select(Holding):
    awaits = 2

    async def victim(self) -> None:
        async with rescind.select(fast=self.hold(0), slow=self.hold(9)) as branches:
            name, _ = await branches.first()
            assert name == "fast"
            await rescind.sleep(SHORT)


class Receive(Program):
    """Items go from a sender through the victim, and then to whoever takes the rest."""

    awaits = 2

    def __init__(self) -> None:
        self.sender, self.receiver = channel[int](1)
        self.got: list[int] = []

    async def send_all(self) -> None:
        for item in range(5):
            await self.sender.send(item)
            await rescind.sleep(SHORT)
        self.sender.close()

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.send_all()]

    async def victim(self) -> None:
        async for item in self.receiver:
            self.got.append(item)

    async def after(self) -> None:
        async for item in self.receiver:
            self.got.append(item)

    def check(self) -> None:
        assert self.got == [0, 1, 2, 3, 4]


class ReceiveInTime(Receive):
    awaits = 2

    async def victim(self) -> None:
        while True:
            try:
                self.got.append(await rescind.timeout(self.receiver.recv(), SHORT))
            except rescind.TimedOut:
                await rescind.yield_now()
            except rescind.Closed:
                return


class ReceiveFromTwo(Receive):
    """A race of two receivers: one may be given an item that the race cannot return."""

    awaits = 2

    def __init__(self) -> None:
        super().__init__()
        self.other_sender, self.other = channel[int](1)
        self.undelivered: list[int] = []

    async def send_others(self) -> None:
        for item in range(10, 13):
            await self.other_sender.send(item)
            await rescind.sleep(SHORT)

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.send_all(), self.send_others()]

    async def victim(self) -> None:
        for _ in range(4):
            either = rescind.race(
                self.receiver.recv(), self.other.recv(), on_undelivered=self.undelivered.append
            )
            self.got.append(await either)

    async def after(self) -> None:
        await super().after()
        while len([*self.got, *self.undelivered]) < 8:
            self.got.append(await rescind.timeout(self.other.recv(), 60))

    def check(self) -> None:
        assert sorted([*self.got, *self.undelivered]) == [0, 1, 2, 3, 4, 10, 11, 12]


class Send(Program):
    """What the victim knows to be sent is what arrives."""

    awaits = 2

    def __init__(self) -> None:
        self.sender, self.receiver = channel[int](1)
        self.sent: list[int] = []
        self.got: list[int] = []

    async def receive_all(self) -> None:
        async for item in self.receiver:
            self.got.append(item)
            await rescind.sleep(SHORT)

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.receive_all()]

    async def victim(self) -> None:
        for item in range(5):
            await self.sender.send(item)
            self.sent.append(item)

    async def after(self) -> None:
        self.sender.close()

    def check(self) -> None:
        assert self.got == self.sent


class Oneshot(Program):
    def __init__(self) -> None:
        self.sender, self.receiver = oneshot[str]()
        self.got: list[str] = []

    async def answer(self) -> None:
        await rescind.sleep(SHORT)
        self.sender.send("answer")

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.answer()]

    async def victim(self) -> None:
        self.got.append(await self.receiver.recv())

    async def after(self) -> None:
        if not self.got:
            self.got.append(await self.receiver.recv())

    def check(self) -> None:
        assert self.got == ["answer"]


class Locked(Program):
    """One at a time is inside, and in the end it is free."""

    awaits = 2

    def __init__(self) -> None:
        self.mutex = Mutex()
        self.inside = 0

    async def work(self) -> None:
        for _ in range(3):
            async with self.mutex:
                self.inside += 1
                assert self.inside == 1
                try:
                    await rescind.sleep(SHORT)
                finally:
                    self.inside -= 1

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.work(), self.work()]

    async def victim(self) -> None:
        await self.work()

    def check(self) -> None:
        assert (self.mutex.locked(), self.mutex.statistics().waiting) == (False, 0)


class Permits(Program):
    awaits = 2

    def __init__(self) -> None:
        self.permits = Semaphore(3)

    async def work(self) -> None:
        for _ in range(2):
            async with self.permits.permits(2):
                await rescind.sleep(SHORT)

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.work(), self.work()]

    async def victim(self) -> None:
        await self.work()

    def check(self) -> None:
        assert (self.permits.available, self.permits.statistics().waiting) == (3, 0)


class Conditions(Program):
    """Each item is announced once; whoever is told and then canceled passes that on."""

    awaits = 2

    def __init__(self) -> None:
        self.condition = Condition()
        self.items: list[int] = []
        self.got: list[int] = []

    async def make(self) -> None:
        for item in range(4):
            async with self.condition:
                self.items.append(item)
                self.condition.notify()
            await rescind.sleep(SHORT)

    async def take(self) -> None:
        while len(self.got) < 4:
            async with self.condition:
                await self.condition.wait_for(lambda: self.items or len(self.got) >= 4)
                if self.items:
                    self.got.append(self.items.pop(0))
                if len(self.got) >= 4:
                    self.condition.notify_all()

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.make(), self.take()]

    async def victim(self) -> None:
        await self.take()

    def check(self) -> None:
        assert (self.got, self.items) == ([0, 1, 2, 3], [])
        assert not self.condition.locked()


class Events(Program):
    awaits = 2

    def __init__(self) -> None:
        self.event = Event()

    async def set_it(self) -> None:
        await rescind.sleep(SHORT)
        self.event.set()

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        return [self.set_it()]

    async def victim(self) -> None:
        await self.event.wait()
        await rescind.sleep(SHORT)

    def check(self) -> None:
        assert self.event.statistics().waiting == 0


PROGRAMS: list[type[Program]] = [
    Race,
    Join,
    Timeout,
    Deadline,
    Shield,
    Members,
    Select,
    Receive,
    ReceiveInTime,
    ReceiveFromTwo,
    Send,
    Oneshot,
    Locked,
    Permits,
    Conditions,
    Events,
]


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS.keys())
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__.lower())
def test_nothing_is_lost_wherever_the_host_cancels(
    program: type[Program], driver: Callable[[Program, int], bool]
) -> None:
    """Items, permits and locks are all there afterwards, and the host ends in good order."""
    assert sweep(program, driver) >= program.awaits

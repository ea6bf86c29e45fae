"""What cancellation loses: every waiting operation, canceled and dropped at every park of a use.

Each is used by three in line, of whom the second is struck. The others have to get theirs, in their
order, and the primitive is whole afterwards: nothing that was given is lost, or given twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import rescind.sync
from rescind import Closed, WouldBlock, spawn, yield_now
from rescind.sync import (
    Barrier,
    Condition,
    Event,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    broadcast,
    channel,
    oneshot,
    watch,
)
from tests.core.kit import interpreted
from tests.sync.kit import Victim, sweep

Coro = Coroutine[Any, Any, Any]


class Use:
    """One primitive, in use.

    Attributes:
        order: who has had what was waited for.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self.begin()

    def begin(self) -> None:
        """Make the primitive, so that everybody has to wait."""
        raise NotImplementedError

    async def take(self, who: str) -> None:
        """Wait, note it, and give back what has to be."""
        raise NotImplementedError

    def give(self) -> None:
        """Let one go on, or all; called until all have gone on."""
        raise NotImplementedError

    def check(self) -> None:
        """Assert that the primitive is whole, and has what it should have."""


USES: dict[str, type[Use]] = {}


def use(*names: str) -> Callable[[type[Use]], type[Use]]:
    """Enter it into the table, under the names of the methods whose futures it cancels."""

    def enter(cls: type[Use]) -> type[Use]:
        for name in names:
            USES[name] = cls
        return cls

    return enter


class Once(Use):
    """What is given once, to one, by whom it is given back."""

    given = False

    def give(self) -> None:
        if not self.given:
            self.given = True
            self.release()

    def release(self) -> None:
        """Let the first go on."""
        raise NotImplementedError


@use("Mutex.acquire", "Condition.acquire")
class Acquire(Once):
    def begin(self) -> None:
        self.condition = Condition()
        self.mutex = self.condition.mutex
        self.mutex.acquire_nowait()
        self.release = self.mutex.release  # type: ignore[method-assign]

    async def take(self, who: str) -> None:
        await self.condition.acquire()
        try:
            self.order.append(who)
            await yield_now()
        finally:
            self.mutex.release()

    def check(self) -> None:
        assert not self.mutex.locked()
        assert 0 == self.mutex.statistics().waiting


@use("Mutex.__aenter__")
class MutexBlock(Acquire):
    async def take(self, who: str) -> None:
        async with self.mutex:
            self.order.append(who)
            await yield_now()


@use("Condition.__aenter__")
class ConditionBlock(Acquire):
    async def take(self, who: str) -> None:
        async with self.condition:
            self.order.append(who)
            await yield_now()


@use("Condition.wait")
class ConditionWait(Use):
    def begin(self) -> None:
        self.condition = Condition()

    async def take(self, who: str) -> None:
        async with self.condition:
            await self.condition.wait()
            self.order.append(who)

    def give(self) -> None:
        self.condition.notify()

    def check(self) -> None:
        assert not self.condition.locked()
        assert 0 == self.condition.statistics().waiting


@use("Condition.wait_for")
class ConditionWaitFor(ConditionWait):
    def begin(self) -> None:
        super().begin()
        self.things = 0

    async def take(self, who: str) -> None:
        async with self.condition:
            await self.condition.wait_for(lambda: self.things > 0)
            self.things -= 1
            self.order.append(who)

    def give(self) -> None:
        self.things += 1
        self.condition.notify()


@use("RwLock.acquire_write", "RwLock.write")
class Write(Once):
    def begin(self) -> None:
        self.lock = RwLock()
        self.lock.acquire_write_nowait()
        self.release = self.lock.release_write  # type: ignore[method-assign]

    async def take(self, who: str) -> None:
        await self.lock.acquire_write()
        try:
            self.order.append(who)
            await yield_now()
        finally:
            self.lock.release_write()

    def check(self) -> None:
        assert not self.lock.locked()
        seen = self.lock.statistics()
        assert (0, 0) == (seen.waiting_readers, seen.waiting_writers)


@use("ReadOrWrite.__aenter__")
class WriteBlock(Write):
    async def take(self, who: str) -> None:
        async with self.lock.write():
            self.order.append(who)
            await yield_now()


@use("RwLock.acquire_read", "RwLock.read")
class Read(Write):
    async def take(self, who: str) -> None:
        await self.lock.acquire_read()
        try:
            self.order.append(who)
            await yield_now()
        finally:
            self.lock.release_read()


@use("Semaphore.acquire")
class AcquirePermits(Use):
    given = 0
    needed = 2

    def begin(self) -> None:
        self.semaphore = Semaphore(0, max=6)

    async def take(self, who: str) -> None:
        await self.semaphore.acquire(self.needed)
        try:
            self.order.append(who)
            await yield_now()
        finally:
            self.semaphore.release(self.needed)

    def give(self) -> None:
        if self.given < self.needed:
            self.given += 1
            self.semaphore.release()

    def check(self) -> None:
        seen = self.semaphore.statistics()
        assert (self.needed, 0, 0) == (seen.available, seen.gathered, seen.waiting)


@use("Semaphore.permits", "Permits.__aenter__")
class PermitsBlock(AcquirePermits):
    async def take(self, who: str) -> None:
        async with self.semaphore.permits(2):
            self.order.append(who)
            await yield_now()


@use("Semaphore.__aenter__")
class PermitBlock(AcquirePermits):
    needed = 1

    async def take(self, who: str) -> None:
        async with self.semaphore:
            self.order.append(who)
            await yield_now()


@use("Event.wait")
class EventWait(Use):
    def begin(self) -> None:
        self.event = Event()

    async def take(self, who: str) -> None:
        await self.event.wait()
        self.order.append(who)

    def give(self) -> None:
        self.event.set()
        self.event.clear()

    def check(self) -> None:
        assert 0 == self.event.statistics().waiting


@use("Notify.notified")
class Notified(Use):
    def begin(self) -> None:
        self.notify = Notify()
        self.given = 0

    async def take(self, who: str) -> None:
        await self.notify.notified()
        self.order.append(who)

    def give(self) -> None:
        if not self.notify.statistics().stored:
            self.given += 1
            self.notify.notify_one()

    def check(self) -> None:
        seen = self.notify.statistics()
        assert 0 == seen.waiting
        assert self.given == len(self.order) + seen.stored


@use("Barrier.wait")
class BarrierWait(Use):
    def begin(self) -> None:
        self.barrier = Barrier(4)
        self.places: list[int] = []

    async def take(self, who: str) -> None:
        self.places.append(await self.barrier.wait())
        self.order.append(who)

    def give(self) -> None:
        if not self.barrier.statistics().waiting:
            return
        try:
            self.places.append(self.barrier.wait_nowait())
        except WouldBlock:  # the struck one has not arrived, so somebody else has to
            spawn(self.take("v"))

    def check(self) -> None:
        assert 0 == self.barrier.statistics().waiting
        assert set(self.places) <= {0, 1, 2, 3}
        assert len(set(self.places)) == len(self.places) >= 3


@use("OnceCell.get_or_init")
class GetOrInit(Use):
    def begin(self) -> None:
        self.cell = OnceCell[str]()
        self.made: list[str] = []
        self.notify = Notify()

    async def take(self, who: str) -> None:
        async def make() -> str:
            await self.notify.notified()
            if who == "a":
                raise LookupError
            self.made.append(who)
            return who

        try:
            await self.cell.get_or_init(make)
        except LookupError:
            assert "a" == who
        self.order.append(who)

    def give(self) -> None:
        self.notify.notify_one()

    def check(self) -> None:
        assert [self.cell.get()] == self.made
        seen = self.cell.statistics()
        assert (True, False, 0) == (seen.set, seen.initializing, seen.waiting)


@use("Receiver.recv", "Receiver.recv_many")
class Recv(Use):
    """Values are conserved: each was received, or is there still, or cannot be received."""

    def begin(self) -> None:
        self.undelivered: list[int] = []
        self.sender, self.receiver = channel[int](1, on_undelivered=self.undelivered.append)
        self.sent = 0
        self.got: list[int] = []

    async def take(self, who: str) -> None:
        if who == "a":
            self.got.append(await self.receiver.recv())
        else:
            self.got += await self.receiver.recv_many(2)
        self.order.append(who)

    def give(self) -> None:
        try:
            self.sender.send_nowait(self.sent)
            self.sent += 1
        except WouldBlock:
            pass

    def check(self) -> None:
        got = self.got + self.receiver.drain() + self.undelivered
        assert list(range(self.sent)) == sorted(got)
        seen = self.sender.statistics()
        assert (0, 0, 0) == (seen.granted, seen.receiving, seen.reserved)


@use("Receiver.__anext__")
class RecvNext(Recv):
    async def take(self, who: str) -> None:
        async for value in self.receiver:
            self.got.append(value)
            break
        self.order.append(who)


@use("Sender.send")
class Send(Use):
    """A value was received, or its send was struck; and none was received twice."""

    def begin(self) -> None:
        self.sender, self.receiver = channel[str](0)
        self.got: list[str] = []

    async def take(self, who: str) -> None:
        await self.sender.send(who)
        self.order.append(who)

    def give(self) -> None:
        try:
            self.got.append(self.receiver.recv_nowait())
        except WouldBlock:
            pass

    def check(self) -> None:
        assert set(self.order) <= set(self.got)
        assert len(set(self.got)) == len(self.got)
        seen = self.sender.statistics()
        assert (0, 0, 0) == (seen.queued, seen.sending, seen.reserved)


@use("Sender.reserve", "Sender.reserve_many")
class Reserve(Use):
    def begin(self) -> None:
        self.sender, self.receiver = channel[str](2)
        self.held = self.sender.reserve_nowait(2)

    async def take(self, who: str) -> None:
        permit = await (self.sender.reserve() if who == "a" else self.sender.reserve_many(2))
        with permit:
            self.order.append(who)
            await yield_now()

    def give(self) -> None:
        self.held.release()

    def check(self) -> None:
        seen = self.sender.statistics()
        assert (0, 0, 0) == (seen.reserved, seen.sending, seen.queued)
        assert 2 == self.sender.reserve_nowait(2).left


@use(
    "Sender.closed",
    "OneshotSender.closed",
    "BroadcastSender.closed",
    "WatchSender.closed",
)
class ClosedEnds(Use):
    """All four in turn, so there is a park in each."""

    def begin(self) -> None:
        self.ends = [channel[int](1), oneshot[int](), broadcast[int](1), watch(0)]

    async def take(self, who: str) -> None:
        for sender, _ in self.ends:
            await sender.closed()
        self.order.append(who)

    def give(self) -> None:
        for _, receiver in self.ends:
            if receiver._open:
                receiver.drop()
                return

    def check(self) -> None:
        assert [0] * 4 == [len(sender._core.watchers) for sender, _ in self.ends]


@use("OneshotReceiver.recv", "OneshotReceiver.into_future")
class RecvOneshot(Use):
    """One of those who wait gets the value, the others are told that it is gone."""

    def begin(self) -> None:
        self.sender, self.receiver = oneshot[str]()
        self.got: list[str] = []

    async def take(self, who: str) -> None:
        try:
            self.got.append(await (self.receiver if who == "a" else self.receiver.recv()))
        except Closed:
            pass
        self.order.append(who)

    def give(self) -> None:
        if not self.sender.is_closed:
            self.sender.send("value")

    def check(self) -> None:
        assert ["value"] == self.got
        assert 0 == self.receiver.statistics().waiting


@use("BroadcastReceiver.recv")
class RecvBroadcast(Use):
    def begin(self) -> None:
        self.sender, self.receiver = broadcast[int](8)
        self.got: list[int] = []
        self.sent = 0

    async def take(self, who: str) -> None:
        self.got.append(await self.receiver.recv())
        self.order.append(who)

    def give(self) -> None:
        if not len(self.receiver):
            self.sender.send(self.sent)
            self.sent += 1

    def check(self) -> None:
        while len(self.receiver):
            self.got.append(self.receiver.recv_nowait())
        assert list(range(self.sent)) == sorted(self.got)
        assert 0 == self.sender.statistics().receiving


@use("BroadcastReceiver.__anext__")
class NextBroadcast(RecvBroadcast):
    async def take(self, who: str) -> None:
        async for value in self.receiver:
            self.got.append(value)
            break
        self.order.append(who)


@use("WatchReceiver.changed")
class Changed(Use):
    """A change that the struck one did not get was not seen."""

    def begin(self) -> None:
        self.sender, self.receiver = watch(0)
        self.got: list[int] = []

    async def take(self, who: str) -> None:
        self.got.append(await self.receiver.changed())
        self.order.append(who)

    def give(self) -> None:
        if not self.receiver.has_changed:
            self.sender.modify(lambda value: value + 1)

    def check(self) -> None:
        if self.receiver.has_changed:
            self.got.append(self.receiver.get())
        assert list(range(1, self.sender.get() + 1)) == sorted(self.got)
        assert 0 == self.sender.statistics().waiting


@use("WatchReceiver.__anext__")
class NextChange(Changed):
    async def take(self, who: str) -> None:
        async for value in self.receiver:
            self.got.append(value)
            break
        self.order.append(who)


@use("WatchReceiver.wait_for")
class WatchWaitFor(Use):
    def begin(self) -> None:
        self.sender, self.receiver = watch(0)

    async def take(self, who: str) -> None:
        await self.receiver.clone().wait_for(lambda value: value >= 2)
        self.order.append(who)

    def give(self) -> None:
        self.sender.modify(lambda value: value + 1)

    def check(self) -> None:
        assert 0 == self.sender.statistics().waiting


def waiting_methods() -> dict[str, Any]:
    """Return every public method that returns something to be awaited or entered."""
    found: dict[str, Any] = {}
    for name in rescind.sync.__all__:
        cls = getattr(rescind.sync, name)
        if not inspect.isclass(cls):
            continue
        for method, function in vars(cls).items():
            if method.startswith("_") and method not in ("__aenter__", "__anext__"):
                continue
            if callable(function):
                returns = str(getattr(function, "__annotations__", {}).get("return", ""))
                ways = ("Notified", "ReadOrWrite", "Permits")
                if "Future" in returns or "Awaitable" in returns or returns in ways:
                    found[f"{name}.{method}"] = function
    return found


@interpreted  # a compiled class does not say what its special methods return
def test_table_has_every_operation_that_waits() -> None:
    """A new one has to be entered above."""
    assert sorted(waiting_methods()) == sorted(USES)


@pytest.mark.parametrize("name", sorted(n for n in waiting_methods() if "__" not in n))
def test_docstring_says_what_cancellation_loses(name: str) -> None:
    """Safe, or loses its place, or as another one, for which it is said."""
    text = inspect.getdoc(waiting_methods()[name]) or ""
    assert "Cancellation:" in text
    said = text.split("Cancellation:")[1].strip()
    assert said.startswith(("safe", "loses ", "as `"))


@pytest.mark.parametrize("kind", sorted(set(USES.values()), key=lambda cls: cls.__name__))
def test_struck_at_every_park_it_harms_nobody(kind: type[Use]) -> None:
    """The others get theirs, in their order; what was given to the struck one is not lost."""

    async def scenario(victim: Victim) -> None:
        case = kind()
        tasks = [spawn(case.take("a"))]
        await yield_now()
        tasks.append(spawn(victim(case.take("v"))))
        await yield_now()
        tasks.append(spawn(case.take("b")))
        for _ in range(40):
            await yield_now()
            await yield_now()
            if all(task.done() for task in tasks):
                break
            case.give()
        else:
            raise AssertionError(f"somebody waits for ever: {case.order}")
        for task in tasks:
            await task.join()
        assert ["a", "b"] == [who for who in case.order if who != "v"]
        case.check()

    assert sweep(scenario) >= 1

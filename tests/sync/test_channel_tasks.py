"""Channels between tasks: canceled at every park, over every host, threads, and plain asyncio."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import rescind
from rescind import Canceled, Closed, Completed, Runtime
from rescind.sync import (
    Lagged,
    NotSent,
    Receiver,
    Sender,
    broadcast,
    channel,
    oneshot,
    unbounded,
    watch,
)
from rescind.testing import run_virtual
from tests.conftest import HostFactory

CAPACITIES = pytest.mark.parametrize("capacity", [0, 1, 3])


# -- canceled at every park ------------------------------------------------------------------------


class Books:
    """Where each value is: made, with its sender again, received, or undelivered."""

    def __init__(self) -> None:
        self.made = 0
        self.sent: list[int] = []
        self.back: list[int] = []
        self.received: list[int] = []
        self.undelivered: list[int] = []

    def new(self) -> int:
        """Make a value."""
        self.made += 1
        return self.made

    def balance(self) -> None:
        """Each value is in one place."""
        places = Counter(self.back) + Counter(self.received) + Counter(self.undelivered)
        assert Counter(range(1, self.made + 1)) == places


async def produce(books: Books, sender: Sender[int], count: int) -> None:
    """Send so many; what is canceled was not sent."""
    with sender:
        for _ in range(count):
            value = books.new()
            try:
                await sender.send(value)
            except (asyncio.CancelledError, NotSent):
                books.back.append(value)
                raise


async def consume(books: Books, receiver: Receiver[int]) -> None:
    """Receive to the end, and yield in between."""
    async for value in receiver:
        books.received.append(value)
        await rescind.yield_now()


async def use(books: Books, capacity: int, victim: str, after: int) -> None:
    """Two producers and two consumers; one of them is canceled after so many turns."""
    sender, receiver = channel[int](capacity, on_undelivered=books.undelivered.append)
    tasks = {
        "consumer": rescind.spawn(consume(books, receiver.clone())),
        "producer": rescind.spawn(produce(books, sender.clone(), 4)),
        "other": rescind.spawn(produce(books, sender, 4)),
    }
    last = rescind.spawn(consume(books, receiver))
    del sender, receiver
    for _ in range(after):
        await rescind.yield_now()
    tasks[victim].cancel("the test says so")
    outcomes = [await task.join() for task in tasks.values()]
    assert await last.join() == Completed(None)
    assert all(isinstance(outcome, Completed | Canceled) for outcome in outcomes)


@CAPACITIES
@pytest.mark.parametrize("victim", ["producer", "consumer"])
def test_canceling_one_at_any_park_loses_nothing_and_stops_nobody_else(
    capacity: int, victim: str
) -> None:
    """P72: every value is received, or its sender has it; the others go on to the end."""
    for after in range(30):
        books = Books()
        assert Completed(None) == run_virtual(use(books, capacity, victim, after))
        books.balance()
        assert (8 if victim == "consumer" else 4) <= books.made
        assert [] == books.undelivered


Use = Callable[[], Coroutine[Any, Any, object]]


def park_points(use: Callable[[list[str]], Use], *, limit: int = 20) -> list[Any]:
    """Run a use again and again, canceled one turn later each time, until it completes first."""
    outcomes: list[Any] = []
    for after in range(limit):
        trace: list[str] = []

        async def main(after: int = after, trace: list[str] = trace) -> Any:
            task = rescind.spawn(use(trace)())
            for _ in range(after):
                await rescind.yield_now()
            task.cancel("at a park")
            return await task.join()

        outcome = run_virtual(main)
        assert isinstance(outcome, Completed)
        outcomes.append((outcome.value, trace))
        if isinstance(outcome.value, Completed):
            return outcomes
    raise AssertionError("it never completed")


def test_canceled_reserve_leaves_the_channel_usable_and_fair() -> None:
    """At every park of it: the next in line gets the slot, none is lost."""

    def use(trace: list[str]) -> Use:
        async def scenario() -> None:
            sender, receiver = channel[str](1)
            sender.send_nowait("first")

            async def make_room() -> None:
                await rescind.yield_now()
                trace.append(await receiver.recv())

            async def follow(own: Sender[str]) -> None:
                await rescind.yield_now()
                with own:
                    await own.send("next")

            rescind.spawn(make_room())
            rescind.spawn(follow(sender.clone()))
            try:
                with await sender.reserve() as permit:
                    await rescind.yield_now()
                    permit.send("mine")
                await rescind.yield_now()
            finally:
                sender.close()
                async for value in receiver:
                    trace.append(value)
                assert 0 == sender.statistics().reserved

        return scenario

    outcomes = park_points(use)
    without, having = ["first", "next"], ["first", "mine", "next"]
    assert [] == [trace for _, trace in outcomes[1:] if trace not in (without, having)]
    assert (without, having) == (outcomes[1][1], outcomes[-1][1])
    assert 4 <= len(outcomes)


def test_canceled_oneshot_receive_loses_no_reply() -> None:
    """Whenever it is canceled, the value is received by it, or by the next who asks."""

    def use(trace: list[str]) -> Use:
        async def scenario() -> None:
            sender, receiver = oneshot[str]()

            async def reply() -> None:
                await rescind.yield_now()
                await rescind.yield_now()
                sender.send("reply")

            task = rescind.spawn(reply())
            try:
                trace.append(await receiver)
                await rescind.yield_now()
            finally:
                await task.join()
                if not trace:
                    trace.append(await receiver)

        return scenario

    outcomes = park_points(use)
    assert [["reply"]] * (len(outcomes) - 1) == [trace for _, trace in outcomes[1:]]
    assert 3 <= len(outcomes)


def test_canceled_broadcast_and_watch_receives_have_missed_nothing() -> None:
    """Whenever it is canceled, the receiver goes on where it was."""

    def use(trace: list[str]) -> Use:
        async def scenario() -> None:
            sender, receiver = broadcast[int](8)
            latest, changes = watch(0)

            async def send() -> None:
                for n in range(3):
                    await rescind.yield_now()
                    sender.send(n)
                    latest.send(n + 1)

            task = rescind.spawn(send())
            seen: list[int] = []
            try:
                for _ in range(3):
                    seen.append(await receiver.recv())
                    await changes.changed()
            finally:
                await task.join()
                while len(receiver):
                    seen.append(receiver.recv_nowait())
                trace.append(f"{seen} {changes.get()}")

        return scenario

    outcomes = park_points(use)
    assert [["[0, 1, 2] 3"]] * (len(outcomes) - 1) == [trace for _, trace in outcomes[1:]]
    assert 3 <= len(outcomes)


def test_random_cancellations_lose_nothing() -> None:
    """Producers and consumers are canceled at random; all that was made is somewhere."""
    for seed in range(40):
        books = Books()
        chance = random.Random(seed)

        async def main(books: Books = books, chance: random.Random = chance) -> None:
            sender, receiver = channel[int](
                chance.randrange(4), on_undelivered=books.undelivered.append
            )
            tasks = [
                rescind.spawn(produce(books, sender.clone(), chance.randrange(8))) for _ in range(4)
            ] + [rescind.spawn(consume(books, receiver.clone())) for _ in range(4)]
            sender.close()
            receiver.drop()
            del sender, receiver
            for _ in range(chance.randrange(12)):
                await rescind.yield_now()
                grace = chance.choice([None, 30.0])
                chance.choice(tasks).cancel("by chance", grace=grace)
            for task in tasks[4:]:
                await task.join()
            for task in tasks[:4]:
                await task.join()

        outcome = run_virtual(main)
        assert Completed(None) == outcome, seed
        books.balance()


def test_send_that_is_dropped_unsent_is_with_its_sender_and_sent_is_received() -> None:
    """grace=0 drops at once: what was accepted is received, or queued again, in order."""
    for after in range(12):
        got: list[int] = []

        async def main(after: int = after, got: list[int] = got) -> list[int]:
            sender, receiver = channel[int](1)

            async def send() -> None:
                for n in range(4):
                    await sender.send(n)

            async def take() -> None:
                async for value in receiver:
                    got.append(value)

            task, taker = rescind.spawn(send()), rescind.spawn(take())
            for _ in range(after):
                await rescind.yield_now()
            taker.cancel("dropped", grace=0)
            await taker.join()
            task.cancel("dropped too", grace=0)
            await task.join()
            return receiver.drain()

        outcome = run_virtual(main)
        assert isinstance(outcome, Completed)
        accepted = got + outcome.value
        assert list(range(len(accepted))) == accepted


def test_a_thousand_waiting_senders_are_let_in_by_one_drain_each_woken_once() -> None:
    """Steps grow with the number of those who wait, not with its square."""

    async def main() -> tuple[int, int]:
        sender, receiver = channel[int](1000)
        for n in range(1000):
            sender.send_nowait(n)
        tasks = [rescind.spawn(sender.send(n)) for n in range(1000)]
        await rescind.yield_now()
        before = rescind.current_runtime().statistics().steps
        receiver.drain()
        for task in tasks:
            await task
        steps = rescind.current_runtime().statistics().steps - before
        return steps, len(receiver)

    outcome = run_virtual(main)
    assert isinstance(outcome, Completed)
    assert 1000 == outcome.value[1]
    assert outcome.value[0] <= 2100


# -- over the hosts --------------------------------------------------------------------------------


def test_pipeline_over_every_host(host: HostFactory) -> None:
    """Three stages, each with its channel, closed one after the other."""

    async def double(receiver: Receiver[int], sender: Sender[int]) -> None:
        with sender:
            async for value in receiver:
                await sender.send(2 * value)

    async def main() -> list[int]:
        first, doubler = channel[int](1)
        second, last = channel[int](0)
        rescind.spawn(double(doubler, second))
        del doubler, second

        async def feed() -> None:
            async with first:
                for n in range(20):
                    await first.send(n)

        rescind.spawn(feed())
        async with last as values:
            return [value async for value in values]

    with host() as runtime:
        assert [2 * n for n in range(20)] == runtime.block_on(main())


def test_oneshot_broadcast_and_watch_over_every_host(host: HostFactory) -> None:
    """One request with its reply, an event that all see, a value that all know."""

    async def main() -> Any:
        ask, requests = channel[Any](1)
        news, reader = broadcast[str](1)
        latest, config = watch("old")

        async def serve() -> None:
            async for reply in requests:
                reply.send("reply")

        async def read() -> list[Any]:
            seen: list[Any] = []
            while True:
                try:
                    seen.append(await reader.recv())
                except Lagged as lagged:
                    seen.append(lagged.missed)
                except Closed:
                    return seen

        server, readers = rescind.spawn(serve()), rescind.spawn(read())
        waits = rescind.spawn(config.wait_for(lambda value: value == "new"))
        reply, answer = oneshot[str]()
        await ask.send(reply)
        got = await answer
        ask.close()
        await server
        for text in ("a", "b", "c"):
            news.send(text)
        news.close()
        latest.send("new")
        return got, await readers, await waits

    with host() as runtime:
        assert ("reply", [2, "c"], "new") == runtime.block_on(main())


# -- threads ---------------------------------------------------------------------------------------


def in_threads(*functions: Callable[[], object]) -> None:
    """Run each in a thread of its own; raise what one raised."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == errors


@CAPACITIES
def test_tasks_of_several_runtimes_share_a_channel(capacity: int) -> None:
    """Two runtimes send, two receive, each in its thread; all arrives, each sender's in order."""
    sender, receiver = channel[tuple[int, int]](capacity)
    got: list[list[tuple[int, int]]] = [[], []]

    def sending(number: int) -> Callable[[], object]:
        own = sender.clone()

        async def main() -> None:
            with own:
                for n in range(300):
                    await own.send((number, n))

        return lambda: rescind.run(main, handle_signals=False)

    def receiving(number: int) -> Callable[[], object]:
        own = receiver.clone()

        async def main() -> None:
            with own:
                async for value in own:
                    got[number].append(value)

        return lambda: rescind.run(main, handle_signals=False)

    work = [sending(0), sending(1), receiving(0), receiving(1)]
    sender.close()
    receiver.drop()
    in_threads(*work)
    assert sorted((k, n) for k in range(2) for n in range(300)) == sorted(got[0] + got[1])
    for one in got:
        for k in range(2):
            numbers = [n for number, n in one if number == k]
            assert sorted(numbers) == numbers


def test_plain_threads_send_to_a_task() -> None:
    """send_nowait, clone and close may be called from any thread."""
    sender, receiver = unbounded[int]()
    threads = 4

    def send(own: Sender[int], base: int) -> None:
        for n in range(500):
            with own.clone() as clone:
                clone.send_nowait(base + n)
        own.close()

    def receive() -> None:
        async def main() -> list[int]:
            return [value async for value in receiver]

        values = rescind.run(main, handle_signals=False)
        assert sorted(values) == list(range(500 * threads))

    clones = [sender.clone() for _ in range(threads)]
    sender.close()
    in_threads(receive, *(lambda k=k: send(clones[k], 500 * k) for k in range(threads)))
    assert 0 == receiver.statistics().senders


def test_threads_that_drop_receivers_while_others_send_lose_nothing() -> None:
    """What was accepted is received or undelivered, once."""
    for _ in range(20):
        undelivered: list[int] = []
        sender, receiver = channel[int](8, on_undelivered=undelivered.append)
        accepted: list[int] = []
        received: list[int] = []

        def send(sender: Sender[int] = sender, accepted: list[int] = accepted) -> None:
            for n in range(200):
                while True:
                    try:
                        sender.send_nowait(n)
                    except rescind.WouldBlock:
                        continue
                    except NotSent:
                        return
                    accepted.append(n)
                    break

        def receive(receiver: Receiver[int] = receiver, received: list[int] = received) -> None:
            while len(received) < 100:
                try:
                    received.append(receiver.recv_nowait())
                except rescind.WouldBlock:
                    continue
            receiver.drop()

        in_threads(send, receive)
        assert accepted == received + undelivered


def test_oneshot_and_watch_are_told_by_a_thread() -> None:
    """The task that waits on another thread is woken."""
    sender, receiver = oneshot[int]()
    latest, changes = watch(0)

    def tell() -> None:
        sender.send(1)
        for _ in range(100):
            latest.modify(lambda value: value + 1)

    def wait() -> None:
        async def main() -> tuple[int, int]:
            return await receiver, await changes.wait_for(lambda value: value == 200)

        assert (1, 200) == rescind.run(main, handle_signals=False)

    def tell_too() -> None:
        for _ in range(100):
            latest.modify(lambda value: value + 1)

    in_threads(wait, tell, tell_too)


def test_broadcast_reaches_receivers_on_several_threads() -> None:
    """Each sees all of it, in order."""
    sender, receiver = broadcast[int](1000)
    got: list[list[int]] = []

    def receive(own: Any) -> Callable[[], object]:
        async def main() -> None:
            got.append([value async for value in own])

        return lambda: rescind.run(main, handle_signals=False)

    def send() -> None:
        with sender:
            for n in range(500):
                sender.send(n)

    in_threads(receive(receiver.clone()), receive(receiver.clone()), send)
    assert [list(range(500))] * 2 == got


# -- plain asyncio ---------------------------------------------------------------------------------


def test_plain_asyncio_tasks_use_channels() -> None:
    """Under asyncio.run, without a runtime, and in asyncio's own cancellations."""

    async def main() -> Any:
        sender, receiver = channel[int](1)
        asked, answer = oneshot[int]()

        async def produce() -> None:
            with sender:
                for n in range(5):
                    await sender.send(n)
            asked.send(5)

        task = asyncio.create_task(produce())
        got = [value async for value in receiver]
        await task
        return got, await answer

    assert ([0, 1, 2, 3, 4], 5) == asyncio.run(main())


def test_asyncio_cancellation_of_a_receive_loses_nothing() -> None:
    """A value that came in the same loop iteration is delivered: asyncio's request comes later."""

    async def main() -> list[Any]:
        sender, receiver = channel[int](1)
        seen: list[Any] = []

        async def take() -> None:
            try:
                seen.append(await receiver.recv())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                seen.append("canceled")
                raise

        task = asyncio.create_task(take())
        await asyncio.sleep(0)
        sender.send_nowait(1)
        task.cancel()
        await asyncio.wait([task])
        other = asyncio.create_task(take())
        await asyncio.sleep(0)
        other.cancel()
        await asyncio.wait([other])
        sender.send_nowait(2)
        return [*seen, receiver.drain()]

    assert [1, "canceled", "canceled", [2]] == asyncio.run(main())


def test_asyncio_timeouts_lose_no_value() -> None:
    """wait_for around a receive, again and again, while values come."""

    async def main() -> list[int]:
        sender, receiver = unbounded[int]()
        got: list[int] = []

        async def send() -> None:
            for n in range(50):
                await asyncio.sleep(0)
                sender.send_nowait(n)
            sender.close()

        task = asyncio.create_task(send())
        while True:
            try:
                async with asyncio.timeout(0):
                    got.append(await receiver.recv())
            except TimeoutError:
                continue
            except Closed:
                break
        await task
        return got

    assert list(range(50)) == asyncio.run(main())


def test_hung_channel_is_named_in_the_deadlock() -> None:
    """What a task waits for says which channel, and how full."""
    sender, receiver = channel[int](2, name="jobs")
    with pytest.raises(rescind.Deadlock, match=r"recv from channel 'jobs' \(0/2\)"):
        run_virtual(receiver.recv())
    assert sender.statistics().receiving == 0


def test_hot_receive_lets_others_run() -> None:
    """Every receive counts against the budget of its step: P of R23."""

    async def main() -> bool:
        sender, receiver = unbounded[int]()
        for n in range(1000):
            sender.send_nowait(n)
        ran: list[int] = []

        async def other() -> None:
            ran.append(len(receiver))

        task = rescind.spawn(other())
        while len(receiver):
            await receiver.recv()
        await task
        return ran[0] > 0

    with Runtime() as runtime:
        assert runtime.block_on(main())


def test_async_for_over_a_broadcast_and_a_watch_ends_when_the_senders_are_gone() -> None:
    """A lag is raised in the loop, which can be entered again; a watch gives the latest."""

    async def main() -> Any:
        news, reader = broadcast[int](2)
        latest, changes = watch(0)
        seen: list[Any] = []
        for n in range(4):
            news.send(n)
        news.close()
        with pytest.raises(Lagged):
            async for value in reader:
                seen.append(value)
        async for value in reader:
            seen.append(value)
        task = rescind.spawn(change(latest))
        del latest
        async for value in changes:
            seen.append(f"watched {value}")
        await task
        return seen

    async def change(latest: Any) -> None:
        with latest:
            for n in (1, 2, 3):
                latest.send(n)
                if n > 1:
                    await rescind.yield_now()

    seen = [2, 3, "watched 2", "watched 3"]
    assert Completed(seen) == run_virtual(main)


def test_receiver_is_closed_when_nothing_more_will_be_accepted() -> None:
    """By the last sender, by a receiver, or because it was dropped itself."""
    states: list[bool] = []
    sender, receiver = channel[int](1)
    states.append(receiver.is_closed)
    sender.close()
    states.append(receiver.is_closed)
    sender, receiver = channel[int](1)
    other = receiver.clone()
    receiver.drop()
    states += [receiver.is_closed, other.is_closed, bool(other)]
    other.close()
    states.append(other.is_closed)
    assert [False, True, True, False, True, True] == states
    assert sender.is_closed

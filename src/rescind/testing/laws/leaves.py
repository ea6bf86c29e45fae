"""Callbacks, wakers, primitives: P66 to P73."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import rescind
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelRequest
from rescind.sync import Mutex, Semaphore
from rescind.testing.hand import CountingWaker, context, poll_cancel_once, poll_once
from rescind.testing.lab.schedule import Exhaustive
from rescind.testing.laws.interpret import Machine
from rescind.testing.laws.law import ANY_KIND, law
from rescind.testing.laws.program import Program
from rescind.testing.laws.stage import Injection, Setting, Stage, play

__all__ = ["Callback"]


class Callback(Future[str]):
    """A future around an API with a callback, as an author of an adapter would write it.

    Args:
        canceler: called once if the future is canceled while it waits; None: the API cannot be
            canceled, so a cancellation waits for the callback.
    """

    def __init__(self, canceler: Callable[[], object] | None = None) -> None:
        self.waker: Waker | None = None
        self.value: str | None = None
        self.registered = 0
        self.canceled = 0
        self.canceler = canceler

    def call(self, value: str) -> None:
        """Be the callback: the first call counts."""
        if self.value is None:
            self.value = value
            if self.waker is not None:
                self.waker.wake()

    def poll(self, cx: Context) -> str | Pending:
        if self.value is not None:
            return self.value
        self.waker = cx.waker
        self.registered += not self.registered
        return PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[str] | Pending:
        if self.value is not None:
            return Completed(self.value)
        if self.canceler is None:
            self.waker = cx.waker
            return PENDING
        self.canceled += 1
        self.canceler()
        return Canceled(request.reason)


@law(66)
def the_first_callback_wins() -> None:
    """The first call of a callback gives the value; later ones are ignored."""
    leaf = Callback()
    with Stage() as stage:
        task = stage.spawn(leaf)
        for at, value in ((1, "first"), (1, "second"), (2, "third")):
            stage.call_at(at, partial(leaf.call, value))
        stage.finish()
        assert task.outcome() == Completed("first")


@law(67)
def registration_is_not_interrupted() -> None:
    """A cancel during the poll that registers comes after it: registered once, then canceled."""
    log: list[str] = []
    leaf = Callback(lambda: log.append("canceler"))

    async def main() -> str:
        rescind.current_task().cancel("at once")
        return await leaf

    with Stage() as stage:
        task = stage.spawn(main())
        stage.finish()
        assert isinstance(task.outcome(), Canceled)
    assert (leaf.registered, log) == (1, ["canceler"])


@law(68)
def the_canceler_runs_iff_it_waits(at: float) -> None:
    """It runs iff canceled while waiting, never after the end, and before the canceller goes on."""
    for called_at in (0.5, at, at + 0.25, None):
        log: list[str] = []
        leaf = Callback(partial(log.append, "canceler"))

        async def main(leaf: Callback = leaf, log: list[str] = log) -> Any:
            task = rescind.spawn(leaf)
            await rescind.sleep(at)
            outcome = await task.cancel("r")
            log.append("cancel returned")
            return outcome

        with Stage() as stage:
            task = stage.spawn(main())
            if called_at is not None:
                stage.call_at(called_at, partial(leaf.call, "value"))
            stage.finish()
            outcome = task.outcome()
        assert isinstance(outcome, Completed)
        waited = isinstance(outcome.value, Canceled)
        assert log == [*(["canceler"] if waited else []), "cancel returned"], log
        assert waited == (called_at is None or called_at > at), (called_at, outcome)


@law(69)
def without_a_canceler_a_cancel_waits(at: float) -> None:
    """An adapter that cannot be canceled: cancel waits for it, and the value is delivered."""
    leaf = Callback()

    async def main() -> Any:
        task = rescind.spawn(leaf)
        await rescind.sleep(at)
        return await task.cancel("r"), rescind.now()

    with Stage() as stage:
        task = stage.spawn(main())
        stage.call_at(at + 2, lambda: leaf.call("after all"))
        stage.finish()
        assert task.outcome() == Completed((Completed("after all"), at + 2))


# One task, nothing shared: a spurious wake takes a turn, which may decide between others.
@law(70, x={"without": ("SelfCancel", "tasks", "shared", "Pause")})
def extra_polls_and_wakes_change_nothing(x: Program, at: float) -> None:
    """A cancel wakes a parked task once; spurious wakes and extra polls change nothing."""

    class Nervous(Future[Any]):
        """Polls what it drives twice, and wakes itself spuriously once."""

        def __init__(self, inner: Future[Any]) -> None:
            self.inner = inner
            self.nudged = False

        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            value = self.inner.poll(cx)
            if value is PENDING:
                value = self.inner.poll(cx)
            if value is PENDING and not self.nudged:
                self.nudged = True
                cx.waker.wake()
            return value

        def drop(self) -> None:
            self.inner.drop()

        def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
            return self.inner.poll_cancel(cx, request)

    class NervousMachine(Machine):
        async def _wait(self, what: str, fut: Any, place: Any) -> Any:
            if what.startswith(("self_cancel", "pause")):
                return await super()._wait(what, fut, place)
            return await super()._wait(what, Nervous(fut), place)

    async def canceled(world: Machine) -> Any:
        task = rescind.spawn(world.run(x))
        await rescind.sleep(at)
        return await task.cancel("r")

    assert play(x).seen() == play(x, machine=NervousMachine()).seen(), "an extra poll changed it"
    plain, nervous = play(canceled), play(canceled, machine=NervousMachine())
    assert plain.seen() == nervous.seen(), "an extra poll changed how it is canceled"

    waker = CountingWaker()
    fut = Semaphore(0).acquire()
    cx = context(waker)
    assert poll_once(fut, cx) is PENDING and poll_once(fut, cx) is PENDING
    assert isinstance(poll_cancel_once(fut, cx), Canceled) and waker.wakes == 0
    with Stage() as stage:
        task = stage.spawn(rescind.never())
        stage.idle()
        before = stage.steps(task)
        task.cancel("one")
        task.cancel("two")
        stage.idle()
        assert stage.steps(task) == before + 1, "it was woken more than once"


@law(71, on=ANY_KIND, examples=80)
def permits_are_conserved(x: Program, on: Setting) -> None:
    """Whatever is canceled, all permits are back at the end, nobody waits, the mutex is free."""
    run = play(x, on)
    if run.hung:
        return
    world = run.machine
    assert world.semaphore.available == 2, world.semaphore
    assert not world.mutex.locked(), world.mutex
    assert world.semaphore.statistics().waiting == world.mutex.statistics().waiting == 0


@law(71)
def waiters_are_served_in_order() -> None:
    """FIFO, though one leaves; what a canceled waiter was granted goes to the next one."""
    for victim in range(3):
        for when in ("after", "before"):
            for make in (lambda: Semaphore(1), Mutex):
                order: list[int] = []
                tasks: list[rescind.Task[Any]] = []

                async def wants(lock: Any, number: int, order: list[int] = order) -> None:
                    async with lock:
                        order.append(number)
                        await rescind.sleep(1)

                async def main(
                    _world: Machine,
                    make: Callable[[], Any] = make,
                    wants: Any = wants,
                    tasks: list[rescind.Task[Any]] = tasks,
                ) -> None:
                    lock = make()
                    async with lock:
                        tasks.extend(rescind.spawn(wants(lock, number)) for number in range(3))
                        await rescind.sleep(1)
                    for task in tasks:
                        await task.join()

                strike = Injection(victim + 1, 1 if when == "after" else 2, when, "r")
                run = play(main, Setting((), (strike,)))
                others = [number for number in range(3) if number != victim]
                got_it = when == "before"  # it had the lock already: it was given, then canceled
                assert run.ended == ("completed", None)
                assert order == (sorted([*others, victim]) if got_it else others), (order, strike)


@law(72, on=ANY_KIND, examples=80)
def nothing_sent_is_lost(x: Program, y: Program, on: Setting) -> None:
    """What was sent was received, is still in the channel, or went to on_undelivered; once."""

    async def main(world: Machine) -> Any:
        return await rescind.outcomes(world.run(x), world.run(y))

    run = play(main, on)
    world = run.machine
    rest = world.receiver.drain()
    assert Counter(world.sent) == Counter([*world.received, *rest, *world.undelivered])


@law(73)
def canceled_has_no_effect_or_the_full_effect() -> None:
    """A canceled acquire has taken nothing, or all; a canceled send sent all or nothing."""
    strikes = [
        Injection(task, step, when, "r")
        for task in (1, 2)
        for step in (1, 2)
        for when in ("before", "after")
    ]
    for strike in strikes:
        for order in Exhaustive(None):
            log: list[Any] = []

            async def main(world: Machine, log: list[Any] = log) -> Any:
                async def send(number: int, world: Machine = world, log: list[Any] = log) -> None:
                    await world.sender.send(number)
                    log.append(("sent", number))

                async def receive() -> None:
                    log.append(("received", await world.receiver.recv()))

                tasks = [rescind.spawn(send(1)), rescind.spawn(send(2)), rescind.spawn(receive())]
                outcomes = [await task.join() for task in tasks]
                return [isinstance(one, Completed) for one in outcomes], world.receiver.drain()

            run = play(main, Setting((), (strike,)), schedule=order)
            assert isinstance(run.outcome, Completed), run.outcome
            done, rest = run.outcome.value
            sent = [value for value in (1, 2) if done[value - 1]]
            received = [value for what, value in log if what == "received"]
            assert done[2] == bool(received)
            assert sorted(sent) == sorted(received + rest), (strike, order.choices, log)

"""Outcomes and tasks: P1 to P8."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable
from typing import Any

import rescind
from rescind._core.errors import Deadlock, TaskCanceled
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending
from rescind._core.reason import CancelKind, CancelRequest
from rescind.testing.laws.interpret import TOP, Boom, Machine
from rescind.testing.laws.law import ANY_KIND, law
from rescind.testing.laws.program import (
    Fail,
    Finalize,
    OnCancel,
    Program,
    Seq,
    Sleep,
    Value,
)
from rescind.testing.laws.stage import Setting, Stage, play, told
from rescind.testing.virtual import run_virtual

__all__ = ["Witness"]


@law(1)
def join_of_a_task_is_its_outcome(x: Program, quiet: Setting) -> None:
    """join(spawn(x)) = Completed(v) or Error(e), with the identity of e kept."""

    async def main(world: Machine) -> Any:
        task = rescind.spawn(world.run(x))
        outcome = await task.join()
        if isinstance(outcome, Completed):
            assert (await task) == outcome.value
        elif isinstance(outcome, Error):
            try:
                await task
            except BaseException as exc:
                assert exc is outcome.exception, "the exception is another one"
        return outcome

    run = play(main, quiet)
    if isinstance(run.outcome, Completed):
        inner = run.outcome.value
        if isinstance(inner, Error) and isinstance(inner.exception, Boom):
            assert any(inner.exception is boom for boom in run.machine.raised)
    spawned, alone = play(main), play(x)
    if not alone.stuck:
        assert isinstance(spawned.outcome, Completed)
        assert told(spawned.outcome.value) == alone.ended, (spawned.outcome, alone.ended)


@law(2)
def join_after_cancel_is_canceled_with_that_reason() -> None:
    """Join after a cancel of never, or after self_cancel, = Canceled(r) with exactly that r."""
    reason = rescind.CancelReason(CancelKind.EXPLICIT, "exactly this")

    async def itself() -> None:
        await rescind.self_cancel(reason)

    async def main() -> None:
        task = rescind.spawn(rescind.never())
        await rescind.yield_now()
        task.cancel(reason)
        assert await task.join() == Canceled(reason)
        assert await rescind.spawn(itself()).join() == Canceled(reason)

    run_virtual(main).unwrap()


@law(3)
def what_never_ends_is_a_deadlock(x: Program, quiet: Setting) -> None:
    """join(spawn(never)) is reported as a deadlock; spawn itself returns; nothing after it runs."""
    spawned: list[str] = []

    async def main(world: Machine) -> None:
        task = rescind.spawn(rescind.never())
        spawned.append("returned")
        await task.join()
        await world.run(x)

    run = play(main, quiet, unstick=False)
    assert spawned == ["returned"]
    assert run.stuck and run.trace == []
    try:
        run_virtual(lambda: main(Machine()))
    except Deadlock as exc:
        assert "join" in str(exc)
    else:
        raise AssertionError("run_virtual returned")


@law(4)
def what_nobody_awaits_has_no_effect(x: Program) -> None:
    """Creating a future has no effect, nor has dropping it; Python reports a bare coroutine."""
    world = Machine()
    as_future(world.run(x)).drop()
    rescind.shield(world.run(x)).drop()
    rescind.race(world.run(x), world.run(x)).drop()
    rescind.timeout(world.run(x), 1).drop()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        coroutine: Any = world.run(x)
        del coroutine
        gc.collect(0)
    assert world.trace == [] and world.open == {}
    assert [one.category for one in caught] == [RuntimeWarning], "Python did not report it"


@law(5)
def every_joiner_gets_the_same_outcome(x: Program, on: Setting) -> None:
    """An Outcome never changes; all joiners, before or after the end, get an equal one."""
    seen: list[Outcome[Any]] = []

    async def joiner(task: rescind.Task[Any]) -> None:
        seen.append(await task.join())

    async def main(world: Machine) -> Any:
        task = rescind.spawn(world.run(x))
        early = [rescind.spawn(joiner(task)) for _ in range(2)]
        outcome = await task.join()
        for one in early:
            await one.join()
        assert task.cancel("late").accepted is False
        seen.append(await task.join())
        assert task.outcome() is outcome
        return outcome

    run = play(main, on)
    if isinstance(run.outcome, Completed):
        assert all(one == run.outcome.value for one in seen), seen


@law(6)
def nothing_that_fails_is_lost(f: Program, h: Program, a: float, at: float) -> None:
    """One thing is primary; `also` has every other failure of the task once, in order."""
    body = OnCancel(Finalize(Sleep(a), Seq(Value(1), f)), h)
    with Stage() as stage:
        world = Machine()
        task = stage.spawn(world.run(Finalize(body, Fail("last"))))
        stage.call_at(at, lambda: _ignore(task.cancel("r")))
        stage.finish()
        outcome = task.outcome()
    assert outcome is not None
    uncaught = [boom for boom in world.raised if boom in _failures(outcome)]
    ran = [one for one in world.finalizers if one.begun]
    assert isinstance(outcome, Error | Canceled), outcome
    failures = _failures(outcome)
    assert len({id(one) for one in failures}) == len(failures), "a failure is told twice"
    order = [world.raised.index(one) for one in failures if isinstance(one, Boom)]
    assert order == sorted(order), f"not in order: {failures}"
    assert world.raised[-1] in failures and uncaught, "the last finalizer's failure is lost"
    assert all(one.ended == 1 for one in ran)


def _failures(outcome: Outcome[Any]) -> list[BaseException]:
    if isinstance(outcome, Error):
        return [outcome.exception, *outcome.also]
    return list(outcome.also) if isinstance(outcome, Canceled) else []


def _ignore(_request: CancelRequest) -> None:
    """Take what nobody waits for."""


@law(7)
def whose_cancellation(x: Program, at: float) -> None:
    """A canceled joiner does not cancel the joined; a canceled child does not cancel its joiner."""
    alone = play(lambda world: _joined(world, x, None))
    disturbed = play(lambda world: _joined(world, x, at))
    assert alone.stuck or alone.seen() == disturbed.seen()

    async def main() -> str:
        child = rescind.spawn(rescind.never())
        await rescind.yield_now()
        child.cancel("child")
        try:
            await child
        except TaskCanceled as exc:
            return f"{exc.reason.message}, and I go on"
        return "no"

    assert run_virtual(main) == Completed("child, and I go on")


async def _joined(world: Machine, x: Program, at: float | None) -> Any:
    task = rescind.spawn(world.run(x))

    async def join() -> None:
        await task.join()

    joiner = rescind.spawn(join())
    if at is not None:
        rescind.spawn(_cancel_at(joiner, at))
    return told(await task.join())


async def _cancel_at(task: rescind.Task[Any], at: float) -> None:
    await rescind.sleep(at)
    task.cancel("at a time")


class Witness(Future[Any]):
    """Passes everything on, and notes what is done to a future that has ended, or never ends."""

    def __init__(self, inner: Future[Any], faults: list[str], open_: list[str]) -> None:
        self.inner = inner
        self.faults = faults
        self.open = open_
        self.state = "new"
        # Was it dropped where it was parked, without a chance to clean up?
        self.dropped = False

    def poll(self, cx: Context) -> Any:
        if self.state in ("ended", "canceling"):
            self.faults.append(f"{self.inner!r} was polled when {self.state}")
        if self.state == "new":
            self.state = "started"
            self.open.append(repr(self.inner))
        try:
            value = self.inner.poll(cx)
        except BaseException:
            self._end()
            raise
        if not isinstance(value, Pending):
            self._end()
        return value

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[Any] | Pending:
        if self.state == "ended":
            self.faults.append(f"{self.inner!r} was canceled when it had ended")
        self.state = "canceling" if self.state != "new" else "new"
        outcome = self.inner.poll_cancel(cx, request)
        if outcome is not PENDING:
            self._end()
        elif self.state == "new":
            self.state = "canceling"
            self.open.append(repr(self.inner))
        return outcome

    def drop(self) -> None:
        if self.state == "ended":
            return
        self.dropped = self.state == "started"
        self._end()
        self.inner.drop()

    def _end(self) -> None:
        if self.state in ("started", "canceling"):
            name = repr(self.inner)
            self.open[:] = self.open[:-1] if name not in self.open else _without(self.open, name)
        self.state = "ended"


def _without(names: list[str], name: str) -> list[str]:
    index = names.index(name)
    return names[:index] + names[index + 1 :]


class _Witnessed(Machine):
    """A machine that puts a witness around every program's future."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.watched: list[str] = []

    async def run(self, program: Program, place: Any = TOP) -> Any:
        fut: Awaitable[Any] = super().run(program, place)
        return await Witness(as_future(fut), self.faults, self.watched)


@law(8, x={"without": ("Masked", "Open")}, on=ANY_KIND)
def every_start_has_one_end(x: Program, on: Setting) -> None:
    """No future is polled after it was ready; each that starts has one end."""
    machine = _Witnessed()
    run = play(x, on, machine=machine)
    assert machine.faults == [], machine.faults
    assert machine.open == {}, f"without an end: {machine.open}"
    assert machine.watched == [], f"without an end: {machine.watched}"
    assert run.hung or run.left == {"timers": 0, "ready": 0, "abandoned": 0}, run.left

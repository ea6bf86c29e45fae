"""Requests for cancellation: P9 to P15."""

from __future__ import annotations

from typing import Any

import rescind
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind.sync import oneshot
from rescind.testing.lab.schedule import Exhaustive
from rescind.testing.laws.equiv import same
from rescind.testing.laws.interpret import Machine
from rescind.testing.laws.law import law
from rescind.testing.laws.program import (
    Catch,
    Fail,
    ForceThen,
    OnCancel,
    Program,
    SelfCancel,
    Seq,
    Value,
    nodes,
)
from rescind.testing.laws.stage import Injection, Setting, Stage, play

__all__: list[str] = []


@law(9, x={"without": ("shields", "tasks")}, examples=80)
def nothing_new_after_the_request(x: Program, struck: Setting) -> None:
    """After cancel(r), nothing but cleanup runs beyond the step in which a park delivers it."""
    first: list[int] = []
    with Stage(struck) as stage:
        world = Machine()
        world.steps = stage.steps
        stage.on_strike = lambda _one: first.append(len(world.trace))
        stage.spawn(world.run(x))
        stage.finish()
    if not first:
        return
    caught = any(isinstance(one, Catch | ForceThen | OnCancel) for one in nodes(x))
    after = [
        entry
        for entry in world.trace[first[0] :]
        if not entry.sheltered and not entry.what.endswith((": canceled", ": done"))
    ]
    steps = {entry.step for entry in after}
    assert caught or len(steps) <= 1, f"it went on for {len(steps)} steps: {after}"


@law(10)
def self_cancel_ends_it(x: Program, on: Setting) -> None:
    """self_cancel(); x outside a shield: x never runs."""
    run = play(Seq(SelfCancel("r"), x), on)
    assert {entry.what for entry in run.trace} <= {"self_cancel r", "self_cancel r: canceled"}
    assert run.ended[0] == "canceled"


@law(11)
def more_requests_change_nothing(x: Program, struck: Setting) -> None:
    """K cancels ≃ 1 cancel in trace and primary reason; all k requesters are in the record."""
    first = struck.injections[0]
    mine = Injection(0, first.step, first.when, "first")
    more = tuple(Injection(0, first.step, first.when, word) for word in ("second", "third"))
    once = play(x, Setting(struck.choices, (mine,)))
    often = play(x, Setting(struck.choices, (mine, *more)))
    assert once.seen() == often.seen()
    if often.struck:
        words = [reason.message for reason in often.reasons]
        own = [word for word in words if word in ("first", "second", "third")]
        assert own == ["first", "second", "third"], words


@law(12, x={"without": ("SpawnJoin", "Cancel")})
def who_cancels_waits_for_the_cleanup(x: Program, quiet: Setting, at: float) -> None:
    """When `await task.cancel()` returns, all of the target has ended; for every canceller."""
    target = Machine()
    open_then: list[dict[int, Program]] = []

    async def cancels(task: rescind.Task[Any]) -> None:
        await rescind.sleep(at)
        await task.cancel("r")
        open_then.append(dict(target.open))

    async def main(_world: Machine) -> None:
        task = rescind.spawn(target.run(x))
        cancellers = [rescind.spawn(cancels(task)) for _ in range(2)]
        for one in cancellers:
            await one.join()

    run = play(main, quiet)
    assert run.hung or run.stuck or open_then == [{}, {}], open_then


@law(13)
def cancel_of_what_has_ended_is_nothing(x: Program, quiet: Setting) -> None:
    """Cancel of a finished task: not accepted, no trace, the outcome unchanged, no wait."""

    async def main(world: Machine) -> None:
        task = rescind.spawn(world.run(x))
        outcome = await task.join()
        trace, at = list(world.trace), rescind.now()
        request = task.cancel("too late")
        assert request.accepted is False
        assert await request is outcome
        assert task.outcome() is outcome and task.cancel_reasons in ((), task.cancel_reasons)
        assert rescind.now() == at and world.trace == trace, "something ran"

    run = play(main, quiet)
    assert run.stuck or isinstance(run.outcome, Completed), run.outcome


@law(14, x={"size": 4, "without": ("tasks",)}, y={"size": 4}, z={"size": 4})
def force_then(x: Program, y: Program, z: Program, quiet: Setting) -> None:
    """force_then(a, b) = b unless a was canceled; then b is not run; associative; never absorbs."""
    same(ForceThen(ForceThen(x, y), z), ForceThen(x, ForceThen(y, z)), quiet)
    first = play(x, quiet)
    run = play(ForceThen(x, Value(99)), quiet)
    if first.ended[0] == "canceled":
        assert "value 99" not in [entry.what for entry in run.trace] and run.ended == first.ended
    elif not first.stuck:
        alone = play(Seq(Catch(x, Value(0)), Value(99)), quiet)
        assert run.ended == alone.ended
    same(ForceThen(Value(1), y), Seq(Value(1), y), quiet)
    same(ForceThen(Fail("a"), y), Catch(Fail("a"), y), quiet)


@law(15)
def a_value_and_a_cancel_at_once() -> None:
    """For every interleaving of a value and a cancel: delivered, or handed back; never neither."""
    for order in Exhaustive(None):
        undelivered: list[int] = []
        got: list[int] = []

        async def receive(receiver: Any, into: list[int]) -> None:
            into.append(await receiver.recv())

        async def main(
            _world: Machine, back: list[int] = undelivered, into: list[int] = got
        ) -> Any:
            sender, receiver = oneshot[int](on_undelivered=back.append)
            task = rescind.spawn(receive(receiver, into))

            async def send() -> None:
                sender.send(7)

            async def cancel() -> None:
                task.cancel("now")

            spawned = [rescind.spawn(send()), rescind.spawn(cancel())]
            outcome = await task.join()
            for one in spawned:
                await one.join()
            receiver.drop()
            return outcome

        run = play(main, schedule=order)
        assert got + undelivered in ([7], []), (
            f"both, or twice: {got} {undelivered} {order.choices}"
        )
        assert isinstance(run.outcome, Completed)
        ended: Outcome[Any] = run.outcome.value
        assert isinstance(ended, Completed if got else Canceled), (ended, got)
        if not got:
            assert undelivered == [7], f"lost, with choices {order.choices}"

"""race, join, outcomes, join_or_cancel, shared: P43 to P51."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import rescind
from rescind._core.errors import TaskCanceled
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.reason import CancelKind, CancelReason
from rescind.sync import Event, oneshot
from rescind.testing.lab.schedule import Exhaustive
from rescind.testing.laws.equiv import endings, same, same_outcomes
from rescind.testing.laws.interpret import Boom, Machine
from rescind.testing.laws.law import law
from rescind.testing.laws.program import (
    Both,
    Fail,
    Finalize,
    Never,
    OnCancel,
    Outcomes,
    Program,
    Race,
    Seq,
    Shield,
    Sleep,
)
from rescind.testing.laws.stage import Injection, Play, Setting, play, told
from rescind.testing.virtual import run_virtual

__all__: list[str] = []

#: Programs that mean the same alone and beside others.
_ALONE = ("tasks", "shared", "SelfCancel", "Never", "Locked")


@law(43, x={"without": ("SpawnJoin", "Cancel")}, y={"without": ("SpawnJoin", "Cancel")})
def race_drains_its_losers(x: Program, y: Program, f: Program, on: Setting) -> None:
    """When race returns, its losers have ended, their finalizers too."""
    left: list[list[Program]] = []

    async def main(world: Machine) -> Any:
        try:
            return await rescind.race(
                world.run(OnCancel(x, f)), world.run(Finalize(y, f)), world.run(Sleep(1))
            )
        finally:
            left.append(list(world.open.values()))

    run = play(main, on)
    assert run.hung or left in ([], [[]]), left


@law(44, x={"without": ("SelfCancel",)})
def race_with_never_is_nothing(x: Program, on: Setting) -> None:
    """race(x, never) ≃ x, on both sides, for x that does not cancel itself."""

    async def alone(world: Machine) -> Any:
        return await rescind.race(world.run(x))

    async def left(world: Machine) -> Any:
        return await rescind.race(world.run(x), rescind.never())

    async def right(world: Machine) -> Any:
        return await rescind.race(rescind.never(), world.run(x))

    same(x, alone, on)
    same(x, left, on)
    same(x, right, on)


@law(45)
def cancel_of_a_parent_takes_all_branches(x: Program, f: Program, h: Program, at: float) -> None:
    """An outer cancel of race, join, outcomes cancels all branches, waits, is Canceled(reason)."""
    for parent in (Race, Both, Outcomes):
        body = parent(Finalize(Seq(Sleep(9), x), f), Finalize(Never(), h))

        async def main(world: Machine, body: Program = body) -> Any:
            task = rescind.spawn(world.run(body))
            await rescind.sleep(at)
            return await task.cancel("outer")

        run = play(main)
        counts = [(one.begun, one.ended) for one in run.machine.finalizers]
        assert counts == [(1, 1)] * 2, counts
        assert isinstance(run.outcome, Completed)
        assert told(run.outcome.value)[:3] == ("canceled", "EXPLICIT", "outer")
        alone = [play(f).at, play(h).at]
        assert run.at == at + max(alone), "they did not clean up at the same time"


@law(46)
def losers_are_told_who_won() -> None:
    """A loser's reason has the kind RACE_LOST, and names the winner."""
    for winner in range(3):
        reasons: dict[int, Any] = {}

        async def child(index: int, wins: int = winner, told_: dict[int, Any] = reasons) -> int:
            try:
                await rescind.sleep(1 if index == wins else 2)
            except rescind.Cancellation as exc:
                told_[index] = exc.reason
                raise
            return index

        assert run_virtual(rescind.race(*map(child, range(3)))) == Completed(winner)
        assert sorted(reasons) == [index for index in range(3) if index != winner]
        for reason in reasons.values():
            assert reason.kind is CancelKind.RACE_LOST and f"child {winner}" in reason.message


@law(47)
def no_value_of_a_race_is_lost() -> None:
    """If both complete, the loser's value goes to on_undelivered, for every order and cancel."""
    strikes = [(), *[(Injection(0, step, "after", "r"),) for step in (1, 2)]]
    for injections in strikes:
        for order in Exhaustive(None):
            back: list[int] = []
            taken: list[int] = []
            sent: list[int] = []

            async def main(
                _world: Machine,
                back: list[int] = back,
                taken: list[int] = taken,
                sent: list[int] = sent,
            ) -> None:
                one, first = oneshot[int](on_undelivered=back.append)
                two, second = oneshot[int](on_undelivered=back.append)

                async def send(sender: Any, number: int) -> None:
                    try:
                        sender.send(number)
                    except rescind.Closed:
                        return  # the value is the sender's still
                    sent.append(number)

                rescind.spawn(send(one, 1))
                rescind.spawn(send(two, 2))
                try:
                    won = rescind.race(first.recv(), second.recv(), on_undelivered=back.append)
                    taken.append(await won)
                finally:
                    first.drop()
                    second.drop()

            run = play(main, Setting((), injections), schedule=order)
            case = (order.choices, injections)
            assert sorted(back + taken) == sorted(sent), f"{sent}: {taken}, {back}, {case}"
            assert len(taken) == (run.ended[0] == "completed"), case


@law(48, x={"without": _ALONE, "size": 5}, y={"without": _ALONE, "size": 5})
def join_is_a_pair_or_the_first_error(x: Program, y: Program) -> None:
    """Join = pair iff both Completed; one Error: the other is drained, then Error."""
    left, right, both = play(x), play(y), play(Both(x, y))
    kinds = (left.ended[0], right.ended[0])
    if kinds == ("completed", "completed"):
        assert both.ended == ("completed", (left.ended[1], right.ended[1])), both.ended
        assert both.at == max(left.at, right.at)
    else:
        assert both.ended[0] == "error", both.ended
        first = min((run for run in (left, right) if run.ended[0] == "error"), key=lambda r: r.at)
        assert both.at >= first.at
        if left.at != right.at or "completed" in kinds:
            assert both.ended == first.ended, (both.ended, first.ended)
    assert both.machine.open == {}
    # In any order each child ends as it can end alone, in some order of its own.
    lefts, rights = endings(x, deviations=2), endings(y, deviations=2)
    for ended in endings(Both(x, y), deviations=2):
        if ended[0] == "completed":
            assert all(
                ("completed", value) in alone
                for value, alone in zip(ended[1], (lefts, rights), strict=True)
            ), ended
        else:
            assert ended in lefts or ended in rights, ended


@law(48)
def an_error_outranks_a_cancel() -> None:
    """A child's Error that is known stays the result, though the parent is canceled meanwhile."""
    kinds: list[CancelKind] = []

    async def sibling(world: Machine) -> None:
        try:
            await world.run(OnCancel(Never(), Sleep(2)))
        except rescind.Cancellation as exc:
            kinds.append(exc.reason.kind)
            raise

    async def joined(world: Machine) -> Any:
        return await rescind.join(world.run(Seq(Sleep(1), Fail("first"))), sibling(world))

    for at in (1.5, 2.5):

        async def main(world: Machine, at: float = at) -> Any:
            task = rescind.spawn(joined(world))
            await rescind.sleep(at)
            return await task.cancel("outer")

        run = play(main)
        assert isinstance(run.outcome, Completed)
        ended: Outcome[Any] = run.outcome.value
        assert isinstance(ended, Error) and isinstance(ended.exception, Boom), ended
    assert kinds == [CancelKind.SIBLING_FAILED] * 2


_SMALL = {"without": _ALONE, "size": 3, "finalizers": 1}


@law(49, x=_SMALL, y=_SMALL, z=_SMALL)
def parents_are_commutative(x: Program, y: Program, z: Program) -> None:
    """race(a, b) ≈ race(b, a) unless both end at once, join swapped; join's kind is associative."""
    ends = [{run.at for run in _all(one)} for one in (x, y)]
    apart = ends[0].isdisjoint(ends[1])
    if apart:
        same_outcomes(Race(x, y), Race(y, x))
    one, other = (_all(Both(x, y)), _all(Both(y, x)))
    assert {run.ended[0] for run in one} == {run.ended[0] for run in other}
    pairs = {run.ended[1] for run in one if run.ended[0] == "completed"}
    swapped = {run.ended[1][::-1] for run in other if run.ended[0] == "completed"}
    assert pairs == swapped, (pairs, swapped)
    if apart:
        failed, others = _failures(one), _failures(other)
        assert failed == others, (failed, others)
    grouped, regrouped = play(Both(Both(x, y), z)), play(Both(x, Both(y, z)))
    assert grouped.ended[0] == regrouped.ended[0]


def _failures(runs: list[Play]) -> set[tuple[Any, ...]]:
    return {run.ended for run in runs if run.ended[0] != "completed"}


def _all(program: Program) -> list[Play]:
    """Return its runs in every order."""
    return [play(program, schedule=order) for order in Exhaustive(None)]


@law(50)
def join_or_cancel_gives_a_value_or_a_cancel(x: Program, at: float) -> None:
    """On my cancel the task is canceled and drained; its value is mine, else I am Canceled."""
    for program in (x, Shield(Seq(Sleep(9), x))):  # the second one does x in spite of it
        _joined_or_canceled(program, at)


def _joined_or_canceled(x: Program, at: float) -> None:
    child = Machine()
    tasks: list[rescind.Task[Any]] = []
    # Had it ended before; was it asked to end, because of mine; had it ended when I had.
    before: list[bool] = []
    asked: list[bool] = []
    drained: list[bool] = []

    async def joins() -> Any:
        task = rescind.spawn(child.run(x))
        tasks.append(task)
        return await rescind.join_or_cancel(task)

    async def main(_world: Machine) -> Any:
        joiner = rescind.spawn(joins())
        await rescind.sleep(at)
        before.append(tasks[0].done())
        joiner.cancel("mine")
        await rescind.sleep(0.1)  # it is delivered by then, also through what x was doing
        asked.append(any(link.message == "mine" for link in _links(tasks[0].cancel_reasons)))
        outcome = await joiner.join()
        drained.append(tasks[0].done())
        return outcome

    run = play(main)
    assert before[0] or asked[0], "the task was not canceled"
    if run.hung or run.stuck:
        return
    assert drained == [True], "the task was not drained"
    assert isinstance(run.outcome, Completed), run.outcome
    mine, its = run.outcome.value, tasks[0].outcome()
    if isinstance(its, Completed):
        assert mine == its, (mine, its)
    elif before[0] and isinstance(its, Error):
        assert isinstance(mine, Error) and mine.exception is its.exception
    elif before[0]:
        assert isinstance(mine, Error) and isinstance(mine.exception, TaskCanceled)
    else:
        assert isinstance(mine, Canceled), (mine, its)
        assert mine.reason.message == "mine", mine
        if isinstance(its, Error):
            assert its.exception in mine.also, "what the task raised is lost"


def _links(reasons: Iterable[CancelReason]) -> Iterator[CancelReason]:
    for reason in reasons:
        yield from reason.chain()


@law(51)
def shared_is_canceled_when_everybody_has_left() -> None:
    """shared(x): canceled iff all subscribers left; a later await restarts; others are unharmed."""

    async def main() -> list[str]:
        log: list[str] = []
        go = Event()

        async def work() -> str:
            log.append("starts")
            try:
                await go.wait()
            except rescind.Cancellation:
                log.append("canceled")
                raise
            return "done"

        one = rescind.shared(work)

        async def subscribe() -> str:
            return await one

        first, second = rescind.spawn(subscribe()), rescind.spawn(subscribe())
        await rescind.sleep(1)
        await first.cancel("left")
        log.append("one left")
        await second.cancel("left too")
        log.append("both left")
        third, fourth = rescind.spawn(subscribe()), rescind.spawn(subscribe())
        await rescind.sleep(1)
        await third.cancel("left")
        go.set()
        log.append(await fourth)
        return log

    expected = ["starts", "one left", "canceled", "both left", "starts", "done"]
    assert run_virtual(main) == Completed(expected)


@law(51, x={"without": ("SelfCancel", "tasks")})
def shared_with_one_subscriber_is_nothing(x: Program, quiet: Setting) -> None:
    """shared(x), awaited once and not canceled, ≃ x."""

    async def main(world: Machine) -> Any:
        return await rescind.shared(world.run(x))

    alone = play(x, quiet)
    if not alone.stuck:
        same(x, main, quiet)

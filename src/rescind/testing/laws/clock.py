"""Time, deadlines, reasons, grace: P58 to P65."""

from __future__ import annotations

import pickle
from typing import Any

import rescind
from rescind._core.errors import TimedOut
from rescind._core.outcome import Canceled, Completed, Error
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind.testing.laws.equiv import endings, same
from rescind.testing.laws.interpret import TOP, Machine
from rescind.testing.laws.law import law
from rescind.testing.laws.program import (
    Both,
    Program,
    Race,
    Seq,
    Sleep,
    Timeout,
)
from rescind.testing.laws.stage import Play, Setting, Stage, play
from rescind.testing.virtual import run_virtual

__all__: list[str] = []

_INFINITE = float("inf")


@law(58)
def sleeps_add_up(a: float, b: float, x: Program, quiet: Setting) -> None:
    """The clock is monotone; sleep(a); sleep(b) ends at a + b."""
    assert play(Seq(Sleep(a), Sleep(b)), quiet).at == a + b
    times: list[float] = []

    class Clock(Machine):
        def note(self, what: str, place: Any = TOP) -> None:
            times.append(rescind.now())
            super().note(what, place)

    play(x, quiet, machine=Clock())
    assert times == sorted(times), times


@law(59)
def race_of_sleeps_is_the_shorter(a: float, b: float, quiet: Setting) -> None:
    """race(sleep a, sleep b) ends at min(a, b)."""
    assert play(Race(Sleep(a), Sleep(b)), quiet).at == min(a, b)


@law(60)
def join_of_sleeps_is_the_longer(a: float, b: float, quiet: Setting) -> None:
    """join(sleep a, sleep b) ends at max(a, b)."""
    assert play(Both(Sleep(a), Sleep(b)), quiet).at == max(a, b)


@law(61, x={"without": ("tasks", "SelfCancel")})
def the_smaller_deadline_counts(x: Program, a: float, b: float, on: Setting) -> None:
    """timeout(a, timeout(b, x)) ≈ timeout(min(a, b), x) in time and boundary; timeout(∞) ≃ x."""
    same(Timeout(_INFINITE, x), x, on)
    nested, single = play(Timeout(a, Timeout(b, x))), play(Timeout(min(a, b), x))
    if nested.stuck or single.stuck:
        return
    assert _boundary(nested) == _boundary(single)
    seen: list[float | None] = []

    async def main() -> None:
        async def inner() -> None:
            async with rescind.deadline(b):
                seen.append(_deadline())

        async with rescind.deadline(a):
            before = _deadline()
            seen.append(before)
            await inner()

    run_virtual(main).unwrap()
    assert seen == [a, min(a, b)], seen


def _deadline() -> float | None:
    from rescind.tasks.current import effective_deadline

    return effective_deadline()


def _boundary(run: Play) -> tuple[bool, float]:
    exception = getattr(run.outcome, "exception", None)
    return type(exception) is TimedOut, run.at


def _when(run: Play) -> tuple[Any, float]:
    return run.ended, run.at


@law(62, x={"without": ("tasks", "SelfCancel", "Never", "shared")})
def a_value_in_time_is_the_value(x: Program, f: Program, a: float, quiet: Setting) -> None:
    """A body that has its value before the deadline gives it; no timer is left either way."""
    run = play(Timeout(a, x), quiet)
    # Its timer is one more thing to choose from, so its order is that of one of the runs without.
    alone = endings(x, deviations=2, of=_when)
    if all(at < a and ended[0] == "completed" for ended, at in alone):
        assert _when(run) in alone
    assert run.hung or run.left["timers"] == 0, "a timer was left"
    late: list[str] = []

    async def main(world: Machine) -> Any:
        async def body() -> str:
            try:
                await rescind.sleep(1)
                return "value"
            finally:
                await world.run(f)
                late.append("cleaned up")

        return await rescind.timeout(rescind.shield(body()), 1 + a)

    ended = play(main, quiet)
    if all(how[0] == "completed" for how in endings(f, deviations=2)):
        assert ended.ended == ("completed", "value") and late == ["cleaned up"], ended.ended


@law(63)
def whose_deadline(a: float, b: float) -> None:
    """Only its owner converts a deadline: one that escapes is not taken for the outer's."""
    owners: list[str] = []

    async def main() -> None:
        outer, inner = rescind.deadline(a + 1), rescind.deadline(b + 1)
        try:
            async with outer:
                try:
                    async with inner:
                        await rescind.never()
                except TimedOut:
                    owners.append(f"inner {inner.expired}")
                    raise
        except TimedOut:
            owners.append(f"outer {outer.expired}")

    run_virtual(main).unwrap()
    expected = ["inner True", "outer False"] if b < a else ["outer True"]
    assert owners == expected or (a == b and owners == ["outer True"]), (owners, a, b)


@law(64)
def reasons_merge(a: float, b: float) -> None:
    """Requests merge in order: the first is primary, none is lost; reasons survive repr, pickle."""
    kinds = list(CancelKind)
    reasons = [
        CancelReason(kinds[int(2 * at) % len(kinds)], f"r{at}", "task 1 'a'", "a.py:1", at)
        for at in (a, b, a + b)
    ]
    chained = CancelReason(CancelKind.PARENT, "chained", cause=reasons[0])

    def merged(*parts: CancelRequest) -> CancelRequest:
        first, *others = parts
        for other in others:
            first.merge(other)
        return first

    left = merged(merged(*map(CancelRequest, reasons[:2])), CancelRequest(reasons[2]))
    right = merged(CancelRequest(reasons[0]), merged(*map(CancelRequest, reasons[1:])))
    assert left.reasons == right.reasons == tuple(reasons), "merging is not associative"
    assert left.reason is reasons[0] and left.reason.kind is reasons[0].kind
    names = {"CancelReason": CancelReason, **{f"{kind}": kind for kind in CancelKind}}
    for reason in (*reasons, chained):
        text = repr(reason)
        for kind in CancelKind:
            text = text.replace(repr(kind), f"CancelKind.{kind.name}")
        assert eval(text, {**names, "CancelKind": CancelKind}) == reason
        assert pickle.loads(pickle.dumps(reason)) == reason
        assert len(str(reason).splitlines()) == len(reason.chain())


@law(65)
def grace_budgets_nest(a: float, b: float) -> None:
    """A child's grace is never longer than what is left of its parent's; the root's bounds all."""

    async def hangs() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.never()

    async def parent() -> None:
        await rescind.join(rescind.timeout(hangs(), 9, grace=b), hangs())

    with Stage() as stage:
        task = stage.spawn(parent())
        stage.call_at(1, lambda: _cancel(task, a))
        ended_at: list[float] = []
        task.on_end(lambda _outcome: ended_at.append(stage.now()))
        stage.finish()
        ended = task.outcome()
        assert isinstance(ended, Canceled) and ended.dropped, ended
        assert ended_at[0] <= 1 + a, f"ended at {ended_at[0]}, its grace was {a}"

    async def timed() -> Any:
        return await rescind.timeout(rescind.timeout(hangs(), 1, grace=b), 1 + a, grace=a)

    run = play(lambda _world: timed())
    assert isinstance(run.outcome, Error | Completed), run.outcome
    assert run.at <= 1 + a + max(0, min(a, b)) and run.at <= 1 + a + a, run.at


def _cancel(task: rescind.Task[Any], grace: float) -> None:
    task.cancel("r", grace=grace)

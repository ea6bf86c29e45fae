"""Finalizers and brackets: P28 to P42."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import rescind
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind.testing.laws.equiv import same
from rescind.testing.laws.interpret import Boom, Machine
from rescind.testing.laws.law import law
from rescind.testing.laws.program import (
    Bracket,
    CatchCancel,
    Fail,
    Finalize,
    Never,
    OnCancel,
    Pause,
    Program,
    Seq,
    Shield,
    Sleep,
    Value,
    seq,
)
from rescind.testing.laws.stage import Injection, Play, Setting, Stage, play, told

__all__: list[str] = []

_CERTAIN = ("Fail", "Timeout")


def whats(run: Play) -> list[str]:
    """Return the trace, as words."""
    return [entry.what for entry in run.trace]


def canceled_at(program: Program, at: float, *, grace: float | None = None) -> Play:
    """Run a program that is canceled from outside at a time."""

    def strike(world: Machine) -> Any:
        stage_task = rescind.spawn(world.run(program), name="struck")

        async def main() -> Any:
            await rescind.sleep(at)
            return await stage_task.cancel("r")

        return main()

    async def main(world: Machine) -> Any:
        return await strike(world)

    run = play(main, grace=grace)
    if isinstance(run.outcome, Completed):
        run.outcome = run.outcome.value
    return run


@law(28)
def finalizers_run_inside_out(x: Program, on: Setting) -> None:
    """Nested on_cancel: innermost first, each once, iff the region ended Canceled."""
    body = CatchCancel(OnCancel(OnCancel(OnCancel(x, Value(71)), Value(72)), Value(73)))
    run = play(body, on)
    mine = [what for what in whats(run) if what in ("value 71", "value 72", "value 73")]
    if run.hung or not run.machine.finalizers:
        return
    assert isinstance(run.outcome, Completed | Canceled), run.outcome
    ended = run.outcome.value if isinstance(run.outcome, Completed) else run.outcome
    if isinstance(ended, Canceled):
        assert mine in (["value 71", "value 72", "value 73"], []), mine
        assert mine or not run.trace, "they did not run"
    else:
        assert mine == [], f"they ran, though it ended as {ended}"


@law(29, f={"without": _CERTAIN})
def finalize_is_ensure(x: Program, f: Program, on: Setting) -> None:
    """finalize(x, lambda _: f) ≃ ensure(x, f), as a coroutine writes it; f sees how x ended."""

    async def ensured(world: Machine) -> Any:
        try:
            value = await world.future(x)
        except GeneratorExit:
            raise  # dropped: what hangs even when it is canceled
        except BaseException:
            await rescind.shield(world.run(f))
            raise
        await rescind.shield(world.run(f))
        return value

    if play(Finalize(x, f), on).hung:
        # It is dropped in the end, and what is raised then a coroutine catches, and is abandoned.
        assert play(ensured, on).hung
        return
    run, _ = same(Finalize(x, f), ensured, on)
    for one in run.machine.finalizers:
        if one.of == Finalize(x, f) and one.saw and not run.hung:
            assert told(one.saw[0])[:3] == run.ended[:3] or run.ended[0] == "canceled"


@law(30, x={"without": ("tasks", "shields", "shared")})
def finalize_is_spawn_join_handle(x: Program, f: Program) -> None:
    """spawn; join; handle(outcome) ≈ finalize(x, handle), for x whose last step is no shield."""

    async def joined(world: Machine) -> Any:
        outcome = await rescind.spawn(world.run(x)).join()
        await world.register(x, f)(outcome)

    spawned, plain = play(joined), play(Finalize(x, f))
    if not plain.stuck:
        assert whats(spawned) == whats(plain)
        seen = [told(one.saw) for one in spawned.machine.finalizers if one.program is f]
        assert seen == [told(one.saw) for one in plain.machine.finalizers if one.program is f]


@law(31, examples=80)
def every_finalizer_runs_once(x: Program, f: Program, on: Setting) -> None:
    """Each runs exactly once, for every program and every cancellation, once it is registered."""
    run = play(Finalize(x, f), on)
    for one in run.machine.finalizers:
        must = not isinstance(one.of, OnCancel) and not (run.hung and one.of != Finalize(x, f))
        assert one.begun == 1 or (one.begun == 0 and not must), f"{one} ran {one.begun} times"
        assert one.ended == one.begun


@law(32, x={"without": ("tasks",)})
def a_finalizer_is_shielded(x: Program, f: Program, on: Setting) -> None:
    """Wrapping a finalizer in a shield changes nothing; cancel during it does not shorten it."""
    same(Finalize(x, f), Finalize(x, Shield(f)), on)
    same(OnCancel(x, f), OnCancel(x, Shield(f)), on)
    more = (Injection(0, 2, "after", "x"), Injection(0, 3, "before", "y"))
    cleanup = play(Finalize(Value(70), f), Setting(on.choices, more))
    alone = play(f, Setting(on.choices))
    assert whats(cleanup)[1:] == whats(alone), "it was shortened"


@law(32)
def a_finalizer_hears_of_no_cancel(f: Program, struck: Setting) -> None:
    """What runs in a finalizer and looks for a cancellation finds none, whenever that comes."""

    async def looks(world: Machine) -> None:
        await rescind.yield_now()
        await world.run(f)
        await rescind.checkpoint()
        await rescind.yield_now()
        await rescind.checkpoint()
        world.note("all of it")

    def after(world: Machine, body: Awaitable[Any]) -> Any:
        return rescind.finalize(body, lambda _outcome: looks(world))

    async def inside(world: Machine) -> None:
        await after(world, rescind.ready(70))

    async def pending(world: Machine) -> None:
        with rescind.shielded():
            await rescind.yield_now()
            await after(world, rescind.ready(70))

    bodies: dict[str, Callable[[Machine], Any]] = {
        "comes in the finalizer": lambda world: after(world, rescind.ready(70)),
        "comes in the finalizer of what a coroutine awaits": inside,
        "is what the finalizer is for": lambda world: after(world, rescind.never()),
        "waits for a shield around": pending,
    }
    alone = play(looks)
    first = Injection(0, 1, "after", "r")  # each has begun by then
    more = tuple(replace(one, step=one.step + 1) for one in _of_main(struck))
    for which, body in bodies.items():
        run = play(body, Setting((), (first, *more)))
        assert whats(run) == whats(alone), f"it heard of a cancellation that {which}"
        assert run.at == alone.at


def _of_main(setting: Setting) -> tuple[Injection, ...]:
    """Return the cancellations of a setting, all of the program's own task."""
    return tuple(replace(one, task=0) for one in setting.injections)


@law(33)
def a_raising_finalizer_stops_nothing(x: Program, f: Program, struck: Setting) -> None:
    """It neither stops other finalizers nor turns Canceled into Error; it is in `also`."""
    first = OnCancel(Seq(x, Never()), Fail("first"))
    second = OnCancel(first, f)
    body = OnCancel(second, Fail("last"))
    run = play(body, struck)
    own = [one for one in run.machine.finalizers if one.of in (body, second, first)]
    if run.hung or run.ended[0] != "canceled" or not own:
        return
    assert [one.begun for one in own] == [1, 1, 1], "one did not run"
    assert isinstance(run.outcome, Canceled)
    words = [one.args[0] for one in run.outcome.also if isinstance(one, Boom)]
    assert words[:1] == ["first"] or "first" in words
    assert words[-1:] == ["last"], words


@law(34)
def a_hung_finalizer() -> None:
    """Without a grace every canceller waits; with one they wait that long, and `dropped` tells."""
    hangs = OnCancel(Never(), Never())
    run = canceled_at(hangs, 1)
    assert run.hung, "it ended"
    for grace in (0, 0.5, 2):
        run = canceled_at(hangs, 1, grace=grace)
        assert not run.hung and run.at == 1 + grace, run.at
        assert isinstance(run.outcome, Canceled) and run.outcome.dropped, run.outcome
        assert not run.outcome.abandoned


@law(35, examples=60)
def bracket_releases_what_it_acquired(x: Program, f: Program, h: Program, on: Setting) -> None:
    """If acquire completed, release ran exactly once before the end; acquire is not interrupted."""
    # It parks before and after: there is a moment in which it could be interrupted.
    acquire = seq(Pause(), f, Sleep(1))
    body = Bracket(acquire, x, h)
    run = play(body, Setting(on.choices, _of_main(on)))
    alone = play(acquire, Setting(on.choices))
    owed = [one for one in run.machine.finalizers if one.of == body]
    assert run.hung or [one.begun for one in owed] == [one.ended for one in owed] == [1] * len(owed)
    if run.trace:
        acquired = whats(alone)
        assert whats(run)[: len(acquired)] == acquired, "acquire was interrupted"
        assert len(owed) == (alone.ended[0] == "completed"), "released without being acquired"


@law(35)
def what_is_acquired_is_released_though_it_is_never_used() -> None:
    """Dropped between acquire and use, because the budget of a step was over there: released."""
    unused = 0
    for completions in range(120, 136):
        log: list[str] = []

        async def acquire(many: int = completions, log: list[str] = log) -> str:
            for _ in range(many):
                await rescind.ready(None)
            log.append("acquired")
            return "resource"

        async def use(_resource: str, log: list[str] = log) -> None:
            log.append("used")
            await rescind.never()

        def body(
            _world: Machine, acquire: Any = acquire, use: Any = use, log: list[str] = log
        ) -> Any:
            return rescind.bracket(acquire, use, lambda _resource: log.append("released"))

        play(body, Setting((), (Injection(0, 2, "before", grace=0),)), unstick=False)
        assert log.count("released") == log.count("acquired"), (completions, log)
        assert not log or log[-1] == "released", log
        unused += log == ["acquired", "released"]
    assert unused, "no step ended there"


@law(36)
def release_in_reverse_order(x: Program, f: Program, on: Setting) -> None:
    """Releases are in the reverse order of the acquires, also if a later acquire fails."""
    inner = Bracket(Seq(f, Value(83)), x, Value(93))
    body = Bracket(Value(81), Bracket(Value(82), inner, Value(92)), Value(91))
    run = play(body, on)
    marks = [int(what[6:]) for what in whats(run) if what[:7] in ("value 8", "value 9")]
    acquired = [mark for mark in marks if mark < 90]
    released = [mark - 10 for mark in marks if mark >= 90]
    assert run.hung or released == acquired[::-1], f"{acquired} released as {released}"


@law(37, x={"without": ("SpawnJoin", "Cancel")}, y={"without": ("SpawnJoin", "Cancel")})
def children_end_before_the_parents_cleanup(x: Program, y: Program, on: Setting) -> None:
    """When a parent's own finalizer begins, all of its children have ended (R8)."""
    alive: list[list[Program]] = []

    def parent(fut: Any, world: Machine) -> Any:
        return rescind.finalize(fut, lambda _outcome: alive.append(list(world.open.values())))

    async def group(world: Machine) -> None:
        async with rescind.task_group() as children:
            children.spawn(world.run(x))
            await world.run(y)

    async def main(world: Machine) -> Any:
        await rescind.outcomes(
            parent(rescind.race(world.run(x), world.run(y)), world),
        )
        await rescind.outcomes(parent(rescind.join(world.run(x), world.run(y)), world))
        await rescind.outcomes(parent(group(world), world))

    run = play(main, on)
    assert run.hung or all(one == [] for one in alive), alive


@law(38)
def cleanup_may_wait_as_often_as_it_likes(x: Program, at: float) -> None:
    """Async cleanup may park any number of times, and still ends: nothing cancels it again."""
    many = seq(*[Sleep(0.5), Value(70)] * 6)
    run = canceled_at(OnCancel(Seq(Sleep(9), x), many), at)
    assert whats(run).count("value 70") == 6 and run.at == at + 3
    assert run.ended[:3] == ("canceled", "EXPLICIT", "r")


@law(39)
def a_late_callback_is_ignored() -> None:
    """What a canceled future's callback brings during the finalizers changes nothing."""

    class Callback(Future[str]):
        def __init__(self) -> None:
            self.waker: Waker | None = None
            self.polls = 0

        def poll(self, cx: Context) -> str | Pending:
            self.polls += 1
            self.waker = cx.waker
            return PENDING

    leaf = Callback()
    trace: list[str] = []

    async def finalizer(_outcome: Outcome[Any]) -> None:
        trace.append("begins")
        await rescind.sleep(1)
        assert leaf.waker is not None
        leaf.waker.wake()  # late
        await rescind.sleep(1)
        trace.append("ends")

    with Stage() as stage:
        task = stage.spawn(rescind.on_cancel(leaf, finalizer))
        stage.call_at(1, lambda: _cancel(task))
        stage.finish()
    assert trace == ["begins", "ends"] and stage.now() == 3
    assert isinstance(task.outcome(), Canceled)
    assert leaf.polls == 1, "it was polled again"


def _cancel(task: rescind.Task[Any]) -> None:
    task.cancel("r")


@law(40)
def a_streams_cleanup_runs_once(x: Program, on: Setting, at: float) -> None:
    """A generator's cleanup runs once, also if its consumer is canceled in the midst of an item."""
    # The cleanup after an exception may be canceled itself; the one after a cancellation may not.
    assert _streamed(x, on).count("begins") <= 1
    struck = Setting(on.choices, (Injection(0, 1 + int(at), "after", "r"),))
    assert _streamed(Sleep(9), struck) == ["begins", "ends"]


def _streamed(x: Program, on: Setting) -> list[str]:
    cleanups: list[str] = []

    async def items() -> AsyncGenerator[int]:
        try:
            for number in range(3):
                await rescind.sleep(0.5)
                yield number
        finally:
            cleanups.append("begins")
            await rescind.sleep(0.5)
            cleanups.append("ends")

    async def main(world: Machine) -> None:
        async with aclosing(items()) as stream:
            async for _item in stream:
                await world.run(x)

    play(main, on)
    return cleanups


@law(41, f={"size": 6})
def cleanup_works_as_anywhere(f: Program, at: float) -> None:
    """timeout, race, groups and locks in a finalizer of a canceled task do as in a fresh task."""
    run = canceled_at(OnCancel(Never(), f), at)
    fresh = play(f)
    assert whats(run)[2:] == whats(fresh)
    assert run.at == at + fresh.at, "it took another time"


@law(42)
def canceled_before_the_first_poll(x: Program, f: Program) -> None:
    """The body is not entered; owned resources are released; finalizers around it run."""
    closed: list[str] = []

    class Resource:
        def close(self) -> None:
            closed.append("closed")

    async def main(world: Machine) -> Any:
        task = rescind.spawn(world.run(x), owned=[Resource()])
        task.cancel("r")
        first = await task.join()
        around = rescind.on_cancel(world.run(x), world.register(x, f))
        second = rescind.spawn(around)
        second.cancel("r")
        return first, await second.join()

    run = play(main)
    assert closed == ["closed"]
    assert whats(run) == whats(play(f)), "the body was entered"
    assert [one.begun for one in run.machine.finalizers if one.of is x] == [1]
    assert isinstance(run.outcome, Completed)
    assert [one[:3] for one in told(run.outcome.value)] == [("canceled", "EXPLICIT", "r")] * 2

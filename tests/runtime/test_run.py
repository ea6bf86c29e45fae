"""`run` and `Runtime.block_on`: from synchronous code into futures and back."""

import asyncio
import threading
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Completed,
    Error,
    Runtime,
    RuntimeStatistics,
    TaskCanceled,
)
from rescind.lowlevel import ManualHost
from tests.conftest import HostFactory


async def answer() -> int:
    """Give 42."""
    return 42


def test_run_calls_the_function_with_its_arguments_and_returns_its_value() -> None:
    """`run(main, *args)` is main's value."""

    async def main(first: int, second: str) -> tuple[int, str]:
        await rescind.yield_now()
        return first, second

    assert rescind.run(main, 1, "two") == (1, "two")


def test_run_accepts_every_kind_of_awaitable() -> None:
    """A coroutine, a future, a combinator, any `__await__`: as good as a function."""

    class Custom:
        def __await__(self) -> Any:
            return answer().__await__()

    got = [
        rescind.run(answer),
        rescind.run(answer()),
        rescind.run(rescind.ready(42)),
        rescind.run(rescind.join(answer(), rescind.ready(1))),
        rescind.run(Custom()),
    ]

    assert got == [42, 42, 42, (42, 1), 42]


def test_block_on_raises_what_the_future_raised_itself(host: HostFactory) -> None:
    """The exception object passes through unchanged, without frames of the driver."""
    error = ValueError("mine")

    async def main() -> None:
        await rescind.yield_now()
        raise error

    with host() as runtime, pytest.raises(ValueError, match="mine") as info:
        runtime.block_on(main())

    assert info.value is error
    names = [entry.name for entry in info.traceback]
    assert names[-1] == "main"
    assert {"step", "turn", "_drive", "poll"} & set(names) == set()


def test_block_on_a_canceled_future_raises_task_canceled_with_its_reason(host: HostFactory) -> None:
    """A main that cancels itself tells block_on why."""

    async def main() -> None:
        await rescind.self_cancel("enough")

    with host() as runtime, pytest.raises(TaskCanceled) as info:
        runtime.block_on(main())

    assert (info.value.reason.kind, info.value.reason.message) == (CancelKind.EXPLICIT, "enough")


def test_block_on_leaves_other_tasks_for_the_next_call(host: HostFactory) -> None:
    """Tasks live as long as the runtime, not as long as one block_on."""
    log: list[str] = []

    async def background() -> str:
        for number in range(3):
            log.append(f"background {number}")
            await rescind.yield_now()
        return "over"

    async def short() -> str:
        log.append("main")
        return "first"

    with host() as runtime:
        task = runtime.spawn(background())
        first = runtime.block_on(short())
        alive = [one.done() for one in [task]]
        second = runtime.block_on(task)

    assert (first, alive, second) == ("first", [False], "over")
    assert [line for line in log if line != "main"] == [f"background {n}" for n in range(3)]


def test_block_on_takes_a_task_of_the_same_runtime_repeatedly(host: HostFactory) -> None:
    """A task can be waited for any number of times, by value and by outcome."""
    with host() as runtime:
        task = runtime.spawn(answer())
        got = [runtime.block_on(task), runtime.block_on(task), runtime.block_on(task.join())]

    assert got == [42, 42, Completed(42)]


def test_current_task_and_runtime_are_those_that_run(host: HostFactory) -> None:
    """Inside a task, in its children and in its cleanup, the current task is the same."""
    seen: list[tuple[str, str]] = []

    def note(where: str) -> None:
        seen.append((where, rescind.current_task().name))

    async def child() -> None:
        note("child")
        try:
            await rescind.never()
        finally:
            note("child's cleanup")

    async def body() -> None:
        note("body")
        try:
            await rescind.race(child(), rescind.yield_now())
            note("after")
            await rescind.never()
        finally:
            await rescind.yield_now()
            note("cleanup")

    async def main() -> Runtime:
        task = rescind.spawn(body(), name="worker")
        for _ in range(4):
            await rescind.yield_now()
        await task.cancel()
        note("main")
        return rescind.current_runtime()

    with host(name="mine") as runtime:
        inside = runtime.block_on(main())

    assert inside is runtime
    assert seen == [
        ("body", "worker"),
        ("child", "worker"),
        ("child's cleanup", "worker"),
        ("after", "worker"),
        ("cleanup", "worker"),
        ("main", "main"),
    ]


def test_name_and_repr_tell_which_runtime_it_is(host: HostFactory) -> None:
    """The name is the one given; the repr shows the host, the tasks, and the end."""
    with host(name="mine") as runtime:
        runtime.spawn(answer(), name="one")
        before = repr(runtime)
        runtime.block_on(rescind.yield_now())

    shown = {"manual": "manual", "uvloop": "uvloop"}.get(host.name, "asyncio")
    assert runtime.name == "mine"
    assert before in {
        f"<Runtime 'mine' on {shown}, 0 tasks>",  # handed over by the thread that will run it
        f"<Runtime 'mine' on {shown}, 1 tasks>",
    }
    assert repr(runtime) == f"<Runtime 'mine' on {shown}, closed>"


def test_nameless_runtimes_and_tasks_have_distinct_names() -> None:
    """Without a name given, messages can still tell two apart."""

    async def main() -> tuple[str, str]:
        one, two = rescind.spawn(answer()), rescind.spawn(answer())
        assert one.name == f"task-{one.id}"
        return one.name, two.name

    with Runtime(host=ManualHost()) as first, Runtime(host=ManualHost()) as second:
        names = first.block_on(main())
        assert len({first.name, second.name}) == 2

    assert len(set(names)) == 2


def test_tasks_lists_those_alive_in_the_order_of_spawning(host: HostFactory) -> None:
    """A snapshot: ended tasks are gone, and the one that asks is in it."""

    async def main() -> list[list[str]]:
        runtime = rescind.current_runtime()
        first = rescind.spawn(rescind.never(), name="first")
        second = rescind.spawn(rescind.never(), name="second")
        before = [task.name for task in runtime.tasks()]
        await first.cancel()
        after = [task.name for task in runtime.tasks()]
        await second.cancel()
        return [before, after]

    with host() as runtime:
        names = runtime.block_on(main())
        left = runtime.tasks()

    assert names == [["main", "first", "second"], ["main", "second"]]
    assert left == []


def test_statistics_count_each_way_of_ending(host: HostFactory) -> None:
    """Every counter, after a run with one task of each kind."""

    async def fail() -> None:
        raise ValueError("failed")

    async def absorb() -> str:
        try:
            await rescind.never()
        except rescind.Cancellation:
            return "absorbed"

    async def main() -> RuntimeStatistics:
        await rescind.spawn(answer()).join()
        await rescind.spawn(fail()).join()
        gone, held = rescind.spawn(rescind.never()), rescind.spawn(absorb())
        sleeper = rescind.spawn(rescind.sleep(3600))
        await rescind.yield_now()
        await gone.cancel()
        await held.cancel()
        now = rescind.current_runtime().statistics()
        await sleeper.cancel()
        return now

    with host() as runtime:
        during = runtime.block_on(main())
        after = runtime.statistics()

    assert (during.alive, during.ready, during.timers) == (2, 0, 1)
    counted = {
        name: getattr(after, name)
        for name in ("alive", "ready", "timers", "spawned", "completed", "failed", "canceled")
    }
    assert counted == {
        "alive": 0,
        "ready": 0,
        "timers": 0,
        "spawned": 6,
        "completed": 3,
        "failed": 1,
        "canceled": 2,
    }
    assert (after.absorbed, after.dropped, after.abandoned) == (1, 0, 0)


def test_steps_and_turns_are_what_the_program_needs() -> None:
    """On the manual host the counts are exact: one step per park and one for the end."""

    async def main() -> None:
        await rescind.yield_now()
        await rescind.sleep(1)

    with Runtime(host=ManualHost()) as runtime:
        runtime.block_on(main())
        counts = runtime.statistics()

    assert (counts.steps, counts.turns) == (3, 3)


def test_asyncio_debug_mode_is_turned_on_by_run() -> None:
    """`debug=True` reaches the loop, whose slow-callback log then sees every step."""

    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert [rescind.run(main, debug=flag) for flag in (True, False)] == [True, False]


def test_run_on_a_loop_factory_uses_that_loop() -> None:
    """A function that makes a loop is a host; the loop is closed at the end."""
    made: list[asyncio.AbstractEventLoop] = []

    def factory() -> asyncio.AbstractEventLoop:
        made.append(asyncio.new_event_loop())
        return made[-1]

    async def main() -> bool:
        return asyncio.get_running_loop() is made[0]

    assert rescind.run(main, host=factory) is True
    assert [loop.is_closed() for loop in made] == [True]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_exit_raised_in_a_task_leaves_block_on_and_shuts_the_others_down(
    host: HostFactory, end: type[BaseException]
) -> None:
    """KeyboardInterrupt and SystemExit are nobody's outcome to keep: they end the program."""
    log: list[str] = []
    outcomes: list[Any] = []

    async def bad() -> None:
        raise end("now")

    async def main() -> None:
        outcomes.append(rescind.spawn(bad()))
        try:
            await rescind.never()
        except rescind.Cancellation as exc:
            log.append(exc.reason.kind.name)
            raise

    with pytest.raises(end, match="now"), host() as runtime:
        runtime.block_on(main())

    assert log == ["SHUTDOWN"]
    outcome = outcomes[0].outcome()
    assert isinstance(outcome, Error)
    assert type(outcome.exception) is end


def test_exit_raised_in_main_leaves_run() -> None:
    """The code of a SystemExit arrives at the caller of run."""

    async def main() -> None:
        await rescind.yield_now()
        raise SystemExit(3)

    with pytest.raises(SystemExit) as info:
        rescind.run(main)

    assert info.value.code == 3


def test_exception_in_a_callback_of_the_loop_goes_to_its_handler_and_no_further() -> None:
    """What asyncio code does in a callback is not the business of our tasks."""
    handled: list[str] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: handled.append(repr(context["exception"]))
        )
        called = loop.create_future()

        def fail() -> None:
            called.set_result(None)
            raise ZeroDivisionError("in a callback")

        loop.call_soon(fail)
        await called
        await rescind.yield_now()
        return "unharmed"

    assert rescind.run(main) == "unharmed"
    assert handled == ["ZeroDivisionError('in a callback')"]


def test_async_generators_left_open_are_closed_with_the_runtime() -> None:
    """A generator that nobody exhausted runs its cleanup, awaits included, when the loop closes."""
    log: list[str] = []
    kept: list[Any] = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    async def main() -> int:
        generator = numbers()
        kept.append(generator)
        return await anext(generator)  # type: ignore[no-any-return]

    assert rescind.run(main) == 1
    assert log == ["closed"]


def test_default_executor_is_shut_down_with_the_runtime() -> None:
    """The threads of `asyncio.to_thread` have ended when run returns."""

    async def main() -> str:
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    name = rescind.run(main)

    assert name.startswith("asyncio_")
    assert [thread.name for thread in threading.enumerate() if thread.name == name] == []


def test_asyncio_tasks_left_running_are_canceled_with_the_runtime() -> None:
    """As under asyncio.run: a task that some library made and forgot is canceled and awaited."""
    log: list[str] = []
    kept: list[asyncio.Task[None]] = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            log.append("cleaned")

    async def main() -> None:
        kept.append(asyncio.create_task(forgotten()))
        await asyncio.sleep(0)

    rescind.run(main)

    assert log == ["cleaned"]
    assert [task.cancelled() for task in kept] == [True]


def test_error_of_a_leftover_asyncio_task_is_told_to_the_loops_handler() -> None:
    """What its cleanup raises is not lost with the loop."""
    handled: list[str] = []
    kept: list[asyncio.Task[None]] = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("in cleanup")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _loop, context: handled.append(repr(context["exception"]))
        )
        kept.append(asyncio.create_task(forgotten()))
        await asyncio.sleep(0)

    rescind.run(main)

    assert handled == ["ValueError('in cleanup')"]


def test_canceled_outcome_of_main_is_readable_from_its_task(host: HostFactory) -> None:
    """Who wants the outcome instead of an exception waits for the join."""

    async def main() -> None:
        await rescind.never()

    with host() as runtime:
        task = runtime.spawn(main(), name="main")
        request = task.cancel("not today")
        outcome = runtime.block_on(task.join())

    assert request.accepted is True
    assert outcome == Canceled(request.reason)

"""Every wrong way to use a runtime is an error that names the value and the remedy; none hangs."""

import asyncio
import gc
import re
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed, Runtime, UsageError
from rescind.lowlevel import ManualHost
from tests.conftest import HostFactory


@pytest.fixture(autouse=True)
def no_coroutine_is_forgotten() -> Iterator[None]:
    """Fail a test in which a refused coroutine is left to warn that it was never awaited."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def answer() -> int:
    """Give 42."""
    return 42


def in_thread(call: Any) -> Any:
    """Return what ``call()`` returns or raises in another thread."""
    got: list[Any] = []

    def work() -> None:
        try:
            got.append(call())
        except BaseException as exc:
            got.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    return got[0]


def test_block_on_inside_a_task_names_the_runtime_that_runs(host: HostFactory) -> None:
    """A nested block_on would stop its own thread: it is refused, the coroutine closed."""
    with host(name="outer") as outer, Runtime(host=ManualHost(), name="inner") as inner:

        async def main() -> str:
            with pytest.raises(UsageError) as info:
                inner.block_on(answer())
            return str(info.value)

        message = outer.block_on(main())

    assert message == (
        "<Runtime 'inner' on manual, 0 tasks> cannot block here: this thread already runs the "
        "runtime 'outer'. Await the future instead, or block in another thread"
    )


def test_block_on_itself_inside_a_task_is_refused(host: HostFactory) -> None:
    """The runtime that runs cannot be blocked on either, nor run, nor shut down from inside."""

    async def main() -> list[str]:
        messages = []
        runtime = rescind.current_runtime()
        for call in (lambda: runtime.block_on(answer()), runtime.shutdown):
            with pytest.raises(UsageError) as info:
                call()
            messages.append(str(info.value).partition(": ")[2])
        return messages

    with host(name="own") as runtime:
        messages = runtime.block_on(main())

    assert messages == [
        (
            "this thread already runs the runtime 'own'. "
            "Await the future instead, or block in another thread"
        ),
        (
            "it is shut down where block_on was called, when that has returned. To hurry it, "
            "cancel the task that block_on runs"
        ),
    ]


def test_run_inside_a_running_runtime_is_refused() -> None:
    """`rescind.run` in a task is the same fault, and leaves no loop open."""

    async def main() -> str:
        with pytest.raises(UsageError, match="cannot block here") as info:
            rescind.run(answer)
        return str(info.value)

    assert re.fullmatch(
        r"rescind.run\(\) cannot block here: this thread already runs the runtime 'runtime-\w+'. "
        "Await the future instead, or block in another thread",
        rescind.run(main),
    )


def test_block_on_under_a_running_asyncio_loop_points_to_attach() -> None:
    """In plain asyncio code the remedy is `Runtime.attach`."""

    async def main() -> str:
        with pytest.raises(UsageError) as info:
            runtime.block_on(answer())
        return str(info.value)

    with Runtime(host=ManualHost(), name="mine") as runtime:
        message = asyncio.run(main())

    assert message == (
        "<Runtime 'mine' on manual, 0 tasks> cannot block here: this thread already runs an "
        "asyncio loop. Await the future instead, or use 'async with Runtime.attach()'"
    )


def test_closed_runtime_says_that_it_is_closed(host: HostFactory) -> None:
    """After the shutdown nothing can be run; the coroutine is closed."""
    with host(name="mine") as runtime:
        pass

    with pytest.raises(UsageError) as info:
        runtime.block_on(answer())

    shown = "asyncio" if host.name == "asyncio-debug" else host.name
    assert str(info.value) == f"<Runtime 'mine' on {shown}, closed> is closed; make a new Runtime"


def test_second_shutdown_reports_nothing(host: HostFactory) -> None:
    """To shut down twice is harmless: the second report is empty."""
    with host() as runtime:
        runtime.spawn(rescind.never())
        first = runtime.shutdown("first")
        second = runtime.shutdown("second")

    assert (first.canceled, first.overran) == (1, ())
    assert (second.canceled, second.overran, second.reason.kind) == (0, (), CancelKind.SHUTDOWN)


def test_spawn_after_shutdown_gives_a_canceled_task_whose_body_never_ran(
    host: HostFactory,
) -> None:
    """The handle exists, and says why nothing ran (R24)."""
    log: list[str] = []

    async def body() -> None:
        log.append("ran")

    with host() as runtime:
        report = runtime.shutdown("over")
    task = runtime.spawn(body())

    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert (outcome.reason.kind, outcome.reason.cause) == (CancelKind.SHUTDOWN, report.reason)
    assert (task.done(), log, runtime.tasks()) == (True, [], [])


def test_spawn_after_shutdown_from_a_thread_gives_a_canceled_task(host: HostFactory) -> None:
    """The same from a thread that did not learn of the end: no error, no hang, no body."""
    with host() as runtime:
        pass
    task = in_thread(lambda: runtime.spawn(answer(), name="late"))

    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert outcome.reason.message == "spawned after the shutdown"
    assert task.cancellation_handle().wait(0) == outcome


def test_late_spawn_closes_what_the_task_owned(host: HostFactory) -> None:
    """Resources handed to a task that is born canceled are closed for it (R5)."""
    log: list[str] = []

    class Resource:
        def close(self) -> None:
            log.append("closed")

    with host() as runtime:
        pass
    task = runtime.spawn(answer(), owned=[Resource()])

    assert isinstance(task.outcome(), Canceled)
    assert log == ["closed"]


def test_spawn_from_a_thread_before_the_first_run_waits_for_it(host: HostFactory) -> None:
    """A task may be handed over before anybody drives the runtime."""
    with host() as runtime:
        task = in_thread(lambda: runtime.spawn(answer()))
        before = task.outcome()
        value = runtime.block_on(task)

    assert (before, value) == (None, 42)


def test_block_on_while_another_thread_runs_the_runtime_is_refused(host: HostFactory) -> None:
    """One thread at a time: the second gets an error, the first goes on."""
    started = threading.Event()
    release = threading.Event()

    async def main() -> str:
        runtime = rescind.current_runtime()
        started.set()
        while not release.is_set():
            await rescind.yield_now()
        return runtime.name

    with host(name="busy") as runtime:
        got: list[Any] = []

        def other() -> None:
            started.wait(60)
            for call in (lambda: runtime.block_on(answer()), runtime.shutdown):
                try:
                    got.append(call())
                except BaseException as exc:
                    got.append(exc)
            release.set()

        thread = threading.Thread(target=other)
        thread.start()
        name = runtime.block_on(main())
        thread.join(60)
        again = runtime.block_on(answer())

    assert (name, again) == ("busy", 42)
    assert [type(one) for one in got] == [UsageError, UsageError]
    assert [str(one).partition(", ")[2].partition("> ")[2] for one in got] == [
        (
            "is already running in another thread; use spawn(...) from here, and "
            "task.cancellation_handle().wait()"
        ),
        (
            "cannot be shut down from another thread, while it runs: it is shut down where "
            "block_on was called, when that has returned. To hurry it, cancel the task that "
            "block_on runs"
        ),
    ]


def test_spawn_with_no_runtime_says_how_to_get_one() -> None:
    """The coroutine that could not be spawned is closed, not left to warn."""
    with pytest.raises(UsageError) as info:
        rescind.spawn(answer())

    assert str(info.value) == (
        "spawn() needs a running runtime on this thread; use rescind.run(...), or "
        "runtime.spawn(...) from another thread"
    )


def test_functions_about_the_running_code_need_running_code() -> None:
    """Each says what is missing."""
    messages = {}
    for function in (rescind.now, rescind.current_task, rescind.current_runtime):
        with pytest.raises(UsageError) as info:
            function()
        messages[function.__name__] = str(info.value)

    assert messages == {
        "now": "now() needs a running runtime on this thread; use rescind.run(...), or "
        "runtime.spawn(...) from another thread",
        "current_task": "current_task() was called outside every task of rescind; start one with "
        "rescind.run(...) or rescind.spawn(...)",
        "current_runtime": "current_runtime() was called outside every runtime; start one with "
        "rescind.run(...), or hand the Runtime itself to other threads",
    }
    assert rescind.cancel_requested() is None


def test_current_task_in_plain_asyncio_code_is_an_error() -> None:
    """A stock asyncio task is no task of rescind's, even if it awaits our futures."""

    async def main() -> str:
        await rescind.yield_now()
        with pytest.raises(UsageError) as info:
            rescind.current_task()
        return str(info.value)

    assert asyncio.run(main()) == (
        "current_task() was called outside every task of rescind; start one with "
        "rescind.run(...) or rescind.spawn(...)"
    )


@pytest.mark.parametrize("where", ["block_on", "spawn", "run", "spawn inside"])
def test_async_function_instead_of_its_coroutine_is_named(where: str) -> None:
    """The commonest slip: the parentheses are missing."""
    with Runtime(host=ManualHost()) as runtime, pytest.raises(TypeError) as info:
        if where == "block_on":
            runtime.block_on(answer)  # type: ignore[arg-type]
        elif where == "spawn":
            runtime.spawn(answer)  # type: ignore[arg-type]
        elif where == "run":

            async def wrong() -> Any:
                return await rescind.join(answer)  # type: ignore[arg-type]

            rescind.run(wrong)
        else:

            async def main() -> None:
                rescind.spawn(answer)  # type: ignore[arg-type]

            runtime.block_on(main())

    assert str(info.value) == (
        "expected an awaitable, but got the async function 'answer' itself; call it: answer(...)"
    )


@pytest.mark.parametrize("value", [5, None, "text", print, object])
def test_what_cannot_be_awaited_is_refused_by_name(value: Any) -> None:
    """The message has the type and the value."""
    with Runtime(host=ManualHost()) as runtime:
        messages = []
        for call in (runtime.block_on, runtime.spawn):
            with pytest.raises(TypeError) as info:
                call(value)
            messages.append(str(info.value))

    hint = "; to run a plain function, call it, or use a thread" if callable(value) else ""
    expected = (
        "expected an awaitable (a coroutine, a future, a task), but got "
        f"{type(value).__qualname__}: {value!r}{hint}"
    )
    assert messages == [expected, expected]


def test_run_with_arguments_for_something_that_is_no_function() -> None:
    """Arguments given beside a coroutine would be lost."""
    coro = answer()
    try:
        with pytest.raises(TypeError) as info:
            rescind.run(coro, 1)  # type: ignore[arg-type]
    finally:
        coro.close()

    assert str(info.value) == (
        f"arguments were given for {coro!r}, which is no function; pass an async function"
    )


def test_run_with_a_plain_function_says_what_it_returned() -> None:
    """A function that returns no awaitable is no main."""
    with pytest.raises(TypeError) as info:
        rescind.run(lambda: None)  # type: ignore[arg-type,return-value]

    assert str(info.value) == (
        "expected an awaitable (a coroutine, a future, a task), but got NoneType: None"
    )


def test_future_given_away_twice_is_refused(host: HostFactory) -> None:
    """A future is single-use; the message names the remedy."""
    with host() as runtime:
        future = rescind.ready(1)
        first = runtime.block_on(future)
        with pytest.raises(UsageError) as info:
            runtime.spawn(future)

    assert first == 1
    assert str(info.value) == (
        "ready(1) cannot be used here: it was already awaited, spawned or given to a combinator. "
        "A future is single-use; make a new one, or use rescind.shared(...) to await one result "
        "several times"
    )


def test_coroutine_that_was_started_is_refused() -> None:
    """Half a coroutine cannot be run again."""

    async def main() -> None:
        await rescind.yield_now()

    with Runtime(host=ManualHost()) as runtime:
        coro = main()
        runtime.block_on(coro)
        with pytest.raises(UsageError) as info:
            runtime.spawn(coro)

    assert str(info.value) == (
        f"{coro!r} cannot be used here: it was already awaited or has ended. "
        "Call the async function again for a new coroutine"
    )


def test_task_of_another_runtime_cannot_be_awaited() -> None:
    """It names both runtimes, and the way to wait across threads."""

    async def main(foreign: rescind.Task[int]) -> list[str]:
        messages = []
        for waiting in (foreign, foreign.join(), rescind.join_or_cancel(foreign)):
            with pytest.raises(UsageError) as info:
                await waiting
            messages.append(str(info.value))
        return messages

    with (
        Runtime(host=ManualHost(), name="one") as one,
        Runtime(host=ManualHost(), name="two") as two,
    ):
        task = two.spawn(answer(), name="theirs")
        messages = one.block_on(main(task))
        value = two.block_on(task)

    assert value == 42
    expected = (
        f"<Task {task.id} 'theirs' new> belongs to another runtime (two) than the one that "
        "awaits it (one); wait for it with task.cancellation_handle().wait() in a thread"
    )
    assert messages == [expected] * 3


def test_ended_task_of_another_runtime_gives_its_outcome_by_method() -> None:
    """Data crosses runtimes; waiting does not."""
    with Runtime(host=ManualHost()) as one:
        task = one.spawn(answer())
        one.block_on(task)

    async def main() -> Any:
        return task.outcome()

    assert rescind.run(main) == Completed(42)


def test_task_that_waits_for_itself_is_refused(host: HostFactory) -> None:
    """It could never end: said at once, in the task itself and in a child of it."""

    async def main() -> list[str]:
        me = rescind.current_task()
        messages = []
        for waiting in (me.join(), rescind.race(me.join(), rescind.never())):
            with pytest.raises(UsageError) as info:
                await waiting
            messages.append(str(info.value))
        return messages

    with host() as runtime:
        messages = runtime.block_on(main())

    assert [message.partition("> ")[2] for message in messages] == [
        "waits for itself, so it could never end"
    ] * 2


def test_asyncio_awaitable_on_the_manual_host_says_that_it_needs_a_loop() -> None:
    """The manual host has no reactor: the error names the host, and nothing hangs."""

    class Blocking:
        _asyncio_future_blocking = True

        def __await__(self) -> Any:
            yield self

    async def main() -> None:
        await Blocking()  # type: ignore[misc]

    with Runtime(host=ManualHost()) as runtime, pytest.raises(TypeError) as info:
        runtime.block_on(main())

    message = str(info.value)
    assert message.startswith("<coroutine ")
    assert message.endswith(
        "which rescind cannot wait for on the host 'manual'; await a rescind future, "
        "or run on an asyncio host for asyncio's awaitables"
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"grace": -1}, ValueError, "grace must be a number of seconds that is not negative"),
        ({"grace": float("nan")}, ValueError, "not negative and not NaN: nan"),
        ({"grace": "1"}, TypeError, "grace must be a number of seconds, not str: '1'"),
        ({"budget": 0}, ValueError, "budget must be at least 1, not 0"),
        ({"budget": 1.5}, TypeError, "budget must be an int, not 1.5"),
        ({"budget": True}, TypeError, "budget must be an int, not True"),
        ({"host": "twisted"}, ValueError, "host must be 'asyncio', 'uvloop', a function that"),
        ({"host": 5}, TypeError, "or a Host: 5"),
        ({"host": dict}, TypeError, "the host function must return an asyncio event loop, not {}"),
    ],
)
def test_options_out_of_range_are_refused_before_a_loop_is_made(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The message has the value; no event loop is left open by the refusal."""
    with pytest.raises(error) as info:
        Runtime(**options)

    assert message in str(info.value)


def test_loop_stopped_by_somebody_else_is_reported_not_hung() -> None:
    """`loop.stop()` from a library ends block_on with an error that says what happened."""

    async def main() -> None:
        asyncio.get_running_loop().stop()
        await rescind.never()

    with Runtime() as runtime, pytest.raises(UsageError) as info:
        runtime.block_on(main())

    assert str(info.value) == "the event loop was stopped before the future had ended"


def test_runtime_that_is_dropped_unclosed_closes_its_coroutines() -> None:
    """A runtime forgotten without shutdown drops its tasks like any value, once, and warns."""
    log: list[str] = []

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            log.append("closed")

    def forget() -> None:
        runtime = Runtime(host=ManualHost())
        runtime.spawn(body())
        runtime.block_on(rescind.yield_now())

    with pytest.warns(ResourceWarning, match="was never shut down") as warned:
        forget()

    assert (log, len(warned)) == (["closed"], 1)


@pytest.mark.parametrize("inside", [False, True])
def test_owned_resource_that_is_not_in_a_list_is_named(inside: bool) -> None:
    """The commonest slip with ``owned``: the one resource itself is passed."""

    async def main() -> None:
        rescind.spawn(answer(), owned=3)  # type: ignore[arg-type]

    with Runtime(host=ManualHost()) as runtime, pytest.raises(TypeError) as info:
        if inside:
            runtime.block_on(main())
        else:
            runtime.spawn(answer(), owned=3)  # type: ignore[arg-type]

    assert str(info.value) == (
        "owned must be a tuple or a list of resources, not 3; for a single one, pass "
        "owned=[resource]"
    )


def test_spawn_with_a_grace_out_of_range_closes_the_coroutine() -> None:
    """The coroutine that could not be spawned is closed, not left to warn."""
    with Runtime(host=ManualHost()) as runtime:
        coro = answer()
        with pytest.raises(ValueError, match=r"^grace must be .*: -1$"):
            runtime.spawn(coro, grace=-1)
        assert coro.cr_frame is None

"""A blocking function in a thread: its result, its cancellation, and what is left of it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Cancellation, Completed, Error, Task, UsageError
from rescind.blocking import (
    cancel_reason,
    canceled,
    check_canceled,
    spawn_blocking,
    thread_pool,
    token,
    wait_canceled,
)
from tests.blocking import kit
from tests.blocking.kit import Gate, until
from tests.conftest import HostFactory


async def begun(*gates: Gate) -> None:
    """Let the runtime run until these functions run."""
    await until(lambda: all(gate.begun.is_set() for gate in gates))


def test_value_comes_from_another_thread(host: HostFactory) -> None:
    """The arguments go in, the value comes out, and the runtime's thread was not blocked."""

    def work(a: int, *, b: int) -> tuple[int, int]:
        return a + b, threading.get_ident()

    async def main() -> tuple[int, int]:
        return await spawn_blocking(work, 1, b=2)

    with host() as runtime:
        value, ident = runtime.block_on(main())

    assert value == 3
    assert ident != threading.get_ident()


def test_runtime_goes_on_while_the_function_blocks(host: HostFactory) -> None:
    """Tasks run, and it is one of them that lets the function return."""
    gate = Gate()

    async def main() -> object:
        task = spawn_blocking(gate)
        await begun(gate)
        assert not task.done()
        gate.open()
        return await task

    with host() as runtime:
        assert runtime.block_on(main()) == "through"


def test_exception_keeps_its_identity_and_its_traceback(host: HostFactory) -> None:
    """What the function raises is raised by the await, and shows the function's own lines."""
    error = ValueError("mine")

    def fail() -> None:
        raise error

    async def main() -> BaseException:
        with pytest.raises(ValueError, match="mine") as caught:
            await spawn_blocking(fail)
        return caught.value

    with host() as runtime:
        raised = runtime.block_on(main())

    assert raised is error
    names = [frame.name for frame in pytest.ExceptionInfo.from_exception(raised).traceback]
    assert "fail" in names
    assert not {"run", "_run", "_hand_over"} & set(names)


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit, BaseException])
def test_odd_exceptions_are_errors_like_any_other(
    kind: type[BaseException], host: HostFactory
) -> None:
    """They would mean something else in a generator; the outcome keeps them as they are."""
    error = kind("odd")

    def fail() -> None:
        raise error

    async def main() -> Any:
        return await spawn_blocking(fail).join()

    with host() as runtime:
        assert runtime.block_on(main()) == Error(error)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupt_of_the_function_ends_the_runtime_as_a_tasks_would(
    kind: type[BaseException], host: HostFactory
) -> None:
    """``sys.exit()`` in a thread is what it is in a coroutine: `block_on` raises it."""
    tasks: list[Task[Any]] = []

    def fail() -> None:
        raise kind("out")

    async def main() -> None:
        tasks.append(spawn_blocking(fail))
        await rescind.never()

    with host(grace=1) as runtime:
        with pytest.raises(kind, match="out"):
            runtime.block_on(main())

    assert isinstance(tasks[0].outcome(), Error)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupt_of_a_function_that_was_asked_to_end_is_not_lost(
    kind: type[BaseException], host: HostFactory
) -> None:
    """Also while its task is being canceled."""
    gate = Gate(kind("out"))

    async def main() -> None:
        task = spawn_blocking(gate)
        await begun(gate)
        task.cancel()
        await rescind.yield_now()
        gate.open()
        await rescind.never()

    with host(grace=1) as runtime:
        with pytest.raises(kind, match="out"):
            runtime.block_on(main())


def test_context_variables_are_a_copy_of_the_callers(host: HostFactory) -> None:
    """The function sees the caller's, and what it sets stays with it."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    def work() -> str:
        seen = variable.get()
        variable.set("the thread's")
        return seen

    async def main() -> tuple[str, str]:
        variable.set("the caller's")
        return await spawn_blocking(work), variable.get()

    with host() as runtime:
        assert runtime.block_on(main()) == ("the caller's", "the caller's")


def test_task_has_the_functions_name(host: HostFactory) -> None:
    """Or the one that it was given."""

    async def main() -> list[str]:
        tasks = [spawn_blocking(int), spawn_blocking(int, name="mine")]
        await rescind.join(*tasks)
        return [task.name for task in tasks]

    with host() as runtime:
        assert runtime.block_on(main()) == ["int", "mine"]


# ------------------------------------------------------------------------------------- cancellation


def test_canceled_before_it_was_polled_the_function_never_runs(host: HostFactory) -> None:
    """Nothing was submitted, no thread was started."""
    gate = Gate()

    async def main() -> tuple[Any, int]:
        task = spawn_blocking(gate)
        task.cancel("at once")
        return await task.join(), thread_pool().statistics().threads

    with host() as runtime:
        outcome, threads = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert outcome.dropped is False
    assert (gate.runs, threads) == (0, 0)


def test_canceled_in_the_queue_the_function_never_runs(host: HostFactory) -> None:
    """Every thread is busy; the one that is canceled leaves the queue, the next one runs."""
    first, second, third = Gate(1), Gate(2), Gate(3)
    third.open()

    async def main() -> list[Any]:
        thread_pool().limit = 1
        tasks = [spawn_blocking(gate) for gate in (first, second, third)]
        await begun(first)
        outcome = await tasks[1].cancel("no more")
        assert isinstance(outcome, Canceled)
        assert outcome.reason.message == "no more"
        first.open()
        return [await tasks[0].join(), outcome.dropped, await tasks[2].join()]

    with host() as runtime:
        assert runtime.block_on(main()) == [Completed(1), False, Completed(3)]

    assert [gate.runs for gate in (first, second, third)] == [1, 0, 1]


def test_canceled_function_that_returns_a_value_completes(host: HostFactory) -> None:
    """The value is not lost, whether or not it was the token that made it return (R7)."""

    async def main() -> Any:
        running = threading.Event()

        def work() -> str:
            running.set()
            assert wait_canceled(20)
            return "what there was"

        task = spawn_blocking(work)
        await until(running.is_set)
        return await task.cancel("enough")

    with host() as runtime:
        assert runtime.block_on(main()) == Completed("what there was")


def test_function_that_lets_the_cancellation_pass_is_canceled(host: HostFactory) -> None:
    """`check_canceled` raises the task's reason; the outcome has it."""
    seen: list[Any] = []

    async def main() -> Any:
        running = threading.Event()

        def work() -> None:
            running.set()
            wait_canceled()
            seen.extend([canceled(), cancel_reason()])
            try:
                check_canceled()
            finally:
                seen.append("cleaned up")

        task = spawn_blocking(work)
        await until(running.is_set)
        outcome = await task.cancel("enough")
        assert isinstance(outcome, Canceled)
        assert seen == [True, outcome.reason, "cleaned up"]
        return outcome.reason.message, outcome.dropped, outcome.also

    with host() as runtime:
        assert runtime.block_on(main()) == ("enough", False, ())


def test_error_in_the_cleanup_of_a_canceled_function_is_kept_beside(host: HostFactory) -> None:
    """An error raised because it was asked to end does not turn the outcome into one (R15)."""
    error = OSError("disk full")

    async def main() -> Any:
        running = threading.Event()

        def work() -> None:
            running.set()
            wait_canceled()
            try:
                check_canceled()
            finally:
                raise error

        task = spawn_blocking(work)
        await until(running.is_set)
        outcome = await task.cancel("enough")
        assert isinstance(outcome, Canceled)
        return outcome.also

    with host() as runtime:
        assert runtime.block_on(main()) == (error,)


def test_canceled_function_that_fails_by_itself_is_an_error(host: HostFactory) -> None:
    """It did not fail because of the cancellation."""
    gate = Gate(OSError("disk full"))

    async def main() -> Any:
        task = spawn_blocking(gate)
        await begun(gate)
        task.cancel()
        await rescind.yield_now()
        gate.open()
        return await task.join()

    with host() as runtime:
        assert runtime.block_on(main()) == Error(gate.value)  # type: ignore[arg-type]


def test_value_that_is_there_when_the_request_comes_is_delivered(host: HostFactory) -> None:
    """The function has returned, the task was not polled yet: completion beats the request."""
    gate = Gate("first")

    async def main() -> Any:
        task = spawn_blocking(gate)
        await begun(gate)
        gate.open()
        pool = thread_pool()
        while pool.statistics().idle == 0:  # without a yield: the task is not polled meanwhile
            pass
        task.cancel("too late")
        return await task.join()

    with host() as runtime:
        assert runtime.block_on(main()) == Completed("first")


def test_second_request_changes_nothing_but_is_kept(host: HostFactory) -> None:
    """The function is asked once, for the first reason; the task knows both."""
    seen: list[Any] = []

    async def main() -> Any:
        running = threading.Event()

        def work() -> None:
            running.set()
            token().on_cancel(lambda reason: seen.append(reason.message))
            wait_canceled()
            check_canceled()

        task = spawn_blocking(work)
        await until(running.is_set)
        task.cancel("first")
        task.cancel("second")
        outcome = await task.join()
        assert isinstance(outcome, Canceled)
        return outcome.reason.message, [reason.message for reason in task.cancel_reasons]

    with host() as runtime:
        assert runtime.block_on(main()) == ("first", ["first", "second"])

    assert seen == ["first"]


def test_grace_releases_the_waiter_and_detaches_the_thread(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that does not listen: the task is dropped when its grace is over, and reported."""
    gate = Gate()

    async def main() -> Any:
        task = spawn_blocking(gate, grace=0.05, name="stubborn")
        await begun(gate)
        outcome = await task.cancel("enough")
        assert isinstance(outcome, Canceled)
        counted = thread_pool().statistics()
        gate.open()
        await until(lambda: thread_pool().statistics().detached == 0)
        return outcome.dropped, counted.detached, counted.threads

    with host() as runtime:
        assert runtime.block_on(main()) == (True, 1, 1)

    [record] = [record for record in caplog.records if hasattr(record, "overrun")]
    assert "stubborn overran its grace" in record.getMessage()
    assert f"{kit.__file__}:" in record.getMessage()
    assert "in Gate.__call__" in record.getMessage()


def test_second_request_shortens_the_wait(host: HostFactory) -> None:
    """Without a grace at first, then with none to give."""
    gate = Gate()

    async def main() -> bool:
        task = spawn_blocking(gate, grace=None)
        await begun(gate)
        task.cancel("please")
        await rescind.yield_now()
        assert not task.done()
        outcome = await task.cancel("now", grace=0)
        gate.open()
        assert isinstance(outcome, Canceled)
        return outcome.dropped

    with host() as runtime:
        assert runtime.block_on(main()) is True


def test_detach_releases_the_waiter_at_once(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """The function is asked all the same; it is no overrun, since nobody meant to wait."""
    asked: list[bool] = []
    running, opened = threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        asked.append(wait_canceled(20))
        opened.wait(60)

    async def main() -> Any:
        task = spawn_blocking(work, on_overrun="detach", grace=None)
        await until(running.is_set)
        outcome = await task.cancel("enough")
        assert isinstance(outcome, Canceled)
        counted = thread_pool().statistics().detached
        opened.set()
        await until(lambda: thread_pool().statistics().detached == 0)
        return outcome.dropped, counted, asked

    with host() as runtime:
        assert runtime.block_on(main()) == (True, 1, [True])

    assert caplog.records == []


@pytest.mark.parametrize("how", ["detach", "grace"])
def test_late_value_goes_to_on_undelivered(how: str, host: HostFactory) -> None:
    """Nobody waits any more: the value is handed over in its thread, once."""
    gate = Gate("late")
    got: list[Any] = []

    def take(value: object) -> None:
        got.append((value, threading.get_ident() != main_thread))

    main_thread = threading.get_ident()

    async def main() -> None:
        task = spawn_blocking(
            gate,
            on_overrun="detach" if how == "detach" else "wait",
            grace=0.01,
            on_undelivered=take,
        )
        await begun(gate)
        await task.cancel()
        gate.open()
        await until(lambda: got)

    with host() as runtime:
        runtime.block_on(main())

    assert got == [("late", True)]


def test_value_that_is_dropped_unseen_goes_to_on_undelivered(host: HostFactory) -> None:
    """It was there, and the task was dropped before it was polled."""
    gate = Gate("unseen")
    got: list[Any] = []

    async def main() -> None:
        task = spawn_blocking(gate, on_undelivered=got.append)
        await begun(gate)
        gate.open()
        pool = thread_pool()
        while pool.statistics().idle == 0:
            pass
        task.cancel("now", grace=0)
        await task.join()

    with host() as runtime:
        runtime.block_on(main())

    assert got == ["unseen"]


def test_late_error_is_logged(host: HostFactory, caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback; nobody else will ever see it."""
    gate = Gate(OSError("late trouble"))

    async def main() -> None:
        task = spawn_blocking(gate, on_overrun="detach", name="uploader")
        await begun(gate)
        await task.cancel()
        gate.open()
        await until(lambda: caplog.records)

    with host() as runtime:
        runtime.block_on(main())

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "uploader failed in its thread" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is gate.value


def test_late_cancellation_of_a_detached_function_is_no_news(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """It did what it was asked to do."""
    running, ended = threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        wait_canceled()
        ended.wait(60)
        check_canceled()

    async def main() -> None:
        task = spawn_blocking(work, on_overrun="detach")
        await until(running.is_set)
        await task.cancel()
        ended.set()
        await until(lambda: thread_pool().statistics().detached == 0)

    with host() as runtime:
        runtime.block_on(main())

    assert caplog.records == []


def test_on_undelivered_that_raises_is_logged(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread survives it."""
    gate = Gate()

    def refuse(_value: object) -> None:
        raise RuntimeError("not mine")

    async def main() -> None:
        task = spawn_blocking(gate, on_overrun="detach", on_undelivered=refuse)
        await begun(gate)
        await task.cancel()
        gate.open()
        await until(lambda: caplog.records)
        assert await spawn_blocking(int) == 0

    with host() as runtime:
        runtime.block_on(main())

    assert "on_undelivered" in caplog.records[0].getMessage()


def test_join_or_cancel_takes_the_call_along(host: HostFactory) -> None:
    """A timeout around it asks the function to end, and waits for it."""
    running, ended = threading.Event(), threading.Event()

    def work() -> None:
        running.set()
        wait_canceled()
        ended.set()
        check_canceled()

    async def main() -> None:
        task = spawn_blocking(work)
        await until(running.is_set)
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(rescind.join_or_cancel(task), 0.02)
        assert ended.is_set()

    with host() as runtime:
        runtime.block_on(main())


def test_canceled_joiner_leaves_the_function_alone(host: HostFactory) -> None:
    """Waiting for a task is not owning it (R17)."""
    gate = Gate()

    async def main() -> object:
        task = spawn_blocking(gate)
        await begun(gate)
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(task, 0.01)
        gate.open()
        return await task

    with host() as runtime:
        assert runtime.block_on(main()) == "through"


def test_reason_kind_is_the_requests(host: HostFactory) -> None:
    """A shutdown asks the function with a reason of its kind."""
    kinds: list[Any] = []
    running = threading.Event()

    def work() -> None:
        running.set()
        wait_canceled()
        reason = cancel_reason()
        assert reason is not None
        kinds.append(reason.kind)

    async def main() -> None:
        spawn_blocking(work)
        await until(running.is_set)

    with host() as runtime:
        runtime.block_on(main())

    assert kinds == [CancelKind.SHUTDOWN]


# ---------------------------------------------------------------------------------- nothing is kept


def test_ended_call_keeps_neither_function_nor_arguments_nor_value(host: HostFactory) -> None:
    """Not even the idle thread does."""

    class Thing:
        pass

    def work(thing: Thing) -> Thing:
        return Thing()

    async def main() -> None:
        argument = Thing()
        task = spawn_blocking(work, argument)
        value = await task
        kept = [weakref.ref(argument), weakref.ref(value)]
        del argument, value, task
        await until(lambda: thread_pool().statistics().idle == 1)
        await rescind.yield_now()  # who resumed us holds the value until we park
        gc.collect()
        assert [ref() for ref in kept] == [None, None]

    with host() as runtime:
        runtime.block_on(main())


def test_failed_call_leaves_no_cycle(host: HostFactory) -> None:
    """Its error goes with the task, without the collector."""

    class Thing:
        pass

    async def main() -> None:
        refs: list[weakref.ref[Thing]] = []

        def fail() -> None:
            thing = Thing()
            refs.append(weakref.ref(thing))
            raise ValueError("mine")

        gc.disable()
        try:
            task = spawn_blocking(fail)
            await task.join()
            await until(lambda: thread_pool().statistics().idle == 1)
            del task
            await rescind.yield_now()
            assert refs[0]() is None
        finally:
            gc.enable()

    with host() as runtime:
        runtime.block_on(main())


# ---------------------------------------------------------------------------------------- bad input


async def _coroutine() -> None: ...


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: spawn_blocking(3), TypeError, r"needs a function.*not 3"),  # type: ignore[arg-type]
        (lambda: spawn_blocking(_coroutine), TypeError, "async one; spawn it"),
        (lambda: spawn_blocking(_coroutine()), TypeError, "not a coroutine"),  # type: ignore[arg-type]
        (lambda: spawn_blocking(int, on_overrun="drop"), ValueError, "'wait' or 'detach': 'drop'"),  # type: ignore[arg-type]
        (lambda: spawn_blocking(int, grace=-1), ValueError, "-1"),
    ],
)
def test_bad_arguments_are_refused(
    make: Callable[[], Any], kind: type[Exception], text: str, host: HostFactory
) -> None:
    """With the offending value, and what to do; nothing is spawned, nothing leaks."""

    async def main() -> None:
        with pytest.raises(kind, match=text):
            make()
        assert len(rescind.current_runtime().tasks()) == 1

    with host() as runtime:
        runtime.block_on(main())


def test_no_runtime_is_refused() -> None:
    """There is nobody to run it, or to tell."""
    with pytest.raises(UsageError, match=r"spawn_blocking\(\) needs a running runtime"):
        spawn_blocking(int)
    with pytest.raises(UsageError, match=r"thread_pool\(\) needs a running runtime"):
        thread_pool()


def test_asyncio_cancelled_error_of_the_function_is_a_cancellation(host: HostFactory) -> None:
    """As in a coroutine that raises one."""

    def work() -> None:
        raise asyncio.CancelledError("mine")

    async def main() -> Any:
        return await spawn_blocking(work).join()

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert outcome.reason.kind is CancelKind.FOREIGN


def test_function_may_catch_the_cancellation(host: HostFactory) -> None:
    """And return a value all the same (R11)."""
    running = threading.Event()

    def work() -> str:
        running.set()
        wait_canceled()
        try:
            check_canceled()
        except Cancellation as exc:
            return f"caught: {exc.reason.message}"
        return "not canceled"

    async def main() -> Any:
        task = spawn_blocking(work)
        await until(running.is_set)
        return await task.cancel("enough")

    with host() as runtime:
        assert runtime.block_on(main()) == Completed("caught: enough")

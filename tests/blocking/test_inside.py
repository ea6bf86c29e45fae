"""What a blocking function can ask and do in its thread."""

from __future__ import annotations

import contextvars
import gc
import threading
import time
import weakref
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    Completed,
    Error,
    Runtime,
    TaskCanceled,
    UsageError,
)
from rescind.blocking import (
    block_on,
    cancel_reason,
    canceled,
    check_canceled,
    spawn_blocking,
    thread_pool,
    token,
    wait_canceled,
)
from tests.blocking.kit import LONG, until
from tests.conftest import HostFactory


def test_nothing_was_asked(host: HostFactory) -> None:
    """As long as nobody cancels, everything says so."""

    def work() -> list[Any]:
        check_canceled()
        return [canceled(), cancel_reason(), wait_canceled(0), token().canceled]

    async def main() -> list[Any]:
        return await spawn_blocking(work)

    with host() as runtime:
        assert runtime.block_on(main()) == [False, None, False, False]


def test_functions_can_be_called_without_a_runtime() -> None:
    """A blocking function is tested by calling it: nobody asks it to end."""
    check_canceled()
    started = time.monotonic()

    assert [canceled(), cancel_reason(), wait_canceled(0.01), token().canceled] == [
        False,
        None,
        False,
        False,
    ]
    assert time.monotonic() - started >= 0.01


def test_waiting_for_ever_for_nobody_is_refused() -> None:
    """It would hang."""
    with pytest.raises(UsageError, match="block for ever"):
        wait_canceled()
    with pytest.raises(UsageError, match="block for ever"):
        wait_canceled(float("inf"))


@pytest.mark.parametrize("timeout", [-1.0, float("nan")])
def test_bad_timeouts_are_refused(timeout: float) -> None:
    """With the offending value."""
    with pytest.raises(ValueError, match=str(timeout)):
        wait_canceled(timeout)


def test_async_code_is_told_what_to_ask_instead(host: HostFactory) -> None:
    """There the answer would always be no."""

    async def main() -> None:
        for ask in (canceled, cancel_reason, check_canceled, lambda: wait_canceled(0), token):
            with pytest.raises(UsageError, match="cancel_requested"):
                ask()

    with host() as runtime:
        runtime.block_on(main())


def test_next_function_in_the_thread_is_not_canceled_with_the_one_before(
    host: HostFactory,
) -> None:
    """The thread is the same, the cancellation is not."""
    running = threading.Event()

    def work() -> int:
        running.set()
        wait_canceled()
        return threading.get_ident()

    async def main() -> None:
        thread_pool().limit = 1  # or a second one may be started before the first is idle again
        task = spawn_blocking(work)
        await until(running.is_set)
        outcome = await task.cancel()
        assert isinstance(outcome, Completed)
        again = await spawn_blocking(lambda: (threading.get_ident(), canceled()))
        assert again == (outcome.value, False)

    with host() as runtime:
        runtime.block_on(main())


def test_token_that_is_asked_for_after_the_cancellation_is_canceled(host: HostFactory) -> None:
    """It does not matter when it is made; it is always the same."""
    running = threading.Event()

    def work() -> list[Any]:
        running.set()
        wait_canceled()
        return [token().canceled, token() is token(), token().reason]

    async def main() -> None:
        task = spawn_blocking(work)
        await until(running.is_set)
        request = task.cancel("enough")
        assert await request == Completed([True, True, request.reason])

    with host() as runtime:
        runtime.block_on(main())


def test_callback_of_the_token_unblocks_what_the_function_is_stuck_in(host: HostFactory) -> None:
    """Closing a connection, say; it comes on the runtime's thread."""
    stuck = threading.Event()
    seen: list[Any] = []
    running = threading.Event()

    def close(reason: rescind.CancelReason) -> None:
        seen.append((reason.message, threading.get_ident()))
        stuck.set()

    def work() -> None:
        with token().on_cancel(close):
            running.set()
            assert stuck.wait(60)
            check_canceled()

    async def main() -> Any:
        task = spawn_blocking(work)
        await until(running.is_set)
        return await task.cancel("enough")

    with host() as runtime:
        assert isinstance(runtime.block_on(main()), Canceled)

    assert seen == [("enough", threading.get_ident())]


def test_callback_that_raises_is_logged(
    host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """The one who cancels is the runtime: it has nobody to raise it to."""
    running = threading.Event()

    def fail(_reason: object) -> None:
        raise RuntimeError("callback")

    def work() -> None:
        token().on_cancel(fail)
        running.set()
        wait_canceled()

    async def main() -> None:
        task = spawn_blocking(work, name="uploader")
        await until(running.is_set)
        assert await task.cancel() == Completed(None)

    with host() as runtime:
        runtime.block_on(main())

    assert "uploader" in caplog.records[0].getMessage()


# ---------------------------------------------------------------------------------------- block_on


def test_block_on_runs_a_coroutine_on_the_runtimes_thread(host: HostFactory) -> None:
    """And gives its value to the thread; any number of times."""

    async def on_the_loop(number: int) -> tuple[int, int]:
        await rescind.sleep(0)
        return number, threading.get_ident()

    def work() -> list[tuple[int, int]]:
        return [block_on(on_the_loop(number)) for number in range(3)]

    async def main() -> list[tuple[int, int]]:
        return await spawn_blocking(work)

    with host() as runtime:
        values = runtime.block_on(main())

    assert values == [(number, threading.get_ident()) for number in range(3)]


def test_block_on_keeps_nothing_of_what_it_gave(host: HostFactory) -> None:
    """The function goes on without the task and its value."""

    class Thing:
        pass

    async def make() -> Thing:
        return Thing()

    def work() -> None:
        kept = weakref.ref(block_on(make()))
        end = time.monotonic() + LONG
        while kept() is not None and time.monotonic() < end:
            gc.collect()
        assert kept() is None

    async def main() -> None:
        task = spawn_blocking(work)
        while not task.done():
            await rescind.sleep(0)

    with host() as runtime:
        runtime.block_on(main())


def test_block_on_takes_anything_that_can_be_awaited(host: HostFactory) -> None:
    """Futures and tasks too."""

    async def main() -> list[Any]:
        task = rescind.spawn(rescind.sleep(0))
        return [
            await spawn_blocking(lambda: block_on(rescind.ready(1))),
            await spawn_blocking(lambda: block_on(task)),
        ]

    with host() as runtime:
        assert runtime.block_on(main()) == [1, None]


def test_block_on_raises_what_the_future_raised(host: HostFactory) -> None:
    """The same object."""
    error = ValueError("mine")

    async def fail() -> None:
        raise error

    async def main() -> Any:
        return await spawn_blocking(lambda: block_on(fail())).join()

    with host() as runtime:
        assert runtime.block_on(main()) == Error(error)


def test_block_on_sees_the_threads_context_variables(host: HostFactory) -> None:
    """A copy of them, as of now."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def look() -> str:
        return variable.get()

    def work() -> str:
        variable.set("the thread's")
        return block_on(look())

    async def main() -> str:
        return await spawn_blocking(work)

    with host() as runtime:
        assert runtime.block_on(main()) == "the thread's"


def test_cancellation_of_the_function_cancels_what_it_waits_for(host: HostFactory) -> None:
    """The future cleans up first; then the function gets the same reason."""
    log: list[Any] = []

    async def wait() -> None:
        log.append("begun")
        try:
            await rescind.never()
        finally:
            await rescind.sleep(0)
            log.append("future cleaned up")

    def work() -> None:
        try:
            block_on(wait())
        except Cancellation as exc:
            log.append(("function", exc.reason.message))
            raise

    async def main() -> Any:
        task = spawn_blocking(work)
        await until(lambda: log)
        return await task.cancel("enough")

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert log == ["begun", "future cleaned up", ("function", "enough")]


def test_function_that_was_asked_to_end_begins_no_future(host: HostFactory) -> None:
    """Its coroutine is closed unrun, and without a warning."""
    running = threading.Event()
    ran: list[str] = []

    async def late() -> None:
        ran.append("late")

    def work() -> None:
        running.set()
        wait_canceled()
        block_on(late())

    async def main() -> Any:
        task = spawn_blocking(work)
        await until(running.is_set)
        return await task.cancel()

    with host() as runtime:
        assert isinstance(runtime.block_on(main()), Canceled)

    assert ran == []


def test_value_that_ties_with_the_cancellation_is_delivered(host: HostFactory) -> None:
    """The future completed in spite of the request: the function gets its value (R7)."""
    begun: list[None] = []

    async def stubborn() -> str:
        begun.append(None)
        try:
            await rescind.never()
        except Cancellation:
            return "all the same"

    def work() -> tuple[str, bool]:
        return block_on(stubborn()), canceled()

    async def main() -> Any:
        task = spawn_blocking(work)
        await until(lambda: begun)
        return await task.cancel()

    with host() as runtime:
        assert runtime.block_on(main()) == Completed(("all the same", True))


def test_future_that_somebody_else_canceled_raises_task_canceled(host: HostFactory) -> None:
    """It was canceled, the function was not (R17)."""

    def work() -> str:
        with pytest.raises(TaskCanceled, match="mine alone"):
            block_on(rescind.self_cancel("mine alone"))
        return "goes on"

    async def main() -> str:
        return await spawn_blocking(work)

    with host() as runtime:
        assert runtime.block_on(main()) == "goes on"


def test_block_on_elsewhere_is_refused(host: HostFactory) -> None:
    """In async code and in other threads; the coroutine is closed."""

    async def nothing() -> None: ...

    async def main() -> None:
        with pytest.raises(UsageError, match="functions that spawn_blocking"):
            block_on(nothing())

    with pytest.raises(UsageError, match=r"runtime\.spawn"):
        block_on(nothing())
    with host() as runtime:
        runtime.block_on(main())


def test_block_on_of_what_cannot_be_awaited_is_refused(host: HostFactory) -> None:
    """As everywhere."""

    async def main() -> Any:
        return await spawn_blocking(lambda: block_on(3)).join()  # type: ignore[arg-type]

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Error)
    assert "expected an awaitable" in str(outcome.exception)


def test_detached_function_that_calls_back_after_the_end_is_released() -> None:
    """Its runtime has gone: it gets a cancellation, and does not hang."""
    running, gone, ended = threading.Event(), threading.Event(), threading.Event()
    seen: list[Any] = []

    def work() -> None:
        running.set()
        gone.wait(60)
        try:
            block_on(rescind.sleep(0))
        except Cancellation as exc:
            seen.append(exc.reason.kind)
        ended.set()

    async def main() -> None:
        spawn_blocking(work, on_overrun="detach")
        await until(running.is_set)

    with Runtime(grace=0) as runtime:
        runtime.block_on(main())
    gone.set()
    assert ended.wait(60)

    assert seen == [CancelKind.SHUTDOWN]


def test_function_that_waits_for_the_runtime_is_released_by_its_shutdown(
    host: HostFactory,
) -> None:
    """Its future is canceled with all others."""
    begun: list[None] = []
    seen: list[Any] = []

    async def wait() -> None:
        begun.append(None)
        await rescind.never()

    def work() -> None:
        try:
            block_on(wait())
        except BaseException as exc:
            seen.append(type(exc))
            raise

    async def main() -> None:
        spawn_blocking(work)
        await until(lambda: begun)

    with host() as runtime:
        runtime.block_on(main())

    assert seen == [Cancellation]

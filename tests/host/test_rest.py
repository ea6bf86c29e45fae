"""What a stock task of asyncio's is parked on while it awaits a future of ours (`driving.Rest`)."""

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind._host.driving import Drive, Rest
from rescind._host.ticks import Queue
from rescind.lowlevel import PENDING, Context, Future, Waker


def one_iteration(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop once, and no longer."""
    loop.call_soon(loop.stop)
    loop.run_forever()


@pytest.fixture
def loop() -> Any:
    """A loop of the test's own."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_it_is_as_much_of_a_future_as_a_task_asks_for(loop: asyncio.AbstractEventLoop) -> None:
    """Before its end, after it, and if it is canceled instead."""
    ended, canceled = Rest(Queue(loop)), Rest(Queue(loop))

    assert asyncio.isfuture(ended)
    assert ended.get_loop() is loop
    assert (ended.done(), ended.cancelled()) == (False, False)
    with pytest.raises(asyncio.InvalidStateError):
        ended.result()
    assert "pending" in repr(ended)

    ended.end()
    assert canceled.cancel(msg="why")

    assert (ended.done(), ended.cancelled(), ended.result()) == (True, False, None)
    assert ended.exception() is None
    assert "over" in repr(ended)
    assert (canceled.done(), canceled.cancelled()) == (True, True)
    with pytest.raises(asyncio.CancelledError, match="why"):
        canceled.result()


@pytest.mark.parametrize("end", [Rest.end, Rest.cancel], ids=["end", "cancel"])
def test_it_ends_once(loop: asyncio.AbstractEventLoop, end: Callable[[Rest], object]) -> None:
    """What comes after its end is too late, and calls nobody again."""
    log: list[str] = []
    rest = Rest(Queue(loop))
    rest.add_done_callback(lambda _: log.append("called"))
    end(rest)
    canceled = rest.cancelled()

    rest.end()
    assert not rest.cancel()
    one_iteration(loop)

    assert (log, rest.cancelled()) == (["called"], canceled)


def test_outside_of_a_callback_of_ours_the_loop_calls_back(loop: asyncio.AbstractEventLoop) -> None:
    """In order, in their contexts, and not before the next iteration; but who has left is not."""
    name = contextvars.ContextVar("name", default="none")
    inside = contextvars.copy_context()
    inside.run(name.set, "inside")
    log: list[str] = []
    rest = Rest(Queue(loop))

    def left(_rest: object) -> None:
        log.append("left")

    rest.add_done_callback(lambda _: log.append(f"first {name.get()}"), context=inside)
    rest.add_done_callback(left)
    rest.add_done_callback(lambda _: log.append(f"second {name.get()}"))
    assert rest.remove_done_callback(left) == 1
    assert rest.remove_done_callback(left) == 0
    rest.end()
    rest.add_done_callback(lambda _: log.append("late"))

    assert log == []
    one_iteration(loop)
    assert log == ["first inside", "second none", "late"]


def test_a_task_is_not_resumed_while_another_one_is_the_current_one() -> None:
    """Where our callback runs inside a task, asyncio would refuse: the loop calls later."""
    log: list[str] = []

    async def waits(rest: Rest) -> None:
        class Awaitable:
            def __await__(self) -> Any:
                yield rest

        await Awaitable()
        log.append("resumed")

    async def main() -> None:
        queue = Queue(asyncio.get_running_loop())
        rest = Rest(queue)
        task = asyncio.create_task(waits(rest))
        await asyncio.sleep(0)
        queue.calling = True
        rest.end()
        rest.resume()
        log.append("goes on")
        await task

    asyncio.run(main())

    assert log == ["goes on", "resumed"]


def test_if_somebody_else_waits_too_all_are_called_by_the_loop_in_order(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """So who comes first, and fails perhaps, does not keep the task from being resumed."""
    log: list[str] = []
    queue = Queue(loop)
    rest, alone = Rest(queue), Rest(queue)
    for name in ("first", "second"):
        rest.add_done_callback(lambda _, name=name: log.append(name))  # type: ignore[misc]
    alone.add_done_callback(lambda _: log.append("alone"))
    queue.calling = True
    for one in (rest, alone):
        one.end()
        one.resume()

    assert log == ["alone"]
    one_iteration(loop)
    assert log == ["alone", "first", "second"]


def test_nothing_is_left_of_a_future_whose_await_has_failed_or_was_canceled() -> None:
    """No cycle keeps what a stock task has awaited."""

    class Held:
        pass

    async def fails(held: Held) -> None:
        await asyncio.sleep(0)
        raise KeyError(held)

    async def main() -> list[object]:
        failing, parked = Held(), Held()
        alive = [weakref.ref(failing), weakref.ref(parked)]
        try:
            await rescind.timeout(fails(failing), 3600)
        except KeyError:
            pass

        async def waits(held: Held) -> None:
            try:
                await rescind.timeout(rescind.never(), 3600)
            finally:
                del held

        task = asyncio.create_task(waits(parked))
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        del failing, parked, task
        await asyncio.sleep(0)
        return [ref() for ref in alive]

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(main()) == [None, None]
    finally:
        gc.enable()


def test_a_future_that_raises_stop_iteration_does_not_end_the_await_with_a_value() -> None:
    """As a generator's would be, it is turned into a RuntimeError."""

    class Stops(Future[None]):
        def poll(self, cx: Context) -> None:
            raise StopIteration("value")

    async def main() -> None:
        await Stops()

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(main())


def test_a_coroutine_that_is_closed_while_it_awaits_a_future_of_ours_drops_that() -> None:
    """By `close`, by an exception that is no cancellation, and by its finalizer."""
    log: list[str] = []

    class Parks(Future[None]):
        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            return PENDING

        def drop(self) -> None:
            log.append("dropped")

    async def waits() -> None:
        await Parks()

    async def main() -> None:
        closed, thrown, lost = waits(), waits(), waits()
        for one in (closed, thrown, lost):
            one.send(None)
        closed.close()
        with pytest.raises(KeyError):
            thrown.throw(KeyError())
        assert log == ["dropped"] * 2
        del one, lost

    asyncio.run(main())

    assert log == ["dropped"] * 3


def test_an_await_that_is_forgotten_half_way_drops_the_future() -> None:
    """Whoever has driven it by hand, and goes away, leaves nothing parked."""
    log: list[str] = []

    class Parks(Future[None]):
        _native = True  # else what watches it would drop it

        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            return PENDING

        def drop(self) -> None:
            log.append("dropped")

    async def main() -> None:
        awaited: Any = Drive(Parks())
        next(awaited)
        assert log == []
        del awaited

    asyncio.run(main())

    assert log == ["dropped"]


def test_a_request_that_asyncio_repeats_is_passed_on_once() -> None:
    """As anyio does, each tick: the cleanup goes on, and the first words stand."""
    reasons: list[Any] = []

    class Slow(Future[None]):
        free = False
        waker: Waker

        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            return PENDING

        def poll_cancel(self, cx: Context, request: Any) -> Any:
            self.waker = cx.waker
            reasons[:] = [reason.message for reason in request.reasons]
            return rescind.Canceled(request.reason) if self.free else PENDING

    async def main() -> str:
        slow = Slow()

        async def waits() -> None:
            await slow

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        for words in ("first", "second"):
            task.cancel(words)
            for _ in range(3):
                await asyncio.sleep(0)
        slow.free = True
        slow.waker.wake()
        try:
            await task
        except asyncio.CancelledError as exc:
            return str(exc)
        return "not canceled"

    assert asyncio.run(main()) == "first"
    assert reasons == ["first"]

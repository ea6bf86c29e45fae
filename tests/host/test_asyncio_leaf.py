"""The leaf for an asyncio future: how it is canceled, and that nothing is lost meanwhile."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

import rescind
from rescind import Canceled, CancelKind, CancelReason, Completed
from rescind._host.asyncio import AsyncioFuture
from rescind.lowlevel import PENDING
from rescind.testing import context, poll_cancel_once, poll_once

REASON = CancelReason(CancelKind.EXPLICIT, "canceled by hand")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Make a loop that is turned by hand."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop for one iteration."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_a_future_of_somebody_s_own_is_given_a_tick(loop: asyncio.AbstractEventLoop) -> None:
    """Even with no callback but ours: who made it may look at it in the loop's next callbacks."""
    future = loop.create_future()
    leaf = AsyncioFuture(future)
    cx = context()
    poll_once(leaf, cx)

    first = poll_cancel_once(leaf, cx)
    turn(loop)
    second = poll_cancel_once(leaf, cx)

    assert (first, future.cancelled(), second) == (PENDING, True, Canceled(REASON))


async def _event() -> None:
    await asyncio.Event().wait()


async def _lock() -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    await lock.acquire()


async def _semaphore() -> None:
    async with asyncio.Semaphore(0):
        pass


async def _queue() -> None:
    await asyncio.Queue[None]().get()


async def _condition() -> None:
    condition = asyncio.Condition()
    async with condition:
        await condition.wait()


@pytest.mark.parametrize("wait", [_event, _lock, _semaphore, _queue, _condition])
@pytest.mark.parametrize("kind", ["asyncio", "asyncio-debug", "uvloop"])
def test_a_waiter_of_asyncio_s_own_locks_leaves_at_once(
    kind: str, wait: Callable[[], Awaitable[None]]
) -> None:
    """Nobody is to be told, so no tick passes in which something could be handed over (R30)."""
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    trace: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(kind == "asyncio-debug")

        async def waiting() -> None:
            try:
                await wait()
            finally:
                trace.append("left")

        task = rescind.spawn(waiting())
        await rescind.yield_now()
        request = task.cancel("gone")
        loop.call_soon(trace.append, "next callback")
        await request

    rescind.run(main, host="uvloop" if kind == "uvloop" else "asyncio")

    assert trace == ["left", "next callback"]


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_transport_is_not_closed_before_its_connection_is_made(kind: str) -> None:
    """Its waiter is canceled, but its callbacks stand in the loop already; uvloop crashed."""
    if kind == "uvloop":
        pytest.importorskip("uvloop")

    async def main() -> tuple[list[str], int]:
        loop = asyncio.get_running_loop()
        trace: list[str] = []

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                trace.append("made")

        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
        ours.setblocking(False)
        # The loser is canceled where it has just parked, in the same callback of the loop.
        first = await rescind.race(loop.create_connection(Protocol, sock=ours), rescind.ready(1))
        for _ in range(5):
            await asyncio.sleep(0)
        ours.close()
        assert isinstance(first, int)
        return trace, first

    assert rescind.run(main, host=kind) == (["made"], 1)


def test_the_callbacks_of_a_library_run_before_the_await_raises(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A library that watches its future is told of the cancellation first, one tick later (R30)."""
    future = loop.create_future()
    trace: list[str] = []
    future.add_done_callback(lambda _: trace.append("library told"))
    leaf = AsyncioFuture(future)
    cx = context()
    poll_once(leaf, cx)

    first = poll_cancel_once(leaf, cx)
    trace.append(repr(first))
    turn(loop)
    second = poll_cancel_once(leaf, cx)

    assert (trace, second) == (["PENDING", "library told"], Canceled(REASON))


def test_a_result_that_is_there_is_delivered_instead_of_the_cancellation(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A future that is done when it should be canceled keeps its result (R7)."""
    future = loop.create_future()
    leaf = AsyncioFuture(future)
    cx = context()
    poll_once(leaf, cx)
    future.set_result("kept")

    first = poll_cancel_once(leaf, cx)
    turn(loop)
    outcome = poll_cancel_once(leaf, cx)

    assert (first, outcome) == (PENDING, Completed(None))
    assert (future.cancelled(), future.result()) == (False, "kept")


def test_a_result_is_delivered_after_the_callbacks_of_the_library(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """However often it is polled meanwhile: asyncio's own tasks are told by a callback, too."""
    future = loop.create_future()
    trace: list[str] = []
    future.add_done_callback(lambda _: trace.append("library told"))
    leaf = AsyncioFuture(future)
    cx = context()
    poll_once(leaf, cx)
    future.set_result("value")

    trace.append(repr(poll_once(leaf, cx)))
    turn(loop)
    trace.append(repr(poll_once(leaf, cx)))

    assert trace == ["PENDING", "library told", "Completed(value=None)"]


def test_a_future_that_is_done_already_is_delivered_at_once(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Nobody has to be waited for."""
    future = loop.create_future()
    future.set_result("value")

    assert poll_once(AsyncioFuture(future)) == Completed(None)


@pytest.mark.parametrize("kind", ["asyncio", "asyncio-debug", "uvloop"])
def test_hand_over_right_after_a_cancel_finds_no_waiter(kind: str) -> None:
    """A pool that hands a connection over in the next callback never gives it to who has gone.

    The pool does what httpcore's does: a waiter that is canceled leaves the queue, but a
    connection that it was given between its cancellation and its leaving is lost.
    """
    if kind == "uvloop":
        pytest.importorskip("uvloop")
    waiters: list[asyncio.Event] = []
    given: list[asyncio.Event] = []
    free: list[str] = []

    async def acquire() -> None:
        event = asyncio.Event()
        waiters.append(event)
        try:
            await event.wait()
        except asyncio.CancelledError:
            waiters.remove(event)
            raise

    def release() -> None:
        if waiters:
            given.append(waiters[0])
            waiters[0].set()
        else:
            free.append("connection")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(kind == "asyncio-debug")
        task = rescind.spawn(acquire())
        await rescind.yield_now()
        request = task.cancel("gone")
        loop.call_soon(release)  # comes after the executor's turn, before any callback of the event
        outcome = await request
        assert isinstance(outcome, Canceled)

    rescind.run(main, host="uvloop" if kind == "uvloop" else "asyncio")

    assert (given, free) == ([], ["connection"])


def test_what_has_a_finalizer_is_not_made_anew_from_what_was_freed() -> None:
    """Its finalizer would run for the first of them alone; a class of Python's is not, either."""
    stock = pytest.importorskip("rescind._host._stock", reason="there, nothing is kept")

    class Final(AsyncioFuture):
        def __del__(self) -> None: ...

    class Plain(AsyncioFuture): ...

    for kind in (Final, Plain):
        with pytest.raises(TypeError, match="has a finalizer, or is not of C"):
            stock.called(kind)

"""The leaf for an asyncio future: how it is canceled, and that nothing is lost meanwhile."""

import asyncio
from collections.abc import Iterator

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


def test_a_future_that_nobody_else_watches_is_canceled_at_once(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """With no callback but our own there is nobody to tell, so no tick has to pass (R30)."""
    future = loop.create_future()
    leaf = AsyncioFuture(future)
    polled = poll_once(leaf)

    outcome = poll_cancel_once(leaf)

    assert (polled, outcome, future.cancelled()) == (PENDING, Canceled(REASON), True)


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
    poll_once(leaf)
    future.set_result("kept")

    outcome = poll_cancel_once(leaf)

    assert (outcome, future.cancelled(), future.result()) == (Completed(None), False, "kept")


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

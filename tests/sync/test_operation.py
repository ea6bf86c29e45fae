"""What every operation that waits has in common."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from rescind import Canceled, Completed, PolledAfterCompletion
from rescind.lowlevel import PENDING, Context, Pending, Waiter, WaitList, Waker
from rescind.sync.operation import Operation
from rescind.sync.section import Section
from rescind.testing import CountingWaker, context, poll_cancel_once, poll_once


class Tray:
    """The smallest primitive: things lie on it, or are waited for."""

    def __init__(self) -> None:
        self.section = Section()
        self.things: list[str] = []
        self.waiting = WaitList()
        self.between: Any = None  # called when an operation has found nothing, before it queues

    def put(self, thing: str) -> None:
        """Give it to the first in line, or put it down."""
        with self.section, self.section.lock:
            self.things.append(thing)
            self.serve()

    def serve(self) -> None:
        """Give to those in line what there is."""
        while self.things and self.waiting.first is not None:
            self.section.wake(self.waiting, self.waiting.first, self.things.pop(0))


class Take(Operation[str]):
    """Takes one thing."""

    def __init__(self, tray: Tray) -> None:
        super().__init__(tray.section)
        self.tray = tray

    def _attempt(self, cx: Context) -> str | Pending:
        return self.tray.things.pop(0) if self.tray.things else PENDING

    def _queue(self, waker: Waker) -> Waiter:
        if self.tray.between is not None:
            self.tray.between()
        return self.tray.waiting.join(waker)

    def _look_again(self, waiter: Waiter) -> None:
        self.tray.serve()

    def _received(self, waiter: Waiter) -> str:
        assert isinstance(waiter.given, str)
        return waiter.given

    def _withdraw(self, waiter: Waiter) -> None:
        if self.tray.waiting.leave(waiter):
            self.tray.put(waiter.given)


def test_what_is_released_between_the_attempt_and_the_queue_is_not_missed() -> None:
    """O4: a finalizer that runs just then finds nobody in line; the waiter looks once more."""
    tray = Tray()
    tray.between = lambda: tray.put("thing")

    assert (Completed("thing"), 0) == (poll_once(Take(tray)), len(tray.waiting))


def test_operation_out_of_scope_leaves_the_queue() -> None:
    """O5, R3: what nobody polls any more is given nothing."""
    tray = Tray()
    abandoned, other = Take(tray), Take(tray)
    waker = CountingWaker()
    assert [PENDING, PENDING] == [poll_once(abandoned), poll_once(other, context(waker))]

    del abandoned
    gc.collect()
    tray.put("thing")

    assert (1, Completed("thing")) == (waker.wakes, poll_once(other))


def test_operation_out_of_scope_gives_back_what_it_was_given() -> None:
    """O1, R3: also if it had been woken already."""
    tray = Tray()
    abandoned = Take(tray)
    poll_once(abandoned)
    tray.put("thing")

    del abandoned
    gc.collect()

    assert ["thing"] == tray.things


def test_only_the_latest_waker_is_woken() -> None:
    """R1: an operation that moved to another owner wakes that one."""
    tray = Tray()
    take = Take(tray)
    old, new = CountingWaker(), CountingWaker()
    poll_once(take, context(old))
    poll_once(take, context(new))

    tray.put("thing")

    assert (0, 1) == (old.wakes, new.wakes)


def test_canceled_operation_delivers_what_it_was_given() -> None:
    """R7: woken, then canceled: it has an output."""
    tray = Tray()
    take = Take(tray)
    poll_once(take)
    tray.put("thing")

    assert Completed("thing") == poll_cancel_once(take)


@pytest.mark.parametrize("polled", [False, True])
def test_canceled_operation_takes_nothing(polled: bool) -> None:
    """R4, R5: unwoken or never polled, it leaves, and takes nothing that is there."""
    tray = Tray()
    take = Take(tray)
    if polled:
        poll_once(take)
    outcome = poll_cancel_once(take)
    tray.put("thing")

    assert isinstance(outcome, Canceled)
    assert (["thing"], 0) == (tray.things, len(tray.waiting))


def test_operation_is_not_polled_after_its_end() -> None:
    """R1: neither after its output, nor after it was dropped."""
    tray = Tray()
    tray.put("thing")
    ended, dropped = Take(tray), Take(tray)
    poll_once(ended)
    dropped.drop()

    for operation in (ended, dropped):
        with pytest.raises(PolledAfterCompletion):
            poll_once(operation).unwrap()  # type: ignore[union-attr]


def test_spurious_polls_change_nothing() -> None:
    """R1: it waits once, however often it is polled."""
    tray = Tray()
    take = Take(tray)

    assert ([PENDING] * 3, 1) == ([poll_once(take) for _ in range(3)], len(tray.waiting))

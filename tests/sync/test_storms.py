"""Threads that wait, cancel, drop, forget and release at once, with finalizers in between.

Every thread is switched as often as can be, and the collector runs as often as can be.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest

from rescind import Closed, Completed, WouldBlock
from rescind.lowlevel import PENDING, Waker
from rescind.sync import Event, NotSent, Receiver, Semaphore, Sender, channel
from rescind.testing import context, poll_cancel_once, poll_once


@pytest.fixture(autouse=True)
def rough() -> Iterator[None]:
    """Switch threads and collect all the time."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)


class Touches(Waker):
    """A waker that uses another primitive."""

    def __init__(self, touch: Callable[[], object]) -> None:
        self.touch = touch

    def wake(self) -> None:
        self.touch()


class Litter:
    """A cycle, which does something when the collector finds it."""

    def __init__(self, last: Callable[[], object]) -> None:
        self.itself = self
        self.last = last

    def __del__(self) -> None:
        self.last()


def in_threads(*functions: Callable[[], object]) -> None:
    """Run each in a thread of its own; raise what one raised."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as exc:
            errors.append(exc)

    threads = [
        threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a deadlock"
    assert [] == errors


@pytest.mark.parametrize("seed", range(3))
def test_acquires_canceled_while_other_threads_release_lose_no_permit(seed: int) -> None:
    """P71: two semaphores, whose wakers and finalizers use the other one, too."""
    both = [Semaphore(3), Semaphore(2)]
    event = Event()

    def touch() -> None:
        event.set()
        event.clear()
        for one in both:
            assert one.statistics().available >= 0

    def work(number: int) -> None:
        chance = Random(f"{seed} {number}")
        own: list[tuple[Semaphore, int]] = []
        waiting: list[tuple[Semaphore, int, Any]] = []
        for _ in range(400):
            what = chance.choice(["come", "come", "poll", "cancel", "drop", "forget", "release"])
            if what == "come":
                semaphore, n = chance.choice(both), chance.randint(1, 2)
                acquire = semaphore.acquire(n)
                if poll_once(acquire, context(Touches(touch))) is PENDING:
                    waiting.append((semaphore, n, acquire))
                else:
                    own.append((semaphore, n))
                del acquire
            elif what == "release" and own:
                semaphore, n = own.pop()
                if chance.random() < 0.5:
                    semaphore.release(n)
                else:
                    Litter(lambda semaphore=semaphore, n=n: semaphore.release(n))
            elif waiting and what != "release":
                semaphore, n, acquire = waiting.pop(chance.randrange(len(waiting)))
                if what == "poll":
                    if poll_once(acquire, context(Touches(touch))) is PENDING:
                        waiting.append((semaphore, n, acquire))
                    else:
                        own.append((semaphore, n))
                elif what == "cancel":
                    if isinstance(poll_cancel_once(acquire), Completed):
                        own.append((semaphore, n))
                elif what == "drop":
                    acquire.drop()
                    acquire.drop()
                del acquire
        for semaphore, n in own:
            semaphore.release(n)

    in_threads(*(lambda k=k: work(k) for k in range(4)))
    gc.collect()
    seen = [one.statistics() for one in both]
    assert [(3, 0, 0), (2, 0, 0)] == [(s.available, s.gathered, s.waiting) for s in seen]


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_values_of_a_channel_in_a_storm_are_each_in_one_place(capacity: int) -> None:
    """P72: what was accepted was received, is there, or is undelivered, once."""
    undelivered: list[tuple[int, int]] = []
    sender, receiver = channel[tuple[int, int]](capacity, on_undelivered=undelivered.append)
    accepted, got, unknown = (list[tuple[int, int]]() for _ in range(3))
    event = Event()

    def send(number: int, own: Sender[tuple[int, int]]) -> None:
        chance = Random(f"{capacity} {number}")
        waiting: list[tuple[tuple[int, int], Any]] = []
        for n in range(300):
            value = number, n
            what = chance.choice(["now", "send", "permit", "poll", "cancel", "drop"])
            try:
                if what == "now":
                    own.send_nowait(value)
                    accepted.append(value)
                elif what == "send":
                    future = own.send(value)
                    waiting.append((value, future))
                    del future
                elif what == "permit":
                    permit = own.reserve_nowait()
                    if chance.random() < 0.5:
                        permit.send(value)
                        accepted.append(value)
                    else:
                        Litter(permit.release)
                    del permit
                elif waiting:
                    old, future = waiting.pop(0)
                    if what == "drop":
                        future.drop()
                        unknown.append(old)
                        continue
                    drive = poll_once if what == "poll" else poll_cancel_once
                    outcome = drive(future, context(Touches(event.set)))
                    if outcome is PENDING:
                        waiting.insert(0, (old, future))
                    elif isinstance(outcome, Completed):
                        accepted.append(old)
            except (WouldBlock, NotSent, Closed):
                pass
        unknown.extend(value for value, _ in waiting)
        waiting.clear()
        own.close()

    def receive(number: int, own: Receiver[tuple[int, int]]) -> None:
        chance = Random(f"{capacity} {number}")
        waiting: list[Any] = []
        for _ in range(400):
            what = chance.choice(["now", "recv", "poll", "cancel", "drop", "forget"])
            try:
                if what == "now":
                    got.append(own.recv_nowait())
                elif what == "recv":
                    waiting.append(own.recv())
                elif waiting:
                    future = waiting.pop(0)
                    if what == "drop":
                        Litter(future.drop)
                    elif what != "forget":
                        drive = poll_once if what == "poll" else poll_cancel_once
                        outcome = drive(future, context(Touches(event.clear)))
                        if outcome is PENDING:
                            waiting.insert(0, future)
                        elif isinstance(outcome, Completed):
                            got.append(outcome.value)
                    del future
            except (WouldBlock, Closed):
                pass
        waiting.clear()
        if number % 2:
            own.drop()

    work: list[Callable[[], object]] = []
    for k in range(2):
        work.append(partial(send, k, sender.clone()))
        work.append(partial(receive, k, receiver.clone()))
    in_threads(*work)
    work.clear()
    gc.collect()
    seen = sender.statistics()
    assert (0, 0, 0, 0) == (seen.granted, seen.reserved, seen.sending, seen.receiving)
    places = Counter(got + undelivered + receiver.drain())
    assert [] == [value for value, times in places.items() if times > 1]
    assert set(accepted) <= set(places) <= set(accepted) | set(unknown)

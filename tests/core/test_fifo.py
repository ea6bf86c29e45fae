"""The queue of what is ready: first in, first out, in either form of the core."""

import gc
import weakref
from collections import deque

import pytest

from rescind._core.fifo import fifo


class _Thing:
    pass


@pytest.mark.parametrize("ahead", [0, 1, 15, 16, 17, 40])
def test_it_gives_back_what_it_was_given_in_order(ahead: int) -> None:
    """However many are in it, and wherever in the ring its first one is."""
    queue: fifo[int] = fifo()
    expected: deque[int] = deque()
    for number in range(200):
        queue.append(number)
        expected.append(number)
        if number >= ahead:
            assert (len(expected), True) == (len(queue), bool(queue))
            assert expected.popleft() == queue.popleft()
        if number % 50 == 49:
            for more in (-1, -2, -3):
                queue.append(more)
                expected.append(more)
    assert list(expected) == [queue.popleft() for _ in range(len(queue))]
    assert (0, False) == (len(queue), bool(queue))


def test_nothing_is_taken_from_an_empty_one() -> None:
    """As a deque says it."""
    queue: fifo[int] = fifo()
    with pytest.raises(IndexError):
        queue.popleft()
    queue.append(1)
    queue.popleft()
    with pytest.raises(IndexError):
        queue.popleft()


def test_it_keeps_what_is_in_it_and_nothing_else() -> None:
    """What was taken out is gone when its taker lets go of it; and so is all with the queue."""
    queue: fifo[_Thing] = fifo()
    things = [_Thing() for _ in range(40)]
    refs = [weakref.ref(thing) for thing in things]
    for thing in things:
        queue.append(thing)
    del thing, things
    assert all(ref() is not None for ref in refs)
    queue.popleft()
    assert [True, False] == [ref() is None for ref in refs[:2]]
    del queue
    gc.collect()
    assert all(ref() is None for ref in refs)


@pytest.mark.parametrize("taken", [0, 1, 9])
def test_collector_may_add_and_take_while_it_makes_room(taken: int) -> None:
    """What is collected meanwhile may wake tasks: each is in it once, and in order."""
    queue: fifo[int] = fifo()
    for number in range(taken):
        queue.append(number)
        queue.popleft()
    out: list[int] = []
    during = iter(range(-1, -1000, -1))

    def look(phase: str, info: dict[str, int]) -> None:
        if busy and phase == "start":
            for _ in range(40):
                queue.append(next(during))
            out.append(queue.popleft())

    busy = False
    held: list[list[int]] = []
    threshold = gc.get_threshold()
    gc.callbacks.append(look)
    gc.set_threshold(1)
    try:
        for number in range(1, 20):
            held += [[] for _ in range(100)]  # those that CPython keeps at hand are used up
            busy = True
            queue.append(number)
            busy = False
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(look)
    out += [queue.popleft() for _ in range(len(queue))]
    assert list(range(1, 20)) == [number for number in out if number > 0]
    inside = [number for number in out if number < 0]
    assert list(range(-1, -len(inside) - 1, -1)) == inside

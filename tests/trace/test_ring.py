"""The recorder's ring, in the form that runs and as plain Python: order, room, lines, times."""

import asyncio
import io
import itertools
import json
import logging
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind.lowlevel import PENDING, Context, Future
from rescind.sync import Event as SyncEvent
from rescind.trace import Recorder
from rescind.trace.events import write_events
from rescind.trace.ring import Ring, ring_of

#: Makes a ring: limit, clock, full.
Make = Callable[..., Ring]


@pytest.fixture(params=["this form", "plain"])
def make(request: pytest.FixtureRequest) -> Make:
    """Give what makes a ring."""
    return ring_of if request.param == "this form" else Ring


def _counted() -> Callable[[], int]:
    """Return a clock that goes on by one whenever it is asked."""
    return itertools.count(1).__next__


def _put(ring: Ring, numbers: range) -> None:
    for number in numbers:
        ring.polled(number)
        ring.parked(number, None)


def test_events_come_back_as_they_were_put(make: Make) -> None:
    """Each kind of them, with its time, in their order."""
    ring = make(10, _counted())
    ring.append(("spawned", 1, "task", "main", None, None, 1))
    ring.woken(1, 0)
    ring.woken(1, 2**40)
    ring.polled(2**40)
    ring.parked(1, None)
    ring.parked(1, ("sleep(1)", "app.py:3 in main"))
    ring.parked(1, ("sleep(1)", None))
    assert ring.events() == (
        (1, "spawned", 1, "task", "main", None, None, 1),
        (2, "woken", 1, None),
        (3, "woken", 1, 2**40),
        (4, "polled", 2**40),
        (5, "parked", 1, "", None),
        (6, "parked", 1, "sleep(1)", "app.py:3 in main"),
        (7, "parked", 1, "sleep(1)", None),
    )
    assert ring.events() == ring.events()
    assert len(ring) == 7
    assert ring.dropped == 0


def test_lines_are_those_of_the_events(make: Make) -> None:
    """Whatever the time; JSON that an encoder would have made of them."""
    times = [0, 7, 10**8 - 1, 10**8, 12_345_600_000_007, 2**62, -5, -(10**12)]
    ring, written = (make(100, iter(times * 6).__next__, print) for _ in range(2))
    for one in (ring, written):
        for cell in range(1, len(times) + 1):
            one.woken(cell, cell - 1)
        for cell in range(1, len(times) + 1):
            one.polled(cell * 99)
            one.parked(cell, ("", None))
            one.parked(cell, ("wait of <Event 'ü \"\\'>", None))
            one.parked(cell, None)
            one.append(("ended", cell, "completed", None, False))
    out = io.StringIO()
    write_events(out, written.events())
    assert ring.lines().decode() == out.getvalue()
    read = [tuple(json.loads(line)) for line in out.getvalue().splitlines()]
    assert read == list(written.events())
    assert ring.lines() == b""


@pytest.mark.parametrize("limit", [1, 2, 1000, 1024, 3000])
def test_the_latest_are_kept(make: Make, limit: int) -> None:
    """As many as there is room for; the others are counted."""
    ring = make(limit, _counted())
    _put(ring, range(1, 2001))
    events = ring.events()
    assert [event[0] for event in events] == [*range(4001 - limit, 4001)]
    assert (len(ring), ring.dropped) == (limit, 4000 - limit)


def test_a_queue_asks_to_be_emptied_once(make: Make) -> None:
    """When more than half of its room is taken; and again after that."""
    asked: list[int] = []
    ring = make(8, _counted(), lambda: asked.append(len(ring)))
    _put(ring, range(1, 3))
    assert asked == []
    _put(ring, range(3, 5))
    assert len(asked) == 1
    assert ring.lines().count(b"\n") == 8
    _put(ring, range(5, 9))
    assert len(asked) == 2
    assert all(waiting > 4 for waiting in asked)


def test_a_queue_without_room_loses_the_latest_and_says_how_many(make: Make) -> None:
    """After the last line of those that it had; and not twice."""
    ring = make(4, _counted(), lambda: None)
    _put(ring, range(1, 6))
    assert ring.dropped == 6
    lines = [json.loads(line) for line in ring.lines().splitlines()]
    assert [line[0] for line in lines[:4]] == [1, 2, 3, 4]
    assert lines[4][1:] == ["dropped", 6]
    _put(ring, range(6, 7))
    assert b"dropped" not in ring.lines()


def test_a_queue_that_is_emptied_in_between_loses_nothing(make: Make) -> None:
    """However its beginning and its end lie in the array, and while that grows."""
    ring = make(20_000, _counted(), lambda: None)
    times: list[int] = []
    put = 0
    for some in (300, 900, 700, 3000, 5000, 10, 4000):
        _put(ring, range(put + 1, put + some + 1))
        put += some
        times += [json.loads(line)[0] for line in ring.lines().splitlines()]
    while lines := ring.lines():
        times += [json.loads(line)[0] for line in lines.splitlines()]
    assert times == [*range(1, 2 * put + 1)]
    assert ring.dropped == 0


def test_what_is_let_go_is_released(make: Make) -> None:
    """The oldest that made room, what was written, what did not fit, and all of it at the end."""

    class Word(str):
        __slots__ = ("__weakref__",)

    refs: list[weakref.ref[Word]] = []

    def put(ring: Ring) -> None:
        word = Word("word")
        refs.append(weakref.ref(word))
        ring.append(("abandoned", word))
        ring.append(("abandoned", word))

    def park(ring: Ring) -> None:
        word = Word("word")
        refs.append(weakref.ref(word))
        ring.parked(1, (word, None))

    kept = make(4, _counted())
    for _ in range(3):
        put(kept)
    for _ in range(3):
        park(kept)
    kept.events()
    assert [ref() is None for ref in refs] == [True, True, False, False, False, False]
    del kept
    assert all(ref() is None for ref in refs)
    refs.clear()
    queue = make(4, _counted(), lambda: None)
    for _ in range(3):
        put(queue)
    assert [ref() is None for ref in refs] == [False, False, True]
    queue.lines()
    assert all(ref() is None for ref in refs)


def _times(recorder: Recorder, what: str, name: str) -> list[int]:
    """Return the times of these events of the cell of this name."""
    events = recorder.trace().events
    (number,) = (one[2] for one in events if one[1] == "spawned" and one[4] == name)
    return [one[0] for one in events if one[1:3] == (what, number)]


def test_wake_ups_by_the_host_have_times_of_their_own() -> None:
    """However long its callbacks took since the last turn, and each of them."""
    noted: list[int] = []

    async def main() -> None:
        events = [SyncEvent(), SyncEvent()]

        def happens(event: SyncEvent) -> None:
            noted.append(time.monotonic_ns())
            event.set()

        waiters = [rescind.spawn(one.wait(), name=f"waiter {i}") for i, one in enumerate(events)]
        await rescind.yield_now()
        for event in events:
            asyncio.get_running_loop().call_soon(happens, event)
        for waiter in waiters:
            await waiter

    with Recorder() as recorder:
        rescind.run(main)
    for number in range(2):
        assert _times(recorder, "woken", f"waiter {number}")[-1] >= noted[number]


class _Busy(Future[int]):
    """Is polled again and again, in several turns, and ends after a callback of the host."""

    def __init__(self) -> None:
        self.polls = 0
        self.noted: int | None = None

    def poll(self, cx: Context) -> Any:
        if self.polls == 0:
            asyncio.get_running_loop().call_soon(self._note)
        self.polls += 1
        if self.noted is not None:
            return self.polls
        cx.waker.wake()
        return PENDING

    def _note(self) -> None:
        self.noted = time.monotonic_ns()


def test_the_first_poll_of_a_turn_has_a_time_of_its_own() -> None:
    """Though the same task was parked just before, at the end of the last turn."""
    busy = _Busy()
    with Recorder() as recorder:
        rescind.run(busy)
    events = recorder.trace().events
    polls = [event[0] for event in events if event[1:3] == ("polled", 1)]
    assert busy.noted is not None
    assert polls[-1] >= busy.noted


def test_a_poll_by_a_foreign_driver_has_a_time_of_its_own() -> None:
    """Though it was woken in a turn, and nothing was recorded since: callbacks may have run."""
    noted: list[int] = []

    def note() -> None:
        noted.append(time.monotonic_ns())

    async def foreign() -> None:
        await rescind.yield_now()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(foreign())
        # This runs before the turn that wakes it; what it schedules, after that turn.
        loop.call_soon(loop.call_soon, note)
        await rescind.yield_now()
        await task

    with Recorder() as recorder:
        rescind.run(main)
    events = recorder.trace().events
    (number,) = (one[2] for one in events if one[1] == "spawned" and one[3] == "foreign")
    polls = [one[0] for one in events if one[1:3] == ("polled", number)]
    assert len(noted) == 1
    assert polls[-1] >= noted[0]


def test_a_task_in_the_place_of_one_that_has_ended_is_another_one() -> None:
    """Its events are its own, though it may have the other one's address."""

    async def main() -> None:
        for _ in range(200):
            await rescind.spawn(rescind.yield_now())

    with Recorder() as recorder:
        rescind.run(main)
    seen: dict[int, list[str]] = {}
    for event in recorder.trace().events:
        if event[1] in ("spawned", "woken", "polled", "parked", "ended"):
            seen.setdefault(event[2], []).append(event[1])
    words = ["spawned", "polled", "parked", "woken", "polled", "ended"]
    assert sum(events == words for events in seen.values()) >= 200


def test_polls_follow_each_other_in_time() -> None:
    """Each begins no earlier than the one before has ended, and times never go back."""

    async def yields() -> None:
        for _ in range(3):
            await rescind.yield_now()

    async def main() -> None:
        async with rescind.task_group() as group:
            for _ in range(40):
                group.spawn(yields())

    before = time.monotonic_ns()
    with Recorder() as recorder:
        rescind.run(main)
    times = [event[0] for event in recorder.trace().events]
    assert before <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.monotonic_ns()


def test_a_clock_that_fails_ends_the_recording(caplog: pytest.LogCaptureFixture) -> None:
    """With an error in the log; the program goes on."""
    ticks = iter(range(8))

    async def main() -> str:
        for _ in range(5):
            await rescind.yield_now()
        return "done"

    def clock() -> int:
        tick: Any = next(ticks, None)
        if tick is None:
            raise RuntimeError("the clock is broken")
        return int(tick)

    with caplog.at_level(logging.ERROR, "rescind"), Recorder(clock=clock):
        assert rescind.run(main) == "done"
    assert "is told nothing more" in caplog.text

"""Primitives in a trace: what each task waited for, and who let it go on.

Primitives have no events of their own (docs/design/0047): who waits parks on what is told here, and
is woken by the task that released, sent or set.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind.sync import (
    Barrier,
    Condition,
    Event,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    broadcast,
    channel,
    oneshot,
    unbounded,
    watch,
)
from rescind.testing import run_virtual
from rescind.trace import Recorder, Story, perfetto

#: Begins something, and lets the waiter go on a second later; what that awaits; how it is told.
Case = tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]], str]


async def _later(then: Callable[[], object]) -> None:
    await rescind.sleep(1)
    result = then()
    if isinstance(result, Awaitable):
        await result


async def _holding(block: Any) -> None:
    async with block:
        await rescind.sleep(1)


def _condition() -> Case:
    condition = Condition(Mutex(name="it"))

    async def notifies() -> None:
        await rescind.sleep(1)
        async with condition:
            condition.notify()

    async def waits() -> None:
        async with condition:
            await condition.wait()

    return notifies, waits, "wait of <Condition"


def _once() -> Case:
    cell = OnceCell[int]()

    async def slow() -> int:
        await rescind.sleep(1)
        return 1

    return (
        lambda: cell.get_or_init(slow),
        lambda: cell.get_or_init(slow),
        "get_or_init of <OnceCell",
    )


def _channel(full: bool) -> Case:
    sender, receiver = channel[int](1)
    if not full:
        return lambda: _later(lambda: sender.send(1)), receiver.recv, "recv from channel (0/1)"
    sender.send_nowait(0)
    return lambda: _later(receiver.recv), lambda: sender.send(1), "send to channel (1/1)"


def _unbounded() -> Case:
    sender, receiver = unbounded[int]()
    return lambda: _later(lambda: sender.send(1)), receiver.recv, "recv from "


def _oneshot() -> Case:
    sender, receiver = oneshot[int]()
    return lambda: _later(lambda: sender.send(1)), receiver.recv, "recv from oneshot"


def _broadcast() -> Case:
    sender, receiver = broadcast[int](1)
    return lambda: _later(lambda: sender.send(1)), receiver.recv, "recv from broadcast"


def _watch() -> Case:
    sender, receiver = watch(0)
    return lambda: _later(lambda: sender.send(1)), receiver.changed, "change of watch"


def _mutex() -> Case:
    mutex = Mutex(name="it")
    return lambda: _holding(mutex), mutex.acquire, "acquire of <Mutex 'it', held by task "


def _rwlock() -> Case:
    lock = RwLock()
    return lambda: _holding(lock.read()), lambda: _holding(lock.write()), "acquire_write of <RwLock"


def _semaphore() -> Case:
    semaphore = Semaphore(1)
    return lambda: _holding(semaphore), semaphore.acquire, "acquire of <Semaphore, 0 free"


def _event() -> Case:
    event = Event()
    return lambda: _later(event.set), event.wait, "wait of <Event, not set"


def _notify() -> Case:
    notify = Notify()
    return lambda: _later(notify.notify_one), notify.notified, "notified of <Notify"


def _barrier() -> Case:
    barrier = Barrier(2)
    return lambda: _later(barrier.wait), barrier.wait, "wait of <Barrier, "


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(make, id=name)
        for name, make in {
            "mutex": _mutex,
            "rwlock": _rwlock,
            "semaphore": _semaphore,
            "condition": _condition,
            "event": _event,
            "notify": _notify,
            "barrier": _barrier,
            "once": _once,
            "channel, empty": lambda: _channel(False),
            "channel, full": lambda: _channel(True),
            "unbounded": _unbounded,
            "oneshot": _oneshot,
            "broadcast": _broadcast,
            "watch": _watch,
        }.items()
    ],
)
def test_a_trace_says_what_was_waited_for_and_who_let_it_go_on(case: Callable[[], Case]) -> None:
    """By each primitive: its name and state, and the task that released, sent or set."""

    async def main() -> None:
        begins, waits, _ = case()

        async def _awaits(what: Callable[[], Awaitable[object]]) -> None:
            await what()

        waker = rescind.spawn(_awaits(begins), name="waker")
        await rescind.yield_now()
        waiter = rescind.spawn(_awaits(waits), name="waiter")
        await waiter
        await waker

    story = _story(main)
    waiter = _life(story, "waiter")
    wait = waiter.waits[0]
    assert wait.what.startswith(case()[2])
    assert wait.place is not None
    assert _name(story, wait.by) == "waker"
    assert wait.woken is not None


def test_a_mutex_goes_from_hand_to_hand_in_a_trace() -> None:
    """Each holder is named in what the others wait for, and each was woken by the one before."""
    mutex = Mutex(name="ledger")

    async def books() -> None:
        async with mutex:
            await rescind.sleep(1)

    async def main() -> None:
        async with rescind.task_group() as group:
            for name in ("first", "second", "third"):
                group.spawn(books(), name=name)

    story = _story(main)
    handed = {}
    for name in ("second", "third"):
        [wait] = [one for one in _life(story, name).waits if "ledger" in one.what]
        assert wait.what.startswith("acquire of <Mutex 'ledger', held by task ")
        assert wait.what.endswith("'first'>")
        handed[name] = _name(story, wait.by)
    assert handed == {"second": "first", "third": "second"}
    arrows = [one for one in perfetto(story)["traceEvents"] if one.get("name") == "wakes"]
    ends = [
        (_name(story, start["tid"]), _name(story, end["tid"]))
        for start, end in zip(arrows[::2], arrows[1::2], strict=True)
    ]
    assert ("first", "second") in ends
    assert ("second", "third") in ends


def test_what_a_canceled_waiter_had_been_given_is_handed_on_in_a_trace() -> None:
    """It was handed to one who was dropped before it ran: the next one was woken by that."""
    mutex = Mutex(name="ledger")

    async def holds() -> None:
        await mutex.acquire()
        await rescind.sleep(1)
        mutex.release()
        unlucky.cancel(grace=0)

    async def main() -> None:
        nonlocal unlucky
        async with rescind.task_group() as group:
            group.spawn(holds(), name="holder")
            unlucky = group.spawn(_holding(mutex), name="unlucky")
            group.spawn(_holding(mutex), name="next")

    unlucky: rescind.Task[None]
    story = _story(main)
    [wait] = [one for one in _life(story, "unlucky").waits if "ledger" in one.what]
    assert _name(story, wait.by) == "holder"
    [wait] = [one for one in _life(story, "next").waits if "ledger" in one.what]
    assert _name(story, wait.by) == "unlucky"


def _story(main: Any) -> Story:
    with Recorder() as recorder:
        run_virtual(main).unwrap()
    return Story.of(recorder.trace())


def _life(story: Story, name: str) -> Any:
    [life] = [one for one in story.lives.values() if one.name == name]
    return life


def _name(story: Story, number: int | None) -> str | None:
    return None if number is None else story.lives[number].name

"""A section: the lock under which nobody else's code runs, and for which no finalizer waits."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from rescind.lowlevel import Waiter, WaitList, Waker
from rescind.sync import broadcast, channel, watch
from rescind.sync.section import Section
from tests.sync.channel_kit import logged, parked


def in_thread(function: Callable[[], object]) -> None:
    """Run it in a thread of its own, to the end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


Lock: Any = type(Section().lock)
"""Of its kind there are two: one is compiled, and a section of that form takes no other."""


class WatchedLock(Lock):  # type: ignore[misc]
    """A lock that does something before and after it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Callable[[], object]] = []
        self.after: list[Callable[[], object]] = []

    def release(self) -> None:
        """Let it go, once with what was asked for around that."""
        before, self.before = self.before, []
        after, self.after = self.after, []
        for function in before:
            function()
        super().release()
        for function in after:
            function()

    def __exit__(self, *exc: object) -> None:
        self.release()


def step(section: Section) -> ExitStack:
    """Enter a section; take its lock once, in either form."""
    stack = ExitStack()
    stack.enter_context(section)
    if not section.inside():
        stack.enter_context(section.lock)
    return stack


def watched() -> tuple[Section, WatchedLock]:
    """Make a section whose lock is watched."""
    section = Section()
    section.lock = lock = WatchedLock()
    section.inside = lock._is_owned
    return section, lock


def test_what_was_put_off_runs_when_the_lock_is_free() -> None:
    """S1: in order, after the outermost step; another thread could have the lock meanwhile."""
    section, trace = Section(), list[str]()

    def enter() -> None:
        with section, section.lock:
            trace.append("another thread")

    with section, section.lock:
        with section, section.lock:
            section.afterwards(trace.append, "first")
            section.afterwards(in_thread, enter)
        trace.append("inside")
    assert ["inside", "first", "another thread"] == trace


def test_everything_runs_although_something_raises() -> None:
    """S1: it is logged, also a CancelledError; an interrupt passes at the end."""
    section, trace = Section(), list[str]()

    def fail(exc: BaseException) -> None:
        raise exc

    with logged() as messages, pytest.raises(KeyboardInterrupt), section, section.lock:
        section.afterwards(fail, ValueError("no"))
        section.afterwards(fail, asyncio.CancelledError())
        section.afterwards(fail, KeyboardInterrupt())
        section.afterwards(fail, SystemExit())
        section.afterwards(trace.append, "last")
    assert (["last"], 2) == (trace, len(messages))


def test_waker_that_raises_a_cancelled_error_is_logged() -> None:
    """It is no Exception, and a fault all the same."""

    class Cancels(Waker):
        def wake(self) -> None:
            raise asyncio.CancelledError

    section, waiting = Section(), WaitList()
    with logged() as messages, section, section.lock:
        section.wake(waiting, waiting.join(Cancels()))
    assert 1 == len(messages)


def test_posted_step_is_taken_at_once_if_the_lock_is_free() -> None:
    """And with the lock held."""
    section, trace = Section(), list[bool]()
    section.post(lambda: trace.append(section.inside()))
    assert ([True], False) == (trace, section.inside())


def test_posted_step_inside_a_step_is_taken_after_it() -> None:
    """S2: the collector may run a finalizer anywhere."""
    section, trace = Section(), list[str]()
    with section, section.lock:
        section.post(lambda: trace.append("posted"))
        trace.append("step")
    assert ["step", "posted"] == trace


def test_step_posted_while_another_thread_holds_the_lock_does_not_wait() -> None:
    """S2: whoever holds it takes the step."""
    section, trace = Section(), list[str]()
    with section, section.lock:
        in_thread(lambda: section.post(lambda: trace.append("posted")))
        trace.append("step")
    assert ["step", "posted"] == trace


def test_step_posted_at_the_last_moment_is_not_forgotten() -> None:
    """S2: the holder has looked, and has not let go yet."""
    section, lock = watched()
    trace: list[str] = []
    lock.before.append(lambda: in_thread(lambda: section.post(lambda: trace.append("posted"))))
    with step(section):
        pass
    assert ["posted"] == trace


def test_step_posted_at_the_last_moment_is_taken_before_anybody_looks() -> None:
    """S2: a thread that enters in between finds it done."""
    section, lock = watched()
    trace: list[str] = []

    def look() -> None:
        with step(section):
            trace.append("looked")

    lock.before.append(lambda: in_thread(lambda: section.post(lambda: trace.append("posted"))))
    lock.after.append(lambda: in_thread(look))
    with step(section):
        pass
    assert ["posted", "looked"] == trace


def test_what_another_thread_puts_off_just_after_an_empty_step_happens_once() -> None:
    """S1: the step that had nothing to do does not do the next one's as well."""
    section, lock = watched()
    done: list[str] = []

    def enter() -> None:
        with step(section):
            section.afterwards(done.append, "its own")

    lock.after.append(lambda: in_thread(enter))
    with step(section):
        pass
    assert ["its own"] == done


def test_threads_that_want_it_at_once_have_it_one_after_another() -> None:
    """Each as often as it wants, also once more inside; nobody is left waiting."""
    section, total = Section(), 0

    def count() -> None:
        nonlocal total
        for _ in range(300):
            with section, section.lock, section, section.lock:
                seen = total
                time.sleep(0)  # others run, and want it too
                total = seen + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (1200, [False] * 4) == (total, [thread.is_alive() for thread in threads])


def test_lock_that_is_not_held_cannot_be_let_go() -> None:
    """Neither by one who has let it go already, nor by another thread."""
    lock = Lock()
    lock.acquire()
    failed: list[str] = []

    def let_go() -> None:
        try:
            lock.release()
        except RuntimeError:
            failed.append("refused")

    in_thread(let_go)
    lock.release()
    let_go()
    assert ["refused", "refused"] == failed


def test_finalizers_of_two_channels_in_two_threads_wait_for_nobody() -> None:
    """S2: each thread is inside one channel and forgets an end of the other."""
    first, second = channel[int](1, name="first"), channel[int](1, name="second")
    clones = [first[0].clone(), second[0].clone()]
    inside = threading.Barrier(2, timeout=60)

    def forget(section: Section, index: int) -> None:
        with section, section.lock:
            inside.wait()
            clones[index] = None  # type: ignore[call-overload]
            inside.wait()

    threads = [
        threading.Thread(target=forget, args=(first[0]._section, 1)),
        threading.Thread(target=forget, args=(second[0]._section, 0)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [False, False] == [thread.is_alive() for thread in threads]
    assert (1, 1) == (first[0].statistics().senders, second[0].statistics().senders)


def test_collected_cycles_leave_the_channel_whole() -> None:
    """A coroutine that is garbage leaves its with blocks, and its permit and its place are free."""
    sender, receiver = channel[int](2)

    class Node:
        def __init__(self) -> None:
            self.itself = self
            self.held = (
                sender.clone(),
                sender.reserve_nowait(),
                parked(receiver.clone().recv()),
            )

    node = Node()
    sender.send_nowait(1)
    del node
    gc.collect()
    seen = sender.statistics()
    assert (1, 1, 0, 0, 1) == (
        seen.senders,
        seen.receivers,
        seen.reserved,
        seen.granted,
        seen.queued,
    )


def test_value_that_a_broadcast_lets_go_finds_it_whole() -> None:
    """Its finalizer runs after the step that let it go."""
    seen: list[int] = []

    class Value:
        def __del__(self) -> None:
            seen.append(sender.statistics().sent)

    sender, receiver = broadcast[Value](1)
    for _ in range(3):
        sender.send(Value())
    assert (1, [2, 3]) == (receiver.statistics().kept, seen)


def test_changes_of_a_watch_wait_for_each_other() -> None:
    """W2: none is made of a value that is not the latest any more."""
    sender, receiver = watch(0)
    other = threading.Thread(target=lambda: sender.modify(lambda value: value + 10))

    def slow(value: int) -> int:
        other.start()
        other.join(0.2)  # without the lock it would end here, and be forgotten
        return value + 1

    sender.modify(slow)
    other.join(60)
    assert 11 == receiver.get()


class Interrupted(WaitList):
    """A list in which something happens just before somebody is woken: a finalizer runs there."""

    def __init__(self) -> None:
        super().__init__()
        self.hook: Callable[[], object] | None = None

    def pick(self, waiter: Waiter, given: Any = None) -> Waker | None:
        """Do what is to happen, once, then pick."""
        hook, self.hook = self.hook, None
        if hook is not None:
            hook()
        return super().pick(waiter, given)


def test_value_sent_by_a_finalizer_in_the_middle_of_a_send_displaces_none() -> None:
    """W4: the receiver that was to have ours has that one; ours is for the next, or queued."""
    for waiting in (1, 2):
        sender, receiver = channel[str](4)
        getters = sender._core.getters = Interrupted()
        receives = [parked(receiver.recv()) for _ in range(waiting)]
        getters.hook = lambda sender=sender: sender.send_nowait("the finalizer's")
        sender.send_nowait("ours")
        got = [one.poll() for one in receives] + receiver.drain()
        assert (["the finalizer's", "ours"], [1] * waiting) == (
            got,
            [one.wakes for one in receives],
        )


def test_senders_let_in_by_a_finalizer_in_the_middle_of_a_step_are_let_in_once() -> None:
    """W4: each value is queued once, each sender woken once, in order."""
    for take in (lambda receiver: receiver.recv_nowait(), lambda receiver: receiver.drain()[0]):
        sender, receiver = channel[int](1)
        core = sender._core
        putters = core.putters = Interrupted()
        sender.send_nowait(0)
        sending = [parked(sender.send(n)) for n in (1, 2)]
        putters.hook = core.settle
        got = [take(receiver) for _ in range(3)]
        assert ([0, 1, 2], [1, 1]) == (got, [one.wakes for one in sending])


def test_sender_met_by_a_finalizer_in_the_middle_of_a_rendezvous_is_met_once() -> None:
    """W4: its value is received there, and ours is the next sender's."""
    sender, receiver = channel[int](0)
    putters = sender._core.putters = Interrupted()
    sending = [parked(sender.send(n)) for n in (1, 2)]
    nested: list[int] = []
    putters.hook = lambda: nested.append(receiver.recv_nowait())
    assert ([2], [1]) == ([receiver.recv_nowait()], nested)
    assert [(1, None)] * 2 == [(one.wakes, one.poll()) for one in sending]

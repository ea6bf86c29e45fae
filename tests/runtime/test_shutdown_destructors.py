"""Destructors and cleanups that do anything at all while the runtime is shut down (rust.md 58)."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Completed, Runtime, Task
from rescind.lowlevel import PENDING, Context, Future, ManualHost, Waiter, WaitList
from tests.conftest import HostFactory


class Turn(Future[None]):
    """Waits in a list for its turn; hands it on when it goes, as the primitives do."""

    def __init__(self, queue: WaitList, log: list[str], name: str) -> None:
        self.queue = queue
        self.log = log
        self.name = name
        self.waiter: Waiter | None = None
        self.polls = 0

    def poll(self, cx: Context) -> Any:
        self.polls += 1
        if self.waiter is None:
            self.waiter = self.queue.join(cx.waker)
        elif self.waiter.woken:
            return None
        return PENDING

    def drop(self) -> None:
        self.log.append(self.name)
        waiter, self.waiter = self.waiter, None
        if waiter is not None and self.queue.leave(waiter):
            self.queue.hand_over()


class Notes:
    """An object whose finalizer does something, on whatever thread it happens."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def __del__(self) -> None:
        self.act()


def park(runtime: Runtime) -> None:
    """Let every task run until it parks."""
    for _ in range(3):
        runtime.block_on(rescind.yield_now())


async def in_finally(act: Callable[[], object]) -> None:
    """Do it in the synchronous cleanup."""
    try:
        await rescind.never()
    finally:
        act()


async def in_del(act: Callable[[], object]) -> None:
    """Do it in the finalizer of a local object."""
    notes = Notes(act)
    await rescind.never()
    del notes


PLACES = [in_finally, in_del]
GRACES = [0.0, 1.0]


@pytest.mark.parametrize("grace", GRACES)
def test_waiters_that_hand_on_while_they_are_dropped_wake_no_dead(
    host: HostFactory, grace: float
) -> None:
    """Each waiter in a queue is dropped once; those woken by it are not resumed."""
    queue, log = WaitList(), list[str]()
    turns = [Turn(queue, log, str(number)) for number in range(5)]

    async def body(turn: Turn) -> None:
        await turn
        log.append("resumed")

    async def first() -> None:
        try:
            await rescind.never()
        finally:
            queue.wake_one()

    runtime = host()
    runtime.spawn(first())
    tasks = [runtime.spawn(body(turn)) for turn in turns]
    park(runtime)
    report = runtime.shutdown(grace=grace)
    resumed = log.count("resumed")
    # With a grace, the one that has its turn already when it is canceled gets it (R7).
    assert (report.canceled, len(queue), resumed) == (6, 0, 1 if grace else 0)
    assert sorted(name for name in log if name != "resumed") == [
        str(number) for number in range(resumed, 5)
    ]
    assert {type(task.outcome()) for task in tasks[resumed:]} == {Canceled}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("grace", GRACES)
def test_spawn_in_a_destructor_is_born_canceled_and_what_it_owned_closed(
    host: HostFactory, place: Any, grace: float
) -> None:
    """The body never runs, the resource is closed, the reason is that of the shutdown."""
    log: list[str] = []
    born: list[Task[None]] = []

    class Owned:
        def close(self) -> None:
            log.append("closed")

    async def late() -> None:
        log.append("ran")

    def act() -> None:
        born.append(rescind.spawn(late(), owned=[Owned()]))
        assert born[0].done()

    runtime = host()
    runtime.spawn(place(act))
    park(runtime)
    report = runtime.shutdown("end", grace=grace)
    gc.collect()
    [outcome] = [task.outcome() for task in born]
    assert isinstance(outcome, Canceled)
    assert (outcome.reason.kind, outcome.reason.cause) == (CancelKind.SHUTDOWN, report.reason)
    assert (log, report.canceled) == (["closed"], 1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("grace", GRACES)
def test_cancel_of_others_in_a_destructor_changes_nothing_but_their_reasons(
    host: HostFactory, place: Any, grace: float
) -> None:
    """All are marked before any is delivered (R13), so the shutdown comes first."""
    tasks: list[Task[Any]] = []

    def act() -> None:
        for task in tasks:
            task.cancel("me too")

    runtime = host()
    tasks += [runtime.spawn(place(act)), runtime.spawn(rescind.never())]
    park(runtime)
    report = runtime.shutdown(grace=grace)
    assert [task.cancel_reasons[0] for task in tasks] == [report.reason] * 2
    assert [len(task.cancel_reasons) for task in tasks][1] == 2


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("grace", GRACES)
def test_destructor_sees_its_runtime_and_its_task(
    host: HostFactory, place: Any, grace: float
) -> None:
    """Tokio rt_basic drop_tasks_in_context."""
    seen: list[tuple[str, str]] = []

    def act() -> None:
        seen.append((rescind.current_runtime().name, rescind.current_task().name))

    runtime = host(name="mine")
    runtime.spawn(place(act), name="dying")
    park(runtime)
    runtime.shutdown(grace=grace)
    gc.collect()
    assert seen == [("mine", "dying")]


@pytest.mark.parametrize("grace", GRACES)
def test_lock_that_a_thread_and_a_destructor_share_makes_no_deadlock(
    host: HostFactory, grace: float
) -> None:
    """The thread spawns while it holds the lock that the destructor takes: nobody waits for ever.

    So no lock of the runtime is held while a destructor runs.
    """
    lock = threading.Lock()
    holding, leave = threading.Event(), threading.Event()
    born: list[Task[None]] = []

    def other() -> None:
        with lock:
            holding.set()
            leave.wait(60)
            born.append(runtime.spawn(rescind.ready(None)))

    def act() -> None:
        leave.set()
        with lock:
            pass

    runtime = host()
    runtime.spawn(in_finally(act))
    park(runtime)
    thread = threading.Thread(target=other)
    thread.start()
    holding.wait(60)
    runtime.shutdown(grace=grace)
    thread.join(60)
    assert (thread.is_alive(), [type(task.outcome()) for task in born]) == (False, [Canceled])


@pytest.mark.parametrize("grace", GRACES)
def test_owned_resource_that_locks_while_a_thread_spawns_makes_no_deadlock(grace: float) -> None:
    """What is spawned too late is closed where it was spawned: there too no lock is held."""
    lock = threading.RLock()
    entered, go = threading.Event(), threading.Event()

    class Owned:
        def close(self) -> None:
            entered.set()
            go.wait(60)
            with lock:
                pass

    runtime = Runtime(host=ManualHost())
    runtime.shutdown(grace=grace)
    thread = threading.Thread(target=lambda: runtime.spawn(rescind.never(), owned=[Owned()]))
    thread.start()
    entered.wait(60)
    with lock:
        done = threading.Event()

        def spawn_too() -> None:
            runtime.spawn(rescind.never())
            done.set()

        second = threading.Thread(target=spawn_too)
        second.start()
        waited = done.wait(60)
        go.set()
    thread.join(60)
    second.join(60)
    assert waited


@pytest.mark.parametrize("grace", GRACES)
def test_destructors_that_raise_are_all_reported(host: HostFactory, grace: float) -> None:
    """And none keeps another from running."""
    ran: list[int] = []

    def act(number: int) -> Callable[[], object]:
        def fail() -> None:
            ran.append(number)
            raise ValueError(number)

        return fail

    runtime = host()
    for number in range(3):
        runtime.spawn(in_finally(act(number)))
    park(runtime)
    report = runtime.shutdown(grace=grace)
    assert ran == [0, 1, 2]
    assert [error.error for error in report.errors] == [f"ValueError({n})" for n in range(3)]


def test_wakes_from_destructors_and_threads_poll_nothing_after_its_end(host: HostFactory) -> None:
    """Tokio wake_while_rt_is_dropping, with threads: each future is dropped once, then left."""
    polls: list[int] = []
    drops: list[int] = []
    wakers: list[Any] = []
    stop = threading.Event()

    class Leaf(Future[None]):
        def __init__(self, number: int) -> None:
            self.number = number
            self.dropped = False

        def poll(self, cx: Context) -> Any:
            assert not self.dropped
            polls.append(self.number)
            self.waker = cx.waker
            wakers.append(cx.waker)
            return PENDING

        def drop(self) -> None:
            self.dropped = True
            drops.append(self.number)
            for waker in wakers:
                waker.wake()

    def waking() -> None:
        while not stop.is_set():
            for waker in list(wakers):
                waker.wake()
            stop.wait(0.0005)

    runtime = host()
    for number in range(20):
        runtime.spawn(Leaf(number))
    park(runtime)
    thread = threading.Thread(target=waking)
    thread.start()
    try:
        runtime.shutdown()
    finally:
        stop.set()
        thread.join(60)
    assert sorted(drops) == list(range(20))


def test_detached_cleanup_of_a_timeout_goes_on_within_the_grace(host: HostFactory) -> None:
    """``on_overrun="detach"`` in a shutdown: the rest of the cleanup is no new work."""
    log: list[str] = []

    async def inner() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(0.02)
            log.append("cleaned")

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            with pytest.raises(rescind.TimedOut):
                await rescind.timeout(inner(), 0.001, grace=0.001, on_overrun="detach")
            log.append("detached")

    runtime = host()
    runtime.spawn(body())
    park(runtime)
    report = runtime.shutdown()
    assert (log, report.clean) == (["detached", "cleaned"], True)


def test_detached_cleanup_that_hangs_is_dropped_at_the_end_of_the_grace() -> None:
    """It gets what is left of the budget, and is reported."""

    async def inner() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(3600)

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            with pytest.raises(rescind.TimedOut):
                await rescind.timeout(inner(), 1, grace=1, on_overrun="detach")

    runtime = Runtime(host=ManualHost(), grace=5)
    runtime.spawn(body())
    park(runtime)
    report = runtime.shutdown()
    [late] = report.overran
    assert (report.seconds, late.task.startswith("cleanup of <coroutine")) == (5.0, True)


def test_eight_threads_that_spawn_throughout_a_shutdown_lose_nothing(host: HostFactory) -> None:
    """Stress: every task ends, whatever the moment; every body that did not run was closed."""
    for round_number in range(6):
        tasks: list[list[Task[int]]] = [[] for _ in range(8)]
        ran: list[int] = []
        closed: list[int] = []
        stop = threading.Event()
        begun = threading.Barrier(9)

        class Owned:
            def close(self, closed: list[int] = closed) -> None:
                closed.append(1)

        async def body(ran: list[int] = ran) -> int:
            ran.append(1)
            return 7

        def spawning(spawn: Any, stop: threading.Event = stop, begun: Any = begun) -> None:
            begun.wait(60)
            for _ in range(4000):
                if stop.is_set():
                    break
                spawn()
                stop.wait(0.0002)

        def spawner(
            mine: list[Task[int]], runtime: Runtime, body: Any = body, owned: Any = Owned
        ) -> Any:
            return lambda: mine.append(runtime.spawn(body(), owned=[owned()]))

        async def lingering() -> None:
            try:
                await rescind.never()
            finally:
                await rescind.sleep(0.005)

        runtime = host()
        threads = [
            threading.Thread(target=spawning, args=[spawner(mine, runtime)]) for mine in tasks
        ]
        for thread in threads:
            thread.start()
        runtime.spawn(lingering())
        begun.wait(60)
        park(runtime)
        runtime.shutdown(grace=(0.0, None)[round_number % 2])
        stop.wait(0.002)
        stop.set()
        for thread in threads:
            thread.join(60)
        outcomes = [task.outcome() for mine in tasks for task in mine]
        completed = sum(outcome == Completed(7) for outcome in outcomes)
        assert None not in outcomes
        assert (len(ran), len(closed)) == (completed, len(outcomes) - completed)

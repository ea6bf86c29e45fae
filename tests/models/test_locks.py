"""Each lock and signal: three tasks, every interleaving, canceled or dropped at every park.

*What is exhaustive.* For the scripts that stand there, most of them of three operations a task:
each order of steps, and in each, one operation after the other canceled, or dropped, at each of its
parks; with ``strikes=2`` each pair of them. The thorough profile of hypothesis has one more.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from rescind.lowlevel import Future
from rescind.sync import Barrier, Condition, Event, Mutex, Notify, OnceCell, RwLock, Semaphore
from rescind.time import poll_fn
from tests.models.explore import Call, Op
from tests.models.kit import blocked, check, results

#: With `--hypothesis-profile thorough` the longest take minutes.
pytestmark = pytest.mark.timeout(600)

CANCEL = ("cancel",)
ACQUIRE = (Op("acquire"), Op("release", needs=1))


def call(made: Any, _task: int, op: Op) -> Any:
    """Call the method of this name."""
    method = getattr(made, op.name)
    return method() if op.argument is None else method(op.argument)


# -- mutex, semaphore, rwlock ----------------------------------------------------------------------


def mutex(state: Any, task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model a mutex: the state is the holder."""
    if op.name == "acquire":
        return [(None, task)] if state is None else []
    assert state == task
    return [(None, None)]


def mutex_is_free(made: Mutex, history: list[Call]) -> None:
    """Nobody holds it, and nobody waits."""
    assert not made.locked()
    assert 0 == made.statistics().waiting
    assert [] == blocked(history)


def test_mutex() -> None:
    """One at a time, in any order; free at the end, whoever was canceled or dropped."""
    scripts = [(*ACQUIRE, *ACQUIRE)] * 3
    runs = check(Mutex, call, scripts, step=mutex, undo=lambda *_: None, conserved=mutex_is_free)
    assert runs > 20_000


def semaphore(state: int, _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model a semaphore: the state is how many permits are free."""
    count = 1 if op.argument is None else op.argument
    if op.name == "acquire":
        return [(None, state - count)] if state >= count else []
    return [(None, state + count)]


def give_back(state: int, _task: int, op: Op, _result: Any) -> int:
    """Pass on what a dropped acquire was given."""
    return state + (1 if op.argument is None else op.argument)


def unlock(state: tuple[int, bool], _task: int, op: Op, _result: Any) -> tuple[int, bool]:
    """Pass on a read-write lock that was given to one that is dropped."""
    return (state[0] - 1, False) if op.name == "acquire_read" else (0, False)


@pytest.mark.parametrize("permits", [1, 2])
def test_semaphore(permits: int) -> None:
    """Permits are conserved, and nobody waits for one that is free."""

    def conserved(made: Semaphore, history: list[Call]) -> None:
        assert permits == made.available
        assert [] == blocked(history)

    scripts = [(*ACQUIRE, *ACQUIRE), (*ACQUIRE, *ACQUIRE), ACQUIRE * (2 if permits == 1 else 1)]
    make = lambda: Semaphore(permits)  # noqa: E731
    assert (
        check(
            make,
            call,
            scripts,
            initial=permits,
            step=semaphore,
            undo=give_back,
            conserved=conserved,
        )
        > 7_000
    )


#: Two permits, given back one by one.
WEIGHTED = (Op("acquire", 2), Op("release", 1, needs=1), Op("release", 1, needs=2))


@pytest.mark.parametrize(
    ("scripts", "strikes"),
    [
        ([WEIGHTED, WEIGHTED, WEIGHTED], 2),
        ([WEIGHTED, WEIGHTED, (*ACQUIRE, *ACQUIRE)], 1),
        ([WEIGHTED, (*ACQUIRE, *ACQUIRE), ACQUIRE], 1),
        ([WEIGHTED, ACQUIRE, ACQUIRE], 2),
    ],
)
def test_semaphore_with_big_requests(scripts: list[tuple[Op, ...]], strikes: int) -> None:
    """What a canceled big request had gathered goes to the next in line."""

    def conserved(made: Semaphore, history: list[Call]) -> None:
        assert 2 == made.available
        assert [] == blocked(history)

    assert (
        check(
            lambda: Semaphore(2),
            call,
            scripts,
            initial=2,
            step=semaphore,
            undo=give_back,
            conserved=conserved,
            strikes=strikes,
        )
        > 300
    )


def rwlock(state: tuple[int, bool], _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model a read-write lock: the state is how many read, and whether one writes."""
    readers, writes = state
    match op.name:
        case "acquire_read":
            return [] if writes else [(None, (readers + 1, False))]
        case "acquire_write":
            return [] if writes or readers else [(None, (0, True))]
        case "release_read":
            return [(None, (readers - 1, False))]
        case "downgrade":
            return [(None, (1, False))]
        case _:
            return [(None, (0, False))]


def test_rwlock() -> None:
    """Many read, or one writes; at the end it is free, and nobody waits."""
    read = (Op("acquire_read"), Op("release_read", needs=1))
    write = (Op("acquire_write"), Op("release_write", needs=1))

    def free(made: RwLock, history: list[Call]) -> None:
        assert not made.locked()
        assert [] == blocked(history)

    # Three operations: it writes, goes on as a reader, and ends.
    both = (Op("acquire_write"), Op("downgrade", needs=1), Op("release_read", needs=2))
    model: Any = {"initial": (0, False), "undo": unlock, "conserved": free}
    for scripts, strikes in (
        ([both, both, both], 2),
        ([both, both, (*read, *write)], 1),
        ([(*read, *write), (*read, *write), write], 1),
        ([(*write, *read), (*write, *read), read], 1),
    ):
        assert check(RwLock, call, scripts, step=rwlock, strikes=strikes, **model) > 300


# -- signals ---------------------------------------------------------------------------------------


def nobody_else_waits(made: Any, history: list[Call]) -> None:
    """Who was canceled or dropped has left the line."""
    assert len(blocked(history)) == made.statistics().waiting


def event(state: bool, _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model an event: the state is whether it is set."""
    if op.name == "wait":
        return [(None, True)] if state else []
    return [(None, op.name == "set")]


def test_event() -> None:
    """Who waits when it is set goes on, though it is cleared at once."""
    waits = (Op("wait"), Op("wait"), Op("wait"))
    scripts = [waits, (Op("wait"), Op("clear"), Op("wait")), (Op("set"), Op("clear"), Op("set"))]
    assert (
        check(Event, call, scripts, initial=False, step=event, conserved=nobody_else_waits) > 40_000
    )


def notify(state: int, _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model a notify: the state is whether a permit is kept."""
    if op.name == "notified":
        return [(None, 0)] if state else []
    return [(None, 1)]


@pytest.mark.parametrize(("waits", "strikes"), [((3, 3), 1), ((2, 1), 2)])
def test_notify(waits: tuple[int, int], strikes: int) -> None:
    """Each notification reaches one who waits, or is kept; a canceled one hands it on."""
    scripts = [
        (Op("notified"),) * waits[0],
        (Op("notified"),) * waits[1],
        (Op("notify_one"), Op("notify_one"), Op("notify_one")),
    ]
    assert (
        check(
            Notify,
            call,
            scripts,
            initial=0,
            step=notify,
            undo=lambda *_: 1,
            conserved=nobody_else_waits,
            strikes=strikes,
        )
        > 500
    )


@pytest.mark.parametrize(
    ("parties", "waits", "strikes"),
    [(2, (3, 3, 3), 1), (2, (2, 2, 1), 2), (3, (3, 3, 3), 1)],
)
def test_barrier(parties: int, waits: tuple[int, ...], strikes: int) -> None:
    """They go on in parties, each with another number; who is canceled is not counted."""

    def numbers_only(made: Barrier, history: list[Call]) -> None:
        assert len(blocked(history)) < parties
        # One that was dropped may have belonged to a party that was complete already.
        if any(one.how == "dropped" for one in history):
            return
        numbers = results(history, "wait")
        assert sorted(numbers) == sorted([*range(parties)] * (len(numbers) // parties))

    scripts = [(Op("wait"),) * count for count in waits]
    make = lambda: Barrier(parties)  # noqa: E731
    assert check(make, call, scripts, conserved=numbers_only, strikes=strikes) > 500


def test_oncecell() -> None:
    """One value for all, made once, also if who makes it is canceled; nobody waits for ever."""

    class Cell:
        def __init__(self) -> None:
            self.cell: OnceCell[int] = OnceCell()
            self.begun = 0
            self.made = 0

        def make(self) -> Future[int]:
            self.begun += 1
            number = self.begun
            parks = [2]

            def poll(cx: Any) -> Any:
                from rescind.lowlevel import PENDING

                parks[0] -= 1
                if parks[0]:
                    cx.waker.wake()
                    return PENDING
                self.made += 1
                return number

            return poll_fn(poll)

    def start(made: Cell, _task: int, op: Op) -> Any:
        return made.cell.get_or_init(made.make)

    def one_value(made: Cell, history: list[Call]) -> None:
        values = set(results(history, "get"))
        assert len(values) <= 1
        assert made.made <= 1
        assert [] == blocked(history)
        assert made.cell.is_set() == bool(made.made)

    for count, strikes in ((3, 1), (2, 2)):
        scripts = [(Op("get"),) * count] * 3
        assert check(Cell, start, scripts, conserved=one_value, strikes=strikes) > 500


def test_condition() -> None:
    """Whoever waits is told, or canceled; the mutex is free at the end; no notification is lost."""

    def start(made: Condition, _task: int, op: Op) -> Any:
        return call(made, _task, op)

    def free(made: Condition, history: list[Call]) -> None:
        waits = len(results(history, "wait"))
        told = len(results(history, "notify"))
        assert waits <= told, "somebody went on whom nobody told"
        ended = [one for one in history if one.op.name == "wait" and one.how != "done"]
        left = blocked(history, "wait")
        if not left:
            assert not made.locked()
        assert [] == blocked(history, "acquire")
        # Who was told and dropped passes it on; who was told before anybody waited is not counted.
        assert len(ended) >= len(left)

    # One that is dropped takes the mutex only if that is free: by hand nobody can tell.
    waits = (Op("acquire"), Op("wait", needs=1), Op("release", needs=2))
    tells = (Op("acquire"), Op("notify", needs=1), Op("release", needs=2))
    assert (
        check(Condition, start, [waits, waits, tells], conserved=free, strikes=2, ways=CANCEL) > 300
    )


@pytest.mark.parametrize("permits", [0])
def test_model_tells_a_lost_wakeup(permits: int) -> None:
    """A waiter that is left behind though the model would let it go on is an error."""

    class Forgetful(Semaphore):
        def release(self, n: int = 1) -> None:
            """Forget whoever waits."""

    with pytest.raises(AssertionError, match="the model explains it in no order"):
        check(
            lambda: Forgetful(permits),
            call,
            [(Op("acquire"),), (Op("release"),)],
            initial=permits,
            step=semaphore,
        )

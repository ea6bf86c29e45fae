"""Each channel: three tasks, every interleaving, canceled or dropped at every park."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from rescind import Completed, sync
from rescind.lowlevel import PENDING, CancelRequest, Context, Future
from tests.models.explore import Call, Op
from tests.models.kit import blocked, check, results, thorough
from tests.models.linear import ANY

#: With `--hypothesis-profile thorough` the longest take minutes.
pytestmark = pytest.mark.timeout(600)

RECV = Op("recv")


class Ends:
    """Both ends of a channel, and what nobody could receive."""

    def __init__(self, make: Any, *arguments: Any) -> None:
        self.undelivered: list[Any] = []
        self.sender, self.receiver = make(*arguments, on_undelivered=self.undelivered.append)


def start(made: Ends, _task: int, op: Op) -> Any:
    """Send or receive."""
    return made.receiver.recv() if op.name == "recv" else made.sender.send(op.argument)


def nothing_lost(made: Ends, history: list[Call]) -> None:
    """What was sent was received, is there, or was handed back; once (P72)."""
    sent = [call.op.argument for call in history if call.op.name == "send" and call.how == "done"]
    received = results(history, "recv")
    rest = made.receiver.drain()
    lost = Counter(sent) - Counter([*received, *rest, *made.undelivered])
    more = Counter([*received, *rest, *made.undelivered]) - Counter(sent)
    maybe = [call.op.argument for call in history if call.op.name == "send" and call.how != "done"]
    dropped = sum(call.op.name == "recv" and call.how == "dropped" for call in history)
    assert not lost, f"{lost} of {sent} with {dropped} dropped"
    assert not more - Counter(maybe), f"{more} came from nowhere"


def nobody_else_waits(made: Any, history: list[Call]) -> None:
    """Who was canceled or dropped has left the line."""
    told = made.sender.statistics()
    waiting = told.waiting if hasattr(told, "waiting") else told.receiving
    assert len(blocked(history)) == waiting


def queue(capacity: float) -> Any:
    """Model a queue of this capacity: the state is what is in it."""

    def step(state: tuple[int, ...], _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
        if op.name == "send":
            return [(None, (*state, op.argument))] if len(state) < capacity else []
        return [(state[0], state[1:])] if state else []

    return step


def put_back(state: tuple[int, ...], _task: int, op: Op, value: Any) -> tuple[int, ...]:
    """Put back what a dropped receive was given, before what came later; or take back a send."""
    if op.name == "recv":
        return (value, *state)
    return tuple(one for one in state if one != op.argument)


#: What is common to the queues.
MODEL: Any = {"undo": put_back, "conserved": nothing_lost, "strikes": 2}

SENDS = (Op("send", 1), Op("send", 2), Op("send", 3))
MORE = (Op("send", 4), Op("send", 5), Op("send", 6))


@pytest.mark.parametrize(("capacity", "senders"), [(1, 2), (2, 1), (math.inf, 1)])
def test_three_times_three(capacity: float, senders: int) -> None:
    """Two senders and a receiver, a sender and two receivers: in order, nothing lost or doubled.

    Who sends other values is interchangeable: neither a channel nor its model looks at them.
    """
    made = (sync.unbounded,) if capacity == math.inf else (sync.channel, capacity)
    for count in (1, 2) if thorough() else (senders,):
        scripts = [SENDS, MORE if count == 2 else (RECV,) * 3, (RECV,) * 3]
        options: Any = {**MODEL, "strikes": 1, "alike": (0, 1) if count == 2 else ()}
        make = lambda: Ends(*made)  # noqa: E731
        runs = check(make, start, scripts, initial=(), step=queue(capacity), **options)
        assert runs > 5_000


def test_channel_of_one() -> None:
    """A bounded queue: in order, nothing lost, nothing twice, nobody waits without a reason."""
    scripts = [SENDS[:2], MORE[:1], (RECV, RECV)]
    make = lambda: Ends(sync.channel, 1)  # noqa: E731
    checked = check(make, start, scripts, initial=(), step=queue(1), **MODEL)
    assert checked > 1000


def test_channel_of_two_with_two_receivers() -> None:
    """Two receivers in line get what comes in order of their arrival, whoever leaves."""
    scripts = [SENDS, (RECV, RECV), (RECV,)]
    make = lambda: Ends(sync.channel, 2)  # noqa: E731
    checked = check(make, start, scripts, initial=(), step=queue(2), **MODEL)
    assert checked > 1000


def test_channel_without_room() -> None:
    """With capacity 0 each value goes from hand to hand, or stays with its sender."""
    scripts = [SENDS[:2], MORE[:1], (RECV, RECV)]
    make = lambda: Ends(sync.channel, 0)  # noqa: E731

    def met(made: Ends, history: list[Call]) -> None:
        nothing_lost(made, history)
        assert not (blocked(history, "send") and blocked(history, "recv")), "they do not meet"

    assert check(make, start, scripts, conserved=met, strikes=2) > 1000


def test_unbounded() -> None:
    """The same without a limit: who sends never waits."""
    scripts = [SENDS[:2], (RECV, RECV), (RECV,)]
    make = lambda: Ends(sync.unbounded)  # noqa: E731
    inf = float("inf")
    checked = check(make, start, scripts, initial=(), step=queue(inf), **MODEL)
    assert checked > 300


class Keep(Future[None]):
    """Keeps the permit that a reserve gives for who releases it."""

    def __init__(self, inner: Future[Any], permits: dict[int, Any], task: int) -> None:
        self.inner, self.permits, self.task = inner, permits, task

    def poll(self, cx: Context) -> Any:
        value = self.inner.poll(cx)
        return PENDING if value is PENDING else self._keep(value)

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
        outcome = self.inner.poll_cancel(cx, request)
        return Completed(self._keep(outcome.value)) if isinstance(outcome, Completed) else outcome

    def drop(self) -> None:
        self.inner.drop()

    def _keep(self, permit: Any) -> None:
        self.permits[self.task] = permit


def test_reserve() -> None:
    """A place that is reserved is the sender's; one that is given up is the next one's."""

    class Reserving(Ends):
        def __init__(self) -> None:
            super().__init__(sync.channel, 1)
            self.permits: dict[int, Any] = {}

    def begin(made: Reserving, task: int, op: Op) -> Any:
        if op.name == "reserve":
            return Keep(made.sender.reserve(), made.permits, task)
        if op.name == "release":
            return made.permits.pop(task).release()
        return start(made, task, op)

    def step(state: tuple[tuple[int, ...], int], _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
        values, reserved = state
        match op.name:
            case "reserve":
                return [] if len(values) + reserved else [(ANY, (values, 1))]
            case "release":
                return [(None, (values, reserved - 1))]
            case "send":
                full = len(values) + reserved
                return [] if full else [(None, ((*values, op.argument), reserved))]
            case _:
                return [(values[0], (values[1:], reserved))] if values else []

    def given_up(
        state: tuple[tuple[int, ...], int], _task: int, op: Op, value: Any
    ) -> tuple[tuple[int, ...], int]:
        values, reserved = state
        if op.name == "reserve":
            return (values, reserved - 1)
        return (put_back(values, 0, op, value), reserved)

    scripts = [(Op("reserve"), Op("release", needs=1)), (Op("send", 1),), (Op("send", 2), RECV)]
    model: Any = {"initial": ((), 0), "step": step, "undo": given_up}
    assert check(Reserving, begin, scripts, strikes=2, **model) > 300


def test_oneshot() -> None:
    """One value, received once, or handed back; a canceled receive has taken nothing."""

    class One(Ends):
        def __init__(self) -> None:
            super().__init__(sync.oneshot)

    def kept(made: One, history: list[Call]) -> None:
        taken = results(history, "recv")
        assert taken.count(1) <= 1
        if 1 not in taken and results(history, "send"):
            made.receiver.drop()
            assert [1] == made.undelivered
        assert not (blocked(history, "recv") and results(history, "send")) or 1 in taken

    scripts = [(Op("send", 1),), (RECV,), (RECV,)]
    assert check(One, start, scripts, conserved=kept) > 20


def test_broadcast() -> None:
    """Each receiver gets every value once, in order, whatever becomes of the others."""

    class All:
        def __init__(self) -> None:
            self.sender, first = sync.broadcast[int](4)
            self.receivers = {1: first, 2: self.sender.subscribe()}

    def begin(made: All, task: int, op: Op) -> Any:
        if op.name == "recv":
            return made.receivers[task].recv()
        made.sender.send(op.argument)
        return None

    def step(
        state: tuple[tuple[int, ...], tuple[int, int]], task: int, op: Op
    ) -> Iterable[tuple[Any, Any]]:
        values, at = state
        if op.name == "send":
            return [(None, ((*values, op.argument), at))]
        place = at[task - 1]
        if place == len(values):
            return []
        moved = (place + 1, at[1]) if task == 1 else (at[0], place + 1)
        return [(values[place], (values, moved))]

    # One receive more than there are values, so that one is parked, or dropped, after the last.
    scripts = [SENDS, (RECV,) * 3, (RECV,) * 3]
    assert (
        check(All, begin, scripts, initial=((), (0, 0)), step=step, conserved=nobody_else_waits)
        > 1000
    )


def test_watch() -> None:
    """A receiver sees the latest value, each change at most once, and misses no last one."""

    class Seen:
        def __init__(self) -> None:
            self.sender, first = sync.watch(0)
            self.receivers = {1: first, 2: self.sender.subscribe()}

    def begin(made: Seen, task: int, op: Op) -> Any:
        if op.name == "changed":
            return made.receivers[task].changed()
        made.sender.send(op.argument)
        return None

    def step(state: tuple[int, tuple[int, int]], task: int, op: Op) -> Iterable[tuple[Any, Any]]:
        value, seen = state
        if op.name == "send":
            return [(None, (op.argument, seen))]
        if seen[task - 1] == value:
            return []
        marked = (value, seen[1]) if task == 1 else (seen[0], value)
        return [(value, (value, marked))]

    changed = Op("changed")
    scripts = [SENDS, (changed,) * 3, (changed,) * 3]
    assert (
        check(Seen, begin, scripts, initial=(0, (0, 0)), step=step, conserved=nobody_else_waits)
        > 1000
    )

"""Each channel: three tasks, every interleaving, canceled or dropped at every park.

*What is exhaustive.* For the scripts that stand there, most of them of three operations a task:
each order of steps, and in each, one operation after the other canceled, or dropped, at each of its
parks; with ``strikes=2`` each pair of them. The thorough profile of hypothesis has one more.
"""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

import rescind
from rescind import Completed, sync
from rescind.lowlevel import PENDING, CancelRequest, Context, Future
from tests.models.explore import Call, Op
from tests.models.kit import blocked, check, results, thorough
from tests.models.linear import ANY, explained, told

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
    sends = [call for call in history if call.op.name in ("send", "use")]
    sent = [call.op.argument for call in sends if call.how == "done"]
    received = results(history, "recv")
    rest = made.receiver.drain()
    lost = Counter(sent) - Counter([*received, *rest, *made.undelivered])
    more = Counter([*received, *rest, *made.undelivered]) - Counter(sent)
    maybe = [call.op.argument for call in sends if call.how != "done"]
    dropped = sum(call.op.name == "recv" and call.how == "dropped" for call in history)
    assert not lost, f"{lost} of {sent} with {dropped} dropped"
    assert not more - Counter(maybe), f"{more} came from nowhere"


def nobody_else_waits(made: Any, history: list[Call]) -> None:
    """Who was canceled or dropped has left the line."""
    told = made.sender.statistics()
    waiting = told.waiting if hasattr(told, "waiting") else told.receiving
    assert len(blocked(history)) == waiting


#: The values in the order in which they were accepted, ever; those that are in the queue.
Queue = tuple[tuple[int, ...], tuple[int, ...]]
EMPTY: Queue = ((), ())


def queue(capacity: float) -> Any:
    """Model a queue of this capacity: the state is what came, and what of it is there."""

    def step(state: Queue, _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
        came, there = state
        if op.name == "send":
            full = len(there) >= capacity
            return [] if full else [(None, ((*came, op.argument), (*there, op.argument)))]
        return [(there[0], (came, there[1:]))] if there else []

    return step


def put_back(state: Queue, _task: int, op: Op, value: Any) -> Queue:
    """Put back what a dropped receive was given, before all that came later; or take back a send.

    In the order of their coming, whoever is dropped first (C3).
    """
    came, there = state
    if op.name == "recv":
        return (came, tuple(sorted((value, *there), key=came.index)))
    return (came, tuple(one for one in there if one != op.argument))


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
        runs = check(make, start, scripts, initial=EMPTY, step=queue(capacity), **options)
        assert runs > 5_000


def test_channel_of_one() -> None:
    """A bounded queue: in order, nothing lost, nothing twice, nobody waits without a reason."""
    scripts = [SENDS[:2], MORE[:1], (RECV, RECV)]
    make = lambda: Ends(sync.channel, 1)  # noqa: E731
    checked = check(make, start, scripts, initial=EMPTY, step=queue(1), **MODEL)
    assert checked > 1000


def test_channel_of_two_with_two_receivers() -> None:
    """Two receivers in line get what comes in order of their arrival, whoever leaves."""
    scripts = [SENDS, (RECV, RECV), (RECV,)]
    make = lambda: Ends(sync.channel, 2)  # noqa: E731
    checked = check(make, start, scripts, initial=EMPTY, step=queue(2), **MODEL)
    assert checked > 1000


@pytest.mark.parametrize(
    ("scripts", "strikes"),
    [([SENDS, (RECV,) * 3, (RECV,) * 3], 1), ([SENDS[:2], MORE[:1], (RECV, RECV)], 2)],
)
def test_channel_without_room(scripts: list[tuple[Op, ...]], strikes: int) -> None:
    """With capacity 0 each value goes from hand to hand, in order, or stays with its sender."""
    make = lambda: Ends(sync.channel, 0)  # noqa: E731
    known: set[Any] = set()

    def met(made: Ends, history: list[Call]) -> None:
        nothing_lost(made, history)
        assert not (blocked(history, "send") and blocked(history, "recv")), "they do not meet"
        if (key := told(history)) in known:
            return
        known.add(key)
        handed = [one for one in history if one.op.name == "send" and one.how == "done"]
        for send in handed:
            by_then = sum((one.ended or 0) <= (send.ended or 0) for one in handed)
            asked = sum(one.op.name == "recv" and one.begun <= (send.ended or 0) for one in history)
            assert by_then <= asked, "it was accepted before anybody asked for it"
        # Apart from whom it holds up, it is a queue.
        rest = [one for one in history if one not in blocked(history, "send")]
        assert explained(rest, EMPTY, queue(math.inf), put_back), "out of order"

    assert check(make, start, scripts, conserved=met, strikes=strikes) > 1000


def test_unbounded() -> None:
    """The same without a limit: who sends never waits."""
    scripts = [SENDS[:2], (RECV, RECV), (RECV,)]
    make = lambda: Ends(sync.unbounded)  # noqa: E731
    inf = float("inf")
    checked = check(make, start, scripts, initial=EMPTY, step=queue(inf), **MODEL)
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


RESERVE, USE = Op("reserve", 1), Op("use", 1, needs=1)


@pytest.mark.parametrize(
    ("capacity", "scripts"),
    [
        (1, [(RESERVE, USE, RECV), (RESERVE, Op("release", 1, needs=1), RECV), (*SENDS[1:], RECV)]),
        (1, [(RESERVE, USE, Op("send", 2)), (RECV, RECV, RECV), (RECV, RECV, RECV)]),
        (
            2,
            [
                (RESERVE, USE, RECV),
                (Op("reserve", 2), Op("use", 2, needs=1), Op("release", 1, needs=2)),
                (Op("send", 3), RECV, RECV),
            ],
        ),
    ],
)
def test_reserve(capacity: int, scripts: list[tuple[Op, ...]]) -> None:
    """A place that is reserved is the sender's; one that is given up is the next one's."""

    class Reserving(Ends):
        def __init__(self) -> None:
            super().__init__(sync.channel, capacity)
            self.permits: dict[int, Any] = {}

    def begin(made: Reserving, task: int, op: Op) -> Any:
        match op.name:
            case "reserve":
                return Keep(made.sender.reserve_many(op.argument), made.permits, task)
            case "use":
                return made.permits[task].send(op.argument)
            case "release":
                return made.permits.pop(task).release()
            case _:
                return start(made, task, op)

    def step(state: tuple[Queue, int], task: int, op: Op) -> Iterable[tuple[Any, Any]]:
        values, reserved = state
        match op.name:
            case "reserve":
                full = len(values[1]) + reserved + op.argument > capacity
                return [] if full else [(ANY, (values, reserved + op.argument))]
            case "release":
                return [(None, (values, reserved - op.argument))]
            case "use":
                came, there = values
                sent = ((*came, op.argument), (*there, op.argument))
                return [(None, (sent, reserved - 1))]
            case _:
                told = queue(capacity - reserved)(values, task, op)
                return [(result, (new, reserved)) for result, new in told]

    def given_up(state: tuple[Queue, int], task: int, op: Op, value: Any) -> tuple[Queue, int]:
        values, reserved = state
        if op.name == "reserve":
            return (values, reserved - op.argument)
        return (put_back(values, task, op, value), reserved)

    def conserved(made: Reserving, history: list[Call]) -> None:
        kept = sum(permit.left for permit in made.permits.values())
        assert kept == made.sender.statistics().reserved
        nothing_lost(made, history)

    model: Any = {"initial": (EMPTY, 0), "step": step, "undo": given_up, "conserved": conserved}
    # Who wants two places holds up who wants one.
    line = lambda op: op.name == "recv"  # noqa: E731
    assert check(Reserving, begin, scripts, line=line, **model) > 300


#: Of a oneshot: the value that is there; whether one was sent, and received; whether its sender is
#: there, and whether its receiver refuses it.
Once = tuple[int | None, bool, bool, bool, bool]


def once(state: Once, _task: int, op: Op) -> Iterable[tuple[Any, Any]]:
    """Model a oneshot."""
    letter, sent, received, sender, closed = state
    match op.name:
        case "recv":
            if letter is not None:
                return [(letter, (None, sent, True, sender, closed))]
            return [("Closed", state)] if received or closed or not sender else []
        case "send":
            if sent:
                return [("UsageError", state)]
            if closed or not sender:
                return [("NotSent", state)]
            return [(None, (op.argument, True, received, sender, closed))]
        case "unwanted":
            return [(None, state)] if closed else []
        case "leave":
            return [(None, (letter, sent, received, False, closed))]
        case _:
            return [(None, (letter, sent, received, sender, True))]


UNWANTED, LEAVE, REFUSE = Op("unwanted"), Op("leave"), Op("refuse")


@pytest.mark.parametrize(
    "scripts",
    [
        [SENDS[:1], (RECV,), (RECV,)],
        [(UNWANTED, *SENDS[:2]), (RECV, RECV, RECV), (RECV, REFUSE, RECV)],
        [(Op("send", 1), LEAVE, UNWANTED), (RECV, RECV, RECV), (RECV, RECV, RECV)],
        [(LEAVE, Op("send", 1), UNWANTED), (RECV, RECV, REFUSE), (RECV, UNWANTED)],
    ],
)
def test_oneshot(scripts: list[tuple[Op, ...]]) -> None:
    """One value, received once, or handed back; a canceled receive has taken nothing.

    Who waits for a value that cannot come any more is told, and so is who waits to be unwanted.
    """

    class One(Ends):
        def __init__(self) -> None:
            super().__init__(sync.oneshot)

    def begin(made: One, _task: int, op: Op) -> Any:
        match op.name:
            case "recv":
                return made.receiver.recv()
            case "unwanted":
                return made.sender.closed()
            case "leave":
                return made.sender.close()
            case "refuse":
                return made.receiver.close()
            case _:
                try:
                    return made.sender.send(op.argument)
                except rescind.RescindError as exc:
                    return type(exc).__name__

    def kept(made: One, history: list[Call]) -> None:
        sent = [call for call in history if call.op.name == "send" and call.result is None]
        taken = [value for value in results(history, "recv") if value != "Closed"]
        assert [] == made.undelivered
        made.receiver.drop()
        assert sorted([*taken, *made.undelivered]) == [call.op.argument for call in sent]

    initial: Once = (None, False, False, True, False)
    runs = check(One, begin, scripts, initial=initial, step=once, conserved=kept)
    assert runs > 20


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

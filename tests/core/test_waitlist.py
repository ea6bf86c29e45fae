"""The one wait queue: order, removal, hand-over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.lowlevel import Waiter, WaitList, Waker
from rescind.testing import CountingWaker


class Rejoin(Waker):
    """Joins the list again whenever it is woken, as a future does that lost the race for it."""

    def __init__(self, waiters: WaitList) -> None:
        self.waiters = waiters
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1
        self.waiters.join(self)


class LeaveOther(Waker):
    """Takes another waiter out when it is woken."""

    def __init__(self, waiters: WaitList) -> None:
        self.waiters = waiters
        self.other: Waiter | None = None

    def wake(self) -> None:
        assert self.other is not None
        self.waiters.leave(self.other)


def queue(count: int) -> tuple[WaitList, list[Waiter]]:
    """Make a list with that many waiters."""
    waiters = WaitList()
    return waiters, [waiters.join(CountingWaker()) for _ in range(count)]


def wakes(joined: list[Waiter]) -> list[int]:
    """Return how often each was woken."""
    return [waiter.waker.wakes for waiter in joined]


def test_empty_list_wakes_nobody() -> None:
    """Waking an empty list says so."""
    waiters = WaitList()
    assert (False, 0, 0, []) == (
        waiters.wake_one(),
        waiters.wake_all(),
        len(waiters),
        list(waiters),
    )


def test_waiters_are_woken_in_order_of_arrival() -> None:
    """FIFO, one wake each; a woken waiter has left the list (W2)."""
    waiters, joined = queue(3)
    seen = []
    while waiters.wake_one():
        seen.append((wakes(joined), [waiter.woken for waiter in joined], len(waiters)))
    assert [
        ([1, 0, 0], [True, False, False], 2),
        ([1, 1, 0], [True, True, False], 1),
        ([1, 1, 1], [True, True, True], 0),
    ] == seen


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_leaving_keeps_the_order_of_the_others(index: int) -> None:
    """W1: whoever leaves, first, last or between, the rest stay in line."""
    waiters, joined = queue(4)
    assert waiters.leave(joined[index]) is False
    rest = joined[:index] + joined[index + 1 :]
    assert (rest, 3) == (list(waiters), len(waiters))
    assert (3, [int(waiter in rest) for waiter in joined]) == (waiters.wake_all(), wakes(joined))


def test_leaving_twice_is_a_no_op() -> None:
    """W1: outside the list `leave` changes nothing, and owes nothing."""
    waiters, (first, second) = queue(2)
    assert [False, False] == [waiters.leave(first), waiters.leave(first)]
    assert [second] == list(waiters)


def test_leaving_another_list_is_a_no_op() -> None:
    """W1: a waiter is in one list; another one does not touch it."""
    waiters, (waiter,) = queue(1)
    other, _ = queue(2)
    assert (False, 1, 2) == (other.leave(waiter), len(waiters), len(other))


def test_woken_waiter_that_leaves_owes_a_hand_over() -> None:
    """W3: canceled after its wake-up, it passes that on, and the next in line is woken."""
    waiters, joined = queue(3)
    waiters.wake_one()
    assert waiters.leave(joined[0]) is True
    assert waiters.hand_over() is True
    assert ([1, 1, 0], [joined[2]]) == (wakes(joined), list(waiters))


def test_woken_waiter_is_not_woken_twice() -> None:
    """W2: two wake-ups go to two waiters."""
    waiters, joined = queue(2)
    waiters.wake_one()
    waiters.wake_one()
    assert ([1, 1], False) == (wakes(joined), waiters.wake_one())


def test_wake_all_wakes_those_who_waited_and_not_those_who_join_again() -> None:
    """Waking runs code: whoever joins anew waits for the next time, so `wake_all` ends."""
    waiters = WaitList()
    again = [Rejoin(waiters) for _ in range(3)]
    for waker in again:
        waiters.join(waker)
    assert (3, [1, 1, 1], 3) == (waiters.wake_all(), [w.wakes for w in again], len(waiters))


def test_wake_all_while_a_waker_takes_others_out() -> None:
    """A waker that removes the last in line: the list is simply shorter."""
    waiters = WaitList()
    waker = LeaveOther(waiters)
    waiters.join(waker)
    waker.other = waiters.join(CountingWaker())
    assert (1, 0, False) == (waiters.wake_all(), len(waiters), waker.other.woken)


def test_waiter_with_a_replaced_waker_wakes_the_new_one() -> None:
    """Only the latest waker counts (R1)."""
    waiters, (waiter,) = queue(1)
    old, waiter.waker = waiter.waker, CountingWaker()
    waiters.wake_one()
    assert (0, 1) == (old.wakes, waiter.waker.wakes)


def test_unlinked_waiter_refers_to_nobody() -> None:
    """W1: what left keeps neither the list nor its neighbours alive."""
    waiters, (_, middle, _) = queue(3)
    waiters.leave(middle)
    assert (None, None, None) == (middle._list, middle._prev, middle._next)


@given(st.lists(st.one_of(st.just("join"), st.just("wake"), st.integers(0, 9)), max_size=60))
def test_list_behaves_like_a_plain_queue(steps: list[str | int]) -> None:
    """Against a list of Python's: the same order, length and answers after every step."""
    waiters, model, known = WaitList(), [], []
    for step in steps:
        if step == "join":
            waiter = waiters.join(CountingWaker())
            model.append(waiter)
            known.append(waiter)
        elif step == "wake":
            expected = model.pop(0) if model else None
            assert (expected is not None) == waiters.wake_one()
            assert expected is None or expected.woken
        elif known:
            waiter = known[int(step) % len(known)]
            owes = waiter not in model and waiter.woken
            if waiter in model:
                model.remove(waiter)
            assert owes == waiters.leave(waiter)
        assert (model, len(model)) == (list(waiters), len(waiters))


def test_picked_waiter_has_left_and_is_told_what_it_got_but_not_woken_yet() -> None:
    """`pick` is `wake` without the wake: its owner does that when it has left its lock."""
    waiters, joined = queue(2)

    waker = waiters.pick(joined[0], "it")

    assert (joined[0].waker, "it", True, [0, 0]) == (
        waker,
        joined[0].given,
        joined[0].woken,
        wakes(joined),
    )
    assert [joined[1]] == list(waiters)


class Raise(Waker):
    """A waker with a fault."""

    def wake(self) -> None:
        raise ValueError("this waker is broken")


def test_raising_waker_is_logged_and_the_others_are_woken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """W5: the fault of one waker takes the wake-up of nobody else, nor of its own waiter."""
    waiters = WaitList()
    joined = [waiters.join(waker) for waker in (CountingWaker(), Raise(), CountingWaker())]

    woken = waiters.wake_all("it")

    assert (3, [(True, "it")] * 3) == (woken, [(w.woken, w.given) for w in joined])
    assert [1, 1] == [joined[0].waker.wakes, joined[2].waker.wakes]
    assert ["this waker is broken"] == [str(record.exc_info[1]) for record in caplog.records]
    assert "failed to wake its future" in caplog.text


def test_waking_one_that_has_left_changes_nothing_and_says_so() -> None:
    """W4: who meant to give it something still has it."""
    waiters, (first, second) = queue(2)
    waiters.leave(first)

    assert waiters.wake(first, "it") is False
    assert waiters.pick(first, "it") is None

    assert ([second], 1, False, None) == (list(waiters), len(waiters), first.woken, first.given)


class WakeAnother(Waker):
    """Lets somebody else join when it is woken."""

    def __init__(self, waiters: WaitList) -> None:
        self.waiters = waiters
        self.late: Waiter | None = None

    def wake(self) -> None:
        self.late = self.waiters.join(CountingWaker())


def test_wake_all_while_one_leaves_and_another_joins_wakes_only_those_who_were_there() -> None:
    """The count may be the same: who waited when it began is woken, who joined since is not."""
    waiters = WaitList()
    leave, join = LeaveOther(waiters), WakeAnother(waiters)
    waiters.join(leave)
    waiters.join(join)
    leave.other = waiters.join(CountingWaker())

    assert 2 == waiters.wake_all()
    assert (False, False, [join.late]) == (leave.other.woken, join.late.woken, list(waiters))


def test_moved_waiter_is_last_in_the_other_line() -> None:
    """W1: it is in one list, and is woken there."""
    here, (waiter, stays) = queue(2)
    there, (first,) = queue(1)

    assert here.move(waiter, there) is True
    assert ([stays], [first, waiter], 1, 2) == (list(here), list(there), len(here), len(there))
    there.wake_all()
    assert (1, True) == (waiter.waker.wakes, waiter.woken)
    assert here.move(waiter, there) is False


def test_waiting_keeps_what_was_given_before_unless_told_otherwise() -> None:
    """What is given piece by piece is kept at the wake-up."""
    waiters, (first, second) = queue(2)
    first.given = second.given = 3

    waiters.wake(first)
    waiters.wake(second, None)

    assert (3, None) == (first.given, second.given)

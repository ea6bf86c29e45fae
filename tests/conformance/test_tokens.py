"""Tokens: the cases of tokio-util's `sync_cancellation_token`, `future` and `task_tracker`."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rescind import (
    Canceled,
    CancellationToken,
    Completed,
    Error,
    TaskCanceled,
    TokenStatistics,
    ready,
)
from rescind.lowlevel import PENDING, Future
from rescind.testing import CountingWaker, context, poll_once

from .support import Flag

NOBODY = TokenStatistics(children=0, waiters=0, callbacks=0)


class Waiting:
    """A future polled by hand, with a waker that counts."""

    def __init__(self, future: Future[Any]) -> None:
        self.future = future
        self.waker = CountingWaker()

    @property
    def ready(self) -> bool:
        """Poll: has it its output?"""
        return poll_once(self.future, context(self.waker)) is not PENDING

    @property
    def wakes(self) -> int:
        """How often was it woken?"""
        return self.waker.wakes


def waiting(token: CancellationToken) -> Waiting:
    """Wait for a token; it is parked now."""
    one = Waiting(token.wait())
    assert not one.ready
    return one


# -- sync_cancellation_token: canceling --------------------------------------------------------


def test_cancel_wakes_who_waits_and_later_waits_are_ready_at_once() -> None:
    """Tokio-util cancel_token: canceled is false, then true; the wait is woken once, and ready."""
    token = CancellationToken()
    assert not token.canceled
    one = waiting(token)
    assert 0 == one.wakes

    token.cancel()

    assert (1, True) == (one.wakes, token.canceled)
    assert one.ready
    assert Waiting(token.wait()).ready


def test_a_wait_holds_its_token() -> None:
    """Tokio-util cancel_token_owned: the future lives without any other reference to the token."""
    token = CancellationToken()
    child = token.child()
    one = waiting(child)
    del child

    token.cancel()

    assert 1 == one.wakes
    assert one.ready


def test_a_wait_dropped_while_pending_leaves_the_token_usable() -> None:
    """Tokio-util cancel_token_owned_drop_test: a new one waits, and only that is woken."""
    token = CancellationToken()
    first = waiting(token)
    first.future.drop()
    second = waiting(token)

    token.cancel()

    assert (0, 1) == (first.wakes, second.wakes)
    assert second.ready


def test_a_parents_cancel_reaches_its_child() -> None:
    """Tokio-util cancel_child_token_through_parent: both are woken, once each."""
    token = CancellationToken()
    child = token.child()
    waits = [waiting(child), waiting(token)]

    token.cancel()

    assert [1, 1] == [one.wakes for one in waits]
    assert (True, True) == (token.canceled, child.canceled)
    assert all(one.ready for one in waits)


def test_a_grandchild_is_reached_although_the_child_was_dropped() -> None:
    """Tokio-util cancel_grandchild_token_through_parent_if_child_was_dropped."""
    token = CancellationToken()
    intermediate = token.child()
    grandchild = intermediate.child()
    del intermediate
    waits = [waiting(grandchild), waiting(token)]

    token.cancel()

    assert [1, 1] == [one.wakes for one in waits]
    assert (True, True) == (token.canceled, grandchild.canceled)


def test_a_childs_cancel_leaves_its_parent_alone() -> None:
    """Tokio-util cancel_child_token_without_parent: then the parent, also with a new child."""
    token = CancellationToken()
    first = token.child()
    of_first, of_token = waiting(first), waiting(token)

    first.cancel()
    assert (1, 0) == (of_first.wakes, of_token.wakes)
    assert (False, True) == (token.canceled, first.canceled)

    second = token.child()
    of_second = waiting(second)
    token.cancel()
    assert (1, 1, 1) == (of_first.wakes, of_second.wakes, of_token.wakes)
    assert second.canceled


@pytest.mark.parametrize("parent_first", [False, True])
def test_a_child_of_a_canceled_parent_is_born_canceled(parent_first: bool) -> None:
    """Tokio-util create_child_token_after_parent_was_cancelled: in both orders of dropping."""
    tokens = [CancellationToken()]
    tokens[0].cancel()
    tokens.append(tokens[0].child())

    assert tokens[1].canceled
    assert Waiting(tokens[1].wait()).ready
    del tokens[0 if parent_first else 1]
    assert tokens[0].canceled
    assert tokens[0].child().canceled


@pytest.mark.parametrize("first_dropped_first", [False, True])
def test_many_children_are_dropped_in_both_orders(first_dropped_first: bool) -> None:
    """Tokio-util drop_multiple_child_tokens: the books are kept, and the parent goes on."""
    token = CancellationToken()
    children = [token.child() for _ in range(3)]

    counts: list[int] = []
    while children:
        counts.append(token.statistics().children)
        children.pop(0 if first_dropped_first else -1)

    assert [3, 2, 1] == counts
    assert NOBODY == token.statistics()
    assert token.cancel()


def test_cancel_reaches_all_descendants_and_only_those() -> None:
    """Tokio-util cancel_only_all_descendants: siblings and parent untouched, each waker once."""
    parent = CancellationToken()
    token, sibling = parent.child(), parent.child()
    first, second = token.child(), token.child()
    grandchildren = [first.child(), first.child(), second.child()]
    great = grandchildren[0].child()
    inside = [token, first, second, *grandchildren, great]
    outside = [parent, sibling]
    waits_inside = [waiting(one) for one in inside]
    waits_outside = [waiting(one) for one in outside]

    token.cancel()
    token.cancel()

    assert [1] * 7 == [one.wakes for one in waits_inside]
    assert [0, 0] == [one.wakes for one in waits_outside]
    assert all(one.canceled for one in inside)
    assert not any(one.canceled for one in outside)


def test_a_parent_may_be_dropped_before_its_children() -> None:
    """Tokio-util drop_parent_before_child_tokens: the child is usable, alone."""
    token = CancellationToken()
    first, second = token.child(), token.child()
    del token
    assert not first.canceled
    del first
    assert second.cancel()


def test_a_dropped_token_does_not_cancel() -> None:
    """Tokio-util has drop guards for that: a token cancels nothing when it, or its block, ends."""
    parent = CancellationToken()
    grandchild = parent.child().child()
    with parent.child() as child:
        kept = child.child()
    del child

    assert (False, False, False) == (parent.canceled, grandchild.canceled, kept.canceled)


def test_a_token_is_used_by_several_threads() -> None:
    """Tokio-util derives_send_sync: canceled in one, seen in another."""
    token = CancellationToken()
    seen: list[bool] = []
    for target in (token.cancel, lambda: seen.append(token.canceled)):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    assert [True] == seen


def test_a_clone_is_equal_and_a_child_is_not() -> None:
    """Tokio-util clone equality and hash: a copy is the token itself."""
    token = CancellationToken()
    clone, child = copy.copy(token), token.child()

    assert (token, hash(token)) == (clone, hash(clone))
    assert token != child
    assert token != CancellationToken()
    clone.cancel()
    assert token.canceled


# -- sync_cancellation_token: run_until_cancelled ----------------------------------------------


def test_run_until_canceled_of_a_pending_future_is_canceled() -> None:
    """Tokio-util run_until_cancelled_test: none, and the future is dropped."""
    token, flag = CancellationToken(), Flag()
    one = Waiting(token.run_until_canceled(flag))
    assert not one.ready

    token.cancel()

    assert 1 == one.wakes
    outcome = poll_once(one.future)
    assert token.reason is not None
    assert Completed(Canceled(token.reason)) == outcome
    assert 1 == flag.drops


def test_run_until_canceled_of_a_future_that_ends_is_its_value() -> None:
    """Tokio-util run_until_cancelled_test: some."""
    token, flag = CancellationToken(), Flag()
    one = Waiting(token.run_until_canceled(flag))
    assert not one.ready

    flag.set(42)

    assert 1 == one.wakes
    assert Completed(Completed(42)) == poll_once(one.future)
    assert NOBODY == token.statistics()


@pytest.mark.parametrize("is_ready", [False, True])
def test_run_until_canceled_of_a_canceled_token_polls_nothing(is_ready: bool) -> None:
    """Tokio-util: already cancelled gives none, the inner future is not polled, even if ready."""
    token, flag = CancellationToken(), Flag()
    token.cancel()
    if is_ready:
        flag.set(42)

    outcome = poll_once(token.run_until_canceled(flag))

    assert token.reason is not None
    assert Completed(Canceled(token.reason)) == outcome
    assert (0, 1) == (flag.polls, flag.drops)


def test_run_until_canceled_gives_a_tie_to_the_value() -> None:
    """Tokio-util: after the first poll, the inner future is polled before the token."""
    token, flag = CancellationToken(), Flag()
    one = Waiting(token.run_until_canceled(flag))
    assert not one.ready
    token.cancel()
    flag.set(42)

    assert Completed(Completed(42)) == poll_once(one.future)


def test_run_until_canceled_holds_its_token() -> None:
    """Tokio-util run_until_cancelled_owned_test: the future lives without the token's name."""
    token, flag = CancellationToken(), Flag()
    child = token.child()
    one = Waiting(child.run_until_canceled(flag))
    assert not one.ready
    del child

    token.cancel()

    assert 1 == one.wakes
    assert one.ready


# -- future: with_cancellation_token -----------------------------------------------------------

HOLDING: dict[str, Callable[[CancellationToken], CancellationToken]] = {
    "borrowed": lambda token: token,
    "owned": lambda token: token.child(),
}


@pytest.fixture(params=HOLDING)
def held(request: pytest.FixtureRequest) -> Callable[[CancellationToken], CancellationToken]:
    """Guard with the token itself, which the test holds, or with a child that nobody else holds."""
    name: str = request.param
    return HOLDING[name]


def why(outcome: object) -> str:
    """Tell that a guard was canceled, and for which words in the end."""
    assert isinstance(outcome, Error)
    assert isinstance(outcome.exception, TaskCanceled)
    return str(outcome.exception.reason.chain()[-1].message)


def test_a_guarded_ready_future_is_ready(held: Any) -> None:
    """Tokio-util ready_fut."""
    assert Completed(42) == poll_once(held(CancellationToken()).guard(ready(42)))


def test_a_guarded_pending_future_is_pending(held: Any) -> None:
    """Tokio-util pending_fut: and it is woken by nobody."""
    token, flag = CancellationToken(), Flag()
    one = Waiting(held(token).guard(flag))

    assert not one.ready
    assert (0, 1) == (one.wakes, flag.polls)


def test_a_guard_of_a_canceled_token_refuses_a_ready_future(held: Any) -> None:
    """Tokio-util ready_fut_with_already_cancelled_token: cancelled wins, before any poll."""
    token = CancellationToken()
    token.cancel("why")

    assert "why" == why(poll_once(held(token).guard(ready(42))))


def test_a_guard_of_a_canceled_token_refuses_a_pending_future(held: Any) -> None:
    """Tokio-util pending_fut_with_already_cancelled_token."""
    token, flag = CancellationToken(), Flag()
    token.cancel("why")

    assert "why" == why(poll_once(held(token).guard(flag)))
    assert (0, 1) == (flag.polls, flag.drops)


def test_a_guarded_pending_future_is_canceled_later(held: Any) -> None:
    """Tokio-util pending_fut_with_token_cancelled_later: woken once."""
    token, flag = CancellationToken(), Flag()
    one = Waiting(held(token).guard(flag))
    assert not one.ready

    token.cancel("why")

    assert 1 == one.wakes
    assert "why" == why(poll_once(one.future))


def test_a_guarded_future_that_is_pending_only_at_first_ends(held: Any) -> None:
    """Tokio-util pending_only_on_first_poll: woken by itself, then ready; the token comes late."""
    token, flag = CancellationToken(), Flag()
    one = Waiting(held(token).guard(flag))
    assert not one.ready

    flag.set(42)

    assert 1 == one.wakes
    assert Completed(42) == poll_once(one.future)
    token.cancel()
    assert 1 == one.wakes


# -- task_tracker, as far as it is about tokens ------------------------------------------------


def test_the_books_count_what_depends_on_a_token_now() -> None:
    """Tokio-util task_tracker token counts: up with each child, down with each that goes."""
    token = CancellationToken()
    counts: list[int] = []
    first = token.child()
    counts.append(token.statistics().children)
    second = token.child()
    counts.append(token.statistics().children)
    first.cancel()
    counts.append(token.statistics().children)
    with second:
        counts.append(token.statistics().children)
    counts.append(token.statistics().children)

    assert [1, 2, 1, 1, 0] == counts


def test_many_waiters_are_all_woken_once() -> None:
    """Tokio-util task_tracker many waiters: in order, each once, and each ready."""
    token = CancellationToken()
    waits = [waiting(token) for _ in range(1000)]

    token.cancel()

    assert [1] * 1000 == [one.wakes for one in waits]
    assert all(one.ready for one in waits)


def test_a_wait_is_not_fooled_by_what_happened_before_it() -> None:
    """Tokio-util task_tracker reopen (ABA): a token has no way back, so there is no such case."""
    token = CancellationToken()
    token.cancel("first")
    one = Waiting(token.wait())

    assert token.reason is not None
    assert Completed(token.reason) == poll_once(one.future)
    token.cancel("second")
    assert "first" == token.reason.message


# -- loom, by order ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(["child", "cancel", "drop"])))
def test_cancel_child_and_drop_in_every_order(order: tuple[str, ...]) -> None:
    """Tokio-util loom_cancellation_token: cancel, creation and drop agree, whichever is first."""
    root = CancellationToken()
    middle = [root.child()]
    made: list[CancellationToken] = []
    for step in order:
        if step == "child":
            made.append((middle or [root])[0].child())
        elif step == "cancel":
            root.cancel()
        else:
            middle.clear()

    assert [True] == [one.canceled for one in made]
    assert NOBODY == root.statistics()

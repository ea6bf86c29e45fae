"""`CancellationToken`: the tree, its reasons and its callbacks."""

import copy
import pickle
from typing import Any

import pytest

import rescind
from rescind import (
    CancelKind,
    CancellationToken,
    CancelReason,
    Runtime,
    TaskCanceled,
    TokenStatistics,
)
from rescind.lowlevel import ManualHost

NOBODY = TokenStatistics(children=0, waiters=0, callbacks=0)


class Boom(Exception):
    """What a callback raises."""


def raising(error: BaseException) -> Any:
    """Make a callback that raises."""

    def callback(_reason: CancelReason) -> None:
        raise error

    return callback


# -- state and reasons -------------------------------------------------------------------------


def test_a_new_token_is_not_canceled() -> None:
    """It has no reason, no reasons, and depends on nothing."""
    token = CancellationToken()

    assert (token.canceled, token.reason, token.reasons) == (False, None, ())
    assert token.statistics() == NOBODY
    assert repr(token) == "<CancellationToken not canceled>"


def test_cancel_says_whether_it_was_this_call_and_keeps_all_reasons_in_order() -> None:
    """The first reason is primary; the later ones are kept; only the first call is True."""
    token = CancellationToken()

    said = [token.cancel("one"), token.cancel("two"), token.cancel(CancelReason(message="three"))]

    assert said == [True, False, False]
    assert token.canceled
    assert token.reason is not None
    assert token.reason.message == "one"
    assert [reason.message for reason in token.reasons] == ["one", "two", "three"]
    assert "canceled: explicit: one" in repr(token)


def test_a_reason_says_who_where_and_when() -> None:
    """Inside a task: its name, this file, the host's time; a complete reason is taken as it is."""
    complete = CancelReason(CancelKind.SHUTDOWN, "as it is")

    async def main() -> CancelReason | None:
        token = CancellationToken()
        await rescind.sleep(5)
        token.cancel("why")
        return token.reason

    with Runtime(host=ManualHost()) as runtime:
        reason = runtime.block_on(main())
    outside = CancellationToken()
    outside.cancel(complete)

    assert reason is not None
    assert (reason.kind, reason.message, reason.at) == (CancelKind.EXPLICIT, "why", 5.0)
    assert reason.by is not None
    assert reason.by.startswith("task ")
    assert reason.where is not None
    assert reason.where.startswith(__file__)
    assert outside.reason is complete


def test_outside_a_runtime_a_reason_has_no_task_and_no_time() -> None:
    """But a place."""
    token = CancellationToken()
    token.cancel()

    reason = token.reason
    assert reason is not None
    assert (reason.message, reason.by, reason.at) == (None, None, None)
    assert reason.where is not None
    assert reason.where.startswith(__file__)


def test_what_is_no_reason_is_refused_and_cancels_nothing() -> None:
    """A number says nothing."""
    token = CancellationToken()

    with pytest.raises(TypeError, match="a reason must be a str or a CancelReason, not int: 3"):
        token.cancel(3)  # type: ignore[arg-type]

    assert not token.canceled


def test_cancel_goes_down_with_the_whole_chain_of_reasons() -> None:
    """A child's reason is of kind PARENT; its cause is the parent's reason itself."""
    root = CancellationToken()
    child = root.child()
    grandchild = child.child()

    root.cancel("why")

    assert child.reason is not None
    assert grandchild.reason is not None
    assert (child.reason.kind, child.reason.cause) == (CancelKind.PARENT, root.reason)
    assert (grandchild.reason.kind, grandchild.reason.cause) == (CancelKind.PARENT, child.reason)
    assert [link.message for link in grandchild.reason.chain()] == [None, None, "why"]
    assert child.reason.where is None
    assert pickle.loads(pickle.dumps(grandchild.reason)) == grandchild.reason


def test_cancel_goes_neither_up_nor_sideways() -> None:
    """Parent and sibling of a canceled child live on, and can be canceled later."""
    root = CancellationToken()
    first, second = root.child(), root.child()

    first.cancel("alone")

    assert (root.canceled, first.canceled, second.canceled) == (False, True, False)
    assert root.statistics().children == 1
    assert root.cancel("all")
    assert second.canceled
    assert first.reason is not None
    assert [reason.message for reason in first.reasons] == ["alone"]


def test_a_child_of_a_canceled_token_is_born_canceled() -> None:
    """It follows from the parent's reason, and stands in nobody's books."""
    root = CancellationToken()
    root.cancel("before")

    child = root.child()

    assert child.canceled
    assert child.reason is not None
    assert (child.reason.kind, child.reason.cause) == (CancelKind.PARENT, root.reason)
    assert not child.cancel("again")
    assert root.statistics() == NOBODY


def test_raise_if_canceled_raises_the_reason() -> None:
    """It does nothing before."""
    token = CancellationToken()
    token.raise_if_canceled()
    token.cancel("why")

    with pytest.raises(TaskCanceled) as caught:
        token.raise_if_canceled()

    assert caught.value.reason is token.reason


def test_tokens_are_keys_by_identity_and_a_copy_is_the_token() -> None:
    """Equal only to itself; a token cannot leave its process."""
    token = CancellationToken()
    child = token.child()

    assert len({token, child, copy.copy(token), copy.deepcopy(token)}) == 2
    assert token != child
    with pytest.raises(TypeError, match="cannot be pickled: it belongs to its process"):
        pickle.dumps(token)


# -- mark, then notify -------------------------------------------------------------------------


def test_the_whole_subtree_reads_canceled_before_anybody_is_told() -> None:
    """R13, P53: callbacks at every level, and the waker, see every token canceled."""
    from rescind.lowlevel import Context, Waker

    root = CancellationToken()
    middle = root.child()
    leaves = [middle.child() for _ in range(3)]
    linked = CancellationToken.linked(leaves[0], CancellationToken())
    everybody = [root, middle, *leaves, linked]
    seen: list[tuple[str, bool]] = []

    class Looking(Waker):
        def wake(self) -> None:
            seen.append(("waker", all(token.canceled for token in everybody)))

    for token in everybody:
        token.on_cancel(lambda _: seen.append(("call", all(one.canceled for one in everybody))))
    waiting = linked.wait()
    waiting.poll(Context(Looking()))

    root.cancel()

    assert seen == [("waker", True)] + [("call", True)] * 6


def test_callbacks_run_parents_first_then_in_the_order_of_registration() -> None:
    """On one node in order; a parent's before its child's."""
    root = CancellationToken()
    child = root.child()
    seen: list[str] = []
    child.on_cancel(lambda _: seen.append("child"))
    root.on_cancel(lambda _: seen.append("root 1"))
    root.on_cancel(lambda _: seen.append("root 2"))

    root.cancel()

    assert seen == ["root 1", "root 2", "child"]


def test_a_token_with_two_ways_from_the_root_is_told_once() -> None:
    """A diamond: its reason follows from the nearer source."""
    root = CancellationToken()
    far = root.child().child()
    near = root.child()
    both = CancellationToken.linked(far, near)
    seen: list[CancelReason] = []
    both.on_cancel(seen.append)

    root.cancel()

    assert near.reason is not None
    assert seen == [both.reason]
    assert len(both.reasons) == 1
    assert both.reason is not None
    assert both.reason.cause == near.reason


# -- callbacks ---------------------------------------------------------------------------------


def test_a_callback_is_called_once_with_the_reason() -> None:
    """Also if the token is canceled again."""
    token = CancellationToken()
    seen: list[CancelReason] = []
    token.on_cancel(seen.append)
    assert token.statistics().callbacks == 1

    token.cancel("one")
    token.cancel("two")

    assert seen == [token.reason]
    assert token.statistics() == NOBODY


def test_a_callback_on_a_canceled_token_is_called_at_once() -> None:
    """Its registration cannot be removed; what it raises, the one who registers gets."""
    token = CancellationToken()
    token.cancel("before")
    seen: list[CancelReason] = []

    registration = token.on_cancel(seen.append)

    assert seen == [token.reason]
    assert not registration.remove()
    with pytest.raises(Boom):
        token.on_cancel(raising(Boom()))
    assert token.statistics() == NOBODY


def test_a_removed_callback_is_not_called() -> None:
    """True for the call that removed it, before the cancellation; False for every other."""
    token = CancellationToken()
    seen: list[Any] = []
    removed, kept = token.on_cancel(seen.append), token.on_cancel(seen.append)

    said = [removed.remove(), removed.remove()]
    token.cancel()

    assert said == [True, False]
    assert not kept.remove()
    assert seen == [token.reason]


def test_leaving_the_block_of_a_registration_removes_it() -> None:
    """Whatever way it is left."""
    token = CancellationToken()
    seen: list[Any] = []

    with pytest.raises(Boom), token.on_cancel(seen.append) as registration:
        assert token.statistics().callbacks == 1
        raise Boom

    assert token.statistics() == NOBODY
    assert not registration.remove()
    token.cancel()
    assert seen == []


def test_a_callback_may_remove_one_that_is_yet_to_be_called() -> None:
    """Marked is not called: remove says True, and it never runs."""
    token = CancellationToken()
    seen: list[Any] = []
    said: list[bool] = []
    token.on_cancel(lambda _: said.append(second.remove()))
    second = token.on_cancel(seen.append)

    token.cancel()

    assert (said, seen) == ([True], [])


def test_one_raising_callback_stops_nobody_and_reaches_the_canceler() -> None:
    """A single failure is raised as it is, when all have been called."""
    token = CancellationToken()
    child = token.child()
    boom = Boom("one")
    seen: list[Any] = []
    token.on_cancel(raising(boom))
    token.on_cancel(seen.append)
    child.on_cancel(seen.append)

    with pytest.raises(Boom) as caught:
        token.cancel()

    assert caught.value is boom
    assert seen == [token.reason, child.reason]


def test_several_raising_callbacks_make_a_group_in_order() -> None:
    """All ordinary: an ExceptionGroup; with another one among them, a BaseExceptionGroup."""
    token, other = CancellationToken(), CancellationToken()
    errors = [Boom("one"), Boom("two")]
    for error in errors:
        token.on_cancel(raising(error))
    for failure in (Boom("three"), KeyboardInterrupt()):
        other.on_cancel(raising(failure))

    with pytest.raises(ExceptionGroup, match="several callbacks of a cancellation token") as caught:
        token.cancel()
    with pytest.raises(BaseExceptionGroup) as mixed:
        other.cancel()

    assert list(caught.value.exceptions) == errors
    assert [type(error) for error in mixed.value.exceptions] == [Boom, KeyboardInterrupt]


def test_a_raising_waker_does_not_stop_the_callbacks() -> None:
    """What it raises is raised with the rest."""
    from rescind.lowlevel import Context, Waker

    class Bad(Waker):
        def wake(self) -> None:
            raise Boom

    token = CancellationToken()
    seen: list[Any] = []
    token.wait().poll(Context(Bad()))
    token.on_cancel(seen.append)

    with pytest.raises(Boom):
        token.cancel()

    assert seen == [token.reason]


def test_callbacks_may_use_their_token_and_its_tree() -> None:
    """Register, cancel again, make a child, cancel another: all at once, and in order."""
    token, other = CancellationToken(), CancellationToken()
    seen: list[object] = []

    def first(reason: CancelReason) -> None:
        seen.append(token.cancel("inside"))
        token.on_cancel(lambda _: seen.append("registered inside"))
        seen.append(token.child().canceled)
        seen.append(other.cancel("another"))

    token.on_cancel(first)
    other.on_cancel(lambda _: seen.append("another"))
    token.on_cancel(lambda _: seen.append("second"))

    assert token.cancel()
    assert seen == [False, "registered inside", True, "another", True, "second"]
    assert [reason.message for reason in token.reasons] == [None, "inside"]


def test_callbacks_that_cannot_be_called_are_refused() -> None:
    """No function; or an async one, which nobody would await."""
    token = CancellationToken()

    async def callback(reason: CancelReason) -> None: ...

    with pytest.raises(TypeError, match="on_cancel needs a function of the reason, not 3"):
        token.on_cancel(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"'reason = await token.wait\(\)'"):
        token.on_cancel(callback)
    assert token.statistics() == NOBODY

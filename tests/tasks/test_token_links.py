"""How tokens hang together: linked ones, dropped ones, deep and wide trees; and what is left."""

import contextlib
import gc
import sys
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import rescind
from rescind import CancelKind, CancellationToken, CancelReason, TokenStatistics
from rescind.testing import context, poll_once

NOBODY = TokenStatistics(children=0, waiters=0, callbacks=0)
DEEP = 10_000
WIDE = 100_000
MANY = 10_000


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let only reference counts free objects during the test."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# -- linked ------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_linked_token_is_canceled_by_each_of_its_sources(index: int) -> None:
    """Its reason's cause is that source's; it has left the others."""
    sources = [CancellationToken() for _ in range(3)]
    linked = CancellationToken.linked(*sources)

    sources[index].cancel("why")

    assert linked.reason is not None
    assert (linked.reason.kind, linked.reason.cause) == (
        CancelKind.PARENT,
        sources[index].reason,
    )
    assert [source.statistics() for source in sources] == [NOBODY] * 3
    for source in sources:
        source.cancel()
    assert len(linked.reasons) == 1


def test_a_linked_token_can_be_canceled_alone() -> None:
    """Its sources live on, without it."""
    one, other = CancellationToken(), CancellationToken()
    linked = CancellationToken.linked(one, other)

    assert linked.cancel("alone")
    assert (one.canceled, other.canceled) == (False, False)
    assert (one.statistics(), other.statistics()) == (NOBODY, NOBODY)


def test_a_token_linked_to_a_canceled_one_is_born_canceled() -> None:
    """The first canceled one, in the order of the arguments, is the cause; nobody notes it."""
    alive, first, second = CancellationToken(), CancellationToken(), CancellationToken()
    second.cancel("second")
    first.cancel("first")

    linked = CancellationToken.linked(alive, first, second)

    assert linked.reason is not None
    assert linked.reason.cause == first.reason
    assert alive.statistics() == NOBODY


def test_links_of_nothing_and_of_the_same_twice() -> None:
    """Nothing cancels the one; the other is noted once, and left whole."""
    source = CancellationToken()
    nothing = CancellationToken.linked()
    twice = CancellationToken.linked(source, source)

    assert source.statistics().children == 1
    source.cancel()
    assert (nothing.canceled, twice.canceled) == (False, True)


def test_what_is_no_token_cannot_be_linked() -> None:
    """The message shows it."""
    with pytest.raises(TypeError, match=r"linked\(\) needs tokens, but got 'x'"):
        CancellationToken.linked(CancellationToken(), "x")  # type: ignore[arg-type]


def test_links_go_across_trees_and_down() -> None:
    """Linked to a leaf here and a leaf there, with children of its own."""
    here, there = CancellationToken(), CancellationToken()
    linked = CancellationToken.linked(here.child().child(), there.child())
    below = linked.child()

    there.cancel("there")

    assert below.canceled
    assert below.reason is not None
    assert [link.message for link in below.reason.chain()] == [None, None, None, "there"]
    assert not here.canceled


# -- leaving -----------------------------------------------------------------------------------


def test_leaving_the_block_leaves_the_sources_and_does_not_cancel() -> None:
    """Children and linked tokens alike; what depends on the token still does."""
    source = CancellationToken()
    with source.child() as child, CancellationToken.linked(source) as linked:
        below = child.child()
        assert source.statistics().children == 2

    assert source.statistics() == NOBODY
    source.cancel()
    assert (child.canceled, linked.canceled, below.canceled) == (False, False, False)
    child.cancel()
    assert below.canceled


def test_inside_the_block_the_token_is_canceled_with_its_sources() -> None:
    """Leaving it afterwards, and detaching again, change nothing."""
    source = CancellationToken()
    with source.child() as child:
        source.cancel("inside")
    child.detach()

    assert child.reason is not None
    assert child.reason.cause == source.reason


def test_a_token_is_let_go_with_its_last_reference() -> None:
    """Without the collector: child, linked, with waiters of the past and callbacks."""
    source = CancellationToken()
    for make in (source.child, lambda: CancellationToken.linked(source, CancellationToken())):
        token = make()
        token.on_cancel(lambda _: None)
        waiting = token.wait()
        poll_once(waiting)
        waiting.drop()
        gone = weakref.ref(token)
        assert source.statistics().children == 1
        del token, waiting
        assert gone() is None
        assert source.statistics() == NOBODY


def test_ten_thousand_links_leave_nothing_with_a_long_lived_source() -> None:
    """Dropped, left by their block, or canceled alone: the source knows none of them."""
    source = CancellationToken()
    made: list[weakref.ref[CancellationToken]] = []
    request = linked = CancellationToken()
    for index in range(MANY):
        request = CancellationToken()
        linked = CancellationToken.linked(source, request)
        made.append(weakref.ref(linked))
        if index % 3 == 0:
            with linked:
                pass
        elif index % 3 == 1:
            request.cancel()
        assert source.statistics().children <= 1
    del linked, request

    assert source.statistics() == NOBODY
    assert [ref for ref in made if ref() is not None] == []


def test_a_dropped_middle_keeps_the_link_from_grandparent_to_grandchild() -> None:
    """The grandchild holds it; the grandparent reaches the grandchild through it."""
    root = CancellationToken()
    middle = root.child()
    leaf = middle.child()
    gone = weakref.ref(middle)
    del middle

    root.cancel("why")

    assert leaf.reason is not None
    assert [link.kind for link in leaf.reason.chain()] == [
        CancelKind.PARENT,
        CancelKind.PARENT,
        CancelKind.EXPLICIT,
    ]
    assert gone() is None  # and once canceled, nobody needs it


def test_a_parent_that_only_its_child_refers_to_is_kept_and_goes_with_it() -> None:
    """Children hold their parents: whoever gets hold of one can cancel."""
    root = CancellationToken()
    gone = weakref.ref(root)
    leaf = root.child().child()
    del root

    assert gone() is not None
    del leaf
    assert gone() is None


def test_a_registration_keeps_its_token_and_a_dropped_one_stays_registered() -> None:
    """Dropping the token and all registrations drops the callback."""
    root = CancellationToken()
    seen: list[CancelReason] = []
    registration = root.child().on_cancel(seen.append)
    root.child().on_cancel(seen.append)
    assert root.statistics().children == 1

    root.cancel()

    assert len(seen) == 1
    assert not registration.remove()


def test_a_called_callback_is_let_go() -> None:
    """Its closure may be large; the registration does not keep it."""

    class Large:
        def __call__(self, reason: CancelReason) -> None: ...

    token, other = CancellationToken(), CancellationToken()
    called, removed = Large(), Large()
    gone = [weakref.ref(called), weakref.ref(removed)]
    registrations = [token.on_cancel(called), other.on_cancel(removed)]
    del called, removed
    token.cancel()
    registrations[1].remove()

    assert [ref() for ref in gone] == [None, None]


def test_what_a_callback_raises_keeps_no_token() -> None:
    """Its traceback begins in the callback; a single one, and several."""
    for count in (1, 2):
        root = CancellationToken()
        tokens = [root.child() for _ in range(count)]
        for index in range(count):
            tokens[index].on_cancel(lambda _: 1 / 0)
        gone = [weakref.ref(token) for token in [root, *tokens]]
        kept: BaseException | None = None
        try:
            root.cancel()
        except (ZeroDivisionError, ExceptionGroup) as exc:
            kept = exc
        assert kept is not None
        assert kept.__traceback__ is not None
        kept.__traceback__ = None  # this frame's
        del root, tokens
        assert [ref() for ref in gone] == [None] * (count + 1)


class Boom(Exception):
    """What a callback raises."""


def one_callback(token: CancellationToken) -> None:
    """Cancel a token with a callback that raises."""
    token.on_cancel(raising)
    token.cancel()


def two_callbacks(token: CancellationToken) -> None:
    """Cancel a token with two of them."""
    token.child().on_cancel(raising)
    token.on_cancel(raising)
    one_callback(token)


def late_callback(token: CancellationToken) -> None:
    """Register one on a canceled token."""
    token.cancel()
    token.on_cancel(raising)


def looking(token: CancellationToken) -> None:
    """Look at a canceled token."""
    token.cancel()
    token.raise_if_canceled()


def guarding(token: CancellationToken) -> None:
    """Guard with a canceled token."""
    token.cancel()
    token.guard(rescind.never()).poll(context())


def raising(_reason: CancelReason) -> None:
    """Be a callback that raises."""
    raise Boom


@pytest.mark.parametrize(
    "way",
    [one_callback, two_callbacks, late_callback, looking, guarding],
    ids=lambda way: way.__name__,
)
def test_what_is_raised_is_let_go_and_shows_none_of_our_loops(way: Any) -> None:
    """Without the collector; and its traceback leads straight to the callback."""
    token = CancellationToken()
    gone: list[Any] = []
    try:
        way(token)
    except (Boom, ExceptionGroup, rescind.TaskCanceled) as exc:
        raised: tuple[BaseException, ...] = getattr(exc, "exceptions", (exc,))
        gone = [weakref.ref(one) for one in raised]
        names = {frame.name for one in raised for frame in traceback.extract_tb(one.__traceback__)}
        assert names & {"_tell", "deliver", "mark_and_deliver", "register"} == set()
        del raised

    assert [ref() for ref in gone] == [None] * (2 if way is two_callbacks else 1)


def full_name(one: object) -> str:
    """Name the type of an object."""
    return f"{type(one).__module__}.{type(one).__qualname__}"


#: What other tests have left may be of other parts.
OURS = ("rescind._core", "rescind.tasks")


def test_no_token_is_part_of_a_reference_cycle() -> None:
    """Trees, links, waits, callbacks, cancellations: reference counts free all of it."""

    def use() -> None:
        root = CancellationToken()
        kept: list[Any] = [root]
        for _ in range(3):
            child = root.child()
            linked = CancellationToken.linked(root, child)
            waiting = linked.wait()
            poll_once(waiting)
            kept += [child, linked, waiting, linked.on_cancel(print)]
            waiting.drop()
        kept[1].cancel()
        with contextlib.suppress(ValueError), root.child():
            raise ValueError

    gc.collect()  # what others have left
    use()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        left = {
            name
            for name in map(full_name, gc.garbage)
            if name.startswith(OURS) or name == "weakref.ReferenceType"
        }
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == set()


# -- large trees -------------------------------------------------------------------------------


def deep(root: CancellationToken, levels: int) -> CancellationToken:
    """Make a chain of children and return the last."""
    token = root
    for _ in range(levels):
        token = token.child()
    return token


def test_a_deep_tree_is_canceled_without_recursion() -> None:
    """Ten thousand levels: the last one's chain of reasons has a link for each."""
    assert sys.getrecursionlimit() < DEEP
    root = CancellationToken()
    leaf = deep(root, DEEP)
    seen: list[CancelReason] = []
    leaf.on_cancel(seen.append)

    root.cancel("why")

    assert seen == [leaf.reason]
    assert len(seen[0].chain()) == DEEP + 1
    assert seen[0].chain()[-1] is root.reason
    assert str(seen[0]).count("because") == DEEP
    assert repr(leaf) == "<CancellationToken canceled: parent canceled>"


def test_a_deep_tree_is_let_go_without_recursion() -> None:
    """By its last leaf, canceled or not; without the collector."""
    for cancels in (False, True):
        root = CancellationToken()
        leaf = deep(root, DEEP)
        if cancels:
            root.cancel()
        del leaf
        assert root.statistics() == NOBODY
        gone = weakref.ref(root)
        del root
        assert gone() is None


def test_a_wide_tree_is_canceled() -> None:
    """A hundred thousand children, and the reason that they share."""
    root = CancellationToken()
    children = [root.child() for _ in range(WIDE)]
    assert root.statistics().children == WIDE

    root.cancel("why")

    assert all(child.canceled for child in children)
    assert len({id(child.reason) for child in children}) == 1
    assert root.statistics() == NOBODY


def test_making_canceling_and_dropping_are_linear() -> None:
    """Counted, not timed: the calls of Python functions for eight times the tokens, at most."""
    counts: list[int] = []
    for size in (500, 4000):
        calls = 0

        def count(_frame: object, event: str, _arg: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            root = CancellationToken()
            leaf = deep(root, size)
            children = [root.child() for _ in range(size)]
            links = [CancellationToken.linked(root, child) for child in children]
            del children[::2], links[::3]
            root.cancel()
            del leaf, children, links
        finally:
            sys.setprofile(None)
        counts.append(calls)

    assert counts[1] <= counts[0] * 8

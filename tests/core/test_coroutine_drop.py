"""Dropping a coroutine: in every state, with every kind of resistance, and by the collector."""

import gc
import logging
import weakref

import pytest

from rescind import Canceled, Cancellation, PolledAfterCompletion, UsageError
from rescind._core.current import local
from rescind._core.errors import Abandoned
from rescind.lowlevel import PENDING, CoroutineFuture
from rescind.testing import context, poll_cancel_once
from tests.core.kit import Leaf, SlowLeaf, interpreted, request


class BadLeaf(Leaf):
    """A leaf whose drop fails."""

    def drop(self) -> None:
        super().drop()
        raise OSError("leaf")


async def tracing(leaf: Leaf, trace: list[str]) -> None:
    """Note how it ends."""
    try:
        await leaf
    except GeneratorExit:
        trace.append("closed")
        raise
    finally:
        trace.append("finally")


async def failing(leaf: Leaf) -> None:
    """Fail in the cleanup."""
    try:
        await leaf
    finally:
        raise ValueError("coroutine")


async def resisting(leaf: Leaf, further: Leaf) -> None:
    """Await while being closed."""
    try:
        await leaf
    except GeneratorExit:
        await further


def test_drop_of_an_unstarted_coroutine_runs_nothing() -> None:
    """R3: no body, and no "never awaited" warning, which would fail this test."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(Leaf("leaf", trace), trace))
    fut.drop()
    del fut
    gc.collect()
    assert [] == trace


def test_drop_of_a_parked_coroutine_closes_it_leaf_first() -> None:
    """R3, F4: the leaf, then the coroutine: `finally` and `except GeneratorExit` run."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(Leaf("leaf", trace), trace))
    fut.poll(context())
    fut.drop()
    assert ["leaf: poll", "leaf: drop", "closed", "finally"] == trace


def test_drop_is_effective_once() -> None:
    """R3: the second one does nothing, and polls are refused."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(Leaf("leaf", trace), trace))
    fut.poll(context())
    fut.drop()
    fut.drop()
    with pytest.raises(PolledAfterCompletion):
        fut.poll(context())
    with pytest.raises(PolledAfterCompletion):
        poll_cancel_once(fut)
    assert ["leaf: poll", "leaf: drop", "closed", "finally"] == trace


def test_drop_in_the_midst_of_the_cleanup_cuts_it_short() -> None:
    """The await of the cleanup is closed like any other."""
    trace: list[str] = []

    async def main() -> None:
        try:
            await Leaf()
        except Cancellation:
            trace.append("canceled")
            await tracing(Leaf("cleanup", trace), trace)
            trace.append("unreachable")

    fut = CoroutineFuture(main())
    fut.poll(context())
    assert PENDING is poll_cancel_once(fut)
    fut.drop()
    assert ["canceled", "cleanup: poll", "cleanup: drop", "closed", "finally"] == trace


def test_drop_while_the_leaf_is_being_canceled_drops_the_leaf() -> None:
    """D3: the leaf has not ended, so it is dropped first; no Cancellation is raised."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(SlowLeaf("slow", trace), trace))
    fut.poll(context())
    assert PENDING is poll_cancel_once(fut)
    fut.drop()
    assert ["slow: drop", "closed", "finally"] == trace[3:]


def test_error_of_closing_comes_out_of_the_drop() -> None:
    """L4: nothing that a cleanup raises is lost."""
    fut = CoroutineFuture(failing(Leaf()))
    fut.poll(context())
    with pytest.raises(ValueError, match=r"^coroutine$"):
        fut.drop()
    fut.drop()


def test_runtime_error_of_the_body_is_not_mistaken_for_resistance() -> None:
    """Only the interpreter's own complaint means that the coroutine went on."""

    async def main() -> None:
        try:
            await Leaf()
        finally:
            raise RuntimeError("mine")

    fut = CoroutineFuture(main())
    fut.poll(context())
    with pytest.raises(RuntimeError, match=r"^mine$"):
        fut.drop()


def test_error_of_the_leaf_does_not_keep_the_coroutine_from_being_closed() -> None:
    """R8: all cleanups run, even if one raises."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(BadLeaf("leaf", trace), trace))
    fut.poll(context())
    with pytest.raises(OSError, match=r"^leaf$"):
        fut.drop()
    assert ["leaf: poll", "leaf: drop", "closed", "finally"] == trace


def test_several_errors_come_out_together_in_order() -> None:
    """The leaf's first: inside out."""
    fut = CoroutineFuture(failing(BadLeaf()))
    fut.poll(context())
    with pytest.raises(BaseExceptionGroup) as caught:
        fut.drop()
    assert ("several cleanups failed while a future was dropped", ["leaf", "coroutine"]) == (
        caught.value.message,
        [str(error) for error in caught.value.exceptions],
    )


def test_coroutine_that_goes_on_after_being_closed_is_abandoned() -> None:
    """R10: never polled again; the message names the await, and it is kept from the collector."""
    further = Leaf("further")
    coro = resisting(Leaf(), further)
    fut = CoroutineFuture(coro)
    fut.poll(context())
    line = resisting.__code__.co_firstlineno + 5
    with pytest.raises(Abandoned) as caught:
        fut.drop()
    assert (
        "<coroutine resisting> went on after it had been closed, and is never polled again; it "
        f"hangs at {__file__}:{line}. Let GeneratorExit pass, and do not await while it is handled"
    ) == str(caught.value)
    assert ((coro,), []) == (caught.value.coroutines, further.trace)
    coro.close()


def test_abandoned_keeps_the_coroutines_that_are_awaited_too() -> None:
    """Each of them would be resumed by the collector."""

    async def outer() -> None:
        await inner

    inner = resisting(Leaf(), Leaf())
    coro = outer()
    fut = CoroutineFuture(coro)
    fut.poll(context())
    with pytest.raises(Abandoned) as caught:
        fut.drop()
    assert (coro, inner) == caught.value.coroutines
    coro.close()


def test_awaiting_in_a_cleanup_that_is_closed_without_catching_is_abandoned_too() -> None:
    """A `finally` that awaits cannot: it is drop, not cancel (R3)."""
    further = Leaf("further")

    async def main() -> None:
        try:
            await Leaf()
        finally:
            await further

    coro = main()
    fut = CoroutineFuture(coro)
    fut.poll(context())
    with pytest.raises(Abandoned):
        fut.drop()
    assert [] == further.trace
    coro.close()


def test_drop_by_the_collector_closes_the_coroutine() -> None:
    """R3: a future that goes out of scope unfinished is dropped, as a Rust value would be."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(Leaf("leaf", trace), trace))
    fut.poll(context())
    del fut
    gc.collect()
    assert ["leaf: poll", "leaf: drop", "closed", "finally"] == trace


def test_unstarted_future_that_goes_out_of_scope_is_silent() -> None:
    """R3: no warning for what was only created."""
    trace: list[str] = []
    fut = CoroutineFuture(tracing(Leaf(), trace))
    gone = weakref.ref(fut)
    del fut
    gc.collect()
    assert (None, []) == (gone(), trace)


def test_error_of_a_drop_by_the_collector_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody could catch it, so it is a warning with its traceback."""
    fut = CoroutineFuture(failing(Leaf()))
    fut.poll(context())
    with caplog.at_level(logging.WARNING, "rescind"):
        del fut
        gc.collect()
    assert [
        (
            "rescind",
            logging.WARNING,
            "<coroutine failing> failed while it was dropped unfinished",
        )
    ] == caplog.record_tuples
    exc_info = caplog.records[0].exc_info
    assert exc_info is not None
    assert "coroutine" == str(exc_info[1])


def test_ended_future_leaves_no_reference_to_its_leaf_or_frame() -> None:
    """L3: what is kept after the end keeps nothing alive, and needs no collector for it."""

    class Resource:
        pass

    async def main(leaf: Leaf) -> None:
        resource = Resource()
        alive.append(weakref.ref(resource))
        await leaf

    alive: list[weakref.ref[object]] = []
    leaf = Leaf()
    leaf_alive = weakref.ref(leaf)
    fut = CoroutineFuture(main(leaf))
    del leaf
    gc.disable()
    try:
        fut.poll(context())
        poll_cancel_once(fut)
        assert (None, None) == (alive[0](), leaf_alive())
    finally:
        gc.enable()
    assert "<coroutine" == repr(fut)[:10]


@interpreted
def test_what_outlives_the_module_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the interpreter's exit modules are emptied before the last cycles go: no noise then."""
    ended = CoroutineFuture(tracing(Leaf(), []))
    ended.drop()
    for name in ("local", "_ENDED", "_RUNNING"):
        monkeypatch.setattr(f"rescind._core.coroutine.{name}", None)

    del ended  # what its finalizer raised would fail the test


def test_region_is_restored_after_every_kind_of_end() -> None:
    """What runs after a poll or a drop is not inside the coroutine any more."""
    seen = []
    for body in (tracing(Leaf(), []), failing(Leaf())):
        fut = CoroutineFuture(body)
        fut.poll(context())
        seen.append(local.region)
        try:
            fut.drop()
        except ValueError:
            seen.append(local.region)
    assert [None, None, None] == seen


def test_drop_from_inside_the_closing_is_refused_quietly() -> None:
    """F4: a cleanup that drops its own future finds it ended already."""
    trace: list[str] = []

    async def main() -> None:
        try:
            await Leaf()
        finally:
            fut.drop()
            trace.append("dropped")

    fut = CoroutineFuture(main())
    fut.poll(context())
    fut.drop()
    assert ["dropped"] == trace


def test_poll_cancel_from_inside_the_cleanup_is_refused() -> None:
    """R1: re-entrance is found during the cleanup as well."""
    caught: list[str] = []

    async def main() -> None:
        try:
            await Leaf()
        finally:
            with pytest.raises(UsageError) as exc:
                poll_cancel_once(fut)
            caught.append(str(exc.value).partition("> ")[2])

    fut = CoroutineFuture(main())
    fut.poll(context())
    ask = request()
    assert Canceled(ask.reason) == poll_cancel_once(fut, request=ask)
    assert [
        "was polled from inside its own poll; to be polled again, call cx.waker.wake()"
    ] == caught

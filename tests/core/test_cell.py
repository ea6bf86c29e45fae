"""The cell: steps as the table says, the grace ladder, and what is left of it after the end."""

import contextvars
import gc
import logging
import weakref
from typing import Any

import pytest

from rescind import Canceled, Completed, Error
from rescind._core.cell import Cell
from rescind._core.errors import Abandoned, InternalError
from rescind.lowlevel import CancelRequest, Context, Future, Phase
from tests.core.kit import Bench, Leaf, SlowLeaf, interpreted, request

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Record(Cell[Any]):
    """A cell that is scheduled by hand: it counts its queue entries and keeps its ends."""

    __slots__ = ("ends", "entries")

    def __init__(self, future: Future[Any], **options: Any) -> None:
        super().__init__(future, None, **options)
        self.entries = 1
        self.ends: list[object] = []

    def _enqueue(self) -> None:
        self.entries += 1

    def _ended(self, outcome: Any) -> None:
        self.ends.append(outcome)

    def run(self) -> str:
        """Take one entry out of the queue, step, and tell the phase."""
        assert self.entries > 0
        self.entries -= 1
        self.step()
        return self.phase.name


def test_life_of_a_cell_that_completes() -> None:
    """Polled, parked, woken, polled, done; one queue entry per wake (S1, R2)."""
    leaf = Leaf()
    cell = Record(leaf)
    seen = [(cell.phase.name, cell.started), (cell.run(), cell.started)]
    leaf.wake()
    leaf.wake()
    assert [("NEW", False), ("PARKED", True)] == seen
    assert ("READY", 1) == (cell.phase.name, cell.entries)
    leaf.complete(3)
    assert ("DONE", 0, [Completed(3)], Completed(3)) == (
        cell.run(),
        cell.entries,
        cell.ends,
        cell.ended,
    )


def test_wake_during_the_poll_requeues_once() -> None:
    """R2: coalesced, at the back."""

    class Eager(Leaf):
        def poll(self, cx: Context) -> Any:
            for _ in range(3):
                cx.waker.wake()
            return super().poll(cx)

    cell = Record(Eager())
    assert ("READY", 1) == (cell.run(), cell.entries)


def test_request_before_the_first_poll_never_polls() -> None:
    """R5: the future is canceled instead; nothing was started."""
    leaf, ask = Leaf(), request()
    cell = Record(leaf)
    cell.ask(ask)
    assert ("REQUESTED", 1, "DONE") == (cell.phase.name, cell.entries, cell.run())
    assert ([Canceled(ask.reason)], False, ["leaf: cancel", "leaf: drop"]) == (
        cell.ends,
        cell.started,
        leaf.trace,
    )


def test_request_while_parked_queues_the_cancellation() -> None:
    """S3: acted upon when the entry comes up, not before."""
    leaf, ask = Leaf(), request()
    cell = Record(leaf)
    cell.run()
    cell.ask(ask)
    assert ["leaf: poll"] == leaf.trace
    assert ("DONE", [Canceled(ask.reason)]) == (cell.run(), cell.ends)


def test_request_during_a_poll_that_ends_comes_too_late() -> None:
    """S3, R16: completion beats a request that was not delivered."""

    class SelfAsking(Leaf):
        def poll(self, cx: Context) -> Any:
            cell.ask(request())
            return "value"

    cell = Record(SelfAsking())
    assert ("DONE", [Completed("value")]) == (cell.run(), cell.ends)


def test_cleanup_parks_and_goes_on() -> None:
    """CANCELING, CLEANING, CLEANING_READY, and around again until the outcome."""
    slow, ask = SlowLeaf(), request()
    cell = Record(slow)
    cell.run()
    cell.ask(ask)
    seen = [cell.canceling, cell.run(), cell.canceling]
    slow.wake()
    seen += [cell.phase.name, cell.run()]
    cell.ask(request("again"))
    seen.append(cell.entries)
    slow.settle(Canceled(ask.reason))
    seen.append(cell.run())
    assert [False, "CLEANING", True, "CLEANING_READY", "CLEANING", 0, "DONE"] == seen
    assert (["leaf: poll", *["leaf: cancel"] * 3], [Canceled(ask.reason)]) == (
        slow.trace,
        cell.ends,
    )


def test_second_request_joins_the_first() -> None:
    """Q1: merged, and the future sees the first one, with all reasons."""
    cell = Record(Leaf())
    first = request("first")
    cell.ask(first)
    cell.ask(request("second"))
    assert (first, ["first", "second"]) == (cell.request, [r.message for r in first.reasons])


def test_request_after_the_end_changes_nothing() -> None:
    """S5: also the request itself is not kept."""
    leaf = Leaf()
    leaf.complete(1)
    cell = Record(leaf)
    cell.run()
    cell.ask(request())
    cell.drop_now(request())
    cell.wake()
    assert (None, [Completed(1)], 0, "DONE") == (
        cell.request,
        cell.ends,
        cell.entries,
        cell.phase.name,
    )


def test_failure_is_the_outcome() -> None:
    """L4: what `poll` raises."""
    leaf = Leaf()
    leaf.error = failure = ValueError("x")
    cell = Record(leaf)
    cell.run()
    assert [Error(failure)] == cell.ends


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(2)])
def test_interrupt_is_the_outcome_and_comes_out_too(failure: BaseException) -> None:
    """Nobody may swallow it; and joiners are told."""
    leaf = Leaf()
    leaf.error = failure
    cell = Record(leaf)
    with pytest.raises(type(failure)):
        cell.run()
    assert (Phase.DONE, [Error(failure)]) == (cell.phase, cell.ends)


def test_drop_now_of_a_parked_cell_drops_its_future_once() -> None:
    """Its owner is dropped: the outcome is Canceled, and says that it was cut short."""
    leaf, ask = Leaf(), request("owner dropped")
    cell = Record(leaf)
    cell.run()
    cell.drop_now(ask)
    cell.drop_now(ask)
    assert ([Canceled(ask.reason, dropped=True)], ["leaf: poll", "leaf: drop"]) == (
        cell.ends,
        leaf.trace,
    )


def test_drop_now_of_a_new_cell_is_no_cut() -> None:
    """Nothing had begun that could be cut short."""
    leaf, ask = Leaf(), request()
    cell = Record(leaf)
    cell.drop_now(ask)
    assert ([Canceled(ask.reason)], ["leaf: drop"]) == (cell.ends, leaf.trace)
    assert "DONE" == cell.run()  # the stale queue entry does nothing (S1)


def test_drop_now_keeps_an_earlier_reason() -> None:
    """Q1: the first reason is primary."""
    first = request("first")
    cell = Record(Leaf())
    cell.ask(first)
    cell.drop_now(request("second"))
    assert [Canceled(first.reason)] == cell.ends


def test_drop_now_from_inside_the_poll_waits_for_its_end() -> None:
    """S2: on the stack it is doomed; dropped as soon as it parks."""

    class Suicidal(Leaf):
        def poll(self, cx: Context) -> Any:
            result = super().poll(cx)
            cell.drop_now(ask)
            self.trace.append(cell.phase.name)
            return result

    leaf, ask = Suicidal(), request()
    cell = Record(leaf)
    assert "DONE" == cell.run()
    assert (["leaf: poll", "DOOMED", "leaf: drop"], [Canceled(ask.reason, dropped=True)]) == (
        leaf.trace,
        cell.ends,
    )


def test_drop_from_inside_the_drop_is_ignored() -> None:
    """S2: a drop under way is not begun again."""

    class Reentrant(Leaf):
        def drop(self) -> None:
            super().drop()
            cell.drop_now(request("again"))
            cell.expire()
            cell.wake()

    leaf = Reentrant()
    cell = Record(leaf)
    cell.drop_now(request())
    assert (1, ["leaf: drop"]) == (len(cell.ends), leaf.trace)


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (ValueError("a"), ["ValueError('a')"]),
        (
            BaseExceptionGroup(
                "several cleanups failed while a future was dropped",
                [
                    ValueError("a"),
                    BaseExceptionGroup(
                        "several cleanups failed while a future was dropped",
                        [OSError("b"), KeyError("c")],
                    ),
                ],
            ),
            ["ValueError('a')", "OSError('b')", "KeyError('c')"],
        ),
        (
            ExceptionGroup("my own", [ValueError("a")]),
            ["ExceptionGroup('my own', [ValueError('a')])"],
        ),
    ],
)
def test_errors_of_a_drop_are_kept_flat_in_order(error: BaseException, also: list[str]) -> None:
    """L4, O2: our own groups are taken apart; a user's group is one error."""

    class Failing(Leaf):
        def drop(self) -> None:
            raise error

    cell = Record(Failing())
    cell.drop_now(request())
    (outcome,) = cell.ends
    assert isinstance(outcome, Canceled)
    assert (also, False) == ([repr(exc) for exc in outcome.also], outcome.abandoned)


def test_interrupt_in_a_drop_finishes_the_cell_and_comes_out() -> None:
    """L4: the outcome is there, and the interrupt is not swallowed."""

    class Interrupting(Leaf):
        def drop(self) -> None:
            raise KeyboardInterrupt

    cell = Record(Interrupting())
    with pytest.raises(KeyboardInterrupt):
        cell.drop_now(request())
    (outcome,) = cell.ends
    assert isinstance(outcome, Canceled)
    assert ["KeyboardInterrupt()"] == [repr(exc) for exc in outcome.also]


def test_abandoned_outside_a_runtime_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """Without an executor there is nobody to keep it, but it is told."""

    class Resisting(Leaf):
        def drop(self) -> None:
            raise Abandoned("it hangs")

    cell = Record(Resisting())
    with caplog.at_level(logging.WARNING, "rescind"):
        cell.drop_now(request())
    (outcome,) = cell.ends
    assert isinstance(outcome, Canceled)
    assert (True, ["it hangs"]) == (outcome.abandoned, caplog.messages)


@interpreted
def test_events_that_cannot_happen_are_internal_errors() -> None:
    """L1: a fault of ours is named, not papered over."""
    cell = Record(Leaf())
    cell.run()
    with pytest.raises(InternalError, match=r"^a cell in phase PARKED came up in a ready queue$"):
        cell.step()
    with pytest.raises(InternalError, match=r"^event END cannot happen in phase PARKED$"):
        cell._finish(Completed(1))


def test_base_cell_has_no_queue_and_no_name() -> None:
    """Subclasses say where it queues."""
    cell: Cell[Any] = Cell(Leaf(), None)
    with pytest.raises(NotImplementedError):
        cell._enqueue()
    assert (None, None) == (cell.name, cell.effective_grace())


def test_grace_is_the_nearest_that_is_set() -> None:
    """R10: its own, or the parent's, or the runtime's; None is a value."""
    grandparent = Record(Leaf(), grace=7.0)
    parent = Record(Leaf(), parent=grandparent)
    child = Record(Leaf(), parent=parent)
    free = Record(Leaf(), parent=parent, grace=None)
    assert [7.0, 7.0, 7.0, None] == [
        cell.effective_grace() for cell in (grandparent, parent, child, free)
    ]
    with Bench(grace=4) as bench:
        assert 4 == bench.spawn(Leaf()).effective_grace()


def test_future_runs_in_the_cells_own_context() -> None:
    """L2: poll, poll_cancel and drop see and keep what was set; nobody outside does."""
    seen: list[str] = []

    class Setting(SlowLeaf):
        def note(self, what: str) -> None:
            seen.append(f"{what} {variable.get()}")
            variable.set(what)

        def poll(self, cx: Context) -> Any:
            self.note("poll")
            return super().poll(cx)

        def poll_cancel(self, cx: Context, request: CancelRequest) -> Any:
            self.note("cancel")
            return super().poll_cancel(cx, request)

        def drop(self) -> None:
            self.note("drop")

    token = variable.set("spawner")
    cell = Record(Setting())
    variable.reset(token)
    cell.run()
    cell.ask(request())
    cell.run()
    cell.drop_now(request())
    assert (["poll spawner", "cancel poll", "drop cancel"], "unset") == (seen, variable.get())


@pytest.mark.parametrize("end", ["value", "cancel", "drop"])
def test_done_cell_holds_nothing(end: str) -> None:
    """L3, R2: a kept cell, which is a waker, keeps neither future nor context alive; no cycles."""
    gc.disable()
    try:
        cell = Record(Leaf())
        inner: Any = cell.future
        alive = weakref.ref(inner.inner)
        cell.run()
        if end == "value":
            inner.inner.complete(None)
            cell.run()
        elif end == "cancel":
            cell.ask(request())
            cell.run()
        else:
            cell.drop_now(request())
        del inner
        assert (None, None, None, "DONE") == (
            alive(),
            cell.future,
            cell.context,
            cell.phase.name,
        )
        gone = weakref.ref(cell)
        del cell
        assert None is gone()
    finally:
        gc.enable()


@interpreted
def test_no_memory_for_the_outcome_is_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """K1: a cell whose value cannot be kept ends, with that; it does not run for ever."""

    def finds_no_memory(_value: object) -> None:
        raise MemoryError

    leaf = Leaf()
    cell = Record(leaf)
    cell.run()
    leaf.complete(3)
    monkeypatch.setattr("rescind._core.cell.completed", finds_no_memory)
    assert "DONE" == cell.run()
    assert isinstance(cell.ended, Error)
    assert isinstance(cell.ended.exception, MemoryError)
    assert [cell.ended] == cell.ends

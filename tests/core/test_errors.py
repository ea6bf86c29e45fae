"""The two roots of exceptions, and how each looks from outside."""

import asyncio
import pickle

import pytest

import rescind
from rescind import Cancellation, CancelReason, TaskCanceled, TimedOut
from rescind._core import errors
from rescind._core.reason import CancelKind

REASON = CancelReason(CancelKind.EXPLICIT, "why", cause=CancelReason(CancelKind.SIGNAL, "SIGINT"))

ORDINARY = [name for name in errors.__all__ if name != "Cancellation"]


def test_there_are_two_roots_and_cancellation_is_one() -> None:
    """`except Exception` never catches my own cancellation, and catches everything else."""
    assert (asyncio.CancelledError,) == Cancellation.__bases__
    assert not issubclass(Cancellation, Exception)
    for name in ORDINARY:
        assert issubclass(getattr(errors, name), errors.RescindError), name
    assert (Exception,) == errors.RescindError.__bases__


def test_every_public_exception_is_in_the_facade() -> None:
    """What users catch is importable from `rescind`; the rest is named in messages only."""
    hidden = {name for name in errors.__all__ if not hasattr(rescind, name)}
    assert hidden <= {"Abandoned", "Closed", "InternalError", "RescindError", "WouldBlock"}


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("UsageError", ("RescindError",)),
        ("PolledAfterCompletion", ("UsageError",)),
        ("WouldBlock", ("RescindError",)),
        ("Closed", ("RescindError",)),
        ("TaskCanceled", ("RescindError",)),
        ("TimedOut", ("RescindError", "TimeoutError")),
        ("Deadlock", ("RescindError",)),
        ("InternalError", ("RescindError",)),
        ("Abandoned", ("RescindError",)),
    ],
)
def test_hierarchy(name: str, bases: tuple[str, ...]) -> None:
    """Each exception stands where its documentation says."""
    assert bases == tuple(base.__name__ for base in getattr(errors, name).__bases__)


def test_cancellation_carries_its_reason_and_prints_the_chain() -> None:
    """Data first; the text is that of the reason."""
    exc, failed = Cancellation(REASON), ValueError()
    assert (REASON, (), str(REASON)) == (exc.reason, exc.also, str(exc))
    assert (failed,) == Cancellation(REASON, (failed,)).also


def test_task_canceled_says_whose_cancellation_it_is() -> None:
    """R17: the text begins with what was canceled, and goes on with the whole chain."""
    exc = TaskCanceled(REASON)
    expected = "the awaited task was canceled: explicit: why\n  because signal: SIGINT"
    assert (REASON, expected) == (exc.reason, str(exc))


@pytest.mark.parametrize("kind", [Cancellation, TaskCanceled])
def test_exceptions_with_reasons_survive_pickling(kind: type[BaseException]) -> None:
    """They cross processes with their reason."""
    again = pickle.loads(pickle.dumps(kind(REASON)))
    assert (kind, REASON, str(kind(REASON))) == (type(again), again.reason, str(again))


def test_cancellation_keeps_its_errors_when_pickled() -> None:
    """The failures of the cleanup are part of what crosses."""
    again = pickle.loads(pickle.dumps(Cancellation(REASON, (ValueError("x"),))))
    assert ["ValueError('x')"] == [repr(error) for error in again.also]


def test_timed_out_is_a_timeout_error_with_room_for_cleanup_errors() -> None:
    """Code written for `TimeoutError` catches it."""
    exc = TimedOut("timed out after 5 s")
    assert (True, (), "timed out after 5 s") == (isinstance(exc, TimeoutError), exc.also, str(exc))


def test_abandoned_keeps_nothing_by_default() -> None:
    """What it keeps from the collector is filled in by whoever raises it."""
    assert () == errors.Abandoned("x").coroutines

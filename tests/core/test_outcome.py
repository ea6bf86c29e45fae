"""How a future ended: three kinds of data, and the failures that are kept with an exception."""

import copy
import dataclasses
import pickle
import pprint

import pytest

from rescind import Canceled, Cancellation, CancelReason, Completed, Error, TaskCanceled
from rescind._core.ending import ended_by
from rescind._core.outcome import also_of, attach
from rescind._core.reason import CancelKind
from tests.core.kit import request

REASON = CancelReason(message="why")


class Slotted(Exception):
    """An exception that takes no attributes but has notes, as far as the interpreter lets it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name != "__notes__":
            raise AttributeError(name)
        super().__setattr__(name, value)


def describe(outcome: object) -> str:
    """Match as a user would."""
    match outcome:
        case Completed(value):
            return f"value {value}"
        case Error(ValueError() as exc, also):
            return f"error {exc} {len(also)}"
        case Canceled(reason, _, dropped, abandoned):
            return f"canceled {reason.message} {dropped} {abandoned}"
        case _:
            return "nothing"


def test_outcomes_match_by_position() -> None:
    """`match` takes the parts in the documented order."""
    outcomes = [
        Completed(3),
        Error(ValueError("x"), (KeyError(),)),
        Canceled(REASON, (), True, False),
        None,
    ]
    assert ["value 3", "error x 1", "canceled why True False", "nothing"] == [
        describe(outcome) for outcome in outcomes
    ]


def test_outcomes_cannot_be_changed() -> None:
    """R15: frozen, for every joiner the same."""
    for outcome in (Completed(1), Error(ValueError()), Canceled(REASON)):
        with pytest.raises(AttributeError):
            setattr(outcome, dataclasses.fields(outcome)[0].name, None)
        assert not hasattr(outcome, "__dict__")


def test_outcomes_are_equal_if_their_parts_are() -> None:
    """Equality is by kind and parts; exceptions are equal to themselves."""
    exc = ValueError()
    assert (True, True, True) == (
        Completed([1]) == Completed([1]),
        Error(exc) == Error(exc, ()),
        Canceled(REASON) == Canceled(CancelReason(message="why"), (), False, False),
    )
    assert (False, False, False) == (
        Completed(1) == Completed(2),
        Error(exc) == Error(ValueError()),
        Canceled(REASON) == Canceled(REASON, dropped=True),
    )


def test_outcomes_and_reasons_are_dataclasses_to_whoever_asks() -> None:
    """They have the fields, can be replaced and copied, and are hashed and printed by them."""
    outcome = Canceled(REASON, dropped=True)
    assert (True, ["reason", "also", "dropped", "abandoned"]) == (
        dataclasses.is_dataclass(Canceled),
        [field.name for field in dataclasses.fields(outcome)],
    )
    assert Canceled(REASON) == dataclasses.replace(outcome, dropped=False)
    assert outcome == copy.deepcopy(outcome)
    assert {outcome} == {outcome, Canceled(REASON, dropped=True)}
    assert "Completed(value='x')" == repr(Completed("x")) == pprint.pformat(Completed("x"))
    assert "Error(exception=KeyError(1), also=())" == repr(Error(KeyError(1)))
    assert CancelReason(message="other") == dataclasses.replace(
        CancelReason(message="why"), message="other"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(outcome, "reason")


def test_canceled_outcome_survives_pickling() -> None:
    """Outcomes cross processes."""
    outcome = Canceled(REASON, dropped=True)
    assert outcome == pickle.loads(pickle.dumps(outcome))


def test_unwrap_gives_the_value_or_raises() -> None:
    """The value; the very exception; `TaskCanceled` with the reason."""
    exc = ValueError("x")
    assert 3 == Completed(3).unwrap()
    with pytest.raises(ValueError, match="x") as error:
        Error(exc).unwrap()
    with pytest.raises(TaskCanceled) as canceled:
        Canceled(REASON).unwrap()
    assert (exc, REASON) == (error.value, canceled.value.reason)


def test_attached_failures_are_kept_once_in_order_and_noted() -> None:
    """O2: `also_of` lists them, the notes show them in a traceback."""
    exc, first, second = ValueError("main"), KeyError("a"), OSError("b")
    for other in (first, second, first, exc):
        attach(exc, other, "its cleanup failed")
    assert (first, second) == also_of(exc)
    assert [f"its cleanup failed: {first!r}", f"its cleanup failed: {second!r}"] == exc.__notes__


def test_equal_failures_are_different_failures() -> None:
    """O2: what counts is the object; two errors with the same words both happened."""
    exc, first, second = ValueError(), KeyError("a"), KeyError("a")
    attach(exc, first, "x")
    attach(exc, second, "x")
    assert 2 == len(also_of(exc))


def test_nothing_is_attached_to_a_fresh_exception() -> None:
    """Without failures `also_of` is empty."""
    assert () == also_of(ValueError())


def test_exception_that_takes_no_attributes_keeps_the_note() -> None:
    """A closed exception cannot hold the failure itself: its traceback still shows it."""
    exc = Slotted()
    attach(exc, KeyError("a"), "failed too")
    assert ((), ["failed too: KeyError('a')"]) == (also_of(exc), exc.__notes__)


def test_cancellation_without_a_request_ends_as_canceled_for_its_own_reason() -> None:
    """A cancellation that comes out of a polled future says itself why."""
    errors = (KeyError("a"),)
    assert Canceled(REASON, errors) == ended_by(Cancellation(REASON, errors), None)


def test_cancellation_with_a_request_ends_for_the_reason_of_the_request() -> None:
    """The outcome names the primary reason, whatever was raised again on the way out."""
    ask = request("asked")
    assert Canceled(ask.reason, ()) == ended_by(Cancellation(REASON), ask)


def test_cancellation_of_asyncio_is_a_cancellation() -> None:
    """A bare CancelledError counts: for the request's reason, or as a foreign one."""
    import asyncio

    ask = request("asked")
    assert Canceled(ask.reason) == ended_by(asyncio.CancelledError("x"), ask)
    foreign = [ended_by(asyncio.CancelledError(*args), None) for args in (("x",), ())]
    assert [
        Canceled(CancelReason(CancelKind.FOREIGN, "x")),
        Canceled(CancelReason(CancelKind.FOREIGN)),
    ] == foreign


def raised_in_cleanup(how: str) -> BaseException:
    """Return an error that was raised while a cancellation with an error of its own went out."""
    try:
        try:
            raise Cancellation(REASON, (KeyError("inner"),))
        except Cancellation as exc:
            if how == "cause":
                raise ValueError("outer") from exc
            if how == "hidden":
                raise ValueError("outer") from None
            raise ValueError("outer")  # noqa: B904 - the context is what is tested
    except ValueError as exc:
        return exc


@pytest.mark.parametrize("how", ["context", "cause", "hidden"])
def test_error_raised_in_cleanup_does_not_turn_canceled_into_error(how: str) -> None:
    """R15: it is listed in `also`, after the errors from further in."""
    ask, exc = request("asked"), raised_in_cleanup(how)
    outcome = ended_by(exc, ask)
    assert isinstance(outcome, Canceled)
    assert (ask.reason, ["KeyError('inner')", "ValueError('outer')"]) == (
        outcome.reason,
        [repr(error) for error in outcome.also],
    )


def test_error_that_has_nothing_to_do_with_the_cancellation_is_an_error() -> None:
    """Raised after the cancellation was absorbed, or by an unrelated fault, it stays an Error."""
    exc, other = ValueError("x"), KeyError("y")
    attach(exc, other, "also")
    assert Error(exc, (other,)) == ended_by(exc, request())
    assert Error(exc, (other,)) == ended_by(exc, None)


def test_contexts_in_a_circle_are_followed_once() -> None:
    """Programs can tie exceptions into a ring; the search ends."""
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert Error(first) == ended_by(first, request())

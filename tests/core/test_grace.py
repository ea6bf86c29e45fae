"""Durations that users pass: what is taken, and the words with which the rest is refused."""

from decimal import Decimal
from math import inf, nan

import pytest

from rescind._core.grace import UNSET, checked_grace, checked_seconds


@pytest.mark.parametrize("value", [0, 0.0, 1, 2.5, 10**9, inf])
def test_durations_become_floats(value: float) -> None:
    """Ints, floats, zero and infinity are durations."""
    seconds = checked_seconds(value, "timeout")
    assert (float(value), float) == (seconds, type(seconds))


@pytest.mark.parametrize("value", [-1, -0.001, nan, -inf])
def test_negative_and_nan_are_refused(value: float) -> None:
    """A ValueError that names what it is for, and the value."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        checked_seconds(value, "the period")
    expected = f"the period must be a number of seconds that is not negative and not NaN: {value!r}"
    assert expected == str(caught.value)


@pytest.mark.parametrize("value", [True, False, "5", None, Decimal(5), [1], 1j, UNSET])
def test_what_is_no_number_is_refused(value: object) -> None:
    """A TypeError that names the type and the value; a bool is no duration."""
    with pytest.raises(TypeError) as caught:
        checked_seconds(value, "timeout")
    what = type(value).__qualname__
    assert f"timeout must be a number of seconds, not {what}: {value!r}" == str(caught.value)


def test_grace_may_be_unbounded_or_inherited() -> None:
    """None and UNSET pass through as they are; numbers become floats."""
    assert (None, UNSET, 0.0, 3.0) == tuple(checked_grace(v) for v in (None, UNSET, 0, 3))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-1, ValueError, "grace must be a number of seconds that is not negative and not NaN: -1"),
        (
            nan,
            ValueError,
            "grace must be a number of seconds that is not negative and not NaN: nan",
        ),
        (True, TypeError, "grace must be a number of seconds, not bool: True"),
        ("3", TypeError, "grace must be a number of seconds, not str: '3'"),
    ],
)
def test_bad_grace_is_refused_by_name(value: object, error: type[Exception], message: str) -> None:
    """The word `grace` stands in the message, for whoever passed it."""
    with pytest.raises(error) as caught:
        checked_grace(value)
    assert message == str(caught.value)


def test_unset_shows_itself_in_signatures() -> None:
    """`help(spawn)` shows UNSET, not an enum's insides."""
    assert "UNSET" == repr(UNSET)

"""`Warnings`: what is on, what the environment says, and what is refused."""

import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

import rescind
from rescind import Warnings
from rescind._warn.settings import chosen


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the variable, or take it away."""

    def put(text: str | None) -> None:
        if text is None:
            monkeypatch.delenv("RESCIND_WARN", raising=False)
        else:
            monkeypatch.setenv("RESCIND_WARN", text)

    return put


def test_all_is_on_unless_somebody_says_otherwise(environment: Any) -> None:
    """Nothing given and nothing in the environment: the defaults."""
    environment(None)
    assert chosen(None) == chosen(True) == Warnings()
    assert chosen(False) == Warnings.none()
    assert Warnings()
    assert not Warnings.none()
    off = Warnings.none()
    assert all(not getattr(off, field.name) for field in fields(off))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Warnings()),
        ("1", Warnings()),
        ("on", Warnings()),
        ("0", Warnings.none()),
        ("No", Warnings.none()),
        ("slow_poll=0.5", Warnings(slow_poll=0.5)),
        ("slow_poll=0, absorbed=0,", Warnings(slow_poll=None, absorbed=False)),
        ("watchdog=1,shield_held=3", Warnings(watchdog=True, shield_held=3.0)),
    ],
)
def test_the_environment_says_what_holds_where_nothing_is_given(
    environment: Any, text: str, expected: Warnings
) -> None:
    """A word for all, or changes of some; what is given in the program comes first."""
    environment(text)
    assert chosen(None) == expected
    assert chosen(True) == Warnings()
    assert chosen(Warnings(hangs=False)) == Warnings(hangs=False)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("slow_pol=1", "there is no warning 'slow_pol'; use 0, 1, or some of slow_poll, "),
        ("slow_poll", "slow_poll must be a number of seconds, or 0 for never"),
        ("slow_poll=soon", "slow_poll must be a number of seconds, or 0 for never"),
        ("absorbed=2", "absorbed must be 0 or 1"),
    ],
)
def test_what_is_not_understood_is_told(environment: Any, text: str, part: str) -> None:
    """With the variable, its value, and what may stand there."""
    environment(text)
    with pytest.raises(ValueError, match=part) as caught:
        rescind.run(rescind.ready(1))
    assert str(caught.value).startswith(f"RESCIND_WARN={text!r}: ")


def test_bad_settings_are_refused() -> None:
    """What is no positive number of seconds, and what is no setting."""
    for bad in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="slow_cleanup must be a positive number of seconds"):
            Warnings(slow_cleanup=bad)
    for wrong in ("1", True):
        with pytest.raises(TypeError, match="shield_held must be a number of seconds or None"):
            Warnings(shield_held=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="warn must be True, False, a rescind"):
        rescind.Runtime(warn="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="warn must be True"):
        rescind.Runtime.attach(warn=1)  # type: ignore[arg-type]


def test_settings_are_a_value() -> None:
    """Frozen, equal by what they say, copied with changes, and sent to other processes."""
    settings = Warnings(slow_poll=0.5, hangs=False)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert replace(settings, slow_poll=0.1, hangs=True) == Warnings()
    assert hash(settings) == hash(Warnings(hangs=False, slow_poll=0.5))
    assert repr(settings).startswith("Warnings(slow_poll=0.5, slow_cleanup=1.0, ")
    with pytest.raises(FrozenInstanceError):
        settings.hangs = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        Warnings(0.5)  # type: ignore[misc]

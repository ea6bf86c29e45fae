"""`Warnings`: what a runtime warns of by itself, and from how many seconds on.

*Threads.* Data; any.
"""

from __future__ import annotations

import math
import os
from typing import Any, Final

from rescind._core.record import Record, fill

__all__ = ["Warnings", "chosen"]

_VARIABLE: Final = "RESCIND_WARN"
_YES: Final = frozenset({"", "1", "yes", "on", "true"})
_NO: Final = frozenset({"0", "no", "off", "false"})
_SECONDS: Final = frozenset({"slow_poll", "slow_cleanup", "shield_held"})


class Warnings(Record):
    """What a runtime warns of, through the logger ``rescind``; all of it is on by default.

    It is given to `Runtime`, `run` or ``Runtime.attach`` as ``warn=``. The environment variable
    ``RESCIND_WARN`` says what holds where nothing is given: ``0`` switches all off, and
    ``slow_poll=0.5,absorbed=0`` changes these.

    Attributes:
        slow_poll: of a task that runs for more seconds than this without awaiting, while everything
            else stands still; None: never.
        slow_cleanup: of a canceled task whose cleanup takes more seconds than this, or half its
            grace if that is less; None: never.
        shield_held: of a shield that holds a cancellation back for more seconds than this, or half
            the grace if that is less; None: never.
        absorbed: of a task that returns a value although its cancellation was raised inside.
        hangs: of tasks that nothing can wake any more: they wait for each other, or nobody holds
            their waker.
        never_awaited: of a future that was made and then thrown away without ever being awaited.
        watchdog: once a poll was slow, may a thread look for a while at which line the next ones
            are? Without it, the awaits before and after are told.

    Raises:
        ValueError: a number of seconds is not positive.

    Example:
        >>> import rescind
        >>> rescind.run(rescind.ready(1), warn=rescind.Warnings(slow_poll=0.5))
        1
    """

    __slots__ = (
        "absorbed",
        "hangs",
        "never_awaited",
        "shield_held",
        "slow_cleanup",
        "slow_poll",
        "watchdog",
    )
    __match_args__ = (
        "slow_poll",
        "slow_cleanup",
        "shield_held",
        "absorbed",
        "hangs",
        "never_awaited",
        "watchdog",
    )

    slow_poll: float | None
    slow_cleanup: float | None
    shield_held: float | None
    absorbed: bool
    hangs: bool
    never_awaited: bool
    watchdog: bool

    def __init__(
        self,
        *,
        slow_poll: float | None = 0.1,
        slow_cleanup: float | None = 1.0,
        shield_held: float | None = 1.0,
        absorbed: bool = True,
        hangs: bool = True,
        never_awaited: bool = True,
        watchdog: bool = False,
    ) -> None:
        fill(self, slow_poll, slow_cleanup, shield_held, absorbed, hangs, never_awaited, watchdog)
        for name in _SECONDS:
            value: float | None = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{name} must be a number of seconds or None, not {value!r}")
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be a positive number of seconds, not {value!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _with, ({name: getattr(self, name) for name in self.__match_args__},)

    @classmethod
    def none(cls) -> Warnings:
        """Return the settings that warn of nothing."""
        return _NONE

    def __bool__(self) -> bool:
        return self != _NONE


def _with(settings: dict[str, Any]) -> Warnings:
    return Warnings(**settings)


_NONE: Final = Warnings(
    slow_poll=None,
    slow_cleanup=None,
    shield_held=None,
    absorbed=False,
    hangs=False,
    never_awaited=False,
)


def chosen(warn: bool | Warnings | None) -> Warnings:
    """Return the settings for a ``warn=``; for None those of the environment.

    Raises:
        TypeError: it is neither a bool, nor `Warnings`, nor None.
        ValueError: the environment variable has a value that is not understood.
    """
    if warn is None:
        return _read(os.environ.get(_VARIABLE, ""))
    if isinstance(warn, Warnings):
        return warn
    if isinstance(warn, bool):
        return Warnings() if warn else _NONE
    raise TypeError(f"warn must be True, False, a rescind.Warnings or None, not {warn!r}")


def _read(text: str) -> Warnings:
    """Read what the environment says, such as ``0`` or ``slow_poll=0.5,absorbed=0``."""
    word = text.strip().lower()
    if word in _YES:
        return Warnings()
    if word in _NO:
        return _NONE
    changes: dict[str, Any] = {}
    known = Warnings.__match_args__
    for part in filter(None, (part.strip() for part in word.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in known:
            raise ValueError(
                f"{_VARIABLE}={text!r}: there is no warning {name!r}; use 0, 1, or some of "
                f"{', '.join(known)}, as in 'slow_poll=0.5,absorbed=0'"
            )
        try:
            changes[name] = _value(name, value)
        except ValueError:
            kind = "a number of seconds, or 0 for never" if name in _SECONDS else "0 or 1"
            raise ValueError(f"{_VARIABLE}={text!r}: {name} must be {kind}") from None
    return Warnings(**changes)


def _value(name: str, text: str) -> float | bool | None:
    if name in _SECONDS and text not in _NO:
        return float(text)
    if text in _YES - {""} or text in _NO:
        return None if name in _SECONDS else text in _YES
    raise ValueError(text)

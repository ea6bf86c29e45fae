"""Durations that users pass: checked once, where they come in.

``grace`` is how long cleanup may take after a cancellation was requested, in seconds: a float,
None for unbounded, 0 for "drop at once", `UNSET` to inherit (R10).
"""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

__all__ = ["UNSET", "Grace", "Unset", "checked_grace", "checked_seconds"]


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Inherit: from the task, then the group, then the runtime."""

Grace: TypeAlias = float | Unset | None


def checked_seconds(value: float, what: str) -> float:
    """Return ``value`` as a float, or raise for what is no duration (NaN, negative, no number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{what} must be a number of seconds, not {type(value).__qualname__}: {value!r}"
        )
    if not value >= 0:
        raise ValueError(
            f"{what} must be a number of seconds that is not negative and not NaN: {value!r}"
        )
    return float(value)


def checked_grace(value: Grace) -> Grace:
    """Return ``value`` if it is a legal grace; raise `TypeError` or `ValueError` otherwise."""
    if value is None or value is UNSET:
        return value
    return checked_seconds(value, "grace")

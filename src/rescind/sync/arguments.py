"""What counts may be: whole numbers, within their bounds.

*Threads.* Any.
"""

from __future__ import annotations

__all__ = ["checked_count"]


def checked_count(count: int, what: str, *, least: int = 1) -> int:
    """Return ``count``, which must be an int of at least ``least``.

    Args:
        count: what the user gave.
        what: what it counts, for the message, such as ``"the permits to acquire"``.
        least: the smallest that makes sense.

    Raises:
        TypeError: it is no int; True and False are none either.
        ValueError: it is smaller than ``least``.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{what} must be an int, not {type(count).__qualname__}: {count!r}")
    if count < least:
        raise ValueError(f"{what} must be at least {least}, not {count}")
    return count

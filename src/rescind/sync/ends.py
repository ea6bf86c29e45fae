"""What the ends of all channels have in common: they are open once, and closed once.

*Invariants.*
 N1  An end that was closed, left by its ``with`` or collected has told its channel so exactly once.

*Threads.* Any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from rescind._core.errors import Closed, WouldBlock
from rescind.sync.section import Section

__all__ = ["End", "Full", "NotSent", "check_capacity"]

E = TypeVar("E", bound="End")

Ask: TypeAlias = Callable[[], bool]

_exiting: Final = sys.is_finalizing


class NotSent(Closed):
    """The value was not sent: nobody will receive from this channel any more.

    Attributes:
        value: what was to be sent; it is yours again.
    """

    value: Any

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message)
        self.value = value


class Full(WouldBlock):
    """The value was not sent: there is no room for it now.

    Attributes:
        value: what was to be sent; it is yours again.
    """

    value: Any

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message)
        self.value = value


class End:
    """One end of a channel: it is closed on leaving its ``with``, or when nobody refers to it."""

    __slots__ = ("__weakref__", "_open", "_section")

    def __init__(self, section: Section) -> None:
        self._section = section
        # Does it count as an end of its channel? Changed under the lock only (N1).
        self._open = True

    def _leave(self) -> None:
        """Tell the channel that there is one end fewer; called once, with the lock held."""
        raise NotImplementedError

    def _shut(self) -> None:
        self._section.post(self._shut_inside)

    def _shut_inside(self) -> None:
        if self._open:
            self._open = False
            self._leave()

    def __enter__(self: E) -> E:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shut()

    async def __aenter__(self: E) -> E:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._shut()

    def __del__(self, exiting: Ask = _exiting) -> None:  #: compiled: def __del__(self):
        # At the very exit nobody is left to be told, and modules have been emptied.
        #: compiled: left = self._open and not _exiting()
        left = getattr(self, "_open", False) and not exiting()  #: compiled: pass
        if left:
            self._shut()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can be neither copied nor pickled; clone() makes another end")


def check_capacity(what: str, capacity: object, least: int) -> int:
    """Return ``capacity``; raise if it is no number of values that ``what`` can hold."""
    unlimited = "; for a channel without a limit, use unbounded()" if what == "channel" else ""
    if not isinstance(capacity, int) or isinstance(capacity, bool):
        raise TypeError(f"the capacity of a {what} must be an int, not {capacity!r}{unlimited}")
    if capacity < least:
        raise ValueError(f"the capacity of a {what} must be at least {least}, not {capacity}")
    return capacity

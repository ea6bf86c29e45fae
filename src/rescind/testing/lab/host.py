"""`LabHost`: a clock that the lab sets, and no other world.

*Threads.* The lab's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rescind._core.cell import Cell
from rescind._core.hostport import Scheduled, Swap
from rescind._core.poll import Context, Future, Pending
from rescind._host.ticks import Tick
from rescind.testing.lab.outside import Outside

__all__ = ["LabHost"]


class LabHost:
    """A host that never calls back: the lab's executor runs by itself.

    Attributes:
        time: what `now` shows, in seconds.
    """

    name = "lab"
    swap: Swap | None = None
    closed = False

    def __init__(self, outside: Outside) -> None:
        self.time = 0.0
        self._outside = outside

    def now(self) -> float:
        """Return the virtual time, in seconds."""
        return self.time

    def call_soon(self, callback: Callable[[], object]) -> Scheduled:
        """Refuse: only what is outside the executor asks for it."""
        self._outside.refuse("a callback of the host was asked for")

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> bool | None:
        """Note that a thread has posted; nothing is called back."""
        if self._outside.touched is None:
            self._outside.touched = "another thread has posted something"
        return False

    def call_at(self, at: float, callback: Callable[[], object]) -> Scheduled:
        """Refuse: only what is outside the executor asks for it."""
        self._outside.refuse("a callback of the host was asked for")

    def adopt(self, yielded: object) -> Future[Any] | None:
        """Know a bare ``yield``; refuse everything else, where it is awaited."""
        return Tick() if yielded is None else _Refused(self._outside, yielded)

    def identify(self, coroutine: Any, cell: Cell[Any] | None, label: object, root: bool) -> Any:
        """Give no identity."""

    def retire(self, identity: Any) -> None:
        """Have nothing to retire."""

    def shielded(self, identity: Any) -> bool:
        """Have no foreign shields."""
        return False

    def foreign_request(self, identity: Any) -> BaseException | None:
        """Have no foreign requests."""

    def run(self, until: Callable[[], bool]) -> None:
        """Refuse: `LabExecutor.drive` runs."""
        self._outside.refuse("the host was to be run")

    def stop(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Refused(Future[Any]):
    """Raises at the await of something that only another world could wait for."""

    __slots__ = ("_outside", "_taken", "_what")
    _native = True

    def __init__(self, outside: Outside, yielded: object) -> None:
        self._taken = True
        self._outside = outside
        self._what = f"{type(yielded).__module__}.{type(yielded).__qualname__}"

    def poll(self, cx: Context) -> Pending:
        self._outside.refuse(f"a {self._what} was awaited")

"""Who is being polled on this thread: a chain of regions, innermost first, and the executor.

*What it is.* While a future is polled, the code inside may ask "which coroutine am I in?"
(`shielded`, `deadline`, `await fut` itself) and "am I being canceled?". Polls nest on the
stack, so the answer is a chain: each `region.Region` knows the one that polls it. Nothing outlives
the poll.

*What it is not.* A context variable: it says who drives, not what the user stored.

*Threads.* One chain per thread.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Generator
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .executor import Executor
    from .poll import Future
    from .region import Region

__all__ = ["Local", "Seat", "executors", "foreign", "live_executors", "local"]


class Seat:
    """What is polled on one thread; an attribute of a `threading.local` takes ten times as long.

    Attributes:
        region: as `Local.region`.
    """

    __slots__ = ("region",)

    def __init__(self) -> None:
        self.region: Region | None = None


class Local(threading.local):
    """The state of one thread.

    Attributes:
        seat: of this thread; who has it at hand need not ask for the thread's state again.
        region: the innermost region being polled on this thread, or None.
        executor: the executor that this thread runs or is attached to, or None.
    """

    executor: Executor | None = None

    def __init__(self) -> None:
        self.seat = Seat()

    @property
    def region(self) -> Region | None:
        return self.seat.region

    @region.setter
    def region(self, region: Region | None) -> None:
        self.seat.region = region


local = Local()  #: compiled: from rescind._core._native import local

executors: Final[weakref.WeakSet[Executor]] = weakref.WeakSet()
"""Every executor that somebody refers to, of all threads, whether it can run or not."""


def live_executors() -> list[Executor]:
    """Return the executors that can run something yet, of all threads; for lists and dumps.

    That of a loop which is closed may be kept for long after: nothing on it ever ends.
    """
    while True:
        try:
            found = list(executors)
        except RuntimeError:  # one was made meanwhile, on another thread
            continue
        return [one for one in found if not one.stopped and not one.host.closed]


class _Foreign:
    """Where the bridge to other drivers (asyncio, trio) is installed by the layer above.

    It installs itself when it is imported, which is when it is first needed: few programs do.

    Attributes:
        drive: given a future that is awaited under a driver which is not ours, returns the
            generator that parks that driver's way; None: there is no bridge.
        adapters: return a future for an awaitable of another world, or None if it is not known.
        drives: does another driver run code of its own, now, inside the poll of the region? None as
            long as no host is imported.
    """

    drive: Callable[[Future[Any]], Generator[Any, Any, Any]] | None
    adapters: list[Callable[[object], Future[Any] | None]]
    drives: Callable[[Region], bool] | None = None
    _home: Final = "rescind._host.bridge"

    def __getattr__(self, name: str) -> Any:
        if name not in ("drive", "adapters"):
            raise AttributeError(name)
        import_module(self._home)
        return vars(self)[name]

    def adapt(self, awaitable: object) -> Future[Any] | None:
        """Return a future for an awaitable of another world, or None if it is not known."""
        for adapter in self.adapters:
            adapted = adapter(awaitable)
            if adapted is not None:
                return adapted
        return None


foreign = _Foreign()

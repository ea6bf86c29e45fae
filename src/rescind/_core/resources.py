"""`Resource`: what a runtime owns besides its tasks, and must end with them (R24).

*What it is.* The seam between the shutdown and whoever keeps threads, processes, sockets or files
for a runtime. A resource is added to its executor's `Resources`; the shutdown ends all of them
after the last task, the newest first, within what is left of the grace.

*The life of a resource*, as the shutdown sees it; each step on the runtime's thread, once::

    add ... begin(reason) ... close(until) ... close_now() if that overran ... leftovers()

*Invariants.*
 N1  `Resource.begin` is called before any task is canceled; tasks may use the resource in their
     cleanup all the same, until the last has ended.
 N2  `Resource.close` is called after the last task has ended, even if no time is left: it is
     polled at least once.
 N3  What raises is reported; it keeps no other resource from being closed.
 N4  Where nothing can be awaited (the runtime is collected, the process exits), only `begin`,
     `close_now` and `leftovers` are called.

*Threads.* `Resources.add`, `discard` and `obtain` from any; the methods of a resource are called
on the thread that shuts down.

*Source.* tokio's blocking pool, and its ``shutdown_timeout``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from .errors import UsageError

if TYPE_CHECKING:
    from .leftover import Leftover
    from .reason import CancelReason

__all__ = ["Resource", "Resources"]


class Resource:
    """Something that a runtime owns, and that ends with it: to be derived from.

    Attributes:
        name: for messages and reports.
        least: how long its `close` may take even if there is no time left, in seconds.
    """

    name: str = "resource"
    least: float = 0.0

    def begin(self, reason: CancelReason) -> None:
        """Note that the shutdown has begun: ask what runs to end; must not block.

        Tasks that clean up may still need the resource (N1): refuse nothing yet.
        """

    def close(self, until: float | None) -> Awaitable[object] | None:
        """End everything; no task is left that could use it (N2).

        Args:
            until: host time, in seconds, at which the shutdown stops waiting; None: never.

        Returns:
            What to await until it has ended; None if it has. At ``until`` the awaitable is
            dropped, and `close_now` is called.
        """
        self.close_now()
        return None

    def close_now(self) -> None:
        """End without waiting: kill what can be killed, let go of the rest; must not block."""

    def leftovers(self) -> Sequence[Leftover]:
        """Return what has not ended, for the report; asked once, after everything else."""
        return ()


R = TypeVar("R", bound=Resource)


class Resources:
    """The resources of one executor, in the order in which they came."""

    def __init__(self) -> None:
        # Reentrant: a signal handler or a finalizer may come in between.
        self._lock = RLock()
        self._resources: list[Resource] = []
        # Were they closed, so that none can be added any more?
        self._closed = False

    def __len__(self) -> int:
        return len(self._resources)

    def add(self, resource: Resource) -> None:
        """Own ``resource``: it is closed when the runtime is shut down. Callable from any thread.

        Raises:
            UsageError: the runtime has been shut down.
        """
        with self._lock:
            if self._closed:
                raise UsageError(
                    f"{resource.name} came too late: the runtime that was to own it has been shut "
                    "down; make a new Runtime"
                )
            self._resources.append(resource)

    def discard(self, resource: Resource) -> None:
        """Own it no more; a no-op if it is not owned."""
        with self._lock:
            self._resources = [known for known in self._resources if known is not resource]

    def obtain(self, kind: type[R], make: Callable[[], R]) -> R:
        """Return the resource of exactly this class, made and added if there is none yet.

        Raises:
            UsageError: there is none, and the runtime has been shut down.
        """
        with self._lock:
            for known in self._resources:
                if type(known) is kind:
                    return known
            if self._closed:
                raise UsageError(
                    f"{kind.__qualname__} is needed after the runtime has been shut down; make a "
                    "new Runtime"
                )
            made = make()
            self._resources.append(made)
            return made

    def all(self) -> list[Resource]:
        """Return them, oldest first."""
        with self._lock:
            return list(self._resources)

    def take(self) -> Resource | None:
        """Take out the newest, to close it; None, and nothing can be added, if none is left."""
        with self._lock:
            if self._resources:
                return self._resources.pop()
            self._closed = True
            return None

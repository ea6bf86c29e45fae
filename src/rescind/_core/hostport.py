"""What an executor needs of the thing it rides on: the `Host` protocol.

*What it is.* A clock, two ways to be called back, and the door through which awaitables of the
host's own world come in. Implementations: an asyncio loop, trio's run, and the manual host.

*Threads.* Only `Host.call_soon_threadsafe` may be called from another thread than the host's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .cell import Cell
    from .poll import Future

__all__ = ["Host", "Scheduled", "Swap"]


class Scheduled(Protocol):
    """A callback that was scheduled."""

    def cancel(self) -> None:
        """Do not call it."""
        ...


class Swap(Protocol):
    """Makes an identity the current one, and returns the one that was."""

    def __call__(self, identity: Any, /) -> Any: ...


class Host(Protocol):
    """What an executor rides on.

    Attributes:
        name: for messages, such as ``asyncio``.
        swap: makes an identity current around a poll; None on a host that has none (R28).
        closed: is it certain that nothing is called back any more? Asked by any thread.
    """

    @property
    def name(self) -> str: ...

    @property
    def swap(self) -> Swap | None: ...

    @property
    def closed(self) -> bool: ...

    def now(self) -> float:
        """Return the host's time, in seconds; monotone."""
        ...

    def call_soon(self, callback: Callable[[], object]) -> Scheduled:
        """Call back once, after the host has looked for I/O."""
        ...

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> bool | None:
        """Call back once, from any thread; return False on a closed host, which never will."""
        ...

    def call_at(self, at: float, callback: Callable[[], object]) -> Scheduled:
        """Call back once, at host time ``at``."""
        ...

    def adopt(self, yielded: object) -> Future[Any] | None:
        """Return a future for what a foreign awaitable yielded, or None if it is not known."""
        ...

    def identify(self, coroutine: Any, cell: Cell[Any] | None, label: object, root: bool) -> Any:
        """Return the identity of a coroutine about to be driven; called if `swap` is not None.

        Its name is spelled from the label when somebody asks (`cell.Cell.label`); None: it is the
        coroutine's.
        """
        ...

    def retire(self, identity: Any) -> None:
        """Note that the coroutine of this identity has ended."""
        ...

    def shielded(self, identity: Any) -> bool:
        """Is cancellation held back now by a shield of the host's world (R30)?"""
        ...

    def foreign_request(self, identity: Any) -> BaseException | None:
        """Take the cancellation that the host's world asked for, if one is pending (R29)."""
        ...

    def run(self, until: Callable[[], bool]) -> None:
        """Run on this thread until ``until()`` is true, or raise; `stop` says when to look."""
        ...

    def stop(self) -> None:
        """Look again whether what `run` waits for has come true."""
        ...

    def close(self) -> None:
        """Release what the host owns."""
        ...

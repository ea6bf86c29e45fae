"""`Port`: what drivers ask a host, as a class, so that compiled code calls its methods directly.

*What it is.* A base for hosts that have identities, and awaitables of their own (`hostport.Host`).
A host need not derive from it: then it is asked the same by name.

*Threads.* The host's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cell import Cell
    from .hostport import Scheduled
    from .poll import Future

__all__ = ["Port"]


class Port:
    """What a driver asks a host; see `hostport.Host` for what each answers."""

    __slots__ = ()

    def adopt(self, yielded: object) -> Future[Any] | None:
        """Return a future for what a foreign awaitable yielded, or None if it is not known."""
        raise NotImplementedError

    def identify(self, coroutine: Any, cell: Cell[Any] | None, label: object, root: bool) -> Any:
        """Return the identity of a coroutine about to be driven."""
        raise NotImplementedError

    def retire(self, identity: Any) -> None:
        """Note that the coroutine of this identity has ended."""
        raise NotImplementedError

    def foreign_request(self, identity: Any) -> BaseException | None:
        """Take the host's world's own pending request."""
        raise NotImplementedError

    def shielded(self, identity: Any) -> bool:
        """Does a shield of the host's world hold back what comes from outside?"""
        raise NotImplementedError

    def call_soon(self, callback: Callable[[], object]) -> Scheduled:
        """Call back in the host's next iteration."""
        raise NotImplementedError

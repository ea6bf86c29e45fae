"""`IntoFuture`: what gives a new future to each who awaits it.

*Threads.* As its subclasses say.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .poll import Future

__all__ = ["IntoFuture"]

T_co = TypeVar("T_co", covariant=True)


class IntoFuture(Generic[T_co]):
    """Something that is no future but can be awaited any number of times, such as a task.

    *Source.* Rust's ``IntoFuture``.
    """

    __slots__ = ()
    __reduce__ = refuse_copy

    def into_future(self) -> Future[T_co]:
        """Return a new future of the result."""
        raise NotImplementedError

    def __await__(self) -> Generator[Any, Any, T_co]:
        return self.into_future().__await__()

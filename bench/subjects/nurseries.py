"""`Nurseries`: what trio and anyio both have under almost the same names.

*What it is.* For a subject whose work is the same in both, but not in other families.

*What it is not.* A layer that is measured: its members are the library's own functions and classes.
What is called in a loop is taken out of it before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bench.subjects.kit import Event

__all__ = ["NURSERIES", "CancelScope", "Nurseries"]


class CancelScope(Protocol):
    """What can be canceled."""

    def cancel(self) -> object: ...

    def __enter__(self) -> object: ...

    def __exit__(self, kind: Any, exc: Any, traceback: Any, /) -> bool | None: ...


class Nursery(Protocol):
    """Starts tasks, which end before it does."""

    @property
    def cancel_scope(self) -> CancelScope: ...

    def start_soon(self, work: Any, /, *args: Any) -> object: ...


@dataclass(frozen=True)
class Nurseries:
    """What a library of nurseries offers.

    Args:
        group: makes a nursery.
        scope: makes a cancel scope.
        event: makes an event.
        checkpoint: let the others run once.
        park: wait for ever.
        fail_after: a block with a timeout, in seconds.
        timed_out: what such a block raises.
    """

    group: Callable[[], AbstractAsyncContextManager[Nursery]]
    scope: Callable[[], CancelScope]
    event: Callable[[], Event]
    checkpoint: Callable[[], Awaitable[object]]
    park: Callable[[], Awaitable[object]]
    fail_after: Callable[[float], AbstractContextManager[object]]
    timed_out: type[BaseException]


def _trio() -> Nurseries:
    import trio

    return Nurseries(
        trio.open_nursery,
        trio.CancelScope,
        trio.Event,
        trio.lowlevel.checkpoint,
        trio.sleep_forever,
        trio.fail_after,
        trio.TooSlowError,
    )


def _anyio() -> Nurseries:
    import anyio
    from anyio.lowlevel import checkpoint

    return Nurseries(
        anyio.create_task_group,
        anyio.CancelScope,
        anyio.Event,
        checkpoint,
        anyio.sleep_forever,
        anyio.fail_after,
        TimeoutError,
    )


#: The families that have nurseries.
NURSERIES: Final[dict[str, Callable[[], Nurseries]]] = {"trio": _trio, "anyio": _anyio}

"""`make_host`: from what a user writes as ``host=...`` to the host itself.

*What it is.* The list of the hosts that can be asked for by a word, and the check of the rest.

*Threads.* The thread that makes the runtime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from rescind._host.asyncio import AsyncioHost, own_host

if TYPE_CHECKING:
    from rescind._core.hostport import Host

__all__ = ["HostChoice", "make_host"]

HostChoice: TypeAlias = (
    "Literal['asyncio', 'uvloop'] | Callable[[], asyncio.AbstractEventLoop] | Host"
)


def make_host(choice: HostChoice) -> Host:
    """Return the host that was chosen; see `Runtime` for what can be."""
    if choice == "asyncio":
        return own_host()
    if choice == "uvloop":
        try:
            import uvloop
        except ImportError:
            raise ImportError("host='uvloop' needs uvloop: pip install 'rescind[uvloop]'") from None
        return AsyncioHost(uvloop.new_event_loop(), owned=True)
    if isinstance(choice, str):
        raise ValueError(
            f"host must be 'asyncio', 'uvloop', a function that makes a loop, or a Host: {choice!r}"
        )
    if callable(choice) and not hasattr(choice, "call_soon"):
        loop = choice()
        if not isinstance(loop, asyncio.AbstractEventLoop):
            raise TypeError(f"the host function must return an asyncio event loop, not {loop!r}")
        return AsyncioHost(loop, owned=True)
    if not hasattr(choice, "call_soon") or not hasattr(choice, "run"):
        raise TypeError(
            f"host must be 'asyncio', 'uvloop', a function that makes a loop, or a Host: {choice!r}"
        )
    return cast("Host", choice)

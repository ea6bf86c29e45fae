"""How asyncio is told which task runs, on each version of Python: the one place that knows (R28).

*What it is.* asyncio's documentation tells authors of tasks of their own to use four functions:
``_register_task``, ``_unregister_task``, ``_enter_task``, ``_leave_task``. A branch of a combinator
is polled while another task is current, which they forbid, so the current task is swapped:

=====  ===============================================================================
3.11   a dictionary, ``asyncio.tasks._current_tasks``; there is no function
3.12   ``asyncio.tasks._swap_current_task(loop, task)``
3.13   the same
3.14   the same function, but the current task is kept with the thread that runs the loop: of
       another loop than the one that runs in this thread, it cannot be set
=====  ===============================================================================

*What it is not.* Needed by a coroutine that is closed when no loop runs: no code in it can ask for
the current task then, on any version, since that is asked of the running loop.

*Threads.* The loop's thread.

*Source.* "Extending" in asyncio's documentation; ``swap_current_task`` in CPython's source.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio import tasks as asyncio_tasks
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from rescind._core.hostport import Swap


__all__ = ["THREAD_KEEPS", "register", "swap_for", "unregister"]

_SwapFunction = Callable[[Any, Any], Any]

#: Is the current task kept with the thread that runs the loop?
THREAD_KEEPS: Final = sys.version_info >= (3, 14)
#: asyncio's own function; None on 3.11.
_SWAP: Final[_SwapFunction | None] = getattr(asyncio_tasks, "_swap_current_task", None)


def _entries() -> tuple[set[Any], Callable[[Any], object]] | None:
    """Return what is inside the weak set of all tasks, and what its references call at their end.

    None where it is no `weakref.WeakSet` of the shape that 3.11 to 3.13 know: `add` of one costs
    more than all else that a task's beginning has to do with asyncio.
    """
    known = getattr(asyncio_tasks, "_scheduled_tasks", None)  # from 3.12 on
    if known is None:
        known = getattr(asyncio_tasks, "_all_tasks", None)
    if type(known) is not weakref.WeakSet or sys.version_info >= (3, 14):
        return None
    inside: Any = cast("Any", known)
    data: Any = getattr(inside, "data", None)
    remove: Any = getattr(inside, "_remove", None)
    fits: bool = type(data) is set and callable(remove)
    return (cast("set[Any]", data), remove) if fits else None


_ENTRIES: Final = _entries()


def register(identity: object) -> object:
    """Put an identity into ``asyncio.all_tasks()``, weakly; return what `unregister` wants."""
    if _ENTRIES is None:
        asyncio_tasks._register_task(cast("asyncio.Task[Any]", identity))
        return identity
    data, remove = _ENTRIES
    entry = weakref.ref(identity, remove)  #: compiled: entry = PyWeakref_NewRef(identity, remove)
    data.add(entry)  #: compiled: PySet_Add(data, entry)
    return entry


def unregister(entry: object) -> None:
    """Take an identity out of ``asyncio.all_tasks()``."""
    if _ENTRIES is None:
        asyncio_tasks._unregister_task(cast("asyncio.Task[Any]", entry))
    else:
        _ENTRIES[0].discard(entry)  #: compiled: PySet_Discard(_ENTRIES[0], entry)


def swap_for(
    loop: asyncio.AbstractEventLoop,
    *,
    function: _SwapFunction | None = _SWAP,
    thread_keeps: bool = THREAD_KEEPS,
) -> Swap:
    """Return the function that makes an identity current on ``loop``, and returns the one before.

    Args:
        loop: the loop.
        function: asyncio's own; None where there is none.
        thread_keeps: is the current task one of the thread, as from Python 3.14 on?
    """
    if function is None:
        current: dict[Any, Any] = vars(asyncio_tasks)["_current_tasks"]
        return Exchange(current, loop)
    if thread_keeps:
        return partial(_swap_in_thread, function, loop)
    return partial(function, loop)


class Exchange:
    """Does what ``_leave_task`` and ``_enter_task`` of CPython 3.11 do, one after the other."""

    __slots__ = ("_current", "_loop", "_none", "put")

    def __init__(self, current: dict[Any, Any], loop: asyncio.AbstractEventLoop) -> None:
        self._current = current
        self._loop = loop
        #: Makes an identity current, where something is.
        self.put: Swap = partial(current.__setitem__, loop)
        self._none = partial(current.pop, loop, None)

    def __call__(self, identity: Any) -> Any:
        previous = self._current.pop(self._loop, None)
        if identity is not None:
            self._current[self._loop] = identity
        return previous

    def back(self, identity: Any) -> None:
        """Make current what was before, perhaps nothing."""
        if identity is None:
            self._none()
        else:
            self.put(identity)


#: compiled: from rescind._core._native import Exchange


def _swap_in_thread(function: _SwapFunction, loop: asyncio.AbstractEventLoop, identity: Any) -> Any:
    if asyncio._get_running_loop() is not loop:
        return None  # it is set of the running loop alone, and asked of it alone
    return function(loop, identity)

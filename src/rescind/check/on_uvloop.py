"""`UvLoop`: a loop of uvloop's for one run, as far as its API lets one look and reach into it.

*What it is.* Tasks get probes, parks and wake-ups are seen, and a task can be canceled before its
first poll, where it is parked, and where what it awaits is done: all that is asyncio's doing, not
the loop's. What arrives on connections that the program made with ``create_connection`` is held
back by pausing their transports.

*What it is not.* In our hands, as asyncio's loop is: queue, poll and clock are libuv's, in C. So no
strike falls between two callbacks; one at a parked task comes after what is ready already, and is
worth nothing if that was what the task waits for. Time is real. A hang is never proved, it is what
takes too long. What was held is let through after a while, since nobody says that nothing else can
run. Timers and watched descriptors cannot be listed.

*Threads.* The loop's; `call_soon_threadsafe` from any.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar, TypeVarTuple, Unpack

from rescind.check.looping import LATE, RunLoop

if TYPE_CHECKING:
    # uvloop's own stubs do not agree with asyncio's.
    from asyncio import SelectorEventLoop as Loop
    from concurrent.futures import Executor as Pool
else:
    from uvloop import Loop

__all__ = ["UvLoop"]

Ts = TypeVarTuple("Ts")

#: How long what arrives is held back, in seconds: the next request is sent long before.
_HELD = 0.02


class UvLoop(RunLoop, Loop):
    """An event loop of uvloop's for one run."""

    orders: ClassVar[bool] = False

    def __init__(self) -> None:
        self.clients: dict[Any, int] = {}  # with their numbers, counted from 1
        self.connected = 0
        self._default_executor: Pool | None = None
        self._asyncgens: Collection[Any] = weakref.WeakSet[Any]()
        self._asked = 0
        self._limit: asyncio.TimerHandle | None = None
        self._held: list[Any] = []
        self.get_ready()
        super().__init__()
        self.set_exception_handler(self._note)
        make: Any = self._make
        Loop.set_task_factory(self, make)

    # -- callbacks --------------------------------------------------------------------------------

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Any = None
    ) -> asyncio.Handle:
        self._asked += 1  # tasks ask for their steps here, too
        return super().call_soon(callback, *args, context=context)

    @property
    def callbacks(self) -> int:
        return self._asked

    def call_next(self, callback: Callable[[], object]) -> None:
        self.call_soon(callback)

    # -- hangs ------------------------------------------------------------------------------------

    def only_timers(self) -> bool:
        return False  # nobody knows

    def allow(self, seconds: float) -> None:
        self.hung = None
        self.stuck()
        self._limit = self.call_later(seconds, self.hang, LATE)

    def stuck(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    # -- what is held back ------------------------------------------------------------------------

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        transport, protocol = await super().create_connection(*args, **options)
        self.clients[transport] = self.connected = self.connected + 1
        return transport, protocol

    async def create_unix_connection(self, *args: Any, **options: Any) -> Any:
        transport, protocol = await super().create_unix_connection(*args, **options)
        self.clients[transport] = self.connected = self.connected + 1
        return transport, protocol

    def hold(self, connection: int = 0) -> int:
        for transport, number in self.clients.items():
            if connection in (0, number) and not transport.is_closing() and transport.is_reading():
                transport.pause_reading()
                self._held.append(transport)
        if self._held:
            self.call_later(_HELD, self.release)
        return len(self._held)

    def release(self) -> None:
        held, self._held = self._held, []
        for transport in held:
            if not transport.is_closing():
                transport.resume_reading()

    # -- what has to be known in the end ----------------------------------------------------------

    def set_default_executor(self, executor: Any) -> None:
        self._default_executor = executor
        super().set_default_executor(executor)

    def _check_closed(self) -> None:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        self._asyncgens.add(agen)  # type: ignore[attr-defined]  # a WeakSet
        super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]  # what its stubs leave out

    def close(self) -> None:
        self.stuck()
        self.clients.clear()
        self._held.clear()
        super().close()
        # They are methods of the loop: it would be a reference cycle.
        self.set_exception_handler(None)
        Loop.set_task_factory(self, None)

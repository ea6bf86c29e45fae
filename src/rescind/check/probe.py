"""`Probe`: stands between a task and its coroutine, and sees each await at which it parks.

*What it is.* asyncio's own task drives the probe, the probe drives the coroutine: nothing changes
but that each suspension and each resumption is seen. Every task of the loop gets one, from the task
factory, with a path that says who made it.

*Invariants.*
 P1  What the task sends, throws and gets is what the coroutine gets, throws and yields.
 P2  A path depends only on the order in which its parent made tasks.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from rescind.check.looping import RunLoop, make_task
from rescind.check.overruling import has_its_result
from rescind.check.points import Point, Visits
from rescind.check.stacks import Driven, stack_of
from rescind.check.whose import PATH

__all__ = ["Probe", "Probes", "stack_of"]

Seen = Callable[["Probe", Any], None]


class Probe(Driven, Coroutine[Any, Any, Any]):
    """A coroutine around a coroutine.

    Attributes:
        coroutine: the coroutine that it drives.
        path: the path of the task that runs it.
        task: that task, asyncio's or rescind's; None while it is being made.
        point: where it is parked; None before its first poll and while it runs.
        awaits: what it awaits; None for a bare yield.
        parks: how often it has parked.
        counts: is this the checker's own cancellation? Libraries cancel their own parts as well.
        thrown: how often such a one was thrown into it.
        landed: where it was parked each time, where that is watched.
        overruled: was `asyncio.wait_for` about to return what it had anyway, as before Python 3.12?
        closed: was it closed, at an await or before its first poll?
        wakes: is `on_woken` called when what it awaits is done, before it is resumed? It is for
            rescind's tasks.
    """

    def __init__(self, coro: Coroutine[Any, Any, Any], path: str, probes: Probes) -> None:
        self.coroutine = coro
        self._probes = probes
        self.path = path
        self.task: Any = None
        self.point: Point | None = None
        self.awaits: Any = None
        self.parks = 0
        self.counts: Callable[[BaseException], bool] | None = None
        self.thrown = 0
        self.landed: list[Point] = []
        self.overruled = False
        self.closed = False
        self.visits = Visits()
        self.wakes = False
        self.on_woken: Callable[[], object] | None = None
        self.__name__ = str(getattr(coro, "__name__", type(coro).__name__))
        self.__qualname__ = str(getattr(coro, "__qualname__", type(coro).__qualname__))

    def send(self, value: Any) -> Any:
        self.point = None
        probes = self._probes
        outer, probes.running = probes.running, self
        # At each step: a context may be shared with other tasks.
        PATH.set(self.path)
        try:
            awaits = self.coroutine.send(value)
        finally:
            probes.running = outer
        return self._parked(awaits)

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        point, self.point = self.point, None
        exc = typ if val is None else val
        if self.closed:
            raise exc  # what a coroutine says that is thrown into after its end is another story
        if self.counts is not None and isinstance(exc, CancelledError) and self.counts(exc):
            self.thrown += 1
            if point is not None:
                self.landed.append(point)
            self.overruled = self.overruled or has_its_result(self.coroutine)
        probes = self._probes
        outer, probes.running = probes.running, self
        PATH.set(self.path)
        try:
            if val is None and tb is None:
                awaits = self.coroutine.throw(typ)
            else:
                awaits = self.coroutine.throw(typ, val, tb)
        finally:
            probes.running = outer
        return self._parked(awaits)

    def close(self) -> None:
        self.closed = True
        self.coroutine.close()

    # A task factory may put a coroutine of its own around this one, which then awaits it.
    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Probe:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def _parked(self, awaits: Any) -> Any:
        self.parks += 1
        self.awaits = awaits
        if self._probes.watching:
            stack = stack_of(self.coroutine)
            self.point = Point(self.path, stack, self.visits.note(stack))
            self._probes.parked(self)
        return awaits

    # What debuggers, asyncio and anyio read of a coroutine.
    @property
    def cr_await(self) -> Any:
        return getattr(self.coroutine, "cr_await", None)

    @property
    def cr_frame(self) -> Any:
        return getattr(self.coroutine, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        return getattr(self.coroutine, "cr_code", None)

    @property
    def cr_running(self) -> bool:
        return bool(getattr(self.coroutine, "cr_running", False))

    @property
    def cr_suspended(self) -> bool:
        return bool(getattr(self.coroutine, "cr_suspended", False))

    @property
    def cr_origin(self) -> Any:
        return getattr(self.coroutine, "cr_origin", None)

    def __repr__(self) -> str:
        return f"<probe {self.path} of {self.coroutine!r}>"


class Probes:
    """Every probe of one loop.

    Attributes:
        all: by path, in order of their making.
        watching: are points noted? Only while the scenario runs.
        running: the probe whose coroutine runs now.
        on_made, on_parked: who is told.
    """

    def __init__(self) -> None:
        self.all: dict[str, Probe] = {}
        self.watching = False
        self.running: Probe | None = None
        self.on_made: Seen | None = None
        self.on_parked: Seen | None = None
        self._made: dict[str, int] = {}

    def begin(self) -> None:
        """Begin to watch the scenario: its paths and visits are counted anew."""
        self.watching = True
        self._made.clear()

    def wrap(self, coro: Coroutine[Any, Any, Any], path: str | None = None) -> Probe:
        """Return a probe around ``coro``, with the next path of whoever runs now."""
        if path is None:
            # Who runs is known but in a callback: that belongs to whoever asked for it.
            parent = PATH.get() if self.running is None else self.running.path
            number = self._made.get(parent, 0) + 1
            self._made[parent] = number
            path = f"{parent}/{number}"
        probe = Probe(coro, path, self)
        self.all[path] = probe
        return probe

    def made(self, probe: Probe, task: Any) -> None:
        """Note that a task was made of a probe; unless it has begun already, as eager ones do."""
        probe.task = task
        if self.watching and self.on_made is not None and probe.parks == 0 and not task.done():
            self.on_made(probe, None)

    def parked(self, probe: Probe) -> None:
        """Note that a probe has parked."""
        if self.on_parked is not None:
            self.on_parked(probe, probe.awaits)

    def forget(self) -> None:
        """Let go of every coroutine, so that those whom nobody else holds may say so."""
        self.all.clear()
        self.running = self.on_made = self.on_parked = None

    def install(self, loop: RunLoop) -> None:
        """Give every task that ``loop`` makes from now on a probe."""

        def on_task(factory: Any, coro: Any, options: dict[str, Any]) -> asyncio.Task[Any]:
            probe = coro if isinstance(coro, Probe) else self.wrap(coro)
            task: asyncio.Task[Any] = make_task(loop, factory, probe, options)
            self.made(probe, task)
            return task

        loop.on_task = on_task

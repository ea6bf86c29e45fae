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
from contextvars import ContextVar
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType, TracebackType
from typing import Any, cast

from rescind._core.frames import shortened
from rescind.check.points import Point, Visits

__all__ = ["Probe", "Probes", "stack_of"]

_path: ContextVar[str] = ContextVar("rescind_check_path", default="loop")

Seen = Callable[["Probe", Any], None]


class Probe(Coroutine[Any, Any, Any]):
    """A coroutine around a coroutine.

    Attributes:
        path: the path of the task that runs it.
        task: that task; None while it is being made.
        point: where it is parked; None before its first poll and while it runs.
        awaits: what it awaits; None for a bare yield.
        parks: how often it has parked.
        counts: is this the checker's own cancellation? Libraries cancel their own parts as well.
        thrown: how often such a one was thrown into it.
        landed: where it was parked each time, where that is watched.
    """

    def __init__(self, coro: Coroutine[Any, Any, Any], path: str, probes: Probes) -> None:
        self._coro = coro
        self._probes = probes
        self.path = path
        self.task: asyncio.Task[Any] | None = None
        self.point: Point | None = None
        self.awaits: Any = None
        self.parks = 0
        self.counts: Callable[[BaseException], bool] | None = None
        self.thrown = 0
        self.landed: list[Point] = []
        self.visits = Visits()
        self.__name__ = str(getattr(coro, "__name__", type(coro).__name__))
        self.__qualname__ = str(getattr(coro, "__qualname__", type(coro).__qualname__))

    def send(self, value: Any) -> Any:
        if self.parks == 0:
            _path.set(self.path)
        self.point = None
        return self._parked(self._coro.send(value))

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Any:
        point, self.point = self.point, None
        exc = typ if val is None else val
        if self.counts is not None and isinstance(exc, CancelledError) and self.counts(exc):
            self.thrown += 1
            if point is not None:
                self.landed.append(point)
        if val is None and tb is None:
            return self._parked(self._coro.throw(typ))
        return self._parked(self._coro.throw(typ, val, tb))

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Any:
        return self._coro.__await__()

    def _parked(self, awaits: Any) -> Any:
        self.parks += 1
        self.awaits = awaits
        if self._probes.watching:
            stack = stack_of(self._coro)
            self.point = Point(self.path, stack, self.visits.note(stack))
            self._probes.parked(self)
        return awaits

    @property
    def coroutine(self) -> Coroutine[Any, Any, Any]:
        """The coroutine that it drives."""
        return self._coro

    # What debuggers, asyncio and anyio read of a coroutine.
    @property
    def cr_await(self) -> Any:
        return getattr(self._coro, "cr_await", None)

    @property
    def cr_frame(self) -> Any:
        return getattr(self._coro, "cr_frame", None)

    @property
    def cr_code(self) -> Any:
        return getattr(self._coro, "cr_code", None)

    @property
    def cr_running(self) -> bool:
        return bool(getattr(self._coro, "cr_running", False))

    @property
    def cr_suspended(self) -> bool:
        return bool(getattr(self._coro, "cr_suspended", False))

    @property
    def cr_origin(self) -> Any:
        return getattr(self._coro, "cr_origin", None)

    def __repr__(self) -> str:
        return f"<probe {self.path} of {self._coro!r}>"


class Probes:
    """Every probe of one loop.

    Attributes:
        all: by path, in order of their making.
        watching: are points noted? Only while the scenario runs.
        on_made, on_parked: who is told.
    """

    def __init__(self) -> None:
        self.all: dict[str, Probe] = {}
        self.watching = False
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
            parent = _path.get()
            number = self._made.get(parent, 0) + 1
            self._made[parent] = number
            path = f"{parent}/{number}"
        probe = Probe(coro, path, self)
        self.all[path] = probe
        return probe

    def made(self, probe: Probe, task: asyncio.Task[Any]) -> None:
        """Note that a task was made of a probe."""
        probe.task = task
        if self.watching and self.on_made is not None:
            self.on_made(probe, None)

    def parked(self, probe: Probe) -> None:
        """Note that a probe has parked."""
        if self.on_parked is not None:
            self.on_parked(probe, probe.awaits)

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give every task that ``loop`` makes from now on a probe."""
        inner = loop.get_task_factory()

        def factory(
            loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
        ) -> asyncio.Task[Any]:
            probe = coro if isinstance(coro, Probe) else self.wrap(coro)
            if inner is not None:
                task: asyncio.Task[Any] = inner(loop, probe, **options)  # type: ignore[assignment]
            else:
                task = asyncio.Task(probe, loop=loop, **options)
            self.made(probe, task)
            return task

        loop.set_task_factory(factory)


_places: dict[tuple[CodeType, int], str | None] = {}


def stack_of(coro: Any) -> tuple[str, ...]:
    """Return where ``coro`` is parked, outermost first, as ``file:line in function``."""
    places: list[str] = []
    current: Any = coro
    while current is not None:
        if isinstance(current, CoroutineType):
            frame, current = current.cr_frame, current.cr_await
        elif isinstance(current, GeneratorType):
            frame = current.gi_frame
            current = cast("object", current.gi_yieldfrom)
        elif isinstance(current, AsyncGeneratorType):
            frame, current = current.ag_frame, current.ag_await
        elif isinstance(current, Probe):
            current = current.coroutine
            continue
        else:
            break
        if frame is not None:
            key = (frame.f_code, frame.f_lineno or 0)
            place = _places.get(key, "")
            if place == "":
                place = _places[key] = _place(*key, frame.f_globals.get("__name__", ""))
            if place is not None:
                places.append(place)
    return tuple(places)


def _place(code: CodeType, line: int, module: str) -> str | None:
    """Return the place as users know it; None for the checker's own."""
    if module.startswith("rescind.check."):
        return None
    return f"{shortened(f'{code.co_filename}:{line}')} in {code.co_qualname}"

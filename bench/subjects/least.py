"""The least scheduler in plain Python: how near to asyncio's C any interpreted runtime can come.

Two of them, each as short as it can be written, with nothing but what `switch` and `spawn_join`
need. ``bare`` sends to coroutines from a deque. ``rules`` does what the rules of rescind ask of a
step besides: what is awaited is an object of its own that is polled, and wakes with a waker; a task
runs in its own context variables (R18), under its own identity (R28); who is polled can be asked; a
task has an outcome. Neither cancels anything, counts, checks, has timers or a second thread.

``grown`` is what the latter takes with n tasks, all there at once as in `switch` and `spawn_join`:
how its cost grows is CPython's collector and the machine's caches, and nobody's fault.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks as asyncio_tasks
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final

from bench.subject import GROWTH, Subject, Watch

SUBJECTS: Final = tuple(
    Subject(
        f"floor_least_{what}_{kind}",
        f"{text}, {kind}",
        10_000,
        GROWTH if kind == "grown" else (),
        args=(what, kind),
    )
    for what, text in (
        ("switch", "the least scheduler in Python: a task yields"),
        ("spawn_join", "the least scheduler in Python: a task is spawned and joined"),
    )
    for kind in ("bare", "rules", "grown")
)

#: As many take turns.
_TASKS: Final = 10

_ready: Final[deque[Any]] = deque()
#: What asyncio keeps the current task in; on Pythons without, a dictionary costs the same.
_current: Final[dict[Any, Any]] = getattr(asyncio_tasks, "_current_tasks", {})


class _Bare:
    """A task that is sent to."""

    __slots__ = ("done", "joiners", "run", "send", "value")

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.send = coro.send
        self.run = copy_context().run
        self.joiners: list[_Bare] | None = None
        self.value: Any = None
        self.done = False
        _ready.append(self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.done:
            yield self
        return self.value


class _BareYield:
    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        yield None


def _run_bare(_loop: object) -> None:
    ready = _ready
    while ready:
        task: _Bare = ready.popleft()
        try:
            awaited: _Bare | None = task.run(task.send, None)
        except StopIteration as stop:
            task.done, task.value = True, stop.value
            ready.extend(task.joiners or ())
            continue
        if awaited is None:
            ready.append(task)
        elif awaited.joiners is None:
            awaited.joiners = [task]
        else:
            awaited.joiners.append(task)


class _Seat:
    """Who is polled."""

    __slots__ = ("task",)

    task: Any


_seat: Final = _Seat()
_PENDING: Final = object()


class _Outcome:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class _Ruled:
    """A task whose leaf is polled."""

    __slots__ = ("context", "coro", "joiners", "leaf", "outcome", "queued")

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro
        self.context: Context = copy_context()
        self.leaf: Any = None
        self.joiners: list[_Ruled] | None = None
        self.outcome: _Outcome | None = None
        self.queued = True
        _ready.append(self)

    def wake(self) -> None:
        if not self.queued:
            self.queued = True
            _ready.append(self)

    def poll(self) -> Any:
        leaf, value = self.leaf, None
        while True:
            if leaf is not None:
                value = leaf.poll(self)
                if value is _PENDING:
                    return value
            try:
                self.leaf = leaf = self.coro.send(value)
            except StopIteration as stop:
                return stop.value

    def __await__(self) -> Generator[Any, Any, Any]:
        return _RuledJoin(self).__await__()


class _Leaf:
    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class _RuledYield(_Leaf):
    __slots__ = ("yielded",)

    def __init__(self) -> None:
        self.yielded = False

    def poll(self, task: _Ruled) -> Any:
        if self.yielded:
            return None
        self.yielded = True
        task.wake()
        return _PENDING


class _RuledJoin(_Leaf):
    __slots__ = ("task",)

    def __init__(self, task: _Ruled) -> None:
        self.task = task

    def poll(self, task: _Ruled) -> Any:
        joined = self.task
        if joined.outcome is not None:
            return joined.outcome.value
        if joined.joiners is None:
            joined.joiners = []
        joined.joiners.append(task)
        return _PENDING


def _run_ruled(loop: object) -> None:
    ready, current, seat = _ready, _current, _seat
    outside = current.pop(loop, None)
    while ready:
        task: _Ruled = ready.popleft()
        task.queued = False
        seat.task = current[loop] = task
        value = task.context.run(task.poll)
        seat.task = None
        if value is not _PENDING:
            task.outcome = _Outcome(value)
            for joiner in task.joiners or ():
                joiner.wake()
    current.pop(loop, None)
    if outside is not None:
        current[loop] = outside


async def _returns() -> int:
    return 1


async def _yields(times: int, pause: Callable[[], Any]) -> None:
    for _ in range(times):
        await pause()


async def _spawns(times: int, spawn: Callable[[Any], Any]) -> None:
    for _ in range(times):
        await spawn(_returns())


async def _joins(tasks: list[_Ruled]) -> None:
    for task in tasks:
        await task


def _grown(watch: Watch, n: int, what: str) -> int:
    loop = asyncio.get_running_loop()
    if what == "switch":
        rounds = max(10, 20_000 // n)
        tasks = [_Ruled(_yields(rounds, _RuledYield)) for _ in range(n)]
        with watch:
            _run_ruled(loop)
        return len(tasks) * rounds
    with watch:
        _Ruled(_joins([_Ruled(_returns()) for _ in range(n)]))
        _run_ruled(loop)
    return n


async def on_asyncio(watch: Watch, n: int, what: str, kind: str) -> int:
    if kind == "grown":
        return _grown(watch, n, what)
    bare = kind == "bare"
    spawn: Callable[[Any], Any] = _Bare if bare else _Ruled
    loop = asyncio.get_running_loop()
    if what == "switch":
        for _ in range(_TASKS):
            spawn(_yields(n // _TASKS, _BareYield if bare else _RuledYield))
    else:
        spawn(_spawns(n, spawn))
    with watch:
        (_run_bare if bare else _run_ruled)(loop)
    return n


on_rescind = on_asyncio

"""The floor: what CPython itself takes for parts that no runtime for coroutines can do without.

The loops around them are C's (`map`, `starmap`, a deque of length 0 that consumes
an iterator), so that this is what a runtime would cost if its own part were nothing at all. Every
peer has the same; asyncio's is told. Which parts each native subject needs is in `NEEDS`.

Who yields lets the host look for I/O before it is run again (R23). That is a system call for each
turn, which those tasks share that are ready at once: `looks`. A turn of asyncio's own loop is
measured, too: it is what a host of plain Python makes of that call.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from itertools import repeat, starmap
from operator import methodcaller
from types import coroutine
from typing import Any, Final

from bench.subject import Subject, Watch

SUBJECTS: Final = (
    Subject("floor_resume", "a coroutine is resumed, and awaits", 10_000, (), args=("resume",)),
    Subject("floor_queue", "an entry goes into a deque and out", 10_000, (), args=("queue",)),
    Subject("floor_coroutine", "a coroutine is made and returns", 10_000, (), args=("coroutine",)),
    Subject("floor_object", "an object of four fields is made", 10_000, (), args=("object",)),
    Subject(
        "floor_throw", "an exception ends a coroutine that awaits", 10_000, (), args=("throw",)
    ),
    Subject("floor_look", "the system is asked for I/O, and has none", 10_000, (), args=("look",)),
    Subject("floor_turn", "a turn of asyncio's loop", 10_000, (), args=("turn",)),
)

#: How many of each part a native subject needs at least. A task is an object, and so are the future
#: of a race or a timeout, its children and its timer; whatever becomes ready is queued once.
NEEDS: Final[dict[str, dict[str, int]]] = {
    "switch": {"resume": 1, "queue": 1},
    "spawn_join": {"coroutine": 1, "object": 1, "queue": 1},
    "spawn_cancel_join": {"coroutine": 1, "throw": 1, "object": 1, "queue": 2},
    "race2": {"coroutine": 2, "resume": 1, "throw": 1, "object": 3, "queue": 1},
    "timeout": {"coroutine": 1, "resume": 1, "object": 2, "queue": 1},
}

#: The turns that an operation has, where the tasks that are ready share one.
_TURNS: Final = {"race2": 1.0, "timeout": 1.0}


def looks(subject: str, size: int) -> float:
    """Return how often the system has to be asked for I/O in one operation of a subject."""
    return 1 / (size + 1) if subject == "switch" else _TURNS.get(subject, 0.0)


class _Thing:
    __slots__ = ("a", "b", "c", "d")


class _Stop(BaseException):
    pass


@coroutine
def _pause() -> Generator[None, None, None]:
    yield


async def _returns() -> None:
    pass


async def _awaits(times: Iterable[object]) -> None:
    for _ in times:
        await _pause()


def _consume(iterator: Iterable[object]) -> None:
    deque(iterator, maxlen=0)


def _resume(watch: Watch, n: int) -> None:
    steps = _awaits(repeat(None, n)).__await__()
    with watch:
        _consume(steps)


def _queue(watch: Watch, n: int) -> None:
    queue: deque[int] = deque(range(100))
    entries = starmap(queue.popleft, repeat((), n))
    with watch:
        _consume(map(queue.append, entries))


def _coroutine(watch: Watch, n: int) -> None:
    made: Iterable[Coroutine[Any, Any, None]] = starmap(_returns, repeat((), n))
    steps: Iterable[Generator[Any, None, None]] = map(methodcaller("__await__"), made)
    with watch:
        _consume(map(next, steps, repeat(None)))


def _object(watch: Watch, n: int) -> None:
    with watch:
        _consume(starmap(_Thing, repeat((), n)))


def _throw(watch: Watch, n: int) -> None:
    parked = [_awaits((None,)) for _ in range(n)]
    for each in parked:
        each.send(None)
    with watch:
        for each in parked:
            try:
                each.throw(_Stop)
            except _Stop:
                pass


def _look(watch: Watch, n: int) -> None:
    epoll: Any = getattr(select, "epoll", None)
    if epoll is None:
        asked = starmap(select.select, repeat(((), (), (), 0), n))
        with watch:
            _consume(asked)
        return
    with epoll() as files:
        asked = starmap(files.poll, repeat((0,), n))
        with watch:
            _consume(asked)


async def _turn(watch: Watch, n: int) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    turns = iter(range(n))

    def again() -> None:
        if next(turns, None) is None:
            done.set_result(None)
        else:
            loop.call_soon(again)

    with watch:
        again()
        await done


_PARTS: Final[dict[str, Callable[[Watch, int], None]]] = {
    "resume": _resume,
    "queue": _queue,
    "coroutine": _coroutine,
    "object": _object,
    "throw": _throw,
    "look": _look,
}


async def on_asyncio(watch: Watch, n: int, part: str) -> int:
    if part == "turn":
        await _turn(watch, n)
    else:
        _PARTS[part](watch, n)
    return n


on_rescind = on_asyncio

"""The floor: what CPython itself takes for parts that no runtime for coroutines can do without.

The loops around them are C's (`map`, `starmap`, a deque of length 0 that consumes
an iterator), so that this is what a runtime would cost if its own part were nothing at all. Every
peer has the same; asyncio's is told. Which parts each native subject needs is in `NEEDS`.
"""

from __future__ import annotations

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


_PARTS: Final[dict[str, Callable[[Watch, int], None]]] = {
    "resume": _resume,
    "queue": _queue,
    "coroutine": _coroutine,
    "object": _object,
    "throw": _throw,
}


async def on_asyncio(watch: Watch, n: int, part: str) -> int:
    _PARTS[part](watch, n)
    return n


on_rescind = on_asyncio

"""Locks, semaphores, conditions and queues that are left held, or with somebody waiting.

*What it is.* Primitives that can be reached from the env, by attributes and items, up to a depth
and a number of objects. Each is named by the way that leads to it.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from rescind.check.detectors.base import Detector
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["LeftHeld", "reachable"]

_DEPTH = 8
_MOST = 4000
_WIDTH = 50
_PLAIN = (str, bytes, bytearray, int, float, complex, bool, type(None), type, range)


class LeftHeld(Detector):
    """A primitive that is held, or has waiters, when everything has settled."""

    name = "left held"

    def __init__(self) -> None:
        self._state: dict[str, str] = {}

    def settled(self, run: Run) -> None:
        for path, found in reachable(run.env):
            state = _state_of(found)
            if state:
                self._state[path] = state

    def fact(self, run: Run) -> dict[str, str]:
        return self._state

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        was: dict[str, str] = clean.facts.get(LeftHeld.name, {})
        now: dict[str, str] = seen.facts.get(LeftHeld.name, {})
        worse = {path: state for path, state in now.items() if state != was.get(path)}
        if worse:
            yield Symptom(
                "a primitive is left held, or with waiters that nobody will wake",
                expected="; ".join(f"{path} {was.get(path, 'free')}" for path in worse),
                seen="; ".join(f"{path} {state}" for path, state in worse.items()),
                remedy="hold it in 'async with', and hand on what a canceled waiter was given",
            )


def _state_of(found: Any) -> str:
    """Return what is not as it should be at rest, in words; empty if all is."""
    parts: list[str] = []
    if isinstance(found, (asyncio.Lock, asyncio.Condition)):
        if found.locked():
            parts.append("is locked")
    elif isinstance(found, asyncio.Semaphore):
        parts.append(f"has {found._value} permits")
    waiting = 0
    for name in ("_waiters", "_getters", "_putters"):
        waiters: Iterable[Any] = getattr(found, name, None) or ()
        waiting += sum(1 for waiter in waiters if not waiter.done())
    if waiting:
        parts.append(f"has {waiting} waiting")
    return " and ".join(parts)


def reachable(env: object) -> Iterator[tuple[str, Any]]:
    """Yield the primitives that can be reached from ``env``, with the way to each."""
    kinds = (asyncio.Lock, asyncio.Semaphore, asyncio.Condition, asyncio.Event, asyncio.Queue)
    for path, found in walk(env):
        if isinstance(found, kinds):
            yield path, found


def walk(env: object) -> Iterator[tuple[str, Any]]:
    """Yield what can be reached from ``env``, nearest first."""
    queue: deque[tuple[str, Any, int]] = deque([("env", env, 0)])
    seen: set[int] = {id(env)}
    while queue and len(seen) < _MOST:
        path, found, depth = queue.popleft()
        yield path, found
        if depth < _DEPTH:
            for step, inner in _inside(found):
                if id(inner) not in seen and not isinstance(inner, _PLAIN):
                    seen.add(id(inner))
                    queue.append((path + step, inner, depth + 1))


def _inside(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict):
        items = cast("dict[object, object]", found)
        for key, value in list(items.items())[:_WIDTH]:
            yield f"[{key!r}]", value
        return
    if isinstance(found, (list, tuple, set, frozenset, deque)):
        for index, value in enumerate(list(cast("Iterable[object]", found))[:_WIDTH]):
            yield f"[{index}]", value
        return
    if isinstance(found, (asyncio.AbstractEventLoop, asyncio.Task)):
        return
    fields: Any = getattr(found, "__dict__", None)
    if isinstance(fields, dict):
        for name, value in list(cast("dict[str, object]", fields).items()):
            yield f".{name}", value
    for kind in type(found).__mro__:
        slots: Any = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__"):
                try:
                    yield f".{name}", getattr(found, name)
                except Exception:
                    continue  # not set

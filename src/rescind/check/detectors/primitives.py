"""What is not at rest in a lock, a semaphore, or anything else with a queue of waiters.

*What it is.* Primitives are known by what they are like, not by whose they are: something that
says whether it is ``locked()``, something that counts permits, something that keeps futures or
events in a queue. So those of asyncio, anyio, aiorwlock and the like need no code of their own.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, NamedTuple, TypeGuard, cast

__all__ = ["Rest", "rest_of"]

#: Attributes in which semaphores keep how many permits there are.
_PERMITS = ("_value", "_available")
#: Words in the names of attributes in which those who wait are kept.
_WAITING = ("waiter", "_getters", "_putters", "_wait_queue")

_NONE = (asyncio.Future, dict, list, tuple, set, asyncio.AbstractEventLoop)
#: Kinds, with so many fields, that are known to be none.
_others: set[tuple[type, int]] = set()


class Rest(NamedTuple):
    """What a primitive has when nobody uses it.

    Attributes:
        locked: is it held?
        permits: how many it could give; None: it counts none.
        waiting: how many wait for it.
        free: could one who waits have it now? Then somebody was not woken.
        knows: is it a kind of which one can tell whether it is free?
    """

    locked: bool
    permits: int | None
    waiting: int
    free: bool
    knows: bool

    def __str__(self) -> str:
        parts = ["is locked"] if self.locked and self.permits is None else []
        if self.permits is not None:
            parts.append(f"has {self.permits} permits")
        if self.waiting:
            parts.append(f"has {self.waiting} waiting")
        return " and ".join(parts) or "is free"


def rest_of(found: Any) -> Rest | None:
    """Return what a primitive has; None: it is none."""
    kind = cast("type[object]", type(found))
    fields: Any = getattr(found, "__dict__", ())
    key = (kind, len(fields))
    if key in _others or issubclass(kind, _NONE):
        return None
    says = _says_locked(found, kind)
    waiting = _waiting(found)
    if says is None and waiting is None:
        _others.add(key)
        return None
    permits = _permits(found) if says is not None else None
    count = waiting or 0
    # A semaphore of asyncio's says that it is locked also while somebody waits.
    free = permits > 0 if permits is not None else says is False
    return Rest(bool(says), permits, count, free and count > 0, says is not None)


def _says_locked(found: Any, kind: type) -> bool | None:
    """Return what it answers to ``locked()``, or has in ``locked``; None: it says nothing."""
    asked: Any = getattr(kind, "locked", None)
    if asked is None:
        return None
    try:
        answer: Any = found.locked if isinstance(asked, property) else asked(found)
    except Exception:
        return None
    return answer if isinstance(answer, bool) else None


def _permits(found: Any) -> int | None:
    for name in _PERMITS:
        value = getattr(found, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _waiting(found: Any) -> int | None:
    """Return how many wait in its queues; None: it has none."""
    fields: Any = getattr(found, "__dict__", None)
    names = list(cast("dict[str, Any]", fields)) if isinstance(fields, dict) else []
    slots: Any = getattr(cast("object", type(found)), "__slots__", ())
    names += [slots] if isinstance(slots, str) else list(slots)
    total: int | None = None
    for name in names:
        if any(word in name for word in _WAITING):
            queue: Any = getattr(found, name, None)
            if _is_collection(queue):
                total = (total or 0) + sum(1 for one in list(queue) if _waits(one))
    return total


def _waits(one: Any) -> bool:
    """Is this somebody who has not been woken?"""
    if _is_tuple(one):
        return any(_waits(part) for part in one)
    if isinstance(one, asyncio.Task):
        return False  # who waits; the future or event beside it says whether still
    if asyncio.isfuture(one):
        return not one.done()
    is_set: Any = getattr(one, "is_set", None)
    return callable(is_set) and not is_set()


def _is_collection(found: object) -> TypeGuard[Collection[Any]]:
    return isinstance(found, Collection) and not isinstance(found, (str, bytes))


def _is_tuple(found: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(found, tuple)

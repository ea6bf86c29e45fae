"""What can be reached from a scenario: from its env, its module, and the frames it has left.

*What it is.* One walk for all detectors that look at state, made when they have settled, up to a
depth and a number of objects. Each object is named by the nearest way that leads to it.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
import logging
import re
import types
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

from rescind.check.stacks import Driven

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["PLAIN", "Found", "forget", "frames_of_task", "reached", "tasks_left", "walk"]

_DEPTH = 8
#: How deep one looks into what is not the scenario's alone: its module, and the frames of others.
_SHALLOW = 4
_MOST = 4000
_WIDTH = 50

#: What has no inside.
PLAIN = (str, bytes, bytearray, int, float, complex, bool, type(None), type, range)
#: What is not the program's state, though it can be reached.
_CODE = (
    *(types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType),
    *(types.CodeType, types.FrameType, types.TracebackType),
    *(logging.Logger, logging.Handler, re.Pattern, TypeVar, ContextVar),
)
_LOOPS = (asyncio.AbstractEventLoop, asyncio.Task)

Found = list[tuple[str, Any]]
"""The way to each object, and the object; nearest first."""

_walked: WeakKeyDictionary[Run, Found] = WeakKeyDictionary()
_slots: dict[type, tuple[str, ...]] = {}


def reached(run: Run) -> Found:
    """Return what can be reached in ``run``; looks once, and then remembers, until `forget`."""
    found = _walked.get(run)
    if found is None:
        found = _walked[run] = list(walk(_roots(run)))
    return found


def forget(run: Run) -> None:
    """Let go of what `reached` has found."""
    _walked.pop(run, None)


def walk(roots: Iterable[tuple[str, object, int]]) -> Iterator[tuple[str, Any]]:
    """Yield what can be reached from ``roots``, with the way to each, nearest first.

    Args:
        roots: the name of each, the object, and how deep to look into it.
    """
    seen: set[int] = set()
    # One root after the other: what the first leads to is named after it.
    for name, root, most in roots:
        queue: deque[tuple[str, Any, int]] = deque()
        if id(root) not in seen:
            seen.add(id(root))
            queue.append((name, root, most))
        while queue and len(seen) < _MOST:
            path, found, depth = queue.popleft()
            yield path, found
            if depth > 0:
                for step, inner in _inside(found):
                    if not isinstance(inner, PLAIN) and id(inner) not in seen:
                        seen.add(id(inner))
                        queue.append((path + step, inner, depth - 1))


def tasks_left(run: Run) -> list[Any]:
    """Return the tasks that have not ended, whoever made them."""
    return [task for task in asyncio.all_tasks(run.loop) if not task.done()]


def frames_of_task(task: Any) -> Iterator[types.FrameType]:
    """Yield the frames of a suspended task, outermost first."""
    current: Any = task.get_coro() if hasattr(task, "get_coro") else None
    while current is not None:
        if isinstance(current, Driven):
            current = current.coroutine
            continue
        frame = getattr(current, "cr_frame", None) or getattr(current, "gi_frame", None)
        if frame is not None and not _is_ours(frame):
            yield frame
        current = getattr(current, "cr_await", None) or getattr(current, "gi_yieldfrom", None)


def _roots(run: Run) -> Iterator[tuple[str, object, int]]:
    yield "env", run.env, _DEPTH
    body: Any = run.scenario.body
    yield from _variables(_module_of(body), getattr(body, "__globals__", {}))
    for name, cell in zip(
        getattr(getattr(body, "__code__", None), "co_freevars", ()),
        getattr(body, "__closure__", None) or (),
        strict=False,
    ):
        with suppress(ValueError):  # not set
            yield from _variables(name, {"": cell.cell_contents})
    for task in tasks_left(run):
        for frame in frames_of_task(task):
            yield from _variables(frame.f_code.co_qualname, frame.f_locals)


def _variables(where: str, variables: dict[str, Any]) -> Iterator[tuple[str, object, int]]:
    for name, value in list(variables.items()):
        if not name.startswith("__") and not isinstance(value, (*PLAIN, *_CODE)):
            yield f"{where}.{name}" if name else where, value, _SHALLOW


def _module_of(body: Any) -> str:
    return str(getattr(body, "__module__", "")).rpartition(".")[2]


def _is_ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("rescind.check.")


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
    if isinstance(found, (*_LOOPS, *_CODE)) or _from_check(type(cast("object", found))):
        return
    fields: Any = getattr(found, "__dict__", None)
    if isinstance(fields, dict):
        for name, value in list(cast("dict[str, object]", fields).items()):
            if name not in _OURS:
                yield f".{name}", value
    for name in _slots_of(type(cast("object", found))):
        try:
            yield f".{name}", getattr(found, name)
        except Exception:
            continue  # not set


#: What `Env` keeps for the detectors.
_OURS = frozenset({"_sent", "_received", "_usable"})


def _from_check(kind: type) -> bool:
    module = str(kind.__module__)
    return module.startswith("rescind.check.") and not module.endswith(".scenario")


def _slots_of(kind: type) -> tuple[str, ...]:
    """Return the names that a type's instances keep in slots."""
    known = _slots.get(kind)
    if known is None:
        names: list[str] = []
        for base in kind.__mro__:
            slots: Any = base.__dict__.get("__slots__", ())
            names += [slots] if isinstance(slots, str) else list(slots)
        known = _slots[kind] = tuple(name for name in names if not name.startswith("__"))
    return known

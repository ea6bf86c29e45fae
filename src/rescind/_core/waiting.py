"""What a cell waits for, and where: for dumps, hangs, warnings, and whoever pressed Ctrl-C.

*What it is.* Since a coroutine's leaf is always known, so is what it waits for: nothing has to be
recorded for it. Reads only; nothing here keeps a frame.

*Threads.* The executor's thread, between two steps or in a signal handler of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .coroutine import CoroutineFuture
from .frames import await_stack, from_library, shortened
from .phase import Phase
from .site import Site

if TYPE_CHECKING:
    from .cell import Cell
    from .poll import Future

__all__ = [
    "Wait",
    "children_of",
    "describe_wait",
    "describe_waits",
    "found_at",
    "named",
    "parts_of",
    "place_in",
    "place_of",
    "stack_of",
    "waits_of",
]

_ON_STACK = frozenset(
    {
        Phase.RUNNING,
        Phase.RUNNING_WOKEN,
        Phase.RUNNING_REQUESTED,
        Phase.CANCELING,
        Phase.CANCELING_WOKEN,
        Phase.DOOMED,
        Phase.DROPPING,
    }
)
_CLEANING = frozenset({Phase.CLEANING, Phase.CLEANING_READY})

#: How many lines a description has at most; the rest is counted.
_SHOWN = 20
_NAME_WIDTH = 36
_WHAT_WIDTH = 40
_COROUTINE = re.compile(r"<coroutine ((?:[^<>]|<\w+>)*)>")  # the name may have <locals> in it


@dataclass(frozen=True, slots=True)
class Wait:
    """One line of a description.

    Attributes:
        name: the task's name; for a child, which one of its parent's it is.
        what: what it waits for, such as ``sleep(5)``; or that it runs, or has not started.
        site: the innermost place in the program's own code, or None if there is none.
        inside: the place in a library where it waits in truth, if that is another one.
        depth: 0 for a task, 1 for a child of the combinator it awaits, and so on.
        cleaning: was it canceled, so that it is its cleanup that waits?
    """

    name: str
    what: str
    site: Site | None
    inside: Site | None
    depth: int
    cleaning: bool

    @property
    def place(self) -> str:
        """Where, in words; empty if unknown."""
        if self.site is None:
            return ""
        text = f"at {shortened(str(self.site))} in {self.site.function}"
        return text if self.inside is None else f"{text} (inside {self.inside.function})"


def stack_of(future: Future[Any] | None) -> list[Site]:
    """Return where a parked future is, outermost place first, through its coroutines' leaves."""
    sites: list[Site] = []
    current: Any = future
    while current is not None:
        if isinstance(current, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", current)
            sites += await_stack(driver.coroutine)
            current = driver.leaf
        else:
            elsewhere = getattr(current, "_sites", None)  # where it waits in truth: in a thread
            if elsewhere is not None:
                sites += elsewhere()
            current = getattr(current, "inner", None)
    return sites


def place_of(future: Future[Any] | None) -> str:
    """Return the place in the program's own code where a parked future is, in words.

    Where it waits for children, that is the place of the first one that has not ended.
    """
    return place_in(found_at(future)[0])


def place_in(stack: Sequence[Site]) -> str:
    """Return the innermost place of the program's own code in this stack, in words."""
    site, inside = _own(stack)
    if site is None:
        return "an unknown place"
    return f"{site} in {site.function}" + (f" (inside {inside.function})" if inside else "")


def found_at(future: Future[Any] | None) -> tuple[tuple[Site, ...], str, tuple[int, ...]]:
    """Return where a parked future is, what it waits for, and for which tasks.

    Returns:
        The stack of awaits, outermost first, through the first child that has not ended where it
        waits for children; the repr of what it awaits there, on one line; and the ids of the tasks
        for whose end it waits, if it waits for nothing else.
    """
    sites: list[Site] = []
    leaf: Any = None
    current: Any = future
    while current is not None:
        sites += stack_of(current)
        leaf, children = _leaf(current)
        current = children[0][1].future if children else None
    joined: set[int] = set()
    others = _joined(future, joined, set())
    return tuple(sites), _line(repr(leaf)), () if others else tuple(sorted(joined))


def _joined(future: Any, joined: set[int], seen: set[int]) -> bool:
    """Collect the ids of the tasks that are joined; return True if anything else is waited for."""
    if future is None or id(future) in seen:
        return False
    seen.add(id(future))
    leaf, children = _leaf(future)
    if children:
        found = [_joined(child.future, joined, seen) for _, child in children]
        return any(found)
    while True:
        tasks = getattr(leaf, "tasks", None)
        if tasks is not None:  # of a group, at the end of its block
            joined.update(task.id for task in tasks)
            return False
        task = getattr(leaf, "_task", None)
        if task is not None:
            break
        inner: Any = getattr(leaf, "inner", None)
        if inner is None:
            return True
        leaf = inner
    joined.add(task.id)
    return False


def _own(sites: Sequence[Site]) -> tuple[Site | None, Site | None]:
    """Return the innermost site that is no library's, and the innermost of all if it differs."""
    if not sites:
        return None, None
    for site in reversed(sites):
        if not from_library(site.file):
            return site, None if site is sites[-1] else sites[-1]
    return sites[-1], None


def waits_of(
    cell: Cell[Any], name: str, depth: int = 0, around: tuple[Cell[Any], ...] = ()
) -> list[Wait]:
    """Return what a cell waits for; then, if that is a combinator, what its children wait for."""
    future: Any = cell.future
    if future is None:
        return [Wait(name, "nothing: it has ended", None, None, depth, False)]
    site, inside = _own(stack_of(future))
    leaf, children = _leaf(future)
    if cell.phase in _ON_STACK:
        what = "nothing: running"
    elif not cell.started and cell.phase != Phase.PARKED:
        what, site = "its first poll", None
    elif children:
        what = _flat(repr(leaf).partition(",")[0])  # whom it waits for follows, line by line
    else:
        what = _flat(repr(leaf))
    cleaning = cell.phase in _CLEANING
    waits = [Wait(name, what, site, inside, depth, cleaning)]
    listed = {id(child) for _, child in children}
    children += [(i, child) for i, child in _beside(future) if id(child) not in listed]
    for index, child in children:
        if child not in around:  # what is shared may wait for itself
            waits += waits_of(child, _label(index, child), depth + 1, (*around, child))
    return waits


def _beside(future: Any) -> list[tuple[int, Cell[Any]]]:
    """Return what is polled beside the leaves of the coroutines that ``future`` goes through."""
    found: list[tuple[int, Cell[Any]]] = []
    current: Any = future
    while current is not None:
        if isinstance(current, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", current)
            for company in driver.company or ():
                cells: Iterable[Cell[Any]] = getattr(company, "cells", ())
                found += [(i, cell) for i, cell in enumerate(cells) if cell.ended is None]
            current = driver.leaf
        else:
            current = getattr(current, "inner", None)
    return found


def _leaf(future: Any) -> tuple[Any, list[tuple[int, Cell[Any]]]]:
    """Return what is awaited in truth, and its children that have not ended, if it has any."""
    leaf: Any = future
    while True:
        if isinstance(leaf, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", leaf)
            if driver.leaf is None:
                return driver, []
            leaf = driver.leaf
            continue
        children = getattr(leaf, "_children", None)
        if children is not None:
            cells: Iterable[Cell[Any]] = children.cells
            return leaf, [(i, cell) for i, cell in enumerate(cells) if cell.ended is None]
        shared: Cell[Any] | None = getattr(leaf, "_cell", None)
        if shared is not None:
            return leaf, [(0, shared)] if shared.ended is None else []
        inner = getattr(leaf, "inner", None)
        while inner is not None and not isinstance(inner, CoroutineFuture):
            if getattr(inner, "_children", None) is not None:
                break
            inner = getattr(inner, "inner", None)
        if inner is None:
            return leaf, []
        if isinstance(inner, CoroutineFuture) and inner.leaf is None:
            return leaf, []
        leaf = cast("Any", inner)


def _label(index: int, child: Cell[Any]) -> str:
    """Return how a child is called: by its key or its place, and its coroutine's name."""
    text = repr(child.future)
    key: object = getattr(child, "key", None)
    which = f"child {index if key is None else key!r}"
    if "<coroutine " not in text:
        return which
    return f"{which}: {named(_flat(text))}"


def named(text: str) -> str:
    """Return a repr in which coroutines are told by their names alone."""
    return _COROUTINE.sub(r"\1", text)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _line(text: str) -> str:
    text = _flat(text)
    return text if len(text) <= _WHAT_WIDTH else text[: _WHAT_WIDTH - 1] + "…"


def describe_wait(cell: Cell[Any]) -> str:
    """Return, on one line, what a cell waits for, and where."""
    wait = waits_of(cell, "")[0]
    what = f"{_line(wait.what)}, in its cleanup" if wait.cleaning else _line(wait.what)
    return f"{what} {wait.place}".rstrip()


def describe_waits(tasks: Iterable[tuple[str, Cell[Any]]]) -> list[str]:
    """Return a table: a line for each task, and for each child that it waits for.

    Tasks that wait for the same thing at the same place share a line.
    """
    groups: dict[tuple[tuple[object, ...], ...], tuple[list[Wait], int]] = {}
    for name, cell in tasks:
        waits = waits_of(cell, name)
        key = tuple((w.what, w.site, w.inside, w.cleaning, w.depth and w.name) for w in waits)
        first, count = groups.get(key, (waits, 0))
        groups[key] = (first, count + 1)
    rows: list[tuple[str, str, str]] = []
    for waits, count in groups.values():
        for wait in waits:
            name = "  " * wait.depth + wait.name
            if len(name) > _NAME_WIDTH:
                name = name[: _NAME_WIDTH - 1] + "…"
            if count > 1 and wait.depth == 0:
                name += f" (and {count - 1} more)"
            what = f"cleanup: {_line(wait.what)}" if wait.cleaning else _line(wait.what)
            rows.append((name, what, wait.place))
    return _table(rows)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    shown = rows if len(rows) <= _SHOWN + 1 else rows[:_SHOWN]
    names = min(_NAME_WIDTH, max((len(name) for name, _, _ in shown), default=0))
    whats = min(_WHAT_WIDTH, max((len(what) for _, what, _ in shown), default=0))
    lines = [f"  {name:{names}}  {what:{whats}}  {at}".rstrip() for name, what, at in shown]
    if len(rows) > len(shown):
        lines.append(f"  … and {len(rows) - len(shown)} lines more")
    return lines


def parts_of(future: Future[Any] | None) -> list[Any]:
    """Return what a future goes through: coroutines, what they await, what that wraps, and so on.

    Outermost first; it ends with what is waited for, or at a combinator, whose children are
    `children_of`.
    """
    parts: list[Any] = []
    current: Any = future
    while current is not None and all(current is not part for part in parts):
        parts.append(current)
        if isinstance(current, CoroutineFuture):
            current = cast("CoroutineFuture[object]", current).leaf
        else:
            current = getattr(current, "inner", None)
    return parts


def children_of(future: Future[Any] | None) -> list[tuple[str, Cell[Any]]]:
    """Return the children that a future waits for, and those polled beside it, with their names."""
    _, children = _leaf(future)
    listed = {id(child) for _, child in children}
    children += [(i, child) for i, child in _beside(future) if id(child) not in listed]
    return [(_label(index, child), child) for index, child in children]

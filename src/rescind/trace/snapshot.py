"""`info_of`: what can be said of a task or of a combinator's child now.

*What it is.* It takes a picture of one cell and of what hangs on it, a `CellInfo`: its state in
words, why it was canceled, what holds that back, what it waits for and where, and who has to act
before it goes on.

*What it is not.* A record of the past: all is read off the cells as they are, so it costs nothing
while nobody asks.

*Threads.* The executor's thread; or another one, or a signal handler, while that is stuck: what is
read then may be a moment older in one place than in another.

*Source.* ZIO's ``Fiber.dump`` (what it is blocked on, interruptible or not); Kotlin's
``DebugProbes``; tokio-console, whose tasks have no state of being canceled.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.explanation import Blocker, CellInfo, GroupInfo
from rescind._core.frames import await_stack, from_library, ours, shortened
from rescind._core.gate import Gate
from rescind._core.outcome import Canceled, Completed
from rescind._core.phase import Phase
from rescind._core.reason import CancelReason
from rescind._core.scope import CancelScope
from rescind._core.site import Site
from rescind._core.task import Task
from rescind._core.waiting import children_of, parts_of, stack_of, waits_of
from rescind.combinators.shield import Shield
from rescind.tasks.block import groups_of
from rescind.tasks.group import TaskGroup

__all__ = ["info_of", "label_of"]

_STATES = {
    Phase.NEW: "new",
    Phase.READY: "ready",
    Phase.RUNNING: "running",
    Phase.RUNNING_WOKEN: "running",
    Phase.RUNNING_REQUESTED: "running",
    Phase.PARKED: "waiting",
    Phase.REQUESTED: "to be canceled",
    Phase.CANCELING: "cleaning up",
    Phase.CANCELING_WOKEN: "cleaning up",
    Phase.CLEANING: "cleaning up",
    Phase.CLEANING_READY: "cleaning up",
    Phase.OVERDUE: "to be dropped",
    Phase.DOOMED: "to be dropped",
    Phase.DROPPING: "being dropped",
}
_INFINITY = float("inf")
#: So deep are tasks in groups of tasks looked at; groups may be nested as deep as memory allows.
_DEEPEST = 30
#: The module whose `Cell.step` polls whatever runs; and the hosts', as compiled code has no frames.
_STEPS = (
    Cell.__module__,
    "rescind._host.",
    "rescind.runtime",
    "rescind.testing.lab.executor",
    "asyncio.events",
)


def label_of(who: object) -> str:
    """Return how a task, rescind's or asyncio's, or somebody else is called in messages."""
    if isinstance(who, Task):
        task = cast("Task[object]", who)
        return f"task {task.id} {task.name!r}"
    if isinstance(who, asyncio.Task):
        return f"asyncio task {cast('asyncio.Task[object]', who).get_name()!r}"
    return str(who)


def info_of(
    cell: Cell[Any],
    label: str | None = None,
    *,
    whole: bool = True,
    groups: bool = True,
    most: int | None = None,
) -> CellInfo:
    """Return what can be said of ``cell`` now.

    Args:
        cell: a task, or a child.
        label: how it is called; by default its own name.
        whole: with its children and groups.
        groups: with the tasks of its groups; else they are counted.
        most: how many children of one combinator are looked at; the rest is counted, and so are
            the tasks of groups. None: all of both.
    """
    return _info(cell, label, whole, most, (), groups=groups)


def _info(
    cell: Cell[Any],
    label: str | None,
    whole: bool,
    most: int | None,
    around: tuple[Cell[Any], ...],
    *,
    groups: bool = True,
) -> CellInfo:
    task = cast("Task[object]", cell) if isinstance(cell, Task) else None
    label = label or (label_of(task) if task is not None else cell.name or repr(cell.future))
    name = label if task is None else task.name
    number = None if task is None else task.id
    reasons = () if cell.request is None else cell.request.reasons
    if cell.future is None:
        return CellInfo(label, number, name, _ended(cell), reasons=reasons)
    executor = cell.cx.executor
    now = None if executor is None else executor.now()
    shields = tuple(_shields(cell.future))
    wait = waits_of(cell, label)[0]
    state = _state(cell, shields)
    running = state == "running"
    stack = _running(cell) if running else tuple(_stack(cell.future))
    children = [
        (name, child)
        for name, child in (children_of(cell.future) if whole else ())
        if child is not cell and child not in around  # what is shared may wait for itself
    ]
    within = (*around, cell)
    return CellInfo(
        label,
        number,
        name,
        state,
        age=None if task is None or now is None else now - task.created_at,
        asked=_since(reasons, now),
        reasons=reasons,
        shields=shields,
        grace_left=_grace_left(cell, now),
        deadline_left=_deadline_left(cell, now),
        waits_for="" if running else wait.what,
        place=_at(stack) if running else wait.place,
        stack=stack,
        blocked_by=tuple(dict.fromkeys(_blockers(cell.future))),
        children=tuple(_info(child, name, True, most, within) for name, child in children[:most]),
        groups=tuple(_group(group, most if groups else 0, within) for group in groups_of(cell))
        if whole
        else (),
        more=0 if most is None else max(0, len(children) - most),
    )


def _group(group: Any, most: int | None, around: tuple[Cell[Any], ...]) -> GroupInfo:
    assert isinstance(group, TaskGroup)
    tasks = [task for task in group.tasks if task not in around]
    if most is not None or len(around) > _DEEPEST:
        return GroupInfo(group.name, group.reason, (), len(tasks))
    infos = tuple(_info(task, None, True, None, around) for task in tasks)
    return GroupInfo(group.name, group.reason, infos)


def _ended(cell: Cell[Any]) -> str:
    outcome = cell.ended
    if isinstance(outcome, Completed):
        return "completed, though canceled" if cell.absorbed else "completed"
    if isinstance(outcome, Canceled):
        return "abandoned" if outcome.abandoned else "dropped" if outcome.dropped else "canceled"
    return "failed"


def _state(cell: Cell[Any], shields: tuple[str, ...]) -> str:
    state = _STATES[cell.phase]
    driver = next(_drivers(cell.future), None)
    if state == "cleaning up" and shields and (driver is None or not driver.unwinding):
        return "shielded"  # the request has come, and is not delivered yet
    return state


def _since(reasons: tuple[CancelReason, ...], now: float | None) -> float | None:
    at = reasons[0].at if reasons else None
    return None if at is None or now is None else now - at


def _grace_left(cell: Cell[Any], now: float | None) -> float | None:
    at = None if cell.request is None else cell.request.grace_at
    return None if at is None or now is None else at - now


def _deadline_left(cell: Cell[Any], now: float | None) -> float | None:
    if now is None:
        return None
    times = [cell.cx.deadline_at]
    for driver in _drivers(cell.future):
        times += [scope.at for scope in list(driver.scopes) if isinstance(scope, CancelScope)]
    due = [at for at in times if at is not None and at != _INFINITY]
    return min(due) - now if due else None


def _drivers(future: Any) -> Iterator[CoroutineFuture[Any]]:
    """The coroutines that a future goes through, outermost first."""
    for part in parts_of(future):
        if isinstance(part, CoroutineFuture):
            yield cast("CoroutineFuture[object]", part)


def _shields(future: Any) -> Iterator[str]:
    """Where shields were entered that hold a cancellation of ``future`` back now."""
    place = "before its first await"
    for part in parts_of(future):
        if isinstance(part, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", part)
            for scope in list(driver.scopes):
                if isinstance(scope, Gate) and not scope.opened_by(driver.leaf):
                    yield shortened(scope.where or "an unknown place")
            stack = await_stack(driver.coroutine)
            place = shortened(str(stack[-1])) if stack else place
        elif isinstance(part, Shield):
            yield place


def _stack(future: Any) -> Iterator[Site]:
    """Where it waits, through a task of asyncio's too."""
    yield from stack_of(future)
    for part in parts_of(future):
        awaited = getattr(part, "future", None)
        if isinstance(awaited, asyncio.Task):
            yield from await_stack(cast("asyncio.Task[object]", awaited).get_coro())


def _running(cell: Cell[Any]) -> tuple[Site, ...]:
    """Where a cell is that is being polled, synchronous calls included: its thread is there."""
    executor = cell.cx.executor
    thread = 0 if executor is None else executor.thread
    frame = sys._current_frames().get(thread)
    begun = [getattr(driver.coroutine, "cr_frame", None) for driver in _drivers(cell.future)]
    sites: list[Site] = []
    while frame is not None and not _steps(frame):
        if not ours(frame):
            code = frame.f_code
            sites.append(Site(code.co_filename, frame.f_lineno or 0, code.co_qualname))
        # Further out is whoever steps it.
        frame = None if frame in begun else frame.f_back
    return tuple(reversed(sites))


def _steps(frame: FrameType) -> bool:
    """Is it the frame of what steps cells, or of the host?"""
    name: str = frame.f_globals.get("__name__", "")
    return name.startswith(_STEPS)


def _at(stack: tuple[Site, ...]) -> str:
    own = [site for site in stack if not from_library(site.file)] or list(stack)
    return f"at {shortened(str(own[-1]))} in {own[-1].function}" if own else ""


def _blockers(future: Any) -> Iterator[Blocker]:
    """Who has to act, through the children too."""
    for part in parts_of(future):
        blocked_by: Iterable[object] = part.blocked_by() if hasattr(part, "blocked_by") else ()
        for who in list(blocked_by):
            label = label_of(who)
            yield Blocker(label, cast("Task[object]", who).id if isinstance(who, Task) else None)
    for _, child in children_of(future):
        if child.future is not None and child.future is not future:
            yield from _blockers(child.future)

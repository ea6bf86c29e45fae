"""`dump`: what every task of this process does now, as a tree, as text or as JSON.

*What it is.* Runtimes, in them tasks, in these the groups and children that they wait for, each
with its state, why it was canceled, what it waits for and where; and asyncio's own tasks.

*Threads.* Any, and signal handlers: it takes no lock and waits for nothing, so that it works when a
loop is stuck.

*Source.* cats-effect's fiber dump on a signal; the JVM's thread dump, grouped by scope.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from rescind._core.current import live_executors
from rescind._core.executor import Executor
from rescind._core.explanation import CellInfo, plain_data, reason_lines
from rescind._core.frames import await_stack, from_library, shortened
from rescind._core.reason import printable
from rescind._core.site import Site
from rescind._warn.hangs import circle_of_tasks
from rescind.trace.snapshot import info_of, label_of

__all__ = ["dump", "dump_data"]

#: So often is a picture taken anew, if what is looked at changes meanwhile.
_TRIES = 5


def dump(file: TextIO | None = None, *, as_json: bool = False) -> None:
    """Write what every task of this process does now.

    It may be called from any thread, and from a signal handler; what is running meanwhile may be
    seen a moment older in one place than in another.

    Args:
        file: where to; by default ``sys.stderr``.
        as_json: one object on one line, that of `rescind.trace.dump_data`, instead of a tree.
    """
    if as_json:
        text = json.dumps(dump_data())
    else:
        lines = (line for executor in _executors() for line in _text(executor))
        text = "\n".join(map(printable, lines))
    out = sys.stderr if file is None else file
    out.write(f"{text or 'no runtime'}\n")
    out.flush()


def dump_data() -> dict[str, Any]:
    """Return what `dump` writes, as plain data ready for JSON.

    Returns:
        ``{"runtimes": [...]}``; each with ``name``, ``host``, ``statistics``, ``tasks`` (those in
        no group, with what hangs on them; what is more than 30 levels inside of another one, too),
        ``circle`` (the labels of tasks that can only wait for each other, the first one at the end
        again) and ``asyncio`` (asyncio's own tasks on the same loop).
    """
    return {"runtimes": [_runtime(executor) for executor in _executors()]}


def _executors() -> list[Executor]:
    return sorted(live_executors(), key=lambda executor: executor.name)


def _runtime(executor: Executor) -> dict[str, Any]:
    infos = _infos(executor)
    return {
        "name": executor.name,
        "host": executor.host.name,
        "statistics": plain_data(executor.statistics()),
        "tasks": [plain_data(info) for info in infos],
        "circle": _circle(executor),
        "asyncio": list(_stock_tasks(executor)),
    }


def _infos(executor: Executor) -> list[CellInfo]:
    """Return the tasks that are in no group, with all that hangs on them.

    What is too deep inside of others to be shown there follows on its own.
    """
    for _ in range(_TRIES):
        infos: list[CellInfo] = []
        shown: set[int | None] = set()
        try:
            # A task comes before those in its groups: these were admitted later.
            for task in list(executor.tasks.values()):
                if task.id not in shown:
                    info = info_of(task)
                    infos.append(info)
                    shown.update(one.id for one in _members(info))
        except RuntimeError:  # something was added while it was looked at, on another thread
            continue
        return infos
    return []


def _circle(executor: Executor) -> list[str]:
    """Return tasks that can only wait for each other, if there are any."""
    for _ in range(_TRIES):
        try:
            return [label_of(task) for task in circle_of_tasks(list(executor.tasks.values()))]
        except RuntimeError:
            continue
    return []


# ----------------------------------------------------------------------------------------- the text


def _text(executor: Executor) -> Iterator[str]:
    statistics = executor.statistics()
    timers = "1 timer" if statistics.timers == 1 else f"{statistics.timers} timers"
    yield (
        f"runtime {executor.name!r} on {executor.host.name}: {statistics.alive} alive, "
        f"{statistics.ready} ready, {timers}"
    )
    yield from _tree(_infos(executor), "  ")
    circle = _circle(executor)
    if circle:
        yield f"  deadlock: {' → '.join(circle)}: they wait for each other"
    for task in _stock_tasks(executor):
        asked = ", asked to cancel" if task["canceling"] else ""
        yield f"  asyncio task {task['name']!r}{asked}: at {task['place'] or 'an unknown place'}"


def _tree(infos: tuple[CellInfo, ...] | list[CellInfo], indent: str) -> Iterator[str]:
    """A few lines for each; of those that are alike the first one only, and their number."""
    alike: dict[object, list[CellInfo]] = {}
    for info in infos:
        alike.setdefault(_likeness(info), []).append(info)
    for first, *others in alike.values():
        more = f" (and {len(others)} more)" if others else ""
        what = f"{first.waits_for} {first.place}".strip()
        what = f": {what}" if what else ""
        yield f"{indent}{first.label}{more} {first.state}{what}"
        yield from (f"{indent}    {line}" for line in _why(first))
        yield from _tree(first.children, indent + "  ")
        for group in first.groups:
            why = f", canceled: {group.reason.line()}" if group.reason is not None else ""
            where = ", told of further down" if group.more else ""
            yield f"{indent}  group {group.name!r}, {group.alive} alive{where}{why}"
            yield from _tree(group.tasks, indent + "    ")


def _likeness(info: CellInfo) -> object:
    """What two have in common that share a line."""
    if info.children or info.groups:
        return id(info)
    reasons = tuple((reason.kind, reason.message, reason.where) for reason in info.reasons)
    return info.state, info.waits_for, info.stack, reasons, info.shields, info.id is None


def _why(info: CellInfo) -> Iterator[str]:
    if info.reasons:
        ago = f" {info.asked:.1f} s ago" if info.asked is not None else ""
        first, *rest = reason_lines(info.reasons[0])
        yield f"canceled{ago}: {first}"
        yield from (f"  {line}" for line in rest)
    if info.shields and info.reasons:
        yield f"held back by the shield at {info.shields[0]}"
    elif info.shields:
        yield f"in the shield at {info.shields[0]}"
    if info.grace_left is not None:
        yield f"grace: {max(info.grace_left, 0.0):.1f} s left"
    if info.blocked_by and not info.groups:
        yield f"blocked by {', '.join(one.label for one in info.blocked_by[:4])}"


def _members(info: CellInfo) -> Iterator[CellInfo]:
    for group in info.groups:
        yield from group.tasks
        for task in group.tasks:
            yield from _members(task)
    for child in info.children:
        yield from _members(child)


def _stock_tasks(executor: Executor) -> Iterator[dict[str, Any]]:
    loop = getattr(executor.host, "loop", None)
    if loop is None:
        return
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        if isinstance(task, asyncio.Task):  # ours are in the set too, as what they are for asyncio
            stack = await_stack(task.get_coro())
            place = _place(stack)
            yield {"name": task.get_name(), "canceling": task.cancelling(), "place": place}


def _place(stack: list[Site]) -> str:
    own = [site for site in stack if not from_library(site.file)] or stack
    return f"{shortened(str(own[-1]))} in {own[-1].function}" if own else ""

"""`Hangs`: tasks that nothing can wake any more, while the program runs.

*What it is.* When a runtime has been idle for a moment, it looks at those who wait: tasks that wait
for each other in a circle; futures whose waker nobody holds; and, where the loop lets it be seen,
that nothing at all is left which could ever happen. Each is told once.

*What it is not.* A guess: what a timer, a deadline, another branch, a thread, a socket or a signal
may still get out of it is not told. So it says less than is true, and what it says is so, as long
as nobody cancels.

*Threads.* The runtime's.

*Source.* Go's "all goroutines are asleep"; tokio-console's lost wakers; the JVM's deadlocked
threads.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.scope import CancelScope, ScopeStack
from rescind._core.task import Task
from rescind._core.waiting import children_of, parts_of, waits_of
from rescind._core.watched import Watched
from rescind._warn.circles import circle_among
from rescind._warn.places import label_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from rescind._core.cell import Cell
    from rescind._core.executor import Executor
    from rescind._warn.lines import Lines

__all__ = ["Hangs", "circle_of_tasks"]

#: With more tasks than this it does not look: it would take too long.
_MANY: Final = 5000
#: So many of those who wait are named.
_NAMED: Final = 4
_KIND: Final = "tasks that nothing can wake"


class Hangs:
    """Looks for what hangs in one runtime.

    Args:
        executor: of the runtime.
        loop: that it rides on.
        lines: where to warn.
    """

    def __init__(self, executor: Executor, loop: AbstractEventLoop, lines: Lines) -> None:
        self._executor = executor
        self._loop = loop
        self._lines = lines
        self._told: set[object] = set()

    def look(self) -> None:
        """Tell what hangs, once each; to be called when nothing has run for a moment."""
        executor = self._executor
        if not 0 < len(executor.tasks) <= _MANY:
            return
        tasks = list(executor.tasks.values())
        hang = self._circle(tasks) or self._lost(tasks) or self._nothing(tasks)
        if hang is not None:
            key, text = hang
            if key not in self._told:
                self._told.add(key)
                self._lines.say(_KIND, text)

    def forget(self, task: Task[Any]) -> None:
        """Note that a task has ended."""
        self._told.discard(task.id)

    def _circle(self, tasks: list[Task[Any]]) -> tuple[object, str] | None:
        circle = circle_of_tasks(tasks)
        if not circle:
            return None
        waits = " → ".join(f"{label_of(task)} ({_waits(task)})" for task in circle[:-1])
        text = (
            f"deadlock: {waits} → {label_of(circle[0])}: they wait for each other. Take locks in "
            "the same order everywhere; cancel one of them to go on"
        )
        return frozenset(task.id for task in circle), text

    def _lost(self, tasks: list[Task[Any]]) -> tuple[object, str] | None:
        for task in tasks:
            if task.id in self._told:
                continue
            for part in parts_of(task.future):
                if isinstance(part, Watched) and part.lost():
                    return task.id, (
                        f"{label_of(task)} waits for {_waits(task)}, whose waker nobody "
                        "holds any more, so that nothing can wake it. Whoever makes the progress "
                        "has to keep cx.waker, and to call its wake()"
                    )
        return None

    def _nothing(self, tasks: list[Task[Any]]) -> tuple[object, str] | None:
        executor = self._executor
        statistics = executor.statistics()
        if statistics.timers or statistics.ready or executor.outside > 0:
            return None
        if threading.active_count() > 1 or _loop_may_wake(self._loop) or _signals_may_wake():
            return None
        if any(_waits(task).startswith("never()") for task in tasks):
            return None  # as it was meant
        named = "; ".join(f"{label_of(task)}: {_waits(task)}" for task in tasks[:_NAMED])
        more = f"; and {len(tasks) - _NAMED} more" if len(tasks) > _NAMED else ""
        text = (
            "deadlock: nothing can run any more, as no timer, socket, thread or process is left "
            f"that could wake anybody. They wait: {named}{more}"
        )
        return frozenset(task.id for task in tasks), text


def circle_of_tasks(tasks: Iterable[Task[Any]]) -> list[Task[Any]]:
    """Return tasks that can only wait for each other, the first one at the end again, or []."""
    return circle_among(tasks, _blockers)


def _blockers(task: Task[Any]) -> Iterator[Task[Any]]:
    """For whom a task waits, if it waits for nothing else, and nothing ends that."""
    cell: Cell[Any] = task
    seen: set[Cell[Any]] = set()
    while cell not in seen:
        seen.add(cell)
        future = cell.future
        if future is None or cell.request is not None:
            return
        parts = parts_of(future)
        if any(isinstance(part, ScopeStack) and _limited(part) for part in parts):
            return
        children = [child for _, child in children_of(future)]
        shared: Cell[Any] | None = getattr(parts[-1], "_cell", None)
        if children and children != [shared]:
            return
        if not children:
            for who in parts[-1].blocked_by() if hasattr(parts[-1], "blocked_by") else ():
                if isinstance(who, Task):
                    yield cast("Task[object]", who)
            return
        cell = children[0]  # what is shared is polled by those who wait for it: so do they


def _limited(stack: ScopeStack) -> bool:
    """Is there a deadline around what the coroutine awaits?"""
    return any(isinstance(scope, CancelScope) and scope.at < float("inf") for scope in stack.scopes)


def _waits(task: Task[Any]) -> str:
    """What a task waits for, and where."""
    wait = waits_of(task, task.name)[0]
    return f"{wait.what} {wait.place}".rstrip()


def _loop_may_wake(loop: AbstractEventLoop) -> bool:
    """Does the loop wait for anything but its own wake-ups? If that cannot be seen: yes.

    asyncio keeps all of it private: what is ready and scheduled, the selector, signal handlers.
    """
    selector: Any = getattr(loop, "_selector", None)
    files = selector.get_map() if hasattr(selector, "get_map") else None
    scheduled: Any = getattr(loop, "_scheduled", None)
    ready: Any = getattr(loop, "_ready", None)
    handlers: Any = getattr(loop, "_signal_handlers", None)
    if files is None or scheduled is None or ready is None or handlers is None:
        return True
    own = getattr(loop, "_ssock", None)
    others = [one for one in files.values() if own is None or one.fd != own.fileno()]
    waiting = [one for one in scheduled if not one.cancelled()]
    ours = int  # what the command line has asyncio do with a signal, so that it wakes the loop
    told = [one for one in handlers.values() if getattr(one, "_callback", None) is not ours]
    return bool(others or waiting or ready or told)


def _signals_may_wake() -> bool:
    """Has the program a signal handler of its own?"""
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if not callable(handler) or handler is signal.default_int_handler:
            continue
        if not str(getattr(handler, "__module__", "")).startswith(("rescind.", "asyncio.")):
            return True
    return False

"""`Guard`: what a test has left behind, in words that say what it is and where it comes from.

*What it is.* Looked at when the body has ended; and, if something is there that a fixture may yet
end, once more when the fixtures have. What was there before the body began is nobody's leak. The
last look is at the closed runtime: threads end with it, or never.

*What it is not.* A tracer: apart from where tasks are spawned, nothing is recorded; what is left is
read off the executor and the loop.

*Invariants.*
 G1  Timers and handles are looked at only where no task is left: a task that sleeps has one.

*Threads.* pytest's; tasks may be spawned on others.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final

from rescind._core.cell import Cell
from rescind._core.frames import from_library, ours, shortened
from rescind._core.hooks import Observer, hooks
from rescind._core.outcome import Outcome
from rescind._core.task import Task
from rescind._shutdown import ShutdownReport
from rescind.testing.lab.outside import instead
from rescind.testing.plugin.bed import HostBed
from rescind.trace.snapshot import info_of

__all__ = ["Guard"]

#: How long a thread that has nothing more to do may take to end, in seconds.
_GRACE: Final = 1.0


class Guard(Observer):
    """Looks at what one test leaves.

    Args:
        bed: of the test.
        kinds: what to look for; see `LEAKS`.
    """

    __slots__ = ("_bed", "_before", "_depth", "_kinds", "_loop", "_places", "_stack", "_unawaited")

    def __init__(self, bed: HostBed, kinds: Collection[str]) -> None:
        self._bed = bed
        self._kinds = kinds
        self._loop: Any = getattr(bed.executor.host, "loop", None)
        # Where each task was spawned that has not ended, by its id.
        self._places: dict[int, str] = {}
        self._unawaited: list[str] = []
        # What was there when the body began, by kind; threads: when the test began.
        self._before: dict[str, set[Any]] = {"threads": set(threading.enumerate())}
        self._stack = ExitStack()
        self._depth = sys.get_coroutine_origin_tracking_depth()

    # -- listening --------------------------------------------------------------------------------

    def listen(self) -> None:
        """Note from now on where tasks are spawned, and what is never awaited."""
        if "tasks" in self._kinds:
            hooks.add(self)
            self._stack.callback(hooks.remove, self)
        if "coroutines" in self._kinds:
            sys.set_coroutine_origin_tracking_depth(max(self._depth, 1))
            self._stack.callback(sys.set_coroutine_origin_tracking_depth, self._depth)
            # CPython calls this for each coroutine that goes unawaited (Python/_warnings.c).
            self._stack.enter_context(
                instead(warnings, "_warn_unawaited_coroutine", self._note_unawaited)
            )

    def spawned(self, cell: Cell[Any]) -> None:
        """Note where."""
        if isinstance(cell, Task):
            outer: Any = sys._getframe(1)
            while outer is not None and (ours(outer) or from_library(outer.f_code.co_filename)):
                outer = outer.f_back
            if outer is not None:
                where = shortened(f"{outer.f_code.co_filename}:{outer.f_lineno}")
                self._places[cell.id] = f"{where} in {outer.f_code.co_qualname}"

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        """Forget where."""
        if isinstance(cell, Task):
            self._places.pop(cell.id, None)

    def _note_unawaited(self, coro: Any) -> None:
        origin: Any = getattr(coro, "cr_origin", None)
        at = f", called at {shortened(f'{origin[0][0]}:{origin[0][1]}')}" if origin else ""
        self._unawaited.append(f"the coroutine {coro.__qualname__!r} was never awaited{at}")

    # -- looking ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Note what is there: the body begins."""
        self._before |= {
            "tasks": set(self._tasks()),
            "asyncio": set(self._asyncio_tasks()),
            "timers": {self._timers()},
            "handles": {id(handle) for handle in self._handles()},
            "sockets": set(self._sockets()),
        }

    def left(self, *, fixtures: bool = True) -> list[str]:
        """Return what is there that should not be; a line for each.

        Args:
            fixtures: are they still there, so that what was there when the body began may be?
        """
        before = self._before if fixtures else dict[str, set[Any]]()
        lines: list[str] = []
        tasks = [task for task in self._tasks() if task not in before.get("tasks", ())]
        stock = [task for task in self._asyncio_tasks() if task not in before.get("asyncio", ())]
        if "tasks" in self._kinds:
            lines += [self._task(task) for task in tasks]
            lines += [_asyncio_task(task) for task in stock]
        if not tasks and not stock:  # G1
            timers = self._timers() - max(before.get("timers", {0}))
            if timers > 0 and "timers" in self._kinds:
                lines.append(f"{_count(timers, 'timer')} of no task")
            if "handles" in self._kinds:
                known = before.get("handles", set())
                lines += [
                    f"a callback that the loop still has: {handle!r}"
                    for handle in self._handles()
                    if id(handle) not in known
                ]
        if "coroutines" in self._kinds:
            lines += self._unawaited
        if "sockets" in self._kinds:
            known = before.get("sockets", set())
            lines += [f"a socket: {_socket(fd)}" for fd in self._sockets() if fd not in known]
        return lines

    def suspicious(self) -> list[str]:
        """Return what is there, and the threads that the runtime may still end."""
        threads = self._threads() if "threads" in self._kinds else []
        return self.left() + [f"the thread {thread.name!r}" for thread in threads]

    def after(self, report: ShutdownReport) -> list[str]:
        """Return what has survived the runtime, and listen no more."""
        self._stack.close()
        if "threads" not in self._kinds:
            return []
        until = monotonic() + _GRACE
        for thread in self._threads():
            thread.join(max(0.0, until - monotonic()))
        lines = [f"still there after the runtime: {left}" for left in report.leftovers]
        return lines + [f"the thread {thread.name!r}" for thread in self._threads()]

    # -- what there is ----------------------------------------------------------------------------

    def _tasks(self) -> list[Task[Any]]:
        return [task for task in self._bed.runtime.tasks() if task not in self._bed.parts]

    def _task(self, task: Task[Any]) -> str:
        info = info_of(task, whole=False)
        place = self._places.get(task.id)
        spawned = "" if place is None else f", spawned at {place}"
        waits = f" for {info.waits_for}" if info.waits_for else ""
        at = f" {info.place}" if info.place else ""
        return f"{info.label}{spawned}; it is {info.state}{waits}{at}"

    def _asyncio_tasks(self) -> list[asyncio.Task[Any]]:
        if self._loop is None or self._loop.is_closed():
            return []
        tasks: set[Any] = asyncio.all_tasks(self._loop)  # ours are in it, too, as identities
        return [task for task in tasks if isinstance(task, asyncio.Task) and not task.done()]

    def _timers(self) -> int:
        return self._bed.executor.statistics().timers

    def _handles(self) -> Iterator[Any]:
        """The loop's timers, but for that of the executor itself; uvloop does not tell."""
        for handle in list(getattr(self._loop, "_scheduled", ())):
            owner: Any = getattr(handle._callback, "__self__", None)
            if not handle.cancelled() and owner is not self._bed.executor:
                yield handle

    def _sockets(self) -> Iterator[int]:
        """The files that the loop watches, but for its own; uvloop does not tell."""
        selector: Any = getattr(self._loop, "_selector", None)
        watched: Any = selector.get_map() if selector is not None else None
        own: Any = getattr(self._loop, "_ssock", None)
        for fd in list(watched or ()):
            if own is None or fd != own.fileno():
                yield fd

    def _threads(self) -> list[threading.Thread]:
        known = self._before["threads"]
        return [one for one in threading.enumerate() if one not in known and not one.daemon]


def _asyncio_task(task: asyncio.Task[Any]) -> str:
    coro: Any = task.get_coro()
    name = getattr(coro, "__qualname__", repr(coro))
    return f"the asyncio task {task.get_name()!r}, which runs {name}"


def _socket(fd: int) -> str:
    try:
        with socket.socket(fileno=os.dup(fd)) as copy:
            peer = ""
            try:
                peer = f", connected with {copy.getpeername()}"
            except OSError:
                pass
            return f"{copy.family.name} {copy.getsockname()}{peer}"
    except OSError:
        return f"or another file, with the number {fd}"


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"

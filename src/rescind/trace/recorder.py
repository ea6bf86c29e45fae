"""`Recorder`: writes down what happens, in memory or in a file, to be looked at later.

*What it is.* An observer that puts each event into a ring. In memory the latest ones are
kept; in a file all of them, written by a thread of its own, so that a slow disk holds nobody up.
What is expensive to tell (what a task waits for, in words) is told only where a task really waits.

*What it is not.* A profiler: it knows steps of tasks, and nothing of what happens inside one.

*Invariants.*
 N1  Every cell has a number of its own, counted from 1, from its first event to its end; what the
     recorder has not seen being made gets its number, and its ``spawned``, when it is met.
 N2  Nothing that is recorded keeps a future, a frame or a value alive; a cell only to its end.
 N3  What does not fit is counted, never silently gone: `Trace.dropped`.

*Threads.* Events come on any; `trace` and `stop` may be called from any.

*Source.* tokio-console's and eio's event streams; the JVM's flight recorder (a bounded ring).
"""

from __future__ import annotations

import itertools
import os
import time
import weakref
from collections import deque
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.explanation import reason_data
from rescind._core.hooks import Observer, actor, hooks
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.reason import reason_line
from rescind._core.task import Task
from rescind._core.waiting import named
from rescind.combinators.children import Child
from rescind.trace.events import Header, Trace
from rescind.trace.ring import ring_of
from rescind.trace.steps import Steps, near, place_of, short
from rescind.trace.writer import TraceWriter

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.errors import Abandoned
    from rescind._core.overrun import Overrun
    from rescind._core.reason import CancelReason, CancelRequest
    from rescind._core.scope import ScopeStack

__all__ = ["DEFAULT_LIMIT", "Recorder"]

#: How many events are kept in memory.
DEFAULT_LIMIT: Final = 200_000
#: Of so many that have ended the numbers are still known: steps nest.
_GONE: Final = 16
#: So many reasons are kept as plain data.
_REASONS: Final = 256


class Recorder(Observer):
    """Records what happens in this process between `start` and `stop`, or in its ``with`` block.

    Args:
        file: where to write all of it, while it happens; None: keep the latest events in memory.
        limit: how many events are kept in memory; with a file, how many may wait to be written.
        clock: returns the time in nanoseconds; by default ``time.monotonic_ns``.

    Raises:
        OSError: the file cannot be written; when it is started.
        ValueError: ``limit`` is less than 1.

    Example:
        >>> import rescind
        >>> from rescind.trace import Recorder
        >>> with Recorder() as recorder:
        ...     rescind.run(rescind.sleep(0))
        >>> [event[1] for event in recorder.trace().events][-1]
        'ended'
    """

    __slots__ = (
        "_clock",
        "_file",
        "_gone",
        "_groups",
        "_header",
        "_ids",
        "_lock",
        "_next",
        "_reasons",
        "_ring",
        "_steps",
        "_writer",
        "limit",
    )

    def __init__(
        self,
        file: str | os.PathLike[str] | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self.limit = limit
        self._file = file
        self._clock = clock
        self._lock = Lock()
        self._ring = ring_of(limit, clock)
        self._ids: dict[Any, int] = {}  # by cell, as long as it lives (N2)
        self._gone: deque[tuple[weakref.ref[Any], int]] = deque(maxlen=_GONE)
        self._groups: dict[Any, int] = {}
        self._reasons: dict[int, tuple[CancelReason, dict[str, Any]]] = {}  # by id
        self._next = itertools.count(1)
        self._header = Header.now(clock())
        self._writer: TraceWriter | None = None
        self._steps: Steps | None = None  # as long as it listens

    # -- beginning and end ------------------------------------------------------------------------

    def start(self) -> None:
        """Listen from now on."""
        self._header = Header.now(self._clock())
        if self._file is not None:
            self._writer = TraceWriter(self._file, self._header, self.limit, self._clock)
            self._ring = self._writer.ring
        steps = self._steps = Steps(self._ids, self._number, self._ring)
        hooks.add(self)
        hooks.add(steps)

    def stop(self) -> None:
        """Listen no more, and return when all is written; a no-op if it does not listen."""
        hooks.remove(self)
        steps, self._steps = self._steps, None
        if steps is not None:
            hooks.remove(steps)
        with self._lock:
            writer, self._writer = self._writer, None
            self._ids.clear()
            self._groups.clear()
        if writer is not None:
            writer.close()

    def __enter__(self) -> Recorder:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def trace(self) -> Trace:
        """Return what was recorded, up to now: of a file, what it has by now."""
        if self._file is not None:
            return Trace.read(self._file)
        return Trace(self._header, self._ring.events(), self._ring.dropped)

    # -- events -----------------------------------------------------------------------------------

    def spawned(self, cell: Cell[Any]) -> None:
        self._number(cell)

    def requested(self, cell: Cell[Any], reason: CancelReason) -> None:
        self._note("requested", self._number(cell), self._actor(), self._reason(reason))

    def delivered(self, stack: ScopeStack, request: CancelRequest) -> None:
        cell = None if stack.cx is None else stack.cx.cell
        if cell is None:
            return
        place = None
        if isinstance(stack, CoroutineFuture):
            found = place_of(cast("CoroutineFuture[object]", stack).coroutine)
            place = None if found is None else found.rpartition(" in ")[0]
        reason = self._reason(request.reason)
        self._note("delivered", self._number(cell), reason, place, is_own(cell, request))

    def overran(self, overrun: Overrun) -> None:
        self._note("overran", overrun.id, overrun.label, near(overrun.place), overrun.seconds)

    def abandoned(self, error: Abandoned) -> None:
        self._note("abandoned", str(error))

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        number = self._number(cell)
        self._note("ended", number, _how(outcome), _detail(outcome), cell.absorbed)
        # It still acts: it wakes those who wait for its end.
        self._gone.append((weakref.ref(cell), number))
        steps = self._steps
        if steps is not None:
            steps.forget(cell)

    def group_opened(self, group: Any) -> None:
        self._note("group_opened", self._group(group), group.name, self._actor())

    def group_spawned(self, group: Any, task: Task[Any]) -> None:
        self._note("group_spawned", self._group(group), self._number(task))

    def group_canceled(self, group: Any, reason: CancelReason) -> None:
        self._note("group_canceled", self._group(group), self._actor(), self._reason(reason))

    def group_closed(self, group: Any) -> None:
        self._note("group_closed", self._group(group))
        self._groups.pop(group, None)

    def token_canceled(self, token: Any, reason: CancelReason) -> None:
        self._note("token_canceled", id(token), self._actor(), self._reason(reason))

    # -- writing ----------------------------------------------------------------------------------

    def _note(self, *event: Any) -> None:
        self._ring.append(event)

    def _actor(self) -> int | None:
        cell = actor()
        return None if cell is None else self._number(cell)

    def _number(self, cell: Cell[Any]) -> int:
        """Return the number of a cell; if it is new, write down who it is (N1)."""
        number = self._ids.get(cell)
        if number is not None:
            return number
        if cell.ended is not None:
            for ref, known in list(self._gone):
                if ref() is cell:
                    return known
        with self._lock:
            number = self._ids.get(cell)
            if number is not None:
                return number
            number = self._ids[cell] = next(self._next)
        parent = None if cell.parent is None else self._number(cell.parent)
        by = actor()
        maker = None if by is None or by is cell else self._number(by)
        kind, name, task = _who(cell)
        self._note("spawned", number, kind, name, parent, maker, task)
        return number

    def _reason(self, reason: CancelReason) -> dict[str, Any]:
        """Return a reason as plain data; many may be canceled for the same one."""
        known = self._reasons.get(id(reason))
        if known is None or known[0] is not reason:
            if len(self._reasons) >= _REASONS:
                self._reasons.clear()
            known = self._reasons[id(reason)] = reason, reason_data(reason)
        return known[1]

    def _group(self, group: Any) -> int:
        number = self._groups.get(group)
        if number is None:
            number = self._groups[group] = next(self._next)
        return number


def is_own(cell: Cell[Any], request: CancelRequest) -> bool:
    """Is it the cell's own cancellation, and not that of a deadline or a timeout inside it?"""
    asked = cell.request
    return asked is not None and request.reason is asked.reason


def _who(cell: Cell[Any]) -> tuple[str, str, int | None]:
    """Return what sort of cell it is, its name, and the task's id."""
    if isinstance(cell, Task):
        task = cast("Task[object]", cell)
        return "task", task.name, task.id
    name = named(cell.name or repr(cell.future))
    return "child" if isinstance(cell, Child) else "foreign", short(name), None


def _how(outcome: Outcome[Any]) -> str:
    if isinstance(outcome, Completed):
        return "completed"
    if isinstance(outcome, Canceled):
        return "abandoned" if outcome.abandoned else "dropped" if outcome.dropped else "canceled"
    return "failed"


def _detail(outcome: Outcome[Any]) -> str | None:
    """Return the reason or the error, in words; of a value nothing, which may be secret."""
    if isinstance(outcome, Completed):
        return None
    if isinstance(outcome, Canceled):
        reason = outcome.reason
        line = reason_line(reason.kind.value, reason.message, reason.by, None)
        return line if reason.where is None else f"{line}, at {near(reason.where)}"
    return error_words(outcome.exception)


def error_words(error: BaseException) -> str:
    """Return an error on one line; nothing of what its ``__repr__`` may do gets out."""
    try:
        return short(repr(error))
    except Exception:
        return type(error).__qualname__

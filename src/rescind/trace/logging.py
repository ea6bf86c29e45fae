"""The standard library's `logging`: each record says in which task it was made, and if that is
being canceled, why.

*What it is.* Fields for records, by a filter on a handler (`TaskFilter`) or for all records of the
process (`instrument`); and an observer that logs cancellations themselves (`CancellationLog`).

*What it is not.* A context variable: who runs is known at each moment, so nothing is carried along,
and a program that uses none of this pays nothing.

*Invariants.*
 G1  A record is told of once, where it is made: what it has already, a queue's listener keeps.
 G2  Fields are texts and numbers: they can be pickled, and sent to another process.
 G3  Closing undoes what was done, whoever has put another factory on top of it meanwhile.

*Threads.* Any. Of what runs in a thread of ``spawn_blocking``, the task is that of the call.

*Source.* ``taskName`` of Python 3.12's records; OpenTelemetry's ``LoggingInstrumentor``.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.explanation import reason_text
from rescind._core.frames import shortened, site
from rescind._core.hooks import Observer, hooks
from rescind._core.outcome import Canceled, Error
from rescind._core.task import Task
from rescind.blocking.job import Job, working
from rescind.tasks.current import cancel_requested
from rescind.trace.recorder import error_words, is_own
from rescind.trace.snapshot import label_of

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.outcome import Outcome
    from rescind._core.reason import CancelReason, CancelRequest
    from rescind._core.scope import ScopeStack

__all__ = ["FIELDS", "CancellationLog", "Instrumentation", "TaskFilter", "instrument"]

#: What a record gets: the name of its task, the task's id, and why it is being canceled.
FIELDS: Final = ("rescind_task", "rescind_task_id", "rescind_canceled")
_LOGGER: Final = "rescind.cancellations"


class TaskFilter(logging.Filter):
    """Has each record say in which task it was made; lets all of them through.

    Add it to a handler: a logger's filters do not see what the loggers below it hand on. A handler
    that only puts records into a queue is the right one; in the thread that takes them out, nobody
    knows any more where they come from.

    - ``rescind_task``: the task's name; None outside every task of rescind's. In a function that
      `spawn_blocking` runs it is that call's.
    - ``rescind_task_id``: its id, or None.
    - ``rescind_canceled``: why the code that logs has been asked to cancel, with what that follows
      from, on one line; None if it was not. In the cleanup of a branch that lost a race it is that.

    Example:
        >>> import logging, sys
        >>> import rescind
        >>> from rescind.trace.logging import TaskFilter
        >>> handler = logging.StreamHandler(sys.stdout)
        >>> handler.addFilter(TaskFilter())
        >>> handler.setFormatter(logging.Formatter("[%(rescind_task)s] %(message)s"))
        >>> log = logging.getLogger("shop")
        >>> log.addHandler(handler)
        >>> async def main():
        ...     log.warning("sold out")
        >>> rescind.run(main)
        [main] sold out
        >>> log.removeHandler(handler)

    Source: the *Filters* of Python's logging cookbook.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        tell(record)
        return True


def tell(record: logging.LogRecord) -> None:
    """Give a record its fields, if it has none (G1)."""
    if not hasattr(record, "rescind_task"):
        name, number, reason = _here()
        record.rescind_task = name
        record.rescind_task_id = number
        record.rescind_canceled = None if reason is None else reason_text(reason)


def _here() -> tuple[str | None, int | None, CancelReason | None]:
    """Return the name and the id of the task that runs on this thread, and why it is canceled."""
    executor = local.executor
    task = None if executor is None else executor.current
    if task is not None:
        reason = cancel_requested()
        if local.region is None and task.request is not None:  # it ends: nothing is polled any more
            reason = task.request.reason
        return task.name, task.id, reason
    job = working.job
    if job is not None:
        return job.name, _number_of(job), job.reason
    return None, None, cancel_requested()  # in a foreign task a future of ours may be polled


def _number_of(job: Job[Any]) -> int | None:
    """Return the id of the task that waits for a call, as long as one does."""
    waker = job.waker
    return cast("Task[object]", waker).id if isinstance(waker, Task) else None


class CancellationLog(Observer):
    """Logs who is asked to cancel and why (DEBUG), where that is raised (DEBUG), the end (INFO).

    It is an observer: ``hooks.add(CancellationLog())``, or `instrument` with ``cancellations``. A
    record has ``rescind_target`` and ``rescind_target_id``, whom it is about, and
    ``rescind_reason``; the other fields say who did it. Handlers are called in the middle of what
    happens: slow ones belong behind a ``logging.handlers.QueueHandler``.

    Args:
        logger: or its name; by default ``rescind.cancellations``.
        children: tell of the children of combinators, too: each race has losers.
    """

    __slots__ = ("_children", "_log")

    def __init__(self, logger: logging.Logger | str = _LOGGER, *, children: bool = False) -> None:
        self._log = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._children = children

    def requested(self, cell: Cell[Any], reason: CancelReason) -> None:
        self._say(logging.DEBUG, cell, reason, "is asked to cancel")

    def delivered(self, stack: ScopeStack, request: CancelRequest) -> None:
        cell = None if stack.cx is None else stack.cx.cell
        if cell is None or not self._log.isEnabledFor(logging.DEBUG) or not is_own(cell, request):
            return
        at = "its await"
        if isinstance(stack, CoroutineFuture):
            found = site(cast("CoroutineFuture[object]", stack).coroutine)
            if found is not None:
                at = f"{shortened(str(found))} in {found.function}"
        self._say(logging.DEBUG, cell, request.reason, f"has its cancellation raised at {at}")

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        request = cell.request
        if request is None or not (isinstance(outcome, (Canceled, Error)) or cell.absorbed):
            return
        reason, executor = request.reason, cell.cx.executor
        after = ""
        if reason.at is not None and executor is not None:
            after = f" after {executor.now() - reason.at:.3f} s"
        if isinstance(outcome, Error):
            error = error_words(outcome.exception)
            what = f"has failed{after}, with {error}, though it was to be canceled"
        elif not isinstance(outcome, Canceled):
            what = f"has returned a value{after}, though it was to be canceled"
        elif outcome.abandoned:
            what = f"was abandoned{after}"
        elif outcome.dropped:
            what = f"was dropped{after}"
        else:
            what = f"was canceled{after}"
        if isinstance(outcome, Canceled) and outcome.also:
            what += f", and its cleanup failed with {', '.join(map(error_words, outcome.also))}"
        self._say(logging.INFO, cell, reason, what)

    def _say(self, level: int, cell: Cell[Any], reason: CancelReason, what: str) -> None:
        task = cast("Task[object]", cell) if isinstance(cell, Task) else None
        if not (task is not None or self._children) or not self._log.isEnabledFor(level):
            return
        label = _child_label(cell) if task is None else label_of(task)
        why = reason_text(reason)
        fields = {
            "rescind_target": label,
            "rescind_target_id": None if task is None else task.id,
            "rescind_reason": why,
        }
        self._log.log(level, "%s %s: %s", label, what, why, extra=fields)


def _child_label(cell: Cell[Any]) -> str:
    """Return how a child is called, with the task as a part of which it runs."""
    own = cell.name or " ".join(repr(cell.future).split())
    outer = cell
    while outer.parent is not None:
        outer = outer.parent
    return own if outer is cell else f"{own} in {label_of(outer)}"


def instrument(
    *,
    fields: bool = True,
    cancellations: bool = False,
    children: bool = False,
    logger: logging.Logger | str = _LOGGER,
) -> Instrumentation:
    """Have every record of this process say in which task it was made, from now on.

    It puts itself before the factory of the records (``logging.setLogRecordFactory``), so that it
    holds for loggers and handlers that are configured later, and for records that are handed to
    another thread. The fields are those of `TaskFilter`.

    Args:
        fields: give records the fields; False: only log cancellations.
        cancellations: log them, by a `CancellationLog`.
        children: those of combinators' children, too.
        logger: that logs them, or its name.

    Returns:
        What ends it: `Instrumentation.close`, or its ``with`` block.

    Example:
        >>> import rescind
        >>> from rescind.trace.logging import instrument
        >>> with instrument(cancellations=True):
        ...     rescind.run(rescind.sleep(0))

    Source: OpenTelemetry's ``LoggingInstrumentor``.
    """
    log = CancellationLog(logger, children=children) if cancellations else None
    return Instrumentation(fields, log)


class Instrumentation:
    """What `instrument` returns: it goes on until `close`, or to the end of its ``with`` block."""

    def __init__(self, fields: bool, log: CancellationLog | None) -> None:
        self._fields = fields
        self._log = log
        self._before = logging.getLogRecordFactory()
        # The very object that is installed: a bound method is another one each time.
        self._installed = self._make
        if fields:
            logging.setLogRecordFactory(self._installed)
        if log is not None:
            hooks.add(log)

    def _make(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._before(*args, **kwargs)
        if self._fields:
            tell(record)
        return record

    def close(self) -> None:
        """Give records no fields any more, and log nothing; a second call does nothing (G3)."""
        self._fields = False
        if logging.getLogRecordFactory() is self._installed:
            logging.setLogRecordFactory(self._before)
        if self._log is not None:
            hooks.remove(self._log)

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

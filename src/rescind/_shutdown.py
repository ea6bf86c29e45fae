"""`Shutdown`: the ladder by which a runtime ends (R10, R24).

*What it is.* Its rungs, in order: accept no more; tell the resources; mark every task; wait, while
each cleans up within its grace, is dropped, or abandoned; close the resources, the newest first;
close the host; report. Whoever runs the runtime drives it: `Runtime.shutdown` blocks between two
rungs, an attached runtime awaits.

*What it is not.* The place where a task is dropped or abandoned: that is its cell's business, when
its own grace timer rings.

*Invariants.*
 H1  Every task is marked before any of them is delivered its cancellation (R13); delivery follows
     in the order of their making.
 H2  A task has its own grace, or what the whole shutdown has if that is less. So no task outlives
     the shutdown's grace by more than a step.
 H3  However it is left, by an interrupt too, no task is left: then all that remain are dropped on
     the spot (`at_once`), without an await, and what they raise is recorded.
 H4  What is raised by a cleanup is in the report; nothing is raised by the shutdown itself but
     what interrupts it.

*Threads.* The one that shuts down.

*Source.* tokio's ``shutdown_timeout``; the order is that of its ``OwnedTasks``: oldest first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

from rescind._core.current import local
from rescind._core.errors import Abandoned, Deadlock, InternalError, TaskCanceled, UsageError
from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace, Unset, checked_grace
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.poll import Waker
from rescind._core.reason import CancelKind, CancelReason, CancelRequest, make_reason
from rescind._core.resources import Resource
from rescind._core.task import Task
from rescind._core.timers import Timer
from rescind._report import ShutdownReport

if TYPE_CHECKING:
    from rescind._core.leftover import Leftover
    from rescind._core.overrun import Overrun
    from rescind._failure import CleanupError

__all__ = ["Shutdown", "ShutdownReport"]

_log = logging.getLogger("rescind")

#: How often somebody may stop the loop under a shutdown that waits.
_STOPS: Final = 1000
#: How often tasks may leave tasks behind, when they are dropped on the spot.
_ROUNDS: Final = 100


class _EndBell(Waker):
    """Ends what was admitted to a shutdown that is under way, when its grace is over."""

    __slots__ = ("_resource", "_shutdown", "_task")

    def __init__(self, shutdown: Shutdown, task: Task[Any], resource: Resource | None) -> None:
        self._shutdown = shutdown
        self._task = task
        self._resource = resource

    def wake(self) -> None:
        task = self._task
        if not (task.started or task.done()):
            task.executor.defer(self)  # it is polled once, though there is no time (N2)
            return
        self._shutdown.cut(task, self._resource)


class Shutdown:
    """One shutdown of one executor.

    Args:
        executor: whose.
        reason: why, in words or in full.
        grace: for all cleanups, in seconds; by default the executor's.

    Attributes:
        look: called when what `rungs` waits for may have become true.
        hurried: is there no time left, because somebody asked twice?
    """

    def __init__(
        self, executor: Executor, reason: str | CancelReason | None, grace: Grace = UNSET
    ) -> None:
        grace = checked_grace(grace)
        self.reason = make_reason(reason, executor, CancelKind.SHUTDOWN)
        self.look: Callable[[], object] = executor.host.stop
        self.hurried: Callable[[], bool] = lambda: False
        self._executor = executor
        self._grace = executor.grace if isinstance(grace, Unset) else grace
        self._started = executor.now()
        self._begun = False
        self._canceled = 0
        self._dropped = 0
        self._abandoned = 0
        self._errors: list[CleanupError] = []
        # Those of them that are told nowhere else, if nobody looks at the report.
        self._untold: list[CleanupError] = []
        self._leftovers: list[Leftover] = []
        # How many overruns there were before.
        self._earlier = 0
        # The resource that is being closed, and the task that does it; None between two.
        self._closing: tuple[Resource, Task[Any]] | None = None
        # What ends the admitted, by the task's id, as long as they run.
        self._bells: dict[int, Timer] = {}
        # Where that was stuck, if it had to be cut.
        self._stuck: Leftover | None = None

    # -- the ladder -------------------------------------------------------------------------------

    def rungs(self) -> Generator[Callable[[], bool]]:
        """Take one rung after the other; yield what has to become true before the next."""
        self._begin(waiting=True)
        yield self._idle
        while (resource := self._executor.resources.take()) is not None:
            ended = self._close(resource)
            if ended is not None:
                yield ended.done
                yield self._idle  # what was detached from its close
                self._closing = None
                if not isinstance(ended.outcome(), Completed):
                    self._call(resource.name, resource.close_now)
            self._gather(resource)

    def run(self) -> None:
        """Climb down, blocking this thread; drop all that is left if that is interrupted (H3)."""
        try:
            for reached in self.rungs():
                self._wait(reached)
        except BaseException:
            self.at_once()
            raise

    def at_once(self) -> None:
        """Drop everything on the spot; nothing is awaited, nothing is raised (H3)."""
        executor = self._executor
        outer, region = local.executor, local.region
        local.executor, local.region = executor, None
        try:
            with executor.frozen():
                self._begin(waiting=False)
                for _ in range(_ROUNDS):
                    for task in list(executor.tasks.values()):
                        self._drop(task)
                    if not executor.tasks:
                        break
                for task in list(executor.tasks.values()):
                    self._forsake(task)
                closing, self._closing = self._closing, None
                resource = executor.resources.take() if closing is None else closing[0]
                while resource is not None:
                    self._call(resource.name, resource.close_now)
                    self._gather(resource)
                    resource = executor.resources.take()
        finally:
            local.executor, local.region = outer, region

    def finish(self) -> ShutdownReport:
        """Let go of the host; return what was found."""
        executor = self._executor
        executor.on_forget = executor.on_cleanup = None
        seconds = executor.now() - self._started
        try:
            executor.stop()
        finally:
            executor.host.close()
        late = executor.overruns[self._earlier :]
        victims: set[int] = _victims(late) if late else set()
        return ShutdownReport(
            self.reason,
            self._canceled,
            tuple(one for one in late if one.id not in victims),
            seconds,
            tuple(one for one in late if one.id in victims),
            tuple(self._errors),
            tuple(self._leftovers),
            self._dropped,
            self._abandoned,
            tuple(executor.overruns[: self._earlier]),
        )

    def tell(self) -> None:
        """Log what is told nowhere else, since nobody is given the report."""
        for error in self._untold:
            exc = error.exception
            _log.error(
                "%s failed while the runtime was shut down: %s",
                error.label,
                error.error,
                exc_info=None if exc is None else (type(exc), exc, exc.__traceback__),
            )
        for left in self._leftovers:
            _log.warning("the runtime was shut down, but this has not ended: %s", left)

    # -- the first rungs --------------------------------------------------------------------------

    def _begin(self, *, waiting: bool) -> None:
        """Accept no more, tell the resources, mark every task (H1)."""
        if self._begun:
            return
        self._begun = True
        executor = self._executor
        try:
            executor.drain()  # what was spawned before the shutdown belongs to it
        finally:
            executor.close(self.reason)  # be it interrupted: nothing that comes now would be run
        self._earlier = len(executor.overruns)
        executor.on_forget = self._note_end
        executor.on_cleanup = self._admit
        for resource in executor.resources.all():
            self._call(resource.name, resource.begin, self.reason)
        tasks = list(executor.tasks.values())
        self._canceled = len(tasks)
        for task in tasks:
            at = self._grace_at(task) if waiting else None
            task.ask(CancelRequest(self.reason, grace_at=at, target=task))

    def _grace_at(self, task: Task[Any]) -> float | None:
        """Return when the task's grace is over: its own, but no later than that of all (H2)."""
        own = task.grace
        if isinstance(own, Unset) or own is None or (self._grace is not None and own > self._grace):
            own = self._grace
        return None if own is None else self._started + own

    def _end_at(self, least: float = 0.0) -> float | None:
        """Return until when there is time; not less than ``least`` from now, in seconds."""
        now = self._executor.now()
        if self.hurried():
            return now + least
        return None if self._grace is None else max(self._started + self._grace, now + least)

    def _idle(self) -> bool:
        return not self._executor.tasks

    def _wait(self, reached: Callable[[], bool]) -> None:
        stops = 0
        while not reached():
            try:
                self._executor.host.run(reached)
            except UsageError:  # a cleanup has stopped the loop
                stops += 1
                if stops > _STOPS:
                    raise
            except Deadlock:
                if self._closing is None:
                    raise
                self.cut(self._closing[1], self._closing[0])

    def _note_end(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        bell = self._bells.pop(task.id, None)
        if bell is not None:
            bell.cancel()
        if isinstance(outcome, Canceled):
            if self._closing is None or self._closing[1] is not task:
                self._dropped += outcome.dropped
            self._abandoned += outcome.abandoned
            self._untold += self._record(task, outcome.also)
        elif isinstance(outcome, Error) and not isinstance(outcome.exception, TaskCanceled):
            self._record(task, (outcome.exception,))  # logged if nobody joins the task
            self._untold += self._record(task, outcome.also)
        if not self._executor.tasks or self._closing is not None:
            self.look()

    def _record(self, task: Task[Any], failures: tuple[BaseException, ...]) -> list[CleanupError]:
        name: str = task.name
        number: int | None = task.id
        if self._closing is not None and self._closing[1] is task:
            name, number = self._closing[0].name, None
        found = [
            _failure(name, number, exc)
            for exc in failures
            if not isinstance(exc, Abandoned)  # what is abandoned is among those that overran
        ]
        self._errors += found
        return found

    def _fail(self, name: str, number: int | None, exc: BaseException) -> None:
        error = _failure(name, number, exc)
        self._errors.append(error)
        self._untold.append(error)

    # -- resources --------------------------------------------------------------------------------

    def _close(self, resource: Resource) -> Task[Any] | None:
        """Begin to close a resource; return the task that waits for its end, if it must wait."""
        executor = self._executor
        awaitable = self._call(resource.name, resource.close, self._end_at(resource.least))
        if awaitable is None:
            return None
        future = self._call(resource.name, as_future, awaitable)
        if future is None:
            return None
        task: Task[Any] = Task(future, executor, name=f"close of {resource.name}")
        task.on_end(self._note_close)
        self._closing = (resource, task)
        executor.admit(task, cleanup=True)
        return task

    def _note_close(self, outcome: Outcome[Any]) -> None:
        if isinstance(outcome, Error):
            self._untold += [
                error for error in self._errors if error.exception is outcome.exception
            ]

    def _admit(self, task: Task[Any]) -> None:
        """Let a part of a cleanup run, until there is no time left."""
        closing = self._closing
        resource = closing[0] if closing is not None and closing[1] is task else None
        at = self._end_at(0.0 if resource is None else resource.least)
        if at is not None:
            bell = _EndBell(self, task, resource)
            self._bells[task.id] = self._executor.add_timer(at, bell)

    def cut(self, task: Task[Any], resource: Resource | None) -> None:
        """Drop what was admitted: there is no time left."""
        if task.done():
            return
        if resource is not None:
            from rescind._core.leftover import Leftover
            from rescind._core.waiting import place_of

            place = place_of(task.future)
            self._stuck = Leftover(resource.name, "its close", place)
        now = self._executor.now()
        task.ask(CancelRequest(self.reason, grace_at=now, target=task))
        task.overran = resource is None

    def _gather(self, resource: Resource) -> None:
        left = list(self._call(resource.name, resource.leftovers) or ())
        overran, self._stuck = self._stuck, None
        if not left and overran is not None:
            left = [overran]
        self._leftovers += left

    def _call(self, name: str, call: Callable[..., Any], *args: Any) -> Any:
        """Call; record what it raises."""
        try:
            return call(*args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            self._fail(name, None, exc)
            return None

    # -- on the spot ------------------------------------------------------------------------------

    def _drop(self, task: Task[Any]) -> None:
        executor = self._executor
        executor.current = task
        try:
            task.drop_now(CancelRequest(self.reason))
        except BaseException as exc:
            if not task.done():  # otherwise it is in the outcome
                self._fail(task.name, task.id, exc)
        finally:
            executor.current = None

    def _forsake(self, task: Task[Any]) -> None:
        """Give up a task that an interrupt has left in the middle of a step."""
        try:
            task._finish(Canceled(self.reason, (), True, True))
        except InternalError as exc:
            self._fail(task.name, task.id, exc)
            self._executor.tasks.pop(task.id, None)


# What most shutdowns do not meet is imported by those that do.


def _failure(name: str, number: int | None, exc: BaseException) -> CleanupError:
    from rescind._failure import CleanupError

    return CleanupError.of(name, number, exc)


def _victims(late: Sequence[Overrun]) -> set[int]:
    from rescind._core.overrun import held_up

    return held_up(late)

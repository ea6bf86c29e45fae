"""`Cell`: what holds a future while somebody schedules it, and the only place where it is stepped.

*What it is.* A task is a cell that the executor schedules; a combinator's child is a cell that its
parent schedules. Both are polled, canceled, dropped and abandoned by the same three methods:
`step` does what `phase.SPEC` says, `ask` passes a cancellation on, `_drop` is the last rung
of the grace ladder: request, grace, drop, abandon (R10).

*Invariants.*
 L1  Only `_apply` and `step` write the phase, and only as the table says.
 L2  The future is stepped inside the cell's own `contextvars` context.
 L3  Once the cell is DONE it has an outcome, for ever the same, and holds neither the future,
     nor the context, nor a timer: a waker that is kept keeps no frame alive (R2).
 L4  Nothing that a future raises is lost: it is the outcome, or in the outcome's ``also``.

*Threads.* `wake` from any thread; everything else on the executor's.

*Source.* tokio's ``harness.rs``.
"""

from __future__ import annotations

import contextvars  #: compiled: import contextvars; from types import GenericAlias
from contextvars import copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from .coroutine import CoroutineFuture
from .dependent import Dependent, GraceBell
from .dropping import drop_overdue
from .ending import ended_by
from .errors import Abandoned, InternalError
from .frames import strip
from .grace import UNSET, Grace
from .hooks import hooks
from .outcome import Canceled, Completed, Error, Outcome, also_of, attach, completed
from .phase import ACTIONS, NEXT, SHIFT, Phase, rows, usual
from .poll import PENDING, Future, Waker, new_context
from .reason import CancelKind, CancelReason, CancelRequest
from .watched import Watched

if TYPE_CHECKING:
    from .executor import Executor
    from .timers import Timer

__all__ = ["Cell"]

T = TypeVar("T")

_INTERRUPTED: Final = CancelReason(CancelKind.SIGNAL, "interrupted")

#: The names of phases, and what happens in each: numbers, since every step looks them up.
_PHASES: Final = tuple(Phase)
_ROWS: Final = rows()
_ON_WAKE: Final = _ROWS["WAKE"]
_ON_START: Final = _ROWS["START"]
_ON_PENDING: Final = _ROWS["PENDING"]
_ON_REQUEST: Final = _ROWS["REQUEST"]
_ON_EXPIRE: Final = _ROWS["EXPIRE"]
_ON_END: Final = _ROWS["END"]
#: The next phase where the action is the usual one, which nearly all steps take; else -1.
_ON_QUEUE: Final = usual(_ON_WAKE, "ENQUEUE")
_ON_POLL: Final = usual(_ON_START, "POLL")
_ON_REST: Final = usual(_ON_PENDING, "NOTHING")
_CANCELING: Final = tuple(
    Phase.CANCELING <= phase <= Phase.CLEANING_READY or phase is Phase.DROPPING for phase in Phase
)
_CLEANING: Final = tuple(phase in (Phase.CLEANING, Phase.CLEANING_READY) for phase in Phase)
_NEXT, _SHIFT = NEXT, SHIFT
_NOTHING, _ENQUEUE, _DROP = map(ACTIONS.index, ("NOTHING", "ENQUEUE", "DROP"))
_DOOMED, _DROPPING, _DONE = int(Phase.DOOMED), int(Phase.DROPPING), int(Phase.DONE)


class Cell(Waker, Generic[T]):
    """A future, its phase and its outcome.

    Subclasses say where it queues, and who is told of its end.
    """

    #: compiled: __class_getitem__ = classmethod(GenericAlias)
    __slots__ = (
        "__weakref__",
        "_grace_timer",
        "_graced",
        "_phase",
        "absorbed",
        "context",
        "cx",
        "dependents",
        "ended",
        "future",
        "grace",
        "lost",
        "overran",
        "parent",
        "request",
        "started",
    )

    def __init__(
        self,
        future: Future[T],
        executor: Executor | None,
        *,
        parent: Cell[Any] | None = None,
        context: contextvars.Context | None = None,
        grace: Grace = UNSET,
        deadline_at: float | None = None,
    ) -> None:
        # Its phase, as a number (L1).
        self._phase = 0
        own = future._native  #: compiled: own = native(future)
        # The future; None once the cell is DONE (L3).
        self.future: Future[T] | None = future if own else Watched(future)
        # What the future is polled with; its waker is the cell itself.
        self.cx = new_context(self, executor, self, deadline_at)
        # The cell as a part of which this one is polled; None for a task.
        self.parent = parent
        # The request for its cancellation; None as long as there was none.
        self.request: CancelRequest | None = None
        # Set once, when the cell becomes DONE.
        self.ended: Outcome[T] | None = None
        # Grace for its cleanup, in seconds; UNSET: the parent's, or the runtime's.
        self.grace: Grace = grace
        # The context variables that it sees (L2); None once it is DONE.
        self.context: contextvars.Context | None = (
            copy_context() if context is None else context  # an empty one is false
        )
        # Was it polled at least once?
        self.started = False
        # Did it return a value although a cancellation was raised inside (R11)?
        self.absorbed = False
        # Was its cleanup still under way when its grace was over, or was cut short (R24)?
        self.overran = False
        # Has its value nobody who would take it? Then what it was given goes back (R7).
        self.lost = False
        # What must know of a request before it is delivered (R13); None if there was nothing yet.
        self.dependents: list[Dependent] | None = None
        # Does a grace run?
        self._graced = False
        # Rings when the grace is over; None as long as no cleanup waits, since most never do.
        self._grace_timer: Timer | None = None
        if hooks.spawned is not None:
            hooks.spawned(self)

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        return _PHASES[self._phase]

    # -- for subclasses ---------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """Its name in messages."""
        return None

    def label(self) -> object:
        """Return what its name is made of: that, a task's number, or a tuple of a child's key."""
        return self.name

    def _task_id(self) -> int | None:
        """Return its id, if it is a task."""
        return None

    def _enqueue(self) -> None:
        """Put the cell into its ready queue, and tell the queue's owner."""
        raise NotImplementedError

    def _ended(self, outcome: Outcome[T]) -> None:
        """Tell those who wait for the end. The cell is DONE, its future is gone."""

    # -- scheduling -------------------------------------------------------------------------------

    def wake(self) -> None:
        executor = self.cx.executor
        if executor is not None and get_ident() != executor.thread:
            executor.post(self.wake)
            return
        self.wake_here()  #: compiled: Cell.wake_here(self)

    def wake_here(self) -> None:
        phase = _ON_QUEUE[self._phase]
        if phase >= 0:
            self._phase = phase
            self._enqueue()
            if hooks.woken is not None:
                hooks.woken(self)
        else:
            self._phase = _ON_WAKE[self._phase] & _NEXT

    def step(self) -> None:
        """Do what is due: poll the future, cancel it or drop it. Called once per queue entry."""
        phase = _ON_POLL[self._phase]
        if phase < 0:
            self._step_on()
            del self  # as below
            return
        self._phase = phase
        future: Any = self.future
        context: Any = self.context
        if hooks.polled is not None:
            hooks.polled(self)
        self.started = True
        try:
            #: compiled: enter(context)
            #: compiled: try: value = future.poll(self.cx)
            #: compiled: finally: leave(context)
            value = context.run(future.poll, self.cx)  #: compiled: pass
            outcome: Any = None if value is PENDING else completed(value)  # it may find no memory
        except BaseException as exc:
            if (outcome := self._raised_by(exc, None)) is None:
                del self, future
                raise
        else:
            if outcome is None:
                phase = _ON_REST[self._phase]
                if phase >= 0 and hooks.parked is None:
                    self._phase = phase
                else:
                    self._rest()
                del self, future
                return
        self._finish(outcome)
        # An exception's frames may refer back to this one (``f_back``): let them find nothing.
        del self, future, outcome

    def _step_on(self) -> None:
        """Do what is due where that is not to poll."""
        entry = _ON_START[self._phase]
        if entry < 0:
            raise InternalError(f"a cell in phase {self.phase.name} came up in a ready queue")
        self._phase = entry & _NEXT
        action = entry >> _SHIFT
        if action == _NOTHING or action == _DROP:  # noqa: SIM109  # that would make a tuple
            if action == _DROP:
                self._drop()
            del self  # as below
            return
        future, context, request = self.future, self.context, self.request
        assert future is not None and context is not None and request is not None
        if hooks.polled is not None:
            hooks.polled(self)
        try:
            #: compiled: enter(context)
            #: compiled: try: ended = future.poll_cancel(self.cx, request)
            #: compiled: finally: leave(context)
            ended = context.run(future.poll_cancel, self.cx, request)  #: compiled: pass
        except BaseException as exc:
            if (outcome := self._raised_by(exc, request)) is None:
                del self, future
                raise
        else:
            if ended is PENDING:
                self._rest()
                del self, future
                return
            outcome, ended = ended, PENDING
            self.absorbed = (
                isinstance(outcome, Completed)
                and isinstance(future, CoroutineFuture)
                and future.delivered()
            )
        self._finish(outcome)
        del self, future, outcome  # as in `step`

    def _rest(self) -> None:
        """Take the future's word that it is pending, and do what is to be done meanwhile."""
        entry = _ON_PENDING[self._phase]
        self._phase = entry & _NEXT
        action = entry >> _SHIFT
        if hooks.parked is not None:
            hooks.parked(self)
        if action == _ENQUEUE:
            self._enqueue()
        elif action == _DROP:
            self._drop()
        if self._graced and self._grace_timer is None and _CLEANING[self._phase]:
            self.arm_grace()
        del self  # as in `step`

    def _raised_by(self, exc: BaseException, request: CancelRequest | None) -> Outcome[T] | None:
        """Return the outcome of a future that raised; None: it is finished, and that goes on."""
        strip(exc)
        if not isinstance(exc, (KeyboardInterrupt, SystemExit)):
            return ended_by(exc, request)
        self._finish(self._interrupted(exc))
        return None

    # -- cancellation -----------------------------------------------------------------------------

    def effective_grace(self) -> float | None:
        """Return its grace in seconds: its own, or the parent's, or the runtime's (R10)."""
        cell: Cell[Any] | None = self
        while cell is not None:
            grace = cell.grace
            if grace is not UNSET:
                return grace
            cell = cell.parent
        return None if self.cx.executor is None else self.cx.executor.grace

    @property
    def canceling(self) -> bool:
        """Has its request reached the future?"""
        return _CANCELING[self._phase]

    def ask(self, request: CancelRequest) -> None:
        """Mark it as canceled; delivery follows in a step (S3). A no-op once it is DONE."""
        if self._phase == _DONE:
            return
        if self.request is None:
            self.request = request.settled()
            shortened = request.grace_at is not None
        else:
            shortened = self.request.merge(request)
        if hooks.requested is not None:
            hooks.requested(self, request.reason)
        self._apply(_ON_REQUEST[self._phase], "REQUEST")
        for dependent in self.dependents or ():
            dependent.asked(self)
        if shortened:
            self.arm_grace()

    def arm_grace(self) -> None:
        """Ring when the request's grace is over; called whenever it was set or shortened."""
        if self._grace_timer is not None:
            self._grace_timer.cancel()
            self._grace_timer = None
        self._graced = False
        executor, request = self.cx.executor, self.request
        if executor is None or request is None or request.grace_at is None:
            return
        if request.grace_at <= executor.now():
            self.expire()
            return
        self._graced = True
        if _CLEANING[self._phase]:  # otherwise the step that begins the cleanup is still to come
            self._grace_timer = executor.add_timer(request.grace_at, GraceBell(self))

    def expire(self) -> None:
        """Drop it, as soon as it is off the stack: the grace is over (R10)."""
        self.overran = self.canceling or self._graced
        self._apply(_ON_EXPIRE[self._phase], "EXPIRE")

    def drop_now(self, request: CancelRequest) -> None:
        """Drop the future at once, because the cell's owner is dropped itself."""
        if self._phase == _DONE or self._phase == _DROPPING:
            return
        if self.request is None:
            self.request = request
        self._apply(_ON_EXPIRE[self._phase], "EXPIRE")
        if self._phase != _DOOMED:
            self.step()

    def _drop(self) -> None:
        """Drop the future, abandon it if it resists, and finish (L4)."""
        future, context, request = self.future, self.context, self.request
        assert future is not None and context is not None and request is not None  # it says why
        also, abandoned = context.run(
            drop_overdue,
            future,
            self.cx.executor,
            self.name or repr(future),
            request.reason,
            overran=self.started and (self.overran or self._graced),
            grace_at=None if self.overran else request.grace_at,
            task_id=self._task_id(),
        )
        self._finish(Canceled(request.reason, also, self.started, abandoned))
        interrupts = [error for error in also if isinstance(error, (KeyboardInterrupt, SystemExit))]
        del self, future, also  # as in `step`
        for error in interrupts:
            raise error

    def _interrupted(self, exc: BaseException) -> Outcome[T]:
        """Drop the future that ``exc`` passed through: whatever is in it is not polled again."""
        future, context = self.future, self.context
        assert future is not None and context is not None
        name, cx, task_id = self.name or repr(future), self.cx, self._task_id()
        failures, _ = context.run(
            drop_overdue, future, cx.executor, name, _INTERRUPTED, overran=False, task_id=task_id
        )
        for failure in failures:
            attach(exc, failure, "while it was dropped")
        for failure in also_of(exc):
            if isinstance(failure, Abandoned) and self.cx.executor is not None:
                self.cx.executor.keep_abandoned(failure)
        return Error(exc, also_of(exc))

    # -- the end ----------------------------------------------------------------------------------

    def _apply(self, entry: int, event: str) -> None:
        """Take the transition, and queue if it says so; the other actions belong to `step`."""
        if entry < 0:
            raise InternalError(f"event {event} cannot happen in phase {self.phase.name}")
        self._phase = entry & _NEXT
        if entry >> _SHIFT == _ENQUEUE:
            self._enqueue()

    def _finish(self, outcome: Outcome[T]) -> None:
        """Become DONE, let go of everything (L3), tell those who wait."""
        if _ON_END[self._phase] < 0:
            self._apply(_ON_END[self._phase], "END")  # raises
        self._phase = _DONE
        self.ended = outcome
        if hooks.ended is not None:
            hooks.ended(self, outcome)
        self.future = None
        self.context = None
        # The context refers to the cell: without this, every cell would be a reference cycle.
        self.cx.release()
        timer = self._grace_timer
        if timer is not None:
            self._grace_timer = None
            timer.cancel()
        dependents = self.dependents
        if dependents is not None:
            self.dependents = None
            for dependent in dependents:
                dependent.orphaned()
        self._ended(outcome)

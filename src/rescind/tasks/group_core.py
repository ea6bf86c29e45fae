"""`GroupCore`: what a task group decides: who is canceled, what is an error, when it is over.

*What it is.* The state of a `TaskGroup`, and everything that changes it. The face of the group,
with the block's two ends, stands in ``group.py``; so do the invariants (G1 to G6).

*Threads.* The executor's thread only.
"""

from __future__ import annotations

import enum
import itertools
import logging
from asyncio import CancelledError
from typing import Any, Final

from rescind._core.ending import raise_all, split_cancellation
from rescind._core.errors import RescindError, TaskCanceled, UsageError
from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace, Unset, checked_grace
from rescind._core.hooks import hooks
from rescind._core.outcome import Canceled, Error, Outcome
from rescind._core.poll import Waker
from rescind._core.reason import CancelKind, CancelReason, CancelRequest, new_reason, new_request
from rescind._core.task import Task
from rescind._core.waitlist import WaitList
from rescind.tasks.block import Block, Parent, sooner
from rescind.tasks.group_children import GroupChild, Tally
from rescind.tasks.places import Places, checked_limit
from rescind.tasks.policy import GroupPolicy, Policy, Supervise, policy_of
from rescind.tasks.supervisor import Supervisor

__all__ = ["CLOSED", "ENDING", "INTERRUPTS", "NEW", "OPEN", "GroupCore", "State"]

#: What ends the program, and is raised by itself instead of in a group.
INTERRUPTS: Final = (KeyboardInterrupt, SystemExit)

_log: Final = logging.getLogger("rescind")
_numbers: Final = itertools.count(1)


class State(enum.Enum):
    """Where a group is in its life."""

    NEW = "not entered"
    OPEN = "open"
    ENDING = "waiting for its children"
    CLOSED = "closed"


# Before Python 3.12 to look a member up in its class is a call of a method of the metaclass.
NEW: Final = State.NEW
OPEN: Final = State.OPEN
ENDING: Final = State.ENDING
CLOSED: Final = State.CLOSED


class GroupCore(Parent):
    """The state of a group.

    Attributes:
        name: for messages.
        policy: what is done about children that fail.
        enders: who waits for the end of the group.
    """

    __slots__ = (
        "__weakref__",
        "_absorbed",
        "_base",
        "_block",
        "_causes",
        "_errors",
        "_executor",
        "_failed_first",
        "_exit",
        "_grace",
        "_places",
        "_reason",
        "_state",
        "_supervisor",
        "_tally",
        "_told",
        "_waker",
        "enders",
        "name",
        "policy",
    )

    def __init__(
        self,
        *,
        policy: Policy = "fail_fast",
        grace: Grace = UNSET,
        limit: int | None = None,
        name: str | None = None,
        keep: int | None = None,
    ) -> None:
        self.policy: GroupPolicy = policy_of(policy)
        self.name = name if name is not None else f"group-{next(_numbers)}"
        # For the cleanup of a child that has none of its own, in seconds; UNSET: the runtime's.
        self._grace = checked_grace(grace)
        limit = checked_limit(limit)
        self._places = None if limit is None else Places(limit)
        self._supervisor = Supervisor(self.policy) if isinstance(self.policy, Supervise) else None
        self._tally = Tally(_checked_keep(keep))
        self._state: State = NEW
        # The code in the block, and what its children run on; None before it is entered.
        self._block: Block | None = None
        self._executor: Executor | None = None
        # Why the group is canceled, and the reason that its children were given; None: it is not.
        self._reason: CancelReason | None = None
        self._told: CancelReason | None = None
        # What was passed on from the parent, by id: it may be told of the same thing twice.
        self._causes: dict[int, CancelReason] = {}
        # Was there an error to be raised before that?
        self._failed_first = False
        # Why the daemons are canceled; None as long as others are left (G6).
        self._exit: CancelReason | None = None
        # What the group raises, by id, in the order of occurrence (G4).
        self._errors: dict[int, BaseException] = {}
        # What interrupts the whole program, and is raised by itself.
        self._base: BaseException | None = None
        # Did the group's own cancellation end the body (G5)?
        self._absorbed = False
        # Wakes the parent, which waits for the children; None if it does not.
        self._waker: Waker | None = None
        self.enders = WaitList()

    @property
    def canceled(self) -> bool:
        """Was it canceled: by `cancel`, by a failure, or with its parent?"""
        return self._reason is not None

    @property
    def told_by_parent(self) -> bool:
        """Was it canceled because its parent was, and had it not failed before (G5)?"""
        return bool(self._causes) and not self._failed_first

    # -- canceling --------------------------------------------------------------------------------

    def cancel_explicitly(self, full: CancelReason, grace: Grace) -> None:
        words = f"group {self.name!r} was canceled"
        told = new_reason(CancelKind.PARENT, words, full.by, None, full.at, full)
        self._cancel(full, told, grace)

    def _cancel(self, reason: CancelReason, told: CancelReason, grace: Grace = UNSET) -> None:
        """Ask every child, and the block; mark all before anything is delivered (G2)."""
        if self._state is CLOSED:
            return
        if self._reason is None:
            self._reason, self._told = reason, told
            if hooks.group_canceled is not None:
                hooks.group_canceled(self, reason)
        self._ask_all(told, grace)
        if self._state is OPEN and self._block is not None:
            self._block.cancel(CancelRequest(reason))

    def _ask_all(
        self, reason: CancelReason, grace: Grace = UNSET, grace_at: float | None = None
    ) -> None:
        """Ask the children; their grace ends no later than that of anything around (G2)."""
        tasks = self._tally.tasks()
        if tasks:
            around = self._around(grace_at)
            for task in tasks:
                self._ask(task, reason, grace, around)

    def _ask(
        self, task: Task[Any], reason: CancelReason, grace: Grace, around: float | None
    ) -> None:
        seconds = grace
        if isinstance(seconds, Unset):
            seconds = task.effective_grace() if task.request is None else None
        executor = task.executor  #: compiled: executor = task._executor
        at = None if seconds is None else executor.now() + seconds
        task.ask(new_request(reason, sooner(at, around), None, True))

    def _around(self, grace_at: float | None) -> float | None:
        """Return the earlier of ``grace_at`` and the grace of anything around the block."""
        return grace_at if self._block is None else sooner(grace_at, self._block.grace_at())

    def surrounded(self, request: CancelRequest) -> None:
        if not self._causes:
            self._failed_first = bool(self._errors) and self._base is None
        new: list[CancelReason] = []
        for reason in reversed(request.reasons):
            if self._causes and self._follows(reason):
                break
            new.append(reason)
        for reason in reversed(new):
            self._causes[id(reason)] = reason
            words = f"the parent of group {self.name!r} was canceled"
            told = new_reason(CancelKind.PARENT, words, reason.by, None, reason.at, reason)
            if self._reason is None:
                self._reason = self._told = told
                if hooks.group_canceled is not None:
                    hooks.group_canceled(self, told)
            self._ask_all(told, UNSET, request.grace_at)

    def _follows(self, reason: CancelReason) -> bool:
        """Does it follow from one that was passed on already?"""
        return any(id(link) in self._causes for link in reason.chain())

    def orphaned(self) -> None:
        if self._block is not None:
            self._block.release()
        reason = CancelReason(CancelKind.PARENT, f"the parent of group {self.name!r} was abandoned")
        self._cancel(reason, reason)
        self.close()
        for error in self.take_errors():
            _log.error("group %r failed, and its parent was abandoned", self.name, exc_info=error)

    def cancel_at_birth(self, task: Task[Any], told: CancelReason, *, drain: bool) -> None:
        """Cancel a child that came too late; ``drain``: it has resources that may await."""
        late = CancelReason(
            told.kind,
            f"spawned after group {self.name!r} was canceled",
            at=task.executor.now(),
            cause=told,
        )
        self._ask(task, late, UNSET, self._around(None))
        if not drain and task.request is not None:
            task.drop_now(task.request)

    # -- children ---------------------------------------------------------------------------------

    def child_ended(self, child: GroupChild, outcome: Outcome[Any]) -> None:
        task = child.task
        assert task is not None
        self._tally.end(child, task, outcome)
        child.end()
        if isinstance(outcome, Error):
            self._child_failed(task, outcome.exception)
        elif isinstance(outcome, Canceled):
            for error in outcome.also:
                self._keep(task, error)
        self._settle()

    def _child_failed(self, task: Task[Any], exc: BaseException) -> None:
        if isinstance(exc, TaskCanceled) and (task.request is not None or self._is_echo(exc)):
            return  # canceled together with the task that it waited for: no news
        if isinstance(exc, INTERRUPTS):
            self._base = self._base or exc
            cancels = True
        else:
            self._keep(task, exc)
            try:
                cancels = self.policy.cancels(task, exc)
            except Exception as broken:
                self._errors[id(broken)] = broken
                cancels = True
        if cancels:
            self._fail(f"{task.name!r} failed: {_words(exc)}", f"task {task.id} {task.name!r}")

    def _keep(self, task: Task[Any], error: BaseException) -> None:
        """Keep an error of a child to be raised; or log it, if nobody is going to raise it."""
        if id(error) in self._errors:
            return
        if self.policy.raises and self._state is not CLOSED:
            self._errors[id(error)] = error
        else:
            _log.error("%r of group %r failed", task, self.name, exc_info=error)

    def _fail(self, words: str, by: str | None) -> None:
        """Cancel the group, if it is not canceled yet, because something in it failed."""
        if self._reason is None and self._executor is not None:
            now = self._executor.now()
            reason = new_reason(CancelKind.SIBLING_FAILED, words, by, None, now, None)
            self._cancel(reason, reason)

    def give_up(self, why: str, errors: list[BaseException]) -> None:
        """Fail with these errors: the supervisor's limit is exceeded."""
        for error in errors or [RescindError(why)]:
            self._errors[id(error)] = error
        self._fail(why, None)

    def _is_echo(self, exc: BaseException) -> bool:
        """Does this only say that a child was canceled, as the whole group was?"""
        if not isinstance(exc, TaskCanceled):
            return False
        return any(link is self._told or link is self._reason for link in exc.reason.chain())

    # -- the end ----------------------------------------------------------------------------------

    def body_ended(self, exc: BaseException | None) -> bool:
        """Sort what came out of the body; return True if it goes on outwards in any case (G5)."""
        block = self._block
        assert block is not None
        self._state = ENDING
        block.leave()
        goes_on = False
        own = None if exc is None else block.sort(exc)
        if own is not None:
            self._absorbed = True
            for error in own:
                self._errors[id(error)] = error
        elif isinstance(exc, INTERRUPTS):
            self._base = exc
            self._fail(f"the body of group {self.name!r} was interrupted: {_words(exc)}", None)
        elif isinstance(exc, CancelledError) or split_cancellation(exc)[0] is not None:
            goes_on = True
            self.surrounded(self._request_of(exc))
        elif exc is not None and self._is_echo(exc):
            self._absorbed = True
        elif exc is not None:
            self._errors[id(exc)] = exc
            self._fail(f"the body of group {self.name!r} failed: {_words(exc)}", None)
        self._settle()
        return goes_on

    def _request_of(self, exc: BaseException | None) -> CancelRequest:
        """Return the request that the parent's cancellation stands for."""
        cancellation = split_cancellation(exc)[0]
        if cancellation is not None:
            return CancelRequest(cancellation.reason)
        now = None if self._executor is None else self._executor.now()
        return CancelRequest(CancelReason(CancelKind.FOREIGN, str(exc) or None, at=now))

    def wake_when_empty(self, waker: Waker) -> bool:
        """Wake ``waker`` when no child is alive; return False if none is now."""
        self._settle()
        alive = bool(self._tally.alive)
        self._waker = waker if alive else None
        return alive

    def _settle(self) -> None:
        """See whether only daemons are left (G6), or nobody."""
        if self._state is not ENDING:
            return
        tally = self._tally
        if not tally.alive:
            waker, self._waker = self._waker, None
            if waker is not None:
                waker.wake()
        elif len(tally.alive) == tally.daemons and self._exit is None and self._told is None:
            now = None if self._executor is None else self._executor.now()
            words = f"only daemons are left in group {self.name!r}"
            self._exit = CancelReason(CancelKind.GROUP_EXIT, words, at=now)
            self._ask_all(self._exit)

    def drop_children(self, exc: BaseException | None) -> None:
        """Drop every child: the parent is being dropped, and nothing can be awaited (G1).

        Args:
            exc: what came out of the body; raised together with the children's errors, or else left
                to whoever calls.
        """
        block = self._block
        assert block is not None
        self._state = ENDING
        block.leave()
        reason = CancelReason(CancelKind.PARENT, f"the parent of group {self.name!r} was dropped")
        if self._reason is None:
            self._reason = self._told = reason
        dropped: set[int] = set()
        while fresh := [task for task in self._tally.tasks() if task.id not in dropped]:
            for task in fresh:
                dropped.add(task.id)
                try:
                    task.drop_now(CancelRequest(reason))
                except INTERRUPTS:
                    pass  # it is in the outcome too, and raised when all are dropped
        self.close()
        errors = self.take_errors()
        cancellation, rest = split_cancellation(exc)
        if cancellation is not None:
            errors += cancellation.also  # nobody else will be given them
        if errors and isinstance(rest, Exception) and id(rest) not in map(id, errors):
            errors.append(rest)
        try:
            raise_all(errors)
        finally:
            del errors, exc, cancellation, rest  # a traceback keeps this frame

    def close(self) -> None:
        """Note that the block is left; let go of what would keep frames alive."""
        self._state = CLOSED
        if hooks.group_closed is not None:
            hooks.group_closed(self)
        self._waker = None
        self._causes = {}
        if self._block is not None:
            self._block.release()
        if self._supervisor is not None:
            self._supervisor.close()
        self._tally.restore_tracebacks()
        self.enders.wake_all()

    def check_runtime(self, executor: Executor | None) -> None:
        """Refuse to be waited for in another runtime, on another thread perhaps."""
        own = self._executor
        if executor is not None and own is not None and executor is not own:
            raise UsageError(
                f"group {self.name!r} belongs to another runtime ({own.name}) than the one that "
                f"awaits it ({executor.name}); wait for it in a task of its own runtime"
            )

    def take_errors(self) -> list[BaseException]:
        """Return the errors, and keep them no more."""
        errors, self._errors = list(self._errors.values()), {}
        return errors


def _words(exc: BaseException | None) -> str:
    """Return what an exception says; its repr is the user's, and may fail."""
    try:
        return repr(exc)
    except Exception:
        return type(exc).__qualname__


def _checked_keep(keep: int | None) -> int | None:
    if keep is None:
        return None
    if isinstance(keep, bool) or not isinstance(keep, int):
        raise TypeError(f"keep must be an int or None, not {keep!r}")
    if keep < 0:
        raise ValueError(f"keep must not be negative: {keep!r}")
    return keep

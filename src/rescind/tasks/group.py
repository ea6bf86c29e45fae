"""`TaskGroup`: tasks that do not outlive a block of code (R26).

*What it is.* The children are tasks like any others: they can be joined, named and canceled one by
one. The group cancels the block and the children together, waits for them, and raises what failed.

*What it is not.* A place in which children are polled: that is `join` or `race`. A group's
children run whether or not anybody polls its parent.

*The life of a group*::

    NEW ──enter──▶ OPEN ──the body has ended──▶ ENDING ──no child is alive──▶ CLOSED

*Invariants.*
 G1  When the block has been left, by whatever way, no child is alive (P52). Where nothing can be
     awaited, the parent being dropped, the children are dropped before any outer frame goes on. In
     the ``aclose()`` of an async generator that can be: they are canceled, and waited for.
 G2  A cancellation marks the block, every child, and the groups in these, before anything of it is
     delivered (R13); the grace of a child ends no later than what is left of its parent's (R10).
 G3  A child that ends canceled fails nobody (P54); what fails in its cleanup is kept, and raised.
 G4  Errors are raised in the order in which they occurred, each once, the body's own among them.
 G5  The group's own cancellation ends at the block; that of its parent goes on outwards, with the
     errors in its ``also``, unless the group had failed before: then the errors are raised, and the
     parent's cancellation arrives at the next park (R7).
 G6  Daemons are canceled when the body has ended and nobody else is left, and are waited for (P56).

*Threads.* `TaskGroup.cancel` from any; everything else on the runtime's.

*Source.* ``asyncio.TaskGroup``, trio's nurseries, Java's ``StructuredTaskScope``.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from functools import partial
from threading import get_ident
from types import TracebackType
from typing import Any, TypeVar, cast

from rescind._core.ending import closing, split_cancellation
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace, Unset, checked_grace
from rescind._core.hooks import hooks
from rescind._core.outcome import Outcome, attach
from rescind._core.poll import Future
from rescind._core.reason import (
    Cancelable,
    CancelKind,
    CancelReason,
    CancelRequest,
    make_reason,
)
from rescind._core.task import Task
from rescind.tasks.block import begin_block, in_generator
from rescind.tasks.group_children import GroupChild, GroupStatistics, future_for
from rescind.tasks.group_core import CLOSED, ENDING, NEW, OPEN, GroupCore
from rescind.tasks.group_waits import Drained, GroupEnd
from rescind.tasks.owned import Owned
from rescind.tasks.places import Held
from rescind.tasks.policy import Policy

__all__ = ["TaskGroup", "task_group"]

T = TypeVar("T")


class TaskGroup(GroupCore, Cancelable):
    """The tasks of one ``async with task_group() as g`` block; see `task_group`.

    Attributes:
        name: for messages.
        policy: what is done about children that fail.
    """

    __slots__ = ()

    # -- what it is -------------------------------------------------------------------------------

    @property
    def tasks(self) -> tuple[Task[Any], ...]:
        """The children that have not ended, in the order of spawning."""
        return self._tally.tasks()

    def outcomes(self) -> tuple[Outcome[Any], ...]:
        """Return the outcomes of the children that have ended, in the order of spawning."""
        return self._tally.outcomes()

    @property
    def reason(self) -> CancelReason | None:
        """Why it was canceled first; None if it was not."""
        return self._reason

    @property
    def closed(self) -> bool:
        """Was the block left? No child is alive then, and none can be spawned."""
        return self._state is CLOSED

    def statistics(self) -> GroupStatistics:
        """Return a snapshot of the counters."""
        return self._tally.statistics(self._supervisor.restarts if self._supervisor else 0)

    def __repr__(self) -> str:
        state = self._state.value if self._reason is None else f"{self._state.value}, canceled"
        return f"<TaskGroup {self.name!r}, {state}, {len(self._tally.alive)} alive>"

    # -- spawning ---------------------------------------------------------------------------------

    def spawn(
        self,
        fut: Awaitable[T] | Callable[[], Awaitable[T]],
        *,
        name: str | None = None,
        grace: Grace = UNSET,
        owned: tuple[Any, ...] | list[Any] = (),
        daemon: bool = False,
    ) -> Task[T]:
        """Start a child: from the block, from another child, or from anywhere on this runtime.

        After the group was canceled the child is born canceled, and its body never runs.

        Args:
            fut: a coroutine, a future, or anything that can be awaited; or an async function,
                uncalled, which a supervised group can restart.
            name: for messages; ``task-ID`` by default.
            grace: for its cleanup, in seconds; by default the group's.
            owned: resources handed over to it, which are closed if its body never starts (R5).
            daemon: cancel it when the body has ended and only daemons are left. Daemons take no
                place of the group's ``limit``.

        Returns:
            The task. Whether it is joined or not, the group deals with how it ends.

        Raises:
            UsageError: the block was not entered or has been left, or this is another thread than
                the runtime's. The coroutine is closed; ``owned`` stays the caller's.
            TypeError: ``fut`` can be neither awaited nor called.
            ValueError: ``grace`` is negative or NaN.

        Cancellation: spawning does not wait.
        """
        child = GroupChild(self, bool(daemon))  #: compiled: child = new_child(self, daemon)
        future: Future[T] = future_for(fut, child, self._supervisor)
        try:
            executor = self._usable("spawn()")
            grace = checked_grace(grace)
            if owned:
                future = Owned(future, owned)
            if self._places is not None and not daemon:
                future = child.held = Held(future, self._places)
            task = executor.spawn(future, name, self._grace if isinstance(grace, Unset) else grace)
        except (TypeError, ValueError, UsageError):
            future.drop()
            raise
        child.task = task
        self._tally.add(child, task)
        if hooks.group_spawned is not None:
            hooks.group_spawned(self, task)
        task.on_end(child)
        told = self._told or (self._exit if daemon else None)
        if told is not None and not task.done():
            self.cancel_at_birth(task, told, drain=bool(owned))
        return task

    def _usable(self, what: str) -> Executor:
        executor = self._executor
        if executor is None or self._state is CLOSED:
            state = "has been left" if executor is not None else "was not entered yet"
            raise UsageError(
                f"{what} needs an open group, but the block of {self.name!r} {state}; call it "
                "inside 'async with task_group() as g'"
            )
        if executor.thread != get_ident():
            raise UsageError(
                f"{what} of group {self.name!r} was called on another thread than its runtime's; "
                "use runtime.spawn(...) for a task that calls it"
            )
        return executor

    # -- cancellation -----------------------------------------------------------------------------

    def cancel(
        self, reason: str | CancelReason | None = None, *, grace: Grace = UNSET
    ) -> CancelRequest:
        """Ask the block and all children to cancel; return at once. Callable from any thread.

        The block's cancellation ends at the block: unless something failed, the code after it goes
        on. Children are given a reason of kind ``PARENT`` that follows from this one.

        Args:
            reason: words for whoever asks why; or a complete `CancelReason`.
            grace: seconds that the children's cleanup may take before it is dropped; None:
                unbounded; 0: drop at once. By default each child's own. Repeated, it can only
                shorten. The cleanup of the block itself is as long as it is.

        Returns:
            The request. Awaiting it waits until the block has been left, and gives ``Canceled``
            with the group's first reason; do not await it in a shielded part of the block itself.
            Its ``accepted`` is False if the block had been left already.

        Raises:
            UsageError: the block was not entered yet.
        """
        grace = checked_grace(grace)
        executor = self._executor
        if executor is None:
            raise UsageError(f"group {self.name!r} cannot be canceled before it is entered")
        full = make_reason(reason, executor)
        request = CancelRequest(full, target=self, accepted=not self.closed)
        if isinstance(grace, float):
            request.shorten(executor.now() + grace)
        if get_ident() == executor.thread:
            self.cancel_explicitly(full, grace)
        elif not self.closed:
            executor.post(partial(self.cancel_explicitly, full, grace))
        return request

    def join(self) -> Future[Outcome[Any]]:
        """Return a future that waits until the block has been left; see `cancel`.

        For tasks that are no children: a child that waits for its group waits for itself.

        Raises:
            UsageError: awaited in another runtime than the group's.

        Cancellation: safe. The group goes on.
        """
        return GroupEnd(self)

    # -- the block --------------------------------------------------------------------------------

    async def __aenter__(self) -> TaskGroup:
        if self._state is not NEW:
            raise UsageError(
                f"group {self.name!r} was entered already; call task_group() for each block"
            )
        self._block, self._executor = begin_block(self)
        self._state = OPEN
        if hooks.group_opened is not None:
            hooks.group_opened(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:  # with a plain bool, type checkers doubt every name that the block binds
        block = self._block
        assert block is not None
        left = _drops(exc)
        # An error may have taken the place of what says that the parent is being dropped.
        awaits = block.driven() and (not left or in_generator())
        if not awaits and (left or closing(exc)):
            self.drop_children(exc)
            return False
        if left:
            self._generator_closed()
        going = exc if not left and self.body_ended(exc) else None
        try:
            try:
                stray = await block.settle() if block.settles else None
                if stray is not None:
                    going = going or stray
                    self.surrounded(self._request_of(stray))
                if self._tally.alive or self.told_by_parent:
                    await Drained(self)
            except GeneratorExit:
                self.drop_children(exc)
                raise
            except CancelledError as canceled:
                going = going or canceled
            self.close()
            return self._finish(exc, going)
        finally:
            # A traceback keeps this frame: what it refers to would be a circle.
            del exc, going, traceback

    def _generator_closed(self) -> None:
        """End the body: the generator in which the block stands is being closed (G1)."""
        block, executor = self._block, self._executor
        assert block is not None and executor is not None
        self._state = ENDING
        block.leave()
        words = f"the generator with group {self.name!r} was closed"
        reason = CancelReason(CancelKind.GROUP_EXIT, words, at=executor.now())
        self._cancel(reason, reason)

    def _finish(self, exc: BaseException | None, going: BaseException | None) -> bool:
        """Raise what is to be raised; return True if what came out of the body ends here (G5)."""
        errors = self.take_errors()
        base, self._base = self._base, None
        try:
            if going is not None and (base is None or base is not exc):
                _carry(going, errors if base is None else [*errors, base])
                if going is exc:
                    return False
                raise going
            if base is not None:
                _carry(base, errors)
                if base is exc:
                    return False
                raise base
            if errors:
                _raise_together(self.name, errors)
            return self._absorbed
        finally:
            del exc, going, base, errors


def _drops(exc: BaseException | None) -> bool:
    """Is the parent being dropped? ``asyncio.TaskGroup`` wraps what says so into a group."""
    if isinstance(exc, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return group.split(GeneratorExit)[0] is not None
    return isinstance(exc, GeneratorExit)


def _carry(exc: BaseException, errors: list[BaseException]) -> None:
    """Keep the group's errors with what goes on in their place (R15)."""
    cancellation = split_cancellation(exc)[0]
    if cancellation is not None:
        cancellation.also = (*cancellation.also, *errors)
        return
    for error in errors:
        attach(exc, error, "in its task group")


def _raise_together(name: str, errors: list[BaseException]) -> None:
    count = f"{len(errors)} failures" if len(errors) > 1 else "1 failure"
    group = BaseExceptionGroup(f"{count} in group {name!r}", errors)
    try:
        raise group
    finally:
        # The group's own cancellation, in whose course this is raised, is nobody else's business;
        # to find it here would make a cancellation of the parent out of the error.
        group.__context__ = None
        del group, errors


def task_group(
    *,
    policy: Policy = "fail_fast",
    grace: Grace = UNSET,
    limit: int | None = None,
    name: str | None = None,
    keep: int | None = None,
) -> TaskGroup:
    """Return a group for ``async with task_group() as g``: tasks that end with the block.

    The block waits for every task spawned with ``g.spawn(...)``, by whatever way it is left. An
    exception of the body cancels them; so does a cancellation of the parent, or `TaskGroup.cancel`.
    What failed is raised at the end as one ``ExceptionGroup``, in the order in which it happened,
    the body's own exception included. A child that was canceled, by whomever, is no failure; errors
    of its cleanup are. ``KeyboardInterrupt`` and ``SystemExit`` are raised by themselves.

    Args:
        policy: ``"fail_fast"``: the first error cancels the body and the other children.
            ``"collect"``: it cancels nobody. ``"supervise"``: errors of children are logged and
            never raised, and what was spawned as a function is restarted, as `Supervise` says. Or
            a `GroupPolicy`.
        grace: for the cleanup of a canceled child, in seconds; None: unbounded; 0: drop it at once.
            By default the runtime's. It ends no later than the parent's own.
        limit: how many children may run at once; the others wait in line, their bodies not begun.
            None: any number.
        name: for messages; ``group-N`` by default.
        keep: of how many children that have ended `TaskGroup.outcomes` is to know, the latest;
            None: of all. For a group that lives long, such as a server's.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of its range, or the policy is another word.

    Cancellation: safe. Cancels the children, waits for them, and goes on outwards; if a child had
        failed before, the errors are raised, and the cancellation arrives at the next park.

    Example:
        >>> import rescind
        >>> async def double(n):
        ...     await rescind.sleep(0.001 * n)
        ...     return 2 * n
        >>> async def main():
        ...     async with rescind.task_group() as g:
        ...         tasks = [g.spawn(double(n)) for n in (1, 2, 3)]
        ...     return [task.outcome().unwrap() for task in tasks]
        >>> rescind.run(main)
        [2, 4, 6]

    Source: trio's nurseries, ``asyncio.TaskGroup``.
    """
    return TaskGroup(policy=policy, grace=grace, limit=limit, name=name, keep=keep)

"""`Block`: the stretch of code inside ``async with task_group()``, as its group sees it.

*What it is.* What the group needs to know of its parent: how to cancel the block alone, what came
out of it, and when something around it is canceled. In a coroutine of ours it is a cancel scope
(`OwnBlock`); in a stock asyncio task it is that task (`StockBlock`), canceled and un-canceled as
``asyncio.TaskGroup`` does it.

*Invariants.*
 J1  What around the block is canceled, and would be delivered in it, is told to the group before it
     is delivered anywhere; it is held back by the shields around the block, and by nothing in it.
 J2  A group inside a cleanup does not hear of the cancellation that is being cleaned up (R9).
 J3  Groups inside groups are marked breadth first, by one loop: no depth exhausts the stack.

*Threads.* The executor's thread only.

*Source.* trio's cancel tree; ``asyncio.TaskGroup`` for stock tasks.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import FrameType
from typing import Any, ClassVar, Final, cast

from rescind._core.cell import Cell
from rescind._core.dependent import Dependent
from rescind._core.ending import split_cancellation
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.frames import ours
from rescind._core.reason import CancelRequest
from rescind._core.region import Region
from rescind._core.scope import CancelScope, Mask, ScopeStack
from rescind._core.uncopied import refuse_copy
from rescind._host.bridge import executor_here

__all__ = ["Block", "Parent", "begin_block", "groups_of", "in_generator", "sooner"]

_SUSPENDS: Final = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR | CO_ITERABLE_COROUTINE


class Parent:
    """Who is told what happens around a block: the group."""

    __slots__ = ()
    __reduce__ = refuse_copy

    def surrounded(self, request: CancelRequest) -> None:
        """Pass on that something around the block is canceled; the last reason is the new one."""
        raise NotImplementedError

    def orphaned(self) -> None:
        """Note that the block's coroutine has ended without leaving it."""
        raise NotImplementedError


class Block:
    """The code in the group's block."""

    __slots__ = ()
    # Is there something to `settle`?
    settles: ClassVar[bool] = False

    def cancel(self, request: CancelRequest) -> None:
        """Cancel the block, and nothing around it."""
        raise NotImplementedError

    def leave(self) -> None:
        """Note that the body has ended: it is not to be canceled any more."""
        raise NotImplementedError

    def driven(self) -> bool:
        """Is the coroutine or task of the block being run, so that it can await?"""
        raise NotImplementedError

    def sort(self, exc: BaseException) -> list[BaseException] | None:
        """Return ``exc`` without the block's own cancellation; None if that is not in it."""
        raise NotImplementedError

    async def settle(self) -> BaseException | None:
        """Take what the host may still have to deliver; return it if it was not the block's own."""
        return None

    def grace_at(self) -> float | None:
        """Return the earliest time at which the grace of something around ends, or None."""
        return None

    def release(self) -> None:
        """Let go of everything: all children have ended."""


def begin_block(parent: Parent) -> tuple[Block, Executor]:
    """Begin the block of ``parent`` in the code that runs now.

    Raises:
        UsageError: nothing that could be canceled runs here.
    """
    own = OwnBlock(parent)
    try:
        return own, own.begin()
    except UsageError:
        stock = _stock_task()
        executor = executor_here()
        if stock is None or executor is None:
            raise
        return StockBlock(stock), executor


def _stock_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def in_generator() -> bool:
    """Does the block that is being left stand in an async generator?

    That is closed by ``aclose()``, in which it may await; a coroutine is by ``close()``.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and (frame.f_code.co_flags & _SUSPENDS or ours(frame)):
        if frame.f_code.co_flags & CO_ASYNC_GENERATOR:
            return True
        frame = frame.f_back
    return False


class _Marking(threading.local):
    """The loop that marks a tree of groups; None when none is under way (J3)."""

    queue: deque[tuple[Parent, CancelRequest]] | None = None


_marking = _Marking()


def _mark(parent: Parent, request: CancelRequest) -> None:
    if _marking.queue is not None:
        _marking.queue.append((parent, request))
        return
    queue = _marking.queue = deque([(parent, request)])
    try:
        while queue:
            group, cause = queue.popleft()
            group.surrounded(cause)
    finally:
        _marking.queue = None


class OwnBlock(CancelScope, Block, Dependent):
    """A block in a coroutine that rescind drives."""

    __slots__ = ("_cells", "_depth", "_parent", "_reach", "_regions", "_sheltered")

    def __init__(self, parent: Parent) -> None:
        super().__init__()  #: compiled: CancelScope.__init__(self)
        # The group; None once all is over: it refers to the block.
        self._parent: Parent | None = parent
        # The cells that the block is a part of, innermost first.
        self._cells: list[Cell[Any]] = []
        # How many of these concern it.
        self._reach = 0
        # What polls it around its own coroutine, and the index of the cell that is inside of.
        self._regions: list[tuple[int, Region]] = []
        # How many scopes of the coroutine are around the block.
        self._depth = 0
        # Is it part of the cleanup of what was canceled around it (J2)?
        self._sheltered = False

    def begin(self) -> Executor:
        """Enter; return the executor."""
        stack = self.enter("task_group()")
        cx = stack.cx
        assert cx is not None  # it is being polled
        try:
            executor = cx.runtime("task_group()")
        except UsageError:
            self.leave()
            raise
        self._depth = len(stack.scopes) - 1
        self._sheltered = stack.floor > 0 or stack.unwinding
        cell = cx.cell
        while cell is not None:
            self._cells.append(cell)
            cell = cell.parent
        self._reach = len(self._cells)
        region = stack.outer
        while region is not None:
            inside = None if region.cx is None else region.cx.cell
            if inside is not None and inside in self._cells:
                index = self._cells.index(inside)
                if isinstance(region, ScopeStack) and region.aside is not None:
                    self._reach = index  # in company: further out nothing concerns it (C5)
                    break
                self._regions.append((index, region))
            region = region.outer
        for told_by in self._cells[: self._reach]:
            if told_by.dependents is None:
                told_by.dependents = []
            told_by.dependents.append(self)
        return executor

    # -- told by what is around -------------------------------------------------------------------

    def asked(self, cell: Cell[Any]) -> None:
        parent = self._parent
        if parent is not None and cell.request is not None and not self._held(cell):
            _mark(parent, cell.request)

    def enclosed(self, request: CancelRequest) -> None:
        if self._parent is not None:
            _mark(self._parent, request)

    def orphaned(self) -> None:
        parent, self._parent = self._parent, None
        if parent is not None:
            parent.orphaned()

    def _held(self, cell: Cell[Any]) -> bool:
        """Is a request of ``cell`` held back before it reaches the block (J1)?"""
        stack = self.stack
        assert stack is not None
        if self._sheltered or stack.held():
            return True
        for scope in stack.scopes[: self._depth]:
            if isinstance(scope, Mask):
                return True
        reach = self._cells.index(cell)
        for index, region in self._regions:
            if index > reach:
                continue
            if region.holds() or (isinstance(region, ScopeStack) and region.held()):
                return True
        return False

    def directly_in(self, cell: Cell[Any]) -> bool:
        """Is ``cell`` the innermost one that the block is a part of?"""
        return bool(self._cells) and self._cells[0] is cell

    # -- Block ------------------------------------------------------------------------------------

    def driven(self) -> bool:
        return self.stack is not None and self.stack.cx is not None

    def sort(self, exc: BaseException) -> list[BaseException] | None:
        if self.request is None or not self.delivered:
            return None
        cancellation, rest = split_cancellation(exc)
        if cancellation is None or cancellation.reason is not self.request.reason:
            return None
        return [*cancellation.also] if rest is None else [*cancellation.also, rest]

    def grace_at(self) -> float | None:
        earliest: float | None = None
        for cell in self._cells:
            request = cell.request
            if request is not None:
                earliest = sooner(earliest, request.grace_at)
        return earliest

    def release(self) -> None:
        self._parent = None
        for cell in self._cells[: self._reach]:
            if cell.dependents is not None:
                cell.dependents.remove(self)
        self._cells = []
        self._regions = []


def sooner(one: float | None, other: float | None) -> float | None:
    """Return the earlier of two times; None stands for never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def groups_of(cell: Cell[Any]) -> list[Parent]:
    """Return the groups whose blocks are open in a cell itself, outermost first."""
    dependents = list(cell.dependents or ())
    blocks = [one for one in dependents if isinstance(one, OwnBlock) and one.directly_in(cell)]
    return [block._parent for block in blocks if block._parent is not None]


class StockBlock(Block):
    """A block in a task of asyncio's own.

    Its cancellation is asyncio's: the task is asked, and un-asked when the block is left.
    """

    __slots__ = ("_count", "_sent", "_task")
    settles = True

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        # How many requests the task had before the block.
        self._count = task.cancelling()
        self._sent = False

    def cancel(self, request: CancelRequest) -> None:
        if not self._sent and not self._task.done():
            self._sent = True
            self._task.cancel(request.reason.line())

    def leave(self) -> None:
        if self._sent:
            self._task.uncancel()

    def driven(self) -> bool:
        return _stock_task() is self._task

    def sort(self, exc: BaseException) -> list[BaseException] | None:
        if not self._sent or self._task.cancelling() > self._count:
            return None
        if isinstance(exc, asyncio.CancelledError):
            return []
        if not isinstance(exc, BaseExceptionGroup):
            return None
        group = cast("BaseExceptionGroup[BaseException]", exc)
        own, rest = group.split(asyncio.CancelledError)
        return None if own is None else [] if rest is None else [rest]

    async def settle(self) -> BaseException | None:
        if self._sent:
            # Before Python 3.13 a request that was not delivered yet is not taken back with the
            # count: it would cancel whatever is awaited next.
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as exc:
                if self._task.cancelling() > self._count:
                    return exc
        return None

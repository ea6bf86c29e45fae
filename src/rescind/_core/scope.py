"""Shields, gates and cancel scopes inside one coroutine: a stack of scopes.

*What it is.* A coroutine holds back the delivery of a cancellation with a shield (R12), lets it
in again for one future with the shield's gate, and has stretches of itself canceled: by a deadline
(R21), or by a task group one of whose children failed (R26). All are entries in the scope stack of
the `CoroutineFuture` that drives it. Futures that are to be polled while the coroutine awaits
something else (R22) are its company.

*What it is not.* Inherited: children of combinators, and spawned tasks, have stacks of their own.

*Invariants.*
 C1  A cancellation has a base: 0 for the future's own request, i + 1 for the cancel scope at index
     i. It is held back by every shield at or above its base that the awaited future's gates do not
     open, and by nothing below: a deadline inside a shield works.
 C2  From delivery until the canceled stretch is left, nothing from outside it is delivered: the
     cleanup runs once, undisturbed (R9). ``floor`` marks how far up that protection reaches;
     scopes entered later, by the cleanup itself, lie above it and work.
 C3  Leaving a shield checks nothing: the next park delivers.
 C4  Company is polled in the coroutine's own steps, before its leaf. Each has its turn in every
     step, and so has the leaf, even if the budget is spent: none starves another.
 C5  What cancels the coroutine is never delivered to company: whoever opened the block cancels
     it when the block is left.
 C6  What hangs on a stretch of the coroutine, such as the tasks of a group, is told that the
     stretch is canceled before anything of the cancellation is delivered here (R13).

*Threads.* The executor's thread only.

*Source.* cats-effect's ``uncancelable`` and ``poll``; trio's shielded cancel scopes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from .current import foreign, local
from .ending import split_cancellation
from .errors import Cancellation, UsageError
from .hooks import hooks
from .poll import Future, Waker
from .reason import CancelRequest
from .region import Region
from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .cell import Cell
    from .company import Company
    from .hostport import Swap
    from .poll import Context

__all__ = [
    "CancelScope",
    "Mask",
    "ScopeStack",
    "cancel_requested",
    "effective_deadline",
    "innermost",
    "pending_request",
]

_NEVER: Final = float("inf")

_log: Final = logging.getLogger("rescind")


class Mask:
    """A scope that holds cancellation back; what a shield is to the stack (C1)."""

    __slots__ = ()
    __reduce__ = refuse_copy

    def opened_by(self, leaf: Future[Any] | None) -> bool:
        """Is cancellation let in while ``leaf`` is awaited?"""
        raise NotImplementedError


class ScopeStack(Region):
    """The part of a coroutine's driver that decides whether a cancellation is due.

    Attributes:
        scopes: shields and cancel scopes that are open, outermost first. A tuple: most coroutines
            never open one, and the empty one is nobody's own.
        floor: how many scopes are under the protection of C2.
        unwinding: was ``request`` raised inside?
        attention: may a cancellation be due? (One flag, so that the common case costs one test.)
        waker: the latest waker of the driver; what a cancel scope wakes.
        company: what else is polled in the coroutine's steps (C4); None if there is none.
        aside: while company is polled, how many scopes are around it: the others, and this
            coroutine's own cancellation, are delivered elsewhere (C5). None otherwise.
    """

    __slots__ = (
        "_identity",
        "_swap",
        "aside",
        "attention",
        "company",
        "floor",
        "scopes",
        "unwinding",
        "waker",
    )

    # The identity under which the coroutine runs, and what makes it current; None on hosts without.
    _identity: Any
    _swap: Swap | None
    scopes: tuple[Mask | CancelScope, ...]
    floor: int
    unwinding: bool
    attention: bool
    waker: Waker | None
    company: list[Company] | None
    aside: int | None

    @property
    def leaf(self) -> Future[Any] | None:
        """What the coroutine awaits; None if it awaits nothing."""
        raise NotImplementedError

    def delivered(self) -> bool:
        return self.unwinding

    def held(self) -> bool:
        """Does a shield of the host's world hold back what comes from outside (R30)?"""
        return False

    def intruded(self) -> bool:
        #: compiled: if self._identity is None: return False
        #: compiled: seen = is_current(self._swap, self._identity)
        #: compiled: if seen >= 0: return not seen
        return foreign.drives is not None and foreign.drives(self)

    def holds(self) -> bool:
        return self.floor > 0 or self.unwinding or self.masked(0, self.leaf)

    def masked(self, base: int, leaf: Future[Any] | None) -> bool:
        """Is a cancellation with this base held back by a shield, with ``leaf`` awaited (C1)?"""
        for scope in self.scopes[base:]:
            if isinstance(scope, Mask) and not scope.opened_by(leaf):
                return True
        return False

    def due(self, leaf: Future[Any] | None) -> CancelRequest | None:
        """Return the outermost cancellation that must be delivered if ``leaf`` parks, if any."""
        if (
            self.request is not None
            and not self.unwinding
            and self.floor == 0
            and not (self.scopes and self.masked(0, leaf))
        ):
            return self.request
        for index in range(self.floor, len(self.scopes)):
            scope = self.scopes[index]
            if (
                isinstance(scope, CancelScope)
                and scope.request is not None
                and not scope.delivered
                and not self.masked(index + 1, leaf)
            ):
                return scope.request
        return None

    def announced(self, request: CancelRequest | None) -> CancelRequest | None:
        """Return what is to be delivered now; first tell the stretches that it cancels (C6)."""
        if request is not None and self.scopes:
            base = 0
            for index, scope in enumerate(self.scopes):
                if isinstance(scope, CancelScope) and scope.request is request:
                    base = index + 1
            for scope in self.scopes[base:]:
                if isinstance(scope, CancelScope):
                    scope.enclosed(request)
        return request

    def mark_delivered(self, request: CancelRequest) -> None:
        """Note that ``request`` is raised now: protect its cleanup (C2)."""
        if hooks.delivered is not None:
            hooks.delivered(self, request)
        if request is self.request:
            self.unwinding = True
            self.floor = len(self.scopes)
            return
        for scope in self.scopes:
            if isinstance(scope, CancelScope) and scope.request is request:
                scope.delivered = True
                scope.floor_before = self.floor
                self.floor = len(self.scopes)
                return

    def invite(self, beside: Company) -> None:
        """Poll ``beside`` in the coroutine's steps from now on."""
        beside.base = len(self.scopes)
        if self.company is None:
            self.company = []
        self.company.append(beside)

    def dismiss(self, beside: Company) -> None:
        """Poll ``beside`` no more."""
        if self.company is not None and beside in self.company:
            self.company.remove(beside)
            if not self.company:
                self.company = None  # back to the one test that those without it pay

    def drive_company(self, company: list[Company], cx: Context) -> None:
        """Poll what was woken beside the leaf, and leave each its share (C4)."""
        executor = cx.executor
        try:
            for beside in tuple(company):
                self.aside = beside.base
                beside.drive(cx)
                if executor is not None and executor.budget <= 0:
                    executor.budget = 1
        finally:
            self.aside = None

    def close_scopes(self) -> None:
        """Let go of who would be woken, and of what is left beside: the coroutine has ended."""
        self.waker = None
        company, self.company = self.company, None
        interrupt: BaseException | None = None
        for beside in company or ():
            try:
                beside.drop()
            except (KeyboardInterrupt, SystemExit) as exc:
                interrupt = exc
            except BaseException:
                _log.exception("%r failed while it was dropped with %r", beside, self)
        if interrupt is not None:
            raise interrupt

    def push(self, scope: Mask | CancelScope) -> None:
        """Open ``scope`` inside all others."""
        self.scopes += (scope,)

    def leave(self, scope: Mask | CancelScope) -> None:
        """Take ``scope`` off the stack; no check for a cancellation (C3)."""
        scopes = self.scopes
        if scopes and scopes[-1] is scope:
            self.scopes = scopes[:-1]
        elif scope in scopes:
            index = scopes.index(scope)
            self.scopes = scopes[:index] + scopes[index + 1 :]
        stretch = scope if isinstance(scope, CancelScope) else None
        if stretch is not None and stretch.delivered and not self.unwinding:
            self.floor = stretch.floor_before
        self.floor = min(self.floor, len(self.scopes))


def innermost(what: str) -> ScopeStack:
    """Return the stack of the running coroutine; raise `UsageError` if rescind drives none."""
    region = local.region  #: compiled: region = get_region()
    if not isinstance(region, ScopeStack) or region.intruded():
        raise UsageError(
            f"{what} needs to be entered inside a coroutine that rescind drives; "
            "run it with rescind.run(...), spawn(...) or a combinator"
        )
    return region


class CancelScope(Waker):
    """A stretch of a coroutine that can be canceled by itself; what leaves it tells its own apart.

    It may be what a timer wakes: such a stretch is canceled by that.

    Attributes:
        request: the cancellation of the stretch, if there is one.
        delivered: was that raised inside?
        at: host time, in seconds, at which it is going to be canceled; infinity: never.
    """

    __slots__ = ("at", "delivered", "floor_before", "request", "stack")
    __reduce__ = refuse_copy

    def __init__(self) -> None:
        # The coroutine's stack; None before it is entered.
        self.stack: ScopeStack | None = None
        self.request: CancelRequest | None = None
        self.delivered = False
        self.floor_before = 0
        self.at = _NEVER

    def enter(self, what: str) -> ScopeStack:
        """Begin the stretch in the coroutine that runs now; ``what`` is for messages."""
        self.stack = stack = innermost(what)
        stack.push(self)
        return stack

    def leave(self) -> None:
        """End the stretch."""
        if self.stack is not None:
            self.stack.leave(self)

    def cancel(self, request: CancelRequest) -> None:
        """Cancel the stretch, once: where the coroutine is parked, or parks next."""
        stack = self.stack
        if stack is None or self.request is not None:
            return
        self.request = request
        stack.attention = True
        if stack.waker is not None:
            stack.waker.wake()
        if self in stack.scopes and (index := stack.scopes.index(self)) >= stack.floor:
            for inner in stack.scopes[index + 1 :]:
                if isinstance(inner, Mask):
                    break  # told when the shield lets it in
                inner.enclosed(request)

    def enclosed(self, request: CancelRequest) -> None:
        """Pass on to what hangs on the stretch that it is canceled from outside (C6)."""

    def caught(self, exc: BaseException | None) -> Cancellation | None:
        """Return the stretch's own cancellation if that, and nothing else, is what left it."""
        if self.request is None or not self.delivered:
            return None
        cancellation, rest = split_cancellation(exc)
        if cancellation is None or rest is not None:
            return None
        return cancellation if cancellation.reason is self.request.reason else None


def pending_request(leaf: Future[Any] | None = None) -> CancelRequest | None:
    """Return the request that would be delivered if the running code parked on ``leaf`` now.

    It looks outwards from the innermost region: through the coroutines and shields being
    polled, and through the cells they belong to, until something holds cancellation back.
    """
    region = local.region  #: compiled: region = get_region()
    if _quiet(region):
        return None
    while region is not None:
        if isinstance(region, ScopeStack):
            if region.aside is not None:
                return None  # C5
            due = region.due(leaf)
            if due is not None and due is not region.request:
                return due  # of a deadline inside
            if region.held() or region.floor > 0 or region.unwinding or region.masked(0, leaf):
                return None
            if due is not None:
                return due
        elif region.holds():
            return None
        outer = region.outer
        cell = None if region.cx is None else region.cx.cell
        limit = None if outer is None or outer.cx is None else outer.cx.cell
        while cell is not None and cell is not limit:
            if cell.request is not None:
                return None if cell.canceling else cell.request
            cell = cell.parent
        region = outer
        # What the coroutine outside awaits may be a gate, which lets in what is due there (C1).
        leaf = region.leaf if isinstance(region, ScopeStack) else None
    return _pending_of_task()


def _quiet(region: Region | None) -> bool:
    """Is nothing requested from here outwards? Then nobody has to be asked who may hold it back."""
    while region is not None:
        if isinstance(region, ScopeStack):
            stack = region
            if stack.attention:
                return False
        outer, cx = region.outer, region.cx
        cell = None if cx is None else cx.cell
        limit = None if outer is None or outer.cx is None else outer.cx.cell
        while cell is not None and cell is not limit:
            if cell.request is not None:
                return False
            cell = cell.parent
        region = outer
    executor = local.executor  #: compiled: executor = get_executor()
    task = None if executor is None else executor.current
    return task is None or task.request is None


def _pending_of_task() -> CancelRequest | None:
    """Return the pending request of the running task: its future may be no coroutine at all."""
    task = None if local.executor is None else local.executor.current
    return None if task is None or task.canceling else task.request


def cancel_requested() -> CancelRequest | None:
    """Return the nearest request that concerns the running code, delivered, shielded or not."""
    region = local.region
    cell: Cell[Any] | None = None
    while region is not None:
        if region.request is not None:
            return region.request
        if isinstance(region, ScopeStack):
            for scope in reversed(region.scopes[: region.aside]):
                if isinstance(scope, CancelScope) and scope.request is not None:
                    return scope.request
        cell = None if region.cx is None else region.cx.cell
        region = region.outer
        while cell is not None:
            if cell.request is not None:
                return cell.request
            cell = cell.parent
    return None


def effective_deadline() -> float | None:
    """Return the earliest host time at which a deadline or timeout cancels the running code."""
    earliest: float | None = None
    region = local.region
    while region is not None:
        times = [] if region.cx is None else [region.cx.deadline_at]
        if isinstance(region, ScopeStack):
            scopes = region.scopes[: region.aside]
            times += [scope.at for scope in scopes if isinstance(scope, CancelScope)]
        for at in times:
            if at is not None and at != float("inf") and (earliest is None or at < earliest):
                earliest = at
        region = region.outer
    return earliest

"""The tree of tokens: who is canceled with whom; mark, then notify (R13).

*What it is.* A `Node` knows its sources (one for a child, several for a linked token) and its
dependents. A cancellation marks the node and everything below it under one lock, collects in a
`Marking` whom to tell, and tells them when the lock is free.

*What it is not.* The interface: that is `token.CancellationToken`.

*Invariants.*
 K1  All that depends on a canceled node is canceled, whenever the lock is free. Hence what comes to
     a canceled node is born canceled, and a canceled node has left its sources.
 K2  Wakers and callbacks run without the lock, after the whole subtree was marked; first the wakers
     (they only queue something), then the callbacks, those of a node before those further down.
 K3  A node refers to its sources, never the other way: sources know it weakly. So the middle of a
     tree stays as long as something below it does, and what nobody refers to leaves nothing behind.
 K4  What a finalizer may run takes no lock: to leave is one atomic operation on a dictionary.
 K5  A cancellation that comes from inside a locked section (a finalizer run by the collector, or a
     signal handler, on the thread that holds the lock) marks at once, and is told of by the section
     that it interrupted.
 K6  An operation first enters what it adds, then looks whether the node is canceled: a
     cancellation that interrupts it (K5) either saw the entry, or is seen by the operation.
 K7  Nothing here recurses: trees may be as deep and as wide as memory allows.

*Threads.* Any. There is one lock for all trees, since linked tokens tie them together: no order
between locks can be got wrong, and a section only marks. It is reentrant because of K5.

*Source.* eio's ``cancel.ml`` (mark, then deliver); Go's ``context`` (removable children); .NET's
linking; tokio-util's ``CancellationToken``, which has a lock for each token, parent before child.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Final

from rescind._core.frames import strip
from rescind._core.hooks import hooks
from rescind._core.poll import Waker
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.waitlist import Waiter

if TYPE_CHECKING:
    from rescind.tasks.alarms import Alarm

__all__ = ["SECTION", "Call", "Marking", "Node", "raise_errors"]

_log = logging.getLogger("rescind")


class _Section:
    """The lock of all tokens: ``with SECTION as nested:``.

    Entering says whether this thread was inside already (K5); leaving for good delivers what such
    interruptions have marked.
    """

    __slots__ = ("_depth", "_lock", "late")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew: in a forked process, the thread that held the lock does not exist."""
        self._lock = RLock()
        self._depth = 0
        # What was marked inside, and is to be delivered outside.
        self.late: list[Marking] = []

    def __enter__(self) -> bool:
        self._lock.acquire()
        self._depth += 1
        return self._depth > 1

    def __exit__(self, *_exc: object) -> None:
        late: list[Marking] = []
        self._depth -= 1
        if self._depth == 0 and self.late:
            late, self.late = self.late, late
        self._lock.release()
        interrupts: list[BaseException] = []
        for marking in late:
            interrupts += marking.deliver_unheard()
        raise_errors(interrupts)


SECTION: Final = _Section()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SECTION.renew)


class Call:
    """One registered callback; called once, or taken back."""

    __slots__ = ("_fn",)

    def __init__(self, fn: Callable[[CancelReason], object]) -> None:
        # None once it was called, or taken back.
        self._fn: Callable[[CancelReason], object] | None = fn

    def take(self) -> Callable[[CancelReason], object] | None:
        """Return the function to the only one who gets it, None to everybody else."""
        with SECTION:
            fn, self._fn = self._fn, None
        return fn


class Marking:
    """What one cancellation has marked, and whom it has to tell when the lock is free."""

    __slots__ = ("_alarms", "_calls", "_kept", "_marked", "_wakers")

    def __init__(self) -> None:
        # The nodes, and why; empty if nobody wants to know.
        self._marked: deque[tuple[Node, CancelReason]] = deque()
        self._alarms: deque[Alarm] = deque()
        self._wakers: deque[Waker] = deque()
        self._calls: deque[tuple[Call, CancelReason]] = deque()
        # What must not be finalized inside the section.
        self._kept: list[object] = []

    def mark(self, node: Node, reason: CancelReason) -> None:
        """Mark a node and all that depends on it, nearest first; called inside the section."""
        queue = deque([(node, reason)])
        while queue:
            node, reason = queue.popleft()
            if node._reasons is not None:
                continue  # and so is all that depends on it (K1)
            node._reasons = [reason]
            if hooks.token_canceled is not None:
                self._marked.append((node, reason))
            self._take(node, reason)
            # As a list, in one operation: entries of dead ones go at any time (K4).
            children = list(node._children)
            if children:
                following = caused_by(reason)
                for ref in children:
                    child = ref()
                    if child is not None:
                        queue.append((child, following))
                node._children.clear()

    def _take(self, node: Node, reason: CancelReason) -> None:
        """Take over what a marked node held."""
        waiters = list(node._waiters)
        for waiter in waiters:
            waiter.woken = True
            self._wakers.append(waiter.waker)
        node._waiters.clear()
        calls = list(node._calls)
        self._calls += [(call, reason) for call in calls]
        node._calls.clear()
        alarm, node._alarm = node._alarm, None
        if alarm is not None:
            self._alarms.append(alarm)
        self._kept.append((node, node.leave_sources(), waiters))

    def add_call(self, call: Call, reason: CancelReason) -> None:
        """Have one more callback to tell."""
        self._calls.append((call, reason))

    def deliver(self) -> list[BaseException]:
        """Wake and call everybody, outside the section; return what they raised, in order (K2)."""
        errors: list[BaseException] = []
        self._kept.clear()
        while self._marked:
            marked = self._marked.popleft()
            if hooks.token_canceled is not None:
                hooks.token_canceled(*marked)
        # Emptied, since frames of what is raised refer back to this one (``f_back``).
        while self._alarms:
            self._alarms.popleft().stop()
        while self._wakers:
            _wake(self._wakers.popleft(), errors)
        while self._calls:
            _tell(*self._calls.popleft(), errors)
        return errors

    def deliver_unheard(self) -> list[BaseException]:
        """Deliver where nobody can be told what failed: log it; return interrupts, to be raised."""
        errors = self.deliver()
        interrupts: list[BaseException] = []
        while errors:
            if isinstance(errors[0], (KeyboardInterrupt, SystemExit)):
                interrupts.append(errors.pop(0))
            else:
                _log.error("a callback of a cancellation token failed", exc_info=errors.pop(0))
        return interrupts


def _wake(waker: Waker, errors: list[BaseException]) -> None:
    try:
        waker.wake()
    except BaseException as exc:
        strip(exc)
        errors.append(exc)


def _tell(call: Call, reason: CancelReason, errors: list[BaseException]) -> None:
    fn = call.take()
    try:
        if fn is not None:
            fn(reason)
    except BaseException as exc:
        strip(exc)
        errors.append(exc)


def caused_by(reason: CancelReason) -> CancelReason:
    """Return the reason of what is canceled because its source was, for ``reason``."""
    return CancelReason(CancelKind.PARENT, None, reason.by, None, reason.at, reason)


def raise_errors(errors: list[BaseException]) -> None:
    """Raise what callbacks raised: a single one as it is, several as a group, in order.

    The list is emptied: it is in frames to which the exceptions refer.
    """
    if len(errors) > 1:
        group = BaseExceptionGroup("several callbacks of a cancellation token failed", errors)
        errors[:] = [group]
        del group
    if errors:
        raise errors.pop()


def _weak(node: Node, gone: Callable[[weakref.ref[Node]], None] | None = None) -> weakref.ref[Node]:
    return weakref.ref(node, gone)


class Node:
    """One token of a tree: its state, and how it hangs together with others."""

    __slots__ = (
        "__weakref__",
        "_alarm",
        "_calls",
        "_children",
        "_reasons",
        "_sources",
        "_waiters",
    )

    def __init__(self) -> None:
        # Why it was canceled, the primary reason first; None as long as it is not.
        self._reasons: list[CancelReason] | None = None
        # With what it is canceled; empty for a root, and once it is canceled (K1).
        self._sources: tuple[Node, ...] = ()
        # Three ordered sets, empty once it is canceled. What depends on it, weakly (K3):
        self._children: dict[weakref.ref[Node], None] = {}
        # Who waits, in order of arrival. No `WaitList`, since what drops a future must be able
        # to leave without a lock (K4).
        self._waiters: dict[Waiter, None] = {}
        self._calls: dict[Call, None] = {}
        # Rings when its deadline is over.
        self._alarm: Alarm | None = None

    # -- sources and dependents -------------------------------------------------------------------

    def attach(self, sources: tuple[Node, ...]) -> None:
        """Depend on ``sources``; born canceled if one of them is. Called once, on a new node."""
        with SECTION:
            if not any(source._reasons for source in sources):
                self._sources = sources
                for source in sources:
                    source._children[_weak(self, source._forget)] = None
            for source in sources:  # K6: only now
                if source._reasons is not None and self._reasons is None:
                    self.leave_sources()
                    self._reasons = [caused_by(source._reasons[0])]

    @property
    def reason(self) -> CancelReason | None:
        """Why it was canceled, or None; of kind ``PARENT``, with its cause, if by another token."""
        reasons = self._reasons
        return None if reasons is None else reasons[0]

    def leave_all(self) -> None:
        """Depend on nothing any more."""
        with SECTION:
            sources = self.leave_sources()
        del sources  # the last one of a tree is let go outside the section

    def leave_sources(self) -> tuple[Node, ...]:
        """Leave what it depends on, inside the section; return that, to be let go outside."""
        sources, self._sources = self._sources, ()
        if sources:
            own = _weak(self)
            for source in sources:
                source._forget(own)
        return sources

    def _forget(self, ref: weakref.ref[Node]) -> None:
        """Drop a dependent, dead or alive, without the lock (K4)."""
        self._children.pop(ref, None)

    # -- canceling --------------------------------------------------------------------------------

    def mark_and_deliver(self, reason: CancelReason) -> tuple[bool, list[BaseException]]:
        """Cancel; return whether this call did, and what the callbacks raised."""
        marking = Marking()
        with SECTION as nested:
            if self._reasons is not None:
                self._reasons.append(reason)
                return False, []
            marking.mark(self, reason)
            if nested:
                SECTION.late.append(marking)
                return True, []
        del self  # what callbacks raise refers back to this frame
        return True, marking.deliver()

    def expire(self, reason: CancelReason) -> None:
        """Cancel because of the deadline; later than another cancellation it is not noted."""
        marking = Marking()
        with SECTION as nested:
            marking.mark(self, reason)
            if nested:
                SECTION.late.append(marking)
                return
        raise_errors(marking.deliver_unheard())

    # -- those to tell ----------------------------------------------------------------------------

    def watch(self, waiter: Waiter | None, waker: Waker) -> Waiter | None:
        """Have ``waker`` woken on cancellation; return the waiter, or None if that was before.

        Args:
            waiter: what the call before returned, to replace its waker; None the first time.
            waker: the latest waker.
        """
        with SECTION:
            if waiter is None:
                waiter = Waiter(waker)
                self._waiters[waiter] = None
            waiter.waker = waker
            if self._reasons is None:  # K6
                return waiter
            self.unwatch(waiter)
            return None

    def unwatch(self, waiter: Waiter) -> None:
        """Forget a waiter, without the lock (K4); a no-op if it was woken."""
        self._waiters.pop(waiter, None)

    def register(self, call: Call) -> list[BaseException]:
        """Have a callback told on cancellation; told at once if that was before.

        Returns:
            What it raised, if it was told at once.
        """
        with SECTION as nested:
            self._calls[call] = None
            if self._reasons is None:  # K6
                return []
            self._calls.pop(call, None)
            marking = Marking()
            marking.add_call(call, self._reasons[0])
            if nested:
                SECTION.late.append(marking)
                return []
        del self, call
        return marking.deliver()

    def unregister(self, call: Call) -> bool:
        """Take a callback back; return False if it was called, is being called, or was taken."""
        taken = call.take() is not None
        self._calls.pop(call, None)
        return taken

    def arm(self, alarm: Alarm) -> None:
        """Take over the alarm of the deadline; stop it if the cancellation came before."""
        with SECTION:
            self._alarm = alarm
            if self._reasons is None:  # K6
                return
        self.disarm()

    def disarm(self) -> None:
        """Have no deadline any more."""
        with SECTION:
            alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.stop()

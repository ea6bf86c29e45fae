"""`Section`: a primitive's lock, which lets nobody else's code run while it is held.

*What it is.* A locked step decides; what it has decided happens when the lock is free again: it
wakes those whom it gave something, and hands values to ``on_undelivered``. So such code may use
the primitive, raise, or take its time, and neither finds it half-changed nor holds it up.

*How it is used.* ``with section, section.lock:``; or, where it counts, the same written out, which
is half as long: `catch_up` if something is ``posted``, the step ``with`` the ``lock``, then `leave`
if something is ``due``. In the compiled form ``with section:`` takes the lock itself.

*Invariants.*
 S1  What was put off runs after the outermost step, in order, once, all of it even if one raises.
     What it raises is logged: the step that it follows has happened.
 S2  A finalizer waits for no lock: the collector may run it inside a step of the same thread, or
     of another primitive, whose lock another thread holds while it wants this one. What it has to
     do is posted, and done by whoever leaves the lock next.
 S3  Whoever enters finds done what the same thread has posted; but a step is not cut in two: what
     is posted in the middle of it is done after it.
 S4  What a signal's handler raises where the lock is taken or let go leaves it free: so this is
     done by ``with``, which runs no handler before the block begins, nor one of Python's own at its
     end. Where nothing is to be waited for, whoever is interrupted looks whether it was taken.

*Threads.* Any.

*Source.* tokio wakes outside its locks, too; ``queue.SimpleQueue`` was made for finalizers
(cpython #14976).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any, Final

from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList

__all__ = ["Section"]

_KEPT: Final[Any] = object()

_log = logging.getLogger("rescind")


class Section:
    """What is around a re-entrant lock, and puts off what is not the code of its owner.

    Attributes:
        lock: is held during a step.
        inside: tells whether this very thread is in the middle of one.
        due: what happens when the outermost step has left the lock (S1). Whoever adds something
            holds the lock, or looks afterwards whether somebody does.
        posted: steps to be taken by whoever holds the lock (S2).
    """

    __slots__ = ("due", "inside", "lock", "posted")
    __reduce__ = refuse_copy

    def __init__(self) -> None:
        self.lock = RLock()  #: compiled: self.lock = Lock()
        # `threading.Condition` asks a lock so, too.
        self.inside: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        # No deque: an empty one takes ten times as much, and each primitive has one of these.
        self.due: list[Callable[[], object]] = []
        self.posted: list[Callable[[], object]] = []

    def __enter__(self) -> None:
        if self.posted:
            self.catch_up()
        #: compiled: self.lock.acquire()

    def __exit__(self, *exc: object) -> None:
        #: compiled: self.lock.release()
        if self.due:
            self.leave()

    def catch_up(self) -> None:
        """Take the steps that were posted; called before a step (S3)."""
        if self.inside():  #: compiled: if self.lock.mine():
            return
        #: compiled: self.lock.acquire()
        try:
            with self.lock:  #: compiled: try:
                self._take_posted()
            #: compiled: finally: self.lock.release()
        finally:
            if self.due:
                self.leave()

    def leave(self) -> None:
        """Do what is due; called after a step, when the lock is free."""
        if self.inside():  #: compiled: if self.lock.mine():
            return  # the outermost step will
        due = self.due
        try:
            effect = due.pop()
        except IndexError:  # another thread has just taken it
            return
        if due:
            self._run_all(effect)
            return
        try:
            effect()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            _failed(effect)

    def _run_all(self, last: Callable[[], object]) -> None:
        """Do this after all else that is due; all taken now, so that effects do not nest."""
        mine = [last]
        while self.due:
            try:
                mine.append(self.due.pop())
            except IndexError:
                break
        interrupt: BaseException | None = None
        for effect in reversed(mine):
            try:
                effect()
            except (KeyboardInterrupt, SystemExit) as exc:
                interrupt = interrupt or exc
            except BaseException:  # an asyncio library's CancelledError too: the others are served
                _failed(effect)
        if interrupt is not None:
            try:
                raise interrupt
            finally:
                del interrupt

    # -- for steps --------------------------------------------------------------------------------

    def wake(self, waiting: WaitList, waiter: Waiter, given: object = _KEPT) -> bool:
        """Wake one that waits, after the step, and tell it what it got.

        Returns:
            Is it to be woken? If not, it has left (W4), and got nothing.
        """
        waker = waiting.pick(waiter, waiter.given if given is _KEPT else given)
        if waker is None:
            return False
        self.due.append(waker.wake)
        return True

    def wake_all(self, waiting: WaitList, given: object = None) -> None:
        """Wake everybody who waits, after the step."""
        while (waiter := waiting.first) is not None:
            self.wake(waiting, waiter, given)

    def afterwards(self, function: Callable[..., object], *args: Any) -> None:
        """Call ``function`` after the step."""
        self.due.append(partial(function, *args))

    # -- for finalizers ---------------------------------------------------------------------------

    def post(self, step: Callable[..., object], *args: Any) -> None:
        """Take ``step`` under the lock: now, or before anybody else's (S2).

        For whatever a finalizer may call: also what only gives up or gives back, since a coroutine
        that is collected runs its ``finally`` and leaves its ``with`` blocks. What the step raises
        is raised here, or logged, if it is not taken here.
        """
        free = not self.posted and not self.inside()  #: compiled: pass
        own = False  #: compiled: own = not self.posted and self.lock.begin()
        try:
            own = free and self.lock.acquire(False)  #: compiled: pass
            if own:
                step(*args)
        finally:
            if own or (free and self.inside()):  #: compiled: if own:
                self.lock.release()
                if self.due:
                    self.leave()
        if not own:
            self.posted.append(partial(step, *args))
            self._serve()

    def _serve(self) -> None:
        """Take the steps that were posted, if nobody holds the lock; else whoever does will."""
        if not self.posted:
            return
        if self.inside():
            self.due.append(self._serve)
            return
        own = False
        try:
            own = self.lock.acquire(False)
            if not own:
                # First this, then another look: who leaves the lock after it finds it.
                self.due.append(self._serve)
                own = self.lock.acquire(False)
            if own:
                self._take_posted()
        finally:
            if own or self.inside():  #: compiled: if own:
                self.lock.release()
                if self.due:
                    self.leave()

    def _take_posted(self) -> None:
        posted = self.posted
        while posted:
            step = posted.pop(0)
            try:
                step()
            except Exception:
                _log.exception("what was to be given back was refused: %r", step)


def _failed(effect: Callable[[], object]) -> None:
    _log.exception("a primitive had to call something, and that failed: %r", effect)

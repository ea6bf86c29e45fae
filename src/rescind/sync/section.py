"""`Section`: a channel's lock, which lets nobody else's code run while it is held.

*What it is.* A locked step decides; what it has decided happens when the lock is free again: it
wakes those whom it gave something, and hands values to ``on_undelivered``. So such code may use
the channel, raise, or take its time, and neither finds the channel half-changed nor holds it up.

*Invariants.*
 S1  What was put off runs after the outermost step, in order, all of it even if one raises.
     What it raises is logged: the step that it follows has happened.
 S2  A finalizer waits for no lock: the collector may run it inside a step of the same thread, or
     of another channel, whose lock another thread holds while it wants this one. What it has to do
     is posted, and done by whoever leaves the lock next.

*Threads.* Any.

*Source.* tokio wakes outside its locks, too; ``queue.SimpleQueue`` was made for finalizers
(cpython #14976).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Any

from rescind._core.poll import Waker

__all__ = ["Section"]

_log = logging.getLogger("rescind")


class Section:
    """A re-entrant lock, entered by ``with``, that puts off what is not its owner's code."""

    __slots__ = ("_depth", "_due", "_lock", "_posted")

    def __init__(self) -> None:
        self._lock = RLock()
        # How many steps of the thread that holds the lock are under way, one inside the other.
        self._depth = 0
        # What happens when the outermost step has left the lock (S1).
        self._due: list[Callable[[], object]] = []
        # Steps of finalizers, to be taken by whoever holds the lock (S2).
        self._posted: deque[Callable[[], object]] = deque()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1
        if self._posted and self._depth == 1:
            self._take_posted()

    def __exit__(self, *exc: object) -> None:
        if self._depth > 1:
            self._depth -= 1
            self._lock.release()
            return
        while True:
            if self._posted:
                self._take_posted()
            due: list[Callable[[], object]] | None = None
            if self._due:
                due, self._due = self._due, []  # not the list itself: the next in fills that
            self._depth = 0
            self._lock.release()
            if due is not None:
                _run(due)
            # Posted after we looked, by one who could not have the lock: ours to do (S2).
            if not self._posted or not self._lock.acquire(blocking=False):
                return
            self._depth = 1

    def wake(self, waker: Waker) -> None:
        """Wake ``waker`` after the step; called inside one."""
        self._due.append(waker.wake)

    def afterwards(self, function: Callable[..., object], *args: Any) -> None:
        """Call ``function`` after the step; called inside one."""
        self._due.append(partial(function, *args))

    def post(self, step: Callable[[], object]) -> None:
        """Take ``step``, which does not raise, under the lock: now, or before anybody else's (S2).

        For whatever a finalizer may call: also what only gives up or gives back, since a coroutine
        that is collected runs its ``finally`` and leaves its ``with`` blocks.
        """
        self._posted.append(step)
        if self._lock.acquire(blocking=False):
            if self._depth:  # inside a step of this very thread, which will do it
                self._lock.release()
                return
            self._depth = 1
            self.__exit__()

    def _take_posted(self) -> None:
        while self._posted:
            self._posted.popleft()()


def _run(due: list[Callable[[], object]]) -> None:
    interrupt: BaseException | None = None
    for effect in due:
        try:
            effect()
        except (KeyboardInterrupt, SystemExit) as exc:
            interrupt = interrupt or exc
        except BaseException:  # an asyncio library's CancelledError too: the others are served
            _log.exception("what a channel had to call failed: %r", effect)
    if interrupt is not None:
        try:
            raise interrupt
        finally:
            del interrupt

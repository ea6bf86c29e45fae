"""`Identity`: what ``asyncio.current_task()`` is while a coroutine of rescind's runs (R28).

*What it is.* An object of our own with the methods and attributes that asyncio, anyio and the
libraries on them really use of the current task. Each driven coroutine has its own, so that
``asyncio.timeout`` or an anyio scope inside one branch of a `race` concerns that branch alone.

*What it is not.* The rescind task: ``identity.cancel()`` is asyncio's own channel, edge-triggered
and counted as asyncio does it (R29). It never mixes with `Task.cancel`; but what ``asyncio.run``
asks of every task when its loop does not run any more, it asks of the task.

*Threads.* The loop's thread.

*Source.* The table of attributes in use was recorded from 48 library scenarios.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final, cast, final

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import foreign
from rescind._core.frames import name_of
from rescind._core.reason import CancelKind, make_reason
from rescind._core.task import Task
from rescind._core.uncopied import refuse_copy
from rescind._host.current_task import register, unregister

if TYPE_CHECKING:
    from rescind._core.poll import Context
    from rescind._core.region import Region

__all__ = ["Identity"]


#: A function to be called at the end, and the context to call it in.
_Callback = tuple[Callable[[Any], object], contextvars.Context | None]


class _Blocked:
    """Stands for a future of ours that is awaited; it is not canceled through this."""

    def done(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<a future of rescind's>"


_BLOCKED: Final = _Blocked()


@final  #: compiled: # final
class Identity:
    """Stands for a driven coroutine in asyncio's world.

    Attributes:
        awaited: the asyncio future that the coroutine awaits, or None.
        _must_cancel: was a cancellation asked for that no future could take; anyio reads it.
        _callbacks: the callbacks for its end; anyio reads it.
    """

    # No __slots__: libraries assign attributes to the current task (aiotools replaces methods).

    # What makes it a future for asyncio. It would wrap anything else that is awaited into a task of
    # whatever loop it finds, and `Runner.close` finds none where the loop came from a factory.
    _asyncio_future_blocking = False
    __reduce__ = refuse_copy

    # What most never have: of an instance only once it does, since each task has an identity.
    _cancel_count = 0  #: compiled: pass
    _must_cancel = False  #: compiled: pass
    _message: object = None  #: compiled: pass
    # Was our own request, which is being cleaned up after, taken back? And since the last park?
    _ours_taken = False  #: compiled: pass
    _just_taken = False  #: compiled: pass
    _callbacks: list[_Callback] | None = None  #: compiled: pass

    def __init__(
        self,
        driver: CoroutineFuture[Any],
        loop: asyncio.AbstractEventLoop,
        label: object,
    ) -> None:
        #: compiled: without_attributes(self)
        self._driver: CoroutineFuture[Any] | None = driver
        self._coro = driver._coro
        self._loop = loop
        # Its name, or what that is spelled from when somebody asks: most are never asked.
        self._label = label
        # Its entry among all tasks; None if it is in none.
        self._entry: object = None
        self.awaited: asyncio.Future[Any] | None = None

    def enroll(self) -> None:
        """Be in ``asyncio.all_tasks()`` from now on, until the coroutine's end."""
        self._entry = register(self)

    # -- asyncio's own requests (R29) -------------------------------------------------------------

    def cancel(self, msg: object = None) -> bool:
        """Ask as ``asyncio.Task.cancel`` does: once, at the current await; counted."""
        driver = self._driver
        if driver is None:
            return False
        if self._just_taken:
            # A `TaskGroup` (3.13) takes a request back and puts it again, to keep it pending. Ours
            # is not pending: it was raised already, and its cleanup is not to be disturbed (R9).
            self._just_taken = self._ours_taken = False
            return True
        if self._entry is not None and not self._loop.is_running():
            # Nothing that the coroutine has entered can ask now: it is the loop that ends, and with
            # it the task. That is a request like ours, or its cleanup would be cut by the next one.
            task = driver.waker
            if isinstance(task, Task):
                words = "the event loop ends" if msg is None else str(msg)
                task.cancel(make_reason(words, task.executor, CancelKind.FOREIGN))
                return True
        self._cancel_count += 1
        waiter = self.awaited
        if waiter is not None and waiter.cancel(msg=msg):
            return True
        self._must_cancel = True
        self._message = msg
        driver.attention = True
        waker = driver.waker
        if waker is not None:
            waker.wake()
        return True

    def cancelling(self) -> int:
        """Return how many requests were not taken back: asyncio's own, and one of ours.

        Ours counts while what it was raised in cleans up. Were it left out, a timeout, a
        `TaskGroup` or an anyio scope that is canceled at the same time would take our
        cancellation, too, for its own, and end it.
        """
        return self._cancel_count + self._counts_ours()

    def uncancel(self) -> int:
        """Take one request back; the last of asyncio's clears what is still pending."""
        if self._cancel_count > 0:
            self._cancel_count -= 1
            if self._cancel_count == 0:
                self._must_cancel = False
        elif self._counts_ours():
            self._ours_taken = self._just_taken = True
        return self.cancelling()

    def _counts_ours(self) -> bool:
        driver = self._driver
        unwinding = driver is not None and (driver.unwinding or driver.floor > 0)
        return unwinding and not self._ours_taken

    @property
    def requested(self) -> bool:
        """Is one of asyncio's requests pending, which is raised at the next park?"""
        return self._must_cancel

    def take_request(self) -> BaseException | None:
        """Return asyncio's pending request as the exception to be raised, once."""
        if self._just_taken:
            self._just_taken = False
        if not self._must_cancel:
            return None
        self._must_cancel = False
        message, self._message = self._message, None
        return asyncio.CancelledError() if message is None else asyncio.CancelledError(message)

    @property
    def _fut_waiter(self) -> Any:
        """What a task of asyncio's awaits; anyio's `wait_all_tasks_blocked` looks at it.

        Parked on a future of ours, we are blocked as well, unless something of ours is about to
        run: then it would be told too early.
        """
        driver = self._driver
        if self.awaited is not None or driver is None or driver.leaf is None:
            return self.awaited
        cx: Context | None = getattr(driver.waker, "cx", None)  # a cell has one
        executor = None if cx is None else cx.executor
        if executor is None:
            return _BLOCKED
        queue = getattr(executor.host, "queue", None)
        busy = executor._ready or executor._deferred or (queue is not None and queue.length)
        return None if busy else _BLOCKED

    # -- what a task can be asked -----------------------------------------------------------------

    def done(self) -> bool:
        """Has the coroutine ended?"""
        return self._driver is None

    def cancelled(self) -> bool:
        """Return False: how the coroutine ended is the rescind task's to tell."""
        return False

    def exception(self) -> BaseException | None:
        """Return None: how the coroutine ended is the rescind task's to tell."""
        return None

    def result(self) -> None:
        """Return None: what the coroutine gave is the rescind task's to tell."""

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait for the end; ``asyncio.run`` does, for each task that it has canceled at exit."""
        if self._driver is not None:
            current: object = asyncio.current_task(self._loop)
            if current is self:
                raise RuntimeError(f"Task cannot await on itself: {self!r}")  # asyncio's words
            ended: asyncio.Future[None] = self._loop.create_future()

            def tell(_identity: object) -> None:
                if not ended.done():
                    ended.set_result(None)

            self.add_done_callback(tell)
            yield from ended

    def get_coro(self) -> Any:
        """Return the coroutine."""
        return self._coro

    def get_name(self) -> str:
        """Return the name."""
        label = self._label
        if not isinstance(label, str):
            label = self._label = _spelled(label, self._coro)
        return label

    def set_name(self, value: object) -> None:
        """Set the name."""
        self._label = str(value)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def get_context(self) -> contextvars.Context:
        """Return the context variables that the coroutine sees now."""
        return contextvars.copy_context()

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        """Return the frames of the suspended coroutine, outermost first."""
        frames: list[Any] = []
        current: Any = self._coro
        while current is not None and (limit is None or len(frames) < limit):
            frame = getattr(current, "cr_frame", None)
            if frame is None:
                break
            frames.append(frame)
            current = getattr(current, "cr_await", None)
        return frames

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Call ``callback(self)`` soon after the coroutine has ended."""
        if self._driver is None:
            self._loop.call_soon(callback, self, context=context)
        elif self._callbacks is None:
            self._callbacks = [(callback, context)]
        else:
            self._callbacks.append((callback, context))

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        """Forget ``callback``; return how many times it was registered."""
        callbacks = self._callbacks or []
        kept = [entry for entry in callbacks if entry[0] != callback]
        self._callbacks = kept or None
        return len(callbacks) - len(kept)

    def retire(self) -> None:
        """Note that the coroutine has ended, and call back who wanted to know."""
        if self._driver is None:
            return
        self._driver = None
        self.awaited = None
        entry, self._entry = self._entry, None
        if entry is not None:
            unregister(entry)
        callbacks = self._callbacks
        if callbacks is None:
            return
        self._callbacks = None
        for callback, context in callbacks:
            if not self._loop.is_closed():
                self._loop.call_soon(callback, self, context=context)

    def __repr__(self) -> str:
        state = "finished" if self._driver is None else "pending"
        return f"<rescind task identity {self.get_name()!r} {state}>"


def _spelled(label: object, coro: object) -> str:
    """Return the name that a label stands for (`cell.Cell.label`)."""
    if label is None:
        return name_of(coro)
    if isinstance(label, int):
        return f"task-{label}"
    if isinstance(label, tuple):
        key = cast("tuple[object]", label)[0]
        return f"child {key!r} <coroutine {name_of(coro)}>"
    return str(label)


def _drives(region: Region) -> bool:
    """Does a stock task run inside the poll of ``region``? Eager ones do (Python 3.12)."""
    identity = region.identity if isinstance(region, CoroutineFuture) else None
    return identity is not None and asyncio.current_task(identity.get_loop()) is not identity


foreign.drives = _drives

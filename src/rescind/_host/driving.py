"""Futures awaited by stock tasks of asyncio's: polled there, and parked asyncio's way (R31).

*What it is.* `Drive` is what an await of a future is to a coroutine that a stock ``asyncio.Task``
drives. It polls the future in that task. To park it yields a `Rest`, for which the task asks to be
called back as it would ask an ``asyncio.Future``. A cancellation by asyncio becomes ``poll_cancel``
with a reason of kind ``FOREIGN``; it is drained, and propagates.

*Invariants.*
 B1  A park takes as many iterations of the loop as the same park of a stock task: what a callback
     of the loop wakes is resumed in that callback, as rescind's own tasks are.
 B2  Nobody is resumed inside of what somebody else does: neither within a turn nor within the step
     of another task. From there it is one iteration more, as for a stock task.
 B3  One request of asyncio's is passed on once, however often it is repeated.

*Threads.* The loop's thread.

*Source.* ``asyncio.Task.__step`` and ``asyncio.Future``, whose protocol this is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context as Variables
from contextvars import copy_context
from threading import get_ident
from typing import Any, Final, Generic, TypeVar

from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.frames import strip
from rescind._core.outcome import Completed, Error, Outcome, attach
from rescind._core.phase import Phase
from rescind._core.poll import Future
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._host.asyncio import AsyncioHost
from rescind._host.driven import ForeignCell, grace_at
from rescind._host.ticks import Queue

__all__ = ["AsyncioCell", "Drive", "Rest", "executor_of_loop"]

T = TypeVar("T")

_IMPLICIT: Final = "_rescind_executor"
"""What a loop that runs no runtime has its executor as. That refers to the loop: from any table of
ours it would be kept, with the loop, after that was closed."""

_elsewhere: dict[asyncio.AbstractEventLoop, Executor] = {}
"""The executors of loops that take no attributes; those of closed ones go when one is added."""

_PENDING: Final = 0
_DONE: Final = 1
_CANCELED: Final = 2

#: What asyncio calls at a future's end, and the context variables for that.
_Callback = tuple[Callable[[Any], object], Variables]


def is_busy(queue: Queue) -> bool:
    """Is there a current task on the loop, beside which asyncio runs no other?"""
    return asyncio.current_task(queue.loop) is not None


def executor_of_loop() -> Executor | None:
    """Return the implicit executor of the asyncio loop that runs on this thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    attributes: dict[str, Any] | None = getattr(loop, "__dict__", None)
    executor = _elsewhere.get(loop) if attributes is None else attributes.get(_IMPLICIT)
    if executor is None:
        executor = Executor(AsyncioHost(loop, owned=False), name="asyncio")
        if attributes is not None:
            attributes[_IMPLICIT] = executor
        else:
            for closed in [known for known in list(_elsewhere) if known.is_closed()]:
                _elsewhere.pop(closed, None)
            _elsewhere[loop] = executor
    executor.thread = get_ident()  # a loop need not be run by the same thread each time
    return executor


class Rest:
    """What a stock task awaits while its future is parked; as much of an ``asyncio.Future``.

    Its task is resumed in the callback of the loop that has woken the future (B1), which asyncio's
    own futures cannot do: they ask the loop for another callback.
    """

    __slots__ = ("_asyncio_future_blocking", "_callbacks", "_message", "_queue", "_state")

    def __init__(self, queue: Queue) -> None:
        # asyncio's handshake: it is awaited, and was not merely yielded.
        self._asyncio_future_blocking = True
        self._queue = queue
        self._callbacks: list[_Callback] | None = None
        self._message: object = None
        self._state = _PENDING

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._queue.loop

    def done(self) -> bool:
        """Is the rest over?"""
        return self._state != _PENDING

    def cancelled(self) -> bool:
        """Was it cut short by asyncio?"""
        return self._state == _CANCELED

    def result(self) -> None:
        """Raise if it was cut short, or is not over."""
        if self._state == _CANCELED:
            message = self._message
            raise asyncio.CancelledError() if message is None else asyncio.CancelledError(message)
        if self._state == _PENDING:
            raise asyncio.InvalidStateError("Result is not set.")

    def exception(self) -> None:
        """As `result`: there is no exception but the cancellation."""
        self.result()

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Variables | None = None
    ) -> None:
        """Call ``callback(self)`` when it is over."""
        if context is None:
            context = copy_context()
        if self._state != _PENDING:
            self._queue.loop.call_soon(callback, self, context=context)
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

    def cancel(self, msg: object = None) -> bool:
        """Cut it short: the task is canceled."""
        if self._state != _PENDING:
            return False
        self._state = _CANCELED
        self._message = msg
        self.call_soon()
        return True

    def end(self) -> None:
        """Resume the task: in the callback of the loop that is under way, if one is (B2)."""
        if self._state != _PENDING:
            return
        self._state = _DONE
        queue = self._queue
        if queue.calling:
            queue.rested.append(self)
        else:
            self.call_soon()

    def call_soon(self) -> None:
        """Have the loop call those who wait."""
        callbacks, self._callbacks = self._callbacks, None
        for callback, context in callbacks or ():
            self._queue.loop.call_soon(callback, self, context=context)

    def resume(self) -> None:
        """Resume the task, from the loop's callback; with others, it is the loop that calls."""
        callbacks = self._callbacks
        if callbacks is None or len(callbacks) != 1 or is_busy(self._queue):
            self.call_soon()
            return
        self._callbacks = None
        callback, context = callbacks[0]
        context.run(callback, self)

    def __repr__(self) -> str:
        return f"<rest of a future of rescind's {'pending' if self._state == _PENDING else 'over'}>"


class AsyncioCell(ForeignCell[T]):
    """A future that a stock asyncio task polls."""

    __slots__ = ("rest",)

    def __init__(self, future: Future[T], executor: Executor, task: asyncio.Task[Any]) -> None:
        super().__init__(future, executor, task)
        # What the task awaits while it is parked; None before, and when nobody waits any more.
        self.rest: Rest | None = None

    def _enqueue(self) -> None:
        self.queued = True
        rest = self.rest
        if rest is not None:
            rest.end()


#: Make one; in the compiled form without a call through Python.
new_rest = Rest  #: compiled: pass
new_cell = AsyncioCell  #: compiled: pass


class Drive(Generic[T]):
    """Polls a future in the asyncio task that awaits it, until its end (R31); an iterator."""

    __slots__ = ("_canceled", "_cell", "_future", "_queue", "_task")

    def __init__(self, future: Future[T]) -> None:
        # The future; None once it is polled, by the cell.
        self._future: Future[T] | None = future
        self._cell: AsyncioCell[T] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._queue: Queue | None = None
        # With what asyncio canceled the task, once it has.
        self._canceled: asyncio.CancelledError | None = None

    def __await__(self) -> Drive[T]:
        return self

    def __iter__(self) -> Drive[T]:
        return self

    def __next__(self) -> Any:
        if self._cell is None:
            self._begin()
        found = self._go()
        if self._cell is None:
            raise StopIteration(found)
        return found

    def send(self, _value: object) -> Any:
        """Go on: the rest is over."""
        return self.__next__()

    def throw(self, kind: Any, value: Any = None, _traceback: object = None) -> Any:
        """Cancel the future if asyncio cancels the task; else drop it, and raise."""
        exc: BaseException
        if isinstance(kind, BaseException):
            exc = kind
        else:
            exc = value if isinstance(value, BaseException) else _made(kind, value)
        del kind, value  # a traceback keeps this frame: what it refers to would be a cycle
        try:
            if self._cell is None or not isinstance(exc, asyncio.CancelledError):
                raise exc
            if self._canceled is None:  # B3: anyio repeats its own, each tick
                strip(exc)
                self._canceled = exc
                self._pass_on(exc)
        except BaseException:
            self.close()
            raise
        finally:
            del exc
        return self.__next__()

    def close(self) -> None:
        """Drop the future, unless it has ended."""
        future, self._future = self._future, None
        cell, self._cell = self._cell, None
        self._canceled = self._task = None
        if cell is not None and cell.ended is None:
            cell.rest = None  # nobody waits any more, and its loop may be closed
            cell.drop_now(CancelRequest(CancelReason(CancelKind.FOREIGN, "closed by its driver")))
        elif future is not None:
            future.drop()

    def __del__(self) -> None:
        if self._cell is not None and local is not None:
            self.close()

    def _begin(self) -> None:
        future, self._future = self._future, None
        if future is None:
            raise StopIteration
        task = None
        try:
            task = asyncio.current_task()
        except RuntimeError:
            pass
        executor = local.executor  #: compiled: executor = get_executor()
        if executor is None:
            executor = executor_of_loop()
        host = None if executor is None else executor.host
        if task is None or executor is None or not isinstance(host, AsyncioHost):
            raise UsageError(f"{future!r} was awaited where no runtime runs; use rescind.run(...)")
        self._task = task
        self._queue = host.queue
        self._cell = new_cell(future, executor, task)

    def _go(self) -> Any:
        """Poll it if a step is due; return what the task awaits, or the value and keep no cell."""
        cell, queue, task = self._cell, self._queue, self._task
        assert cell is not None and queue is not None and task is not None
        try:
            if cell.queued:
                cell.begin()
                cell.step()
                cell.end()
            outcome = cell.ended
            if outcome is None:
                if cell.queued:
                    return None  # it woke itself: the host looks for I/O first (E2)
                rest = new_rest(queue)
                cell.rest = rest
                return rest
        except BaseException:
            self.close()
            raise
        finally:
            del cell
        canceled = self._canceled
        self._cell = self._canceled = self._task = None
        try:
            return _settled(outcome, canceled, task)
        finally:
            del outcome, canceled

    def _pass_on(self, exc: asyncio.CancelledError) -> None:
        """Cancel the future because asyncio has canceled the task."""
        cell, task = self._cell, self._task
        assert cell is not None and task is not None
        executor = cell.executor
        words = str(exc) or None
        reason = CancelReason(CancelKind.FOREIGN, words, task.get_name(), None, executor.now())
        request = CancelRequest(reason, grace_at=grace_at(executor))
        try:
            if cell.phase is Phase.READY:
                with cell.foreseeing(request):
                    cell.begin()
                    cell.step()
                    cell.end()
            cell.ask(request)
        finally:
            del cell, exc


def _made(kind: type[BaseException], value: object) -> BaseException:
    return kind() if value is None else kind(value)


def _settled(
    outcome: Outcome[T], canceled: asyncio.CancelledError | None, task: asyncio.Task[Any]
) -> T:
    """Return the value; or raise the error, or what asyncio canceled the task with."""
    try:
        if isinstance(outcome, Completed):
            if canceled is not None:
                # The value is delivered (R7); asyncio's request is put back, its count unchanged.
                _put_back(task, canceled)
            return outcome.value
        if isinstance(outcome, Error):
            if isinstance(outcome.exception, StopIteration):
                raise RuntimeError("a future raised StopIteration") from outcome.exception
            raise outcome.exception
        if canceled is None:
            canceled = asyncio.CancelledError(outcome.reason.line())
        for error in outcome.also:
            attach(canceled, error, "while cleaning up")
        raise canceled
    finally:
        del outcome, canceled  # a traceback keeps this frame, too


def _put_back(task: asyncio.Task[Any], canceled: asyncio.CancelledError) -> None:
    """Ask ``task`` once more for what it was asked already, when it has parked next.

    Not at once: it would stay pending when its boundary (a timeout's, say) takes it back, before
    Python 3.13; and if the task ended without parking, its value would be lost to it.
    """
    count = task.cancelling()

    def again() -> None:
        if not task.done() and task.cancelling() >= count:
            task.cancel(*canceled.args)
            task.uncancel()

    task.get_loop().call_soon(again)

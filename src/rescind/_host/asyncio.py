"""The asyncio host: any asyncio event loop, uvloop too, as the reactor.

*What it is.* One callback of the loop drains the executor's ready queue. Coroutines run under an
identity of their own, so that every asyncio library works inside them (R28), and what those
libraries await is adopted as a leaf that is canceled the way they survive it (R30).

*Threads.* The loop's thread; `call_soon_threadsafe` from any.

*Source.* asyncio's documentation on third-party task implementations; measurements for R28-R32.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.frames import opened
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending
from rescind._core.port import Port
from rescind._core.reason import CancelRequest
from rescind._host.current_task import register, swap_for
from rescind._host.identity import Identity
from rescind._host.task_group import know_cancellation
from rescind._host.ticks import LoopTick, Queue

if TYPE_CHECKING:
    from rescind._core.hostport import Scheduled, Swap

__all__ = ["AsyncioFuture", "AsyncioHost", "adopt", "executor_maker", "own_host"]

#: What a leaf that asyncio calls back derives from; in the compiled form, one that is called in C.
Callback = Future  #: compiled: from rescind._host._stock import called

#: Where waiters live that nothing but the hand-over looks at.
_LOCKS: Final = frozenset({"asyncio.locks", "asyncio.queues"})
_ANYIO: Final = "anyio._backends._asyncio"


def executor_maker(host: object) -> Callable[..., Executor]:
    """Return what makes the executor on ``host``.

    A loop may bring one of its own, as that of `rescind check` does to see where tasks park.
    """
    maker: Callable[..., Executor] = getattr(
        getattr(host, "loop", None), "rescind_executor", Executor
    )
    return maker


def own_host() -> AsyncioHost:
    """Return a host on a new loop, as asyncio's policy has it, which the host runs and closes.

    If it is asyncio's own selector loop, a part of it is in C in the compiled form.
    """
    loop = asyncio.new_event_loop()
    #: compiled: from rescind._host._loop import hasten; hasten(loop)
    return AsyncioHost(loop, owned=True)


class AsyncioHost(Port):
    """Rides on an asyncio loop.

    Args:
        loop: the loop.
        owned: is it this host's to run and to close?
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, owned: bool) -> None:
        self.loop = loop
        # What runs the loop's turn in C, if anything does.
        self._quick: object = None  #: compiled: self._quick = quick_of(loop)
        # What loop.time() returns, without a call in between where that is asyncio's own.
        plain = getattr(type(loop), "time", None) is asyncio.BaseEventLoop.time
        self.clock: Callable[[], float] = monotonic if plain else loop.time
        self.name = f"{type(loop).__module__.partition('.')[0]}"
        self.swap: Swap | None = swap_for(loop)
        self.queue = Queue(loop)
        self.owned = owned
        self._until: Callable[[], bool] | None = None
        know_cancellation()

    @property
    def closed(self) -> bool:
        """Is the loop closed?"""
        return self.loop.is_closed()

    def now(self) -> float:
        """Return the loop's time, in seconds."""
        return self.clock()

    def call_soon(self, callback: Callable[[], object]) -> Scheduled:
        """Call back in the loop's next iteration."""
        #: compiled: if self._quick is not None: return self._quick.soon(callback)
        return self.loop.call_soon(callback)

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> bool:
        """Call back from any thread; return False once the loop is closed."""
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            return False
        return True

    def call_at(self, at: float, callback: Callable[[], object]) -> Scheduled:
        """Call back at the loop's time ``at``."""
        return self.loop.call_at(at, callback)

    def adopt(self, yielded: object) -> Future[Any] | None:
        """Return the leaf for an asyncio future, or for a bare ``yield``."""
        return adopt(yielded, self.queue)

    def identify(
        self, coroutine: CoroutineFuture[Any], cell: Cell[Any] | None, label: object, root: bool
    ) -> Identity:
        """Return a new identity; that of a task's own coroutine is in ``asyncio.all_tasks()``."""
        #: compiled: identity = new_identity(coroutine, self.loop, label)
        identity = Identity(coroutine, self.loop, label)  #: compiled: pass
        if root:
            identity._entry = register(identity)
        return identity

    def retire(self, identity: Identity) -> None:
        """Note that the coroutine of this identity has ended."""
        identity.retire()  #: compiled: own = identity; own.retire()

    def shielded(self, identity: Identity) -> bool:
        """Is the innermost anyio scope that the identity is in shielded, or inside one that is?"""
        return _in_anyio_shield(identity)

    def foreign_request(self, identity: Identity) -> BaseException | None:
        """Take asyncio's own pending request (R29)."""
        return identity.take_request()

    def run(self, until: Callable[[], bool]) -> None:
        """Run the loop until ``until()`` is true."""
        if not self.owned:
            raise UsageError(
                "this runtime is attached to a loop that somebody else runs; "
                "await there instead of blocking"
            )
        if until():
            return
        self._until = until
        try:
            self.loop.run_forever()
        finally:
            self._until = None
        if not until():
            raise UsageError("the event loop was stopped before the future had ended")

    def stop(self) -> None:
        """Look again whether what `run` waits for has come true."""
        if self._until is not None and self._until():
            self.loop.stop()

    def close(self) -> None:
        """Close the loop, if it is owned; what runs on it is ended before, by a `LoopEnd`."""
        if self.owned:
            self.loop.close()


def _in_anyio_shield(identity: Identity) -> bool:
    """Look up anyio's own record of the identity's cancel scope.

    anyio keeps it private (``anyio._backends._asyncio._task_states``); where it is absent or has
    changed its shape, no shield is seen, and cancellation is delivered at once.
    """
    modules = sys.modules
    if _ANYIO not in modules:
        return False
    states = getattr(modules.get(_ANYIO), "_task_states", None)
    if states is None:
        return False
    state = states.get(identity)
    scope = getattr(state, "cancel_scope", None)
    while scope is not None:
        if getattr(scope, "shield", False):
            return True
        scope = getattr(scope, "_parent_scope", None)
    return False


def adopt(yielded: object, queue: Queue) -> Future[Any] | None:
    """Return the leaf for what asyncio code yielded, or None if it is something else."""
    loop = queue.loop
    #: compiled: if is_awaited_on(yielded, loop): return leaf_for(yielded)
    if yielded is None:
        return LoopTick(queue)  #: compiled: return tick_in(queue)
    blocking: bool | None = getattr(yielded, "_asyncio_future_blocking", None)
    if blocking is None:
        return None
    future = cast("asyncio.Future[Any]", yielded)
    if future.get_loop() is not loop:
        task = asyncio.current_task(loop)
        return _Refusal(
            f"Task {task!r} got Future {future!r} attached to a different loop; between loops, "
            "use asyncio.run_coroutine_threadsafe(...)"
        )
    if not blocking:
        return _Refusal(f"yield was used instead of yield from, or await, with {future!r}")
    return AsyncioFuture(future)


class _Refusal(Future[None]):
    """The leaf for a future that cannot be waited for: it raises, as asyncio does, at the await."""

    __slots__ = ("_message", "_taken")
    _native = True

    def __init__(self, message: str) -> None:
        self._taken = True
        self._message = message

    def poll(self, cx: Context) -> Pending | None:
        raise RuntimeError(self._message)

    def __repr__(self) -> str:
        return self._message


class AsyncioFuture(Callback[None]):
    """The leaf for an asyncio future that a coroutine awaits.

    Its output is only "done": the awaiting frame is asyncio's, which takes the result or the
    exception itself when it is resumed.

    Cancellation: the asyncio future is canceled; one tick later, when its callbacks have run and
    so the library that owns it knows, the await raises (R30). If it ended otherwise meanwhile,
    its result is delivered (R7). A waiter of one of asyncio's own locks, events or queues has
    nobody to tell: then the await raises at once. Within that tick somebody could hand the waiter
    a value that it would lose: httpcore's pool lost connections so.

    A result, too, is delivered after the callbacks that came before ours: a task of asyncio's is
    told by a callback itself, so libraries clean up in theirs before it goes on.
    """

    __slots__ = ("_asked", "_cx", "_identity", "_registered", "_taken", "_told", "future")
    _native = True

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self._taken = True
        self.future = future
        # Whom to wake; None when the leaf is not waited for any more.
        self._cx: Context | None = None
        # Whose coroutine it is that awaits, as long as our callback is registered; or None.
        self._identity: Identity | None = None
        self._registered = False
        self._asked = False
        # Was our callback called? Before that, those of others that come first were not, either.
        self._told = False

    def poll(self, cx: Context) -> Pending | None:
        if self._told:
            self._leave()
            return None
        if not self._registered:
            if self.future.done():  #: compiled: if is_done(self.future):
                return None
            self._register()
        self._cx = cx
        return PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        future = self.future
        if self._told or (not self._registered and future.done()):
            canceled = self._asked and future.cancelled()
            self._leave()
            return Canceled(request.reason) if canceled else Completed(None)
        self._cx = cx
        if not self._registered:
            self._register()
        if not self._asked and not future.done():
            self._asked = True
            nobody_to_tell = _waits_in_a_lock() and _has_one_callback(future)
            future.cancel(msg=request.reason.line())
            if nobody_to_tell and future.cancelled():
                self._leave()
                return Canceled(request.reason)
        return PENDING

    def drop(self) -> None:
        future = self.future
        self._leave()
        if not future.done():
            future.cancel()

    def _register(self) -> None:
        future = self.future
        self._registered = True
        # asyncio's handshake: the yield was understood.
        future._asyncio_future_blocking = False  #: compiled: understand(future)
        future.add_done_callback(self)  #: compiled: call_at_end(future, self)
        region = local.region  #: compiled: region = get_region()
        if isinstance(region, CoroutineFuture):
            driver = cast("CoroutineFuture[object]", region)  #: compiled: driver = region
            identity = driver.identity  #: compiled: identity = driver._identity
            if isinstance(identity, Identity):
                self._identity = own = identity
                own.awaited = future

    def _leave(self) -> None:
        self._cx = None
        if self._registered:
            self._registered = False
            if not self._told:
                self.future.remove_done_callback(self)
            identity, self._identity = self._identity, None
            if identity is not None:
                identity.awaited = None

    def __call__(self, _future: asyncio.Future[Any]) -> None:  #: compiled: def tell(self):
        """Note that the future is done: its callback."""
        self._told = True
        cx = self._cx
        if cx is None:
            return
        executor = cx.executor
        host = None if executor is None else executor.host
        if executor is None:
            cx.waker.wake()
        elif isinstance(host, AsyncioHost):
            own = host
            own.queue.wake(executor, cx.waker)
        else:
            executor.wake_directly(cx.waker)

    def blocked_by(self) -> tuple[object, ...]:
        return (self.future,) if isinstance(self.future, asyncio.Task) else ()

    def __repr__(self) -> str:
        future = self.future
        if isinstance(future, asyncio.Task):
            return f"the asyncio task {future.get_name()!r}"
        kind = type(future).__name__.lstrip("_")
        return "an asyncio future" if kind == "Future" else f"an asyncio {kind}"


#: compiled: called(AsyncioFuture)


def _waits_in_a_lock() -> bool:
    """Is it a lock, event or queue of asyncio's that awaits the leaf of the coroutine polled now?

    They look at a waiter only when they hand something over. Others may look at theirs in a
    callback that stands in the loop already: uvloop crashes when a connection whose waiter was
    canceled is closed before that ran.
    """
    inside = opened(getattr(local.region, "coroutine", None))
    frame: FrameType | None = None
    while inside is not None:
        frame, current = inside
        inside = opened(current)
    return frame is not None and frame.f_globals.get("__name__") in _LOCKS


def _has_one_callback(future: asyncio.Future[Any]) -> bool:
    """Is ours the only callback?

    asyncio keeps them private (``Future._callbacks``); where that is absent or has another shape,
    the answer is no, and the tick is waited for.
    """
    callbacks = getattr(future, "_callbacks", None)
    return isinstance(callbacks, list) and len(cast("list[object]", callbacks)) == 1

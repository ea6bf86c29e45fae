"""`Runtime` and `run`: from synchronous code into futures, and the ladder of the shutdown.

*What it is.* A runtime owns one executor on one host. `block_on` runs a future to its end;
`spawn` starts tasks, from any thread; `shutdown` ends them all: it accepts no more, cancels each,
waits their grace, drops, abandons, and reports what overran (R24).

*Threads.* `spawn` and `tasks` from any; the rest on the thread that made the runtime.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
)
from threading import Lock, get_ident
from types import TracebackType
from typing import Any, TypeVar, cast

from rescind._attach import attached
from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.executor import (
    DEFAULT_BUDGET,
    DEFAULT_GRACE,
    Executor,
    RuntimeStatistics,
)
from rescind._core.grace import UNSET, Grace, Unset, checked_grace
from rescind._core.hostport import Host
from rescind._core.into import as_future
from rescind._core.outcome import Canceled
from rescind._core.reason import CancelKind, CancelReason, CancelRequest, make_reason
from rescind._core.task import Task
from rescind._host import bridge
from rescind._host.asyncio import AsyncioHost
from rescind._host.choice import HostChoice, make_host
from rescind._host.manual import ManualHost
from rescind._host.signals import SignalLadder, SignalNotice, ended_by_signal
from rescind._shutdown import ShutdownReport
from rescind.tasks.owned import Owned

__all__ = ["HostChoice", "Runtime", "ShutdownReport", "SignalNotice", "run"]

T = TypeVar("T")

bridge.install()


class Runtime:
    """Runs futures on one thread.

    Args:
        host: ``"asyncio"``, ``"uvloop"``, a function that makes an asyncio loop, or a `Host`.
        grace: how long the cleanup of a canceled task may take before it is dropped, in seconds;
            None: unbounded. A task may have its own.
        budget: how many awaits of a task may be ready in a row before it must park.
        name: for messages.
        handle_signals: while `block_on` runs on the main thread, let the first SIGINT or SIGTERM
            cancel its future, the second drop it, the third raise ``KeyboardInterrupt`` at once.
            In a `shutdown` the first changes nothing, the second drops all tasks. A handler that
            the program has set itself stays, and what it ignores stays ignored.

    Raises:
        ValueError: ``host`` is a word that is not known, or a number is out of range.
        ImportError: ``host="uvloop"`` without uvloop; the message says how to install it.

    Example:
        >>> import rescind
        >>> with rescind.Runtime() as rt:
        ...     rt.block_on(rescind.ready(42))
        42
    """

    def __init__(
        self,
        *,
        host: HostChoice = "asyncio",
        grace: float | None = DEFAULT_GRACE,
        budget: int = DEFAULT_BUDGET,
        name: str | None = None,
        handle_signals: bool = False,
    ) -> None:
        checked_grace(grace)
        if isinstance(budget, bool) or not isinstance(budget, int):
            raise TypeError(f"budget must be an int, not {budget!r}")
        if budget < 1:
            raise ValueError(f"budget must be at least 1, not {budget}")
        self._host = make_host(host)
        self._executor = Executor(
            self._host, grace=grace, budget=budget, name=name or f"runtime-{id(self):x}"
        )
        self._executor.owner = self
        if isinstance(self._host, ManualHost):
            self._host.executor = self._executor
        self._handle_signals = handle_signals
        self._signals = SignalLadder(self._executor, self._notify)
        self._closed = False
        # Held by the thread that runs it: there is one at a time.
        self._running = Lock()
        #: Called when a signal has come in, before it takes effect: on the runtime's thread, or,
        #: if synchronous code keeps that busy, on another.
        self.on_signal: Callable[[SignalNotice, Runtime], object] | None = None

    # -- what it is -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name, for messages."""
        return self._executor.name

    @property
    def executor(self) -> Executor:
        """The executor, for authors of futures."""
        return self._executor

    @property
    def signals(self) -> SignalLadder:
        """How many signals the last `block_on` saw, and which was the first."""
        return self._signals

    @property
    def host(self) -> Host:
        """What it rides on."""
        return self._host

    def now(self) -> float:
        """Return the host's time, in seconds."""
        return self._executor.now()

    def tasks(self) -> list[Task[Any]]:
        """Return the tasks that have not ended, in order of their making."""
        return list(self._executor.tasks.values())

    def statistics(self) -> RuntimeStatistics:
        """Return a snapshot of the counters."""
        return self._executor.statistics()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._executor.tasks)} tasks"
        return f"<Runtime {self.name!r} on {self._host.name}, {state}>"

    # -- running ----------------------------------------------------------------------------------

    def spawn(
        self,
        fut: Awaitable[T],
        *,
        name: str | None = None,
        grace: Grace = UNSET,
        owned: tuple[Any, ...] | list[Any] = (),
    ) -> Task[T]:
        """Start a task; callable from any thread. It runs while the runtime is driven.

        Args:
            fut: a coroutine, a future, or anything that can be awaited.
            name: for messages; ``task-ID`` by default.
            grace: for its cleanup, in seconds; by default the runtime's.
            owned: resources handed over to it, which are closed if its body never starts (R5).

        Returns:
            The task. After a shutdown it is already `Canceled`, and its body never runs.
        """
        future = as_future(fut)
        try:
            if owned:
                future = Owned(future, owned)
            return self._executor.spawn(future, name=name, grace=grace)
        except (TypeError, ValueError):
            future.drop()
            raise

    def block_on(self, fut: Awaitable[T]) -> T:
        """Run ``fut`` as a task, and other tasks meanwhile, until it has ended.

        Returns:
            Its value.

        Raises:
            UsageError: the runtime is closed, or this thread already runs a loop.
            TaskCanceled: it was canceled.
            KeyboardInterrupt: it was canceled by SIGINT, with ``handle_signals``.
            SystemExit: it was canceled by SIGTERM, with ``handle_signals``; the code is 143.
            Deadlock: on the manual host, nothing can run any more.

        What went wrong in the cleanup after a signal is in the notes of what is raised.
        """
        task = self.drive(fut)
        outcome = task.outcome()
        if isinstance(outcome, Canceled) and outcome.reason.kind is CancelKind.SIGNAL:
            raise ended_by_signal(outcome)
        return task.unwrap()

    def drive(self, fut: Awaitable[T]) -> Task[T]:
        """Do what `block_on` does, but return the ended task, and raise nothing for its outcome."""
        try:
            self._take()
        except UsageError:
            if inspect.iscoroutine(fut):
                fut.close()
            raise
        with self._entered():
            task = self._executor.spawn(as_future(fut), name="main")
            task.on_end(lambda _outcome: self._host.stop())
            self._signals.reset()
            with self._ladder(lambda: [task]):
                self._host.run(task.done)
        return task

    def shutdown(
        self, reason: str | CancelReason | None = None, *, grace: Grace = UNSET
    ) -> ShutdownReport:
        """End every task: cancel, wait the grace, drop, abandon; then close the host (R24).

        Args:
            reason: words for the tasks that are canceled.
            grace: for all cleanups, in seconds; by default the runtime's.

        Returns:
            What had to be canceled, and what overran. A second call returns an empty report.
        """
        if self._closed:
            return ShutdownReport(
                make_reason(reason, self._executor, CancelKind.SHUTDOWN), 0, (), 0.0
            )
        self._take()
        with self._entered():
            full, started = self._begin_shutdown(reason), self.now()
            count = len(self._executor.tasks)
            try:
                with self._ladder(self.tasks, shutdown=True):
                    self._cancel_all(full, grace)
                    self._host.run(self._idle)
            finally:
                self._finish_shutdown()
            return self._report(full, count, started)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._closed:
            hurry = self._signals.count > 1
            self.shutdown("the runtime's block was left", grace=0 if hurry else UNSET)

    @classmethod
    def attach(
        cls,
        *,
        grace: float | None = DEFAULT_GRACE,
        budget: int = DEFAULT_BUDGET,
        name: str | None = None,
    ) -> AbstractAsyncContextManager[Runtime]:
        """Return a context manager for a runtime on the asyncio loop that is already running.

        Inside, `spawn` starts rescind tasks on that loop; on leaving, they are shut down, and
        the loop goes on. Meant for the lifespan of a web application.

        Example:
            ``async with rescind.Runtime.attach() as rt: ...``
        """
        return attached(cls, grace, budget, name)

    # -- inside -----------------------------------------------------------------------------------

    def _take(self) -> None:
        """Become the thread that runs it, until `_entered` is left; refuse what would hang."""
        self._check_can_block()
        if not self._running.acquire(blocking=False):
            raise UsageError(
                f"{self!r} is already running in another thread; use spawn(...) from here, and "
                "task.cancellation_handle().wait()"
            )

    def _check_can_block(self) -> None:
        if self._closed:
            raise UsageError(f"{self!r} is closed; make a new Runtime")
        _check_thread(repr(self))

    @contextmanager
    def _entered(self) -> Generator[None]:
        executor = self._executor
        executor.thread = get_ident()
        local.executor = executor
        try:
            executor.drain()  # what was spawned before comes first
            yield
        finally:
            local.executor = None
            self._running.release()

    def _begin_shutdown(self, reason: str | CancelReason | None) -> CancelReason:
        full = make_reason(reason, self._executor, CancelKind.SHUTDOWN)
        self._executor.close(full)
        return full

    def _cancel_all(self, reason: CancelReason, grace: Grace) -> None:
        executor = self._executor
        checked = checked_grace(grace)
        seconds = executor.grace if isinstance(checked, Unset) else checked
        at = None if seconds is None else executor.now() + seconds
        executor.drain()
        for task in list(executor.tasks.values()):
            task.ask(CancelRequest(reason, grace_at=at, target=task))
            task.on_end(self._stop_if_idle)

    def _idle(self) -> bool:
        return not self._executor.tasks

    def _stop_if_idle(self, _outcome: object) -> None:
        if not self._executor.tasks:
            self._host.stop()

    def _finish_shutdown(self) -> None:
        self._closed = True
        self._executor.stop()
        self._host.close()

    def _report(self, reason: CancelReason, count: int, started: float) -> ShutdownReport:
        overran = tuple(self._executor.overruns)
        return ShutdownReport(reason, count, overran, self.now() - started)

    def _ladder(
        self, targets: Callable[[], list[Task[Any]]], *, shutdown: bool = False
    ) -> AbstractContextManager[None]:
        if not self._handle_signals:
            return nullcontext()
        return self._signals.instead(targets, shutdown=shutdown)

    def _notify(self, notice: SignalNotice) -> None:
        if self.on_signal is not None:
            self.on_signal(notice, self)


def run(
    main: Callable[..., Coroutine[Any, Any, T]] | Awaitable[T],
    *args: Any,
    host: HostChoice = "asyncio",
    grace: float | None = DEFAULT_GRACE,
    handle_signals: bool = True,
    debug: bool | None = None,
) -> T:
    """Run ``main`` in a new runtime, shut that down, and return main's value.

    Args:
        main: an async function, called with ``args``; or a coroutine, or a future.
        args: for the function.
        host: see `Runtime`.
        grace: see `Runtime`.
        handle_signals: see `Runtime`.
        debug: asyncio's debug mode: slow callbacks and awaits from a wrong thread are reported.
            None: as ``PYTHONASYNCIODEBUG`` says.

    Raises:
        TypeError: ``main`` is neither a function nor awaitable.
        UsageError: called where a loop already runs.
        TaskCanceled: main was canceled. See `Runtime.block_on` for signals.

    Example:
        >>> import rescind
        >>> async def main(name):
        ...     await rescind.sleep(0.01)
        ...     return f"hello {name}"
        >>> rescind.run(main, "world")
        'hello world'

    Source: ``asyncio.run``.
    """
    try:
        _check_thread("rescind.run()")  # before there is a loop that would have to be closed
    except UsageError:
        if inspect.iscoroutine(main):
            main.close()
        raise
    with Runtime(host=host, grace=grace, handle_signals=handle_signals) as runtime:
        if debug is not None and isinstance(runtime.host, AsyncioHost):
            runtime.host.loop.set_debug(debug)
        return runtime.block_on(_awaitable(main, args))


def _check_thread(what: str) -> None:
    """Refuse to block a thread that runs something already."""
    if local.executor is not None:
        raise UsageError(
            f"{what} cannot block here: this thread already runs the runtime "
            f"{local.executor.name!r}. Await the future instead, or block in another thread"
        )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        f"{what} cannot block here: this thread already runs an asyncio loop. "
        "Await the future instead, or use 'async with Runtime.attach()'"
    )


def _awaitable(
    main: Callable[..., Coroutine[Any, Any, T]] | Awaitable[T], args: tuple[Any, ...]
) -> Awaitable[T]:
    if callable(main) and not hasattr(main, "__await__"):
        return main(*args)
    if args:
        raise TypeError(
            f"arguments were given for {main!r}, which is no function; pass an async function"
        )
    return cast("Awaitable[T]", main)

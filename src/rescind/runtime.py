"""`Runtime` and `run`: from synchronous code into futures.

*What it is.* A runtime owns one executor on one host. `block_on` runs a future to its end;
`spawn` starts tasks, from any thread; `shutdown` ends them all (R24; the ladder is `Shutdown`).

*What it is not.* Immortal: one that is collected, or open when the process exits, drops its tasks
as a Rust value would, and warns.

*Threads.* `spawn` and `tasks` from any; the rest on the thread that made the runtime.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    nullcontext,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rescind._core.errors import UsageError
from rescind._core.executor import DEFAULT_BUDGET, DEFAULT_GRACE, Executor
from rescind._core.grace import UNSET, Grace, checked_grace
from rescind._core.into import as_future
from rescind._core.outcome import Canceled
from rescind._core.reason import CancelKind, CancelReason, make_reason
from rescind._core.task import Task
from rescind._core.uncopied import refuse_copy
from rescind._host.asyncio import AsyncioHost, executor_maker
from rescind._host.choice import HostChoice, make_host
from rescind._host.signals import SignalLadder, SignalNotice, ended_by_signal
from rescind._lifetime import Lifetime, refuse_to_block
from rescind._shutdown import Shutdown, ShutdownReport
from rescind._warn.settings import Warnings, chosen
from rescind._warn.watch import watch_over

if TYPE_CHECKING:
    from rescind._core.hostport import Host
    from rescind._core.statistics import RuntimeStatistics

__all__ = ["HostChoice", "Runtime", "ShutdownReport", "SignalNotice", "Warnings", "run"]

T = TypeVar("T")


class Runtime:
    """Runs futures on one thread.

    Args:
        host: ``"asyncio"``, ``"uvloop"``, a function that makes an asyncio loop, or a `Host`. With
            ``"asyncio"`` the compiled form runs the loop's turn in C; with
            ``asyncio.new_event_loop`` it is asyncio's own.
        grace: how long the cleanup of a canceled task may take before it is dropped, in seconds;
            None: unbounded. A task may have its own.
        budget: how many awaits of a task may be ready in a row before it must park.
        name: for messages.
        handle_signals: while `block_on` runs on the main thread, let the first SIGINT or SIGTERM
            cancel its future, the second drop it, the third raise ``KeyboardInterrupt`` at once.
            In a `shutdown` the first changes nothing, the second drops all tasks. A handler that
            the program has set itself stays, and what it ignores stays ignored.
        warn: of what to warn, through the logger ``rescind``: True, False, or `Warnings`. None: of
            everything, unless ``RESCIND_WARN`` says otherwise. In virtual time there are none.

    Raises:
        ValueError: ``host`` is a word that is not known, or a number is out of range.
        ImportError: ``host="uvloop"`` without uvloop; the message says how to install it.

    Example:
        >>> import rescind
        >>> with rescind.Runtime() as rt:
        ...     rt.block_on(rescind.ready(42))
        42
    """

    __reduce__ = refuse_copy

    def __init__(
        self,
        *,
        host: HostChoice = "asyncio",
        grace: float | None = DEFAULT_GRACE,
        budget: int = DEFAULT_BUDGET,
        name: str | None = None,
        handle_signals: bool = False,
        warn: bool | Warnings | None = None,
    ) -> None:
        checked_grace(grace)
        warnings = chosen(warn)
        if isinstance(budget, bool) or not isinstance(budget, int):
            raise TypeError(f"budget must be an int, not {budget!r}")
        if budget < 1:
            raise ValueError(f"budget must be at least 1, not {budget}")
        self._host = make_host(host)
        self._executor = executor_maker(self._host)(
            self._host, grace=grace, budget=budget, name=name or f"runtime-{id(self):x}"
        )
        self._executor.owner = self
        if not isinstance(self._host, AsyncioHost):
            from rescind._host.manual import ManualHost

            if isinstance(self._host, ManualHost):
                self._host.executor = self._executor
        watch_over(self._executor, warnings)
        self._handle_signals = handle_signals
        self._signals = SignalLadder(self._executor, _notifier(self._executor))
        self._life = Lifetime(self, self._executor, self._host)
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

    @property
    def report(self) -> ShutdownReport | None:
        """What its shutdown found; None as long as it has not been shut down."""
        return self._life.report

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
        return f"<Runtime {self.name!r} on {self._host.name}, {self._life!r}>"

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
                from rescind.tasks.owned import Owned

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
            self._life.take(repr(self))
        except UsageError:
            if inspect.iscoroutine(fut):
                fut.close()
            raise
        with self._life.entered():
            task = self._executor.spawn(as_future(fut), name="main")
            task.on_end(lambda _outcome: self._host.stop())
            self._signals.reset()
            with self._ladder(lambda: [task]):
                self._host.run(task.done)
        return task

    def shutdown(
        self, reason: str | CancelReason | None = None, *, grace: Grace = UNSET
    ) -> ShutdownReport:
        """End every task: cancel, wait the grace, drop, abandon; then close what it owns (R24).

        A task whose own grace is shorter is dropped at the end of that. To end a runtime that runs,
        cancel the task that `block_on` runs, from wherever you are, and shut down after it.

        Args:
            reason: words for the tasks that are canceled.
            grace: for all cleanups together, in seconds; by default the runtime's; None: unbounded;
                0: drop at once, which is possible inside a task of another runtime too.

        Returns:
            What had to be canceled, what overran and where, and what failed. A second call
            returns an empty report.

        Raises:
            UsageError: the runtime is running, in this thread or another; or this thread runs
                something else, so that nothing can be waited for.
            KeyboardInterrupt: it came in meanwhile; what was left has been dropped.
            Deadlock: on the manual host, with ``grace=None``, a cleanup waits for ever.

        Source: tokio's ``shutdown_timeout``.
        """
        if self._over:
            full = make_reason(reason, self._executor, CancelKind.SHUTDOWN)
            return ShutdownReport(full, 0, (), 0.0)
        shutdown = Shutdown(self._executor, reason, grace)
        return self._shut_down(shutdown, at_once=grace == 0)

    def _shut_down(self, shutdown: Shutdown, *, at_once: bool = False) -> ShutdownReport:
        shutdown.hurried = lambda: self._signals.count > 1
        signals = self._ladder(self.tasks, shutdown=True)
        return self._life.shut_down(repr(self), shutdown, signals, at_once=at_once)

    @property
    def _over(self) -> bool:
        """Is there nothing to shut down (any more, or in this process)?"""
        return self._life.closed or self._life.inherited

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._over:
            return
        grace = 0 if self._signals.count > 1 else UNSET
        shutdown = Shutdown(self._executor, "the runtime's block was left", grace)
        try:
            self._shut_down(shutdown)
        except UsageError:
            if self._life.closed:
                raise
            self._shut_down(shutdown, at_once=True)  # leave nothing behind all the same
            if exc is None:
                raise
        finally:
            shutdown.tell()

    def __del__(self) -> None:
        if hasattr(self, "_life"):  # otherwise its construction has failed
            self._life.end_unclosed(self)

    @classmethod
    def attach(
        cls,
        *,
        grace: float | None = DEFAULT_GRACE,
        budget: int = DEFAULT_BUDGET,
        name: str | None = None,
        warn: bool | Warnings | None = None,
    ) -> AbstractAsyncContextManager[Runtime]:
        """Return a context manager for a runtime on the asyncio loop that is already running.

        Inside, `spawn` starts rescind tasks on that loop; on leaving, they are shut down, and
        the loop goes on. Meant for the lifespan of a web application.

        Example:
            ``async with rescind.Runtime.attach() as rt: ...``
        """
        from rescind._attach import Attachment

        checked_grace(grace)
        warnings = chosen(warn)
        return Attachment(
            lambda host: cls(host=host, grace=grace, budget=budget, name=name, warn=warnings)
        )

    # -- inside -----------------------------------------------------------------------------------

    def _ladder(
        self, targets: Callable[[], list[Task[Any]]], *, shutdown: bool = False
    ) -> AbstractContextManager[None]:
        if not self._handle_signals:
            return nullcontext()
        return self._signals.instead(targets, shutdown=shutdown)


def run(
    main: Callable[..., Coroutine[Any, Any, T]] | Awaitable[T],
    *args: Any,
    host: HostChoice = "asyncio",
    grace: float | None = DEFAULT_GRACE,
    handle_signals: bool = True,
    debug: bool | None = None,
    warn: bool | Warnings | None = None,
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
        warn: see `Runtime`.

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
        refuse_to_block("rescind.run()")  # before there is a loop that would have to be closed
    except UsageError:
        if inspect.iscoroutine(main):
            main.close()
        raise
    with Runtime(host=host, grace=grace, handle_signals=handle_signals, warn=warn) as runtime:
        if debug is not None and isinstance(runtime.host, AsyncioHost):
            runtime.host.loop.set_debug(debug)
        return runtime.block_on(_awaitable(main, args))


def _notifier(executor: Executor) -> Callable[[SignalNotice], None]:
    """Return what tells the runtime of a signal, without keeping the runtime."""

    def notify(notice: SignalNotice) -> None:
        runtime: Runtime | None = executor.owner
        if runtime is not None and runtime.on_signal is not None:
            runtime.on_signal(notice, runtime)

    return notify


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

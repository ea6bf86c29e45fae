"""`RunLoop`: what a run needs of an event loop, on whichever it is made.

*What it is.* The part that is the same on asyncio's own loop (`loop`) and on uvloop (`on_uvloop`):
every task goes by the checker, calls in threads are counted, problems are noted, a part of the
program is run until it has ended, hangs, or has come to rest.

*What it is not.* A loop: it is mixed into one, before the loop's own class.

*Invariants.* L4  Every task that is made on the loop goes by `on_task`, whatever factory the
program sets.

*Threads.* The loop's; `call_soon_threadsafe` from any, as always.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, TypeVarTuple, Unpack

from rescind._core.executor import Executor
from rescind.check.whose import PATH

__all__ = ["LATE", "RunLoop", "make_task"]

#: What is said of what seems to hang, but was not proved to.
LATE = "it did not end in time"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: How long to wait for connections to come to rest, in real seconds, for those who are at work;
#: and for what may still be on its way on a connection, once nobody is.
_SETTLE_WATCHED = 0.005
_QUIET = 0.001

#: Makes a task: the program's own factory, or asyncio's default.
Factory = Callable[..., Any]


class _Counted:
    """Submits to an executor, and keeps what is under way there."""

    def __init__(self, executor: Pool) -> None:
        self._executor = executor
        self.submitted: Future[Any] | None = None

    def submit(self, func: Callable[..., Any], /, *args: Any) -> Future[Any]:
        self.submitted = future = self._executor.submit(func, *args)
        return future


class RunLoop(asyncio.AbstractEventLoop):
    """What a run needs of an event loop.

    Attributes:
        orders: can a callback be put before others, and be counted?
        hung: what was found, if the program hangs; else None.
        problems: what the exception handler was given, with the ``path`` of whom it concerns.
        threads: those that were there before it.
        clients: the connections that the program made.
        connected: how many it has made so far.
        on_task: makes a task of a coroutine, given the factory that the program has set; None:
            as asyncio does.
        rescind_executor: makes the executors of the runtimes that are attached to it.
    """

    orders: ClassVar[bool] = True
    clients: Any
    connected: int

    if TYPE_CHECKING:
        # asyncio's own, which its stubs leave out; uvloop gets them from us.
        _asyncgens: Collection[Any]
        _default_executor: Pool | None

        def _check_closed(self) -> None: ...

    def get_ready(self) -> None:
        """Begin; called before the loop's own class does."""
        self.hung: str | None = None
        self.problems: list[dict[str, Any]] = []
        self.on_task: Callable[[Factory | None, Any, dict[str, Any]], Any] | None = None
        self.rescind_executor: Callable[..., Executor] = Executor
        # Calls that other threads or processes work on.
        self._calls: set[Future[Any]] = set()
        self.threads = threading.enumerate()
        self._count = len(self.threads)
        self._factory: Factory | None = None

    # -- what differs -----------------------------------------------------------------------------

    @property
    def callbacks(self) -> int:
        """How many callbacks have run, or at least how much has happened."""
        raise NotImplementedError

    def only_timers(self) -> bool:
        """Can nothing but a timer happen?"""
        raise NotImplementedError

    def allow(self, seconds: float) -> None:
        """Count the program as hung if the phase that begins now takes longer than ``seconds``."""
        raise NotImplementedError

    def stuck(self) -> None:
        """Note that the program hangs."""
        raise NotImplementedError

    def hold(self, connection: int = 0) -> int:
        """Hold back what arrives on the program's own connections; return how many there are.

        Args:
            connection: the number of the only one to be held back; 0: all.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Let through again what arrives."""
        raise NotImplementedError

    def call_next(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` as soon as the loop can, once the callback that runs now has ended."""
        raise NotImplementedError

    def strike_before(self, count: int, strike: Callable[[], object]) -> None:
        """Call ``strike`` just before callback number ``count``, as `callbacks` counts."""

    def trace(self, note: Callable[[Any], object] | None) -> None:
        """Tell ``note`` of each callback that is about to run."""

    # -- hangs ------------------------------------------------------------------------------------

    def hang(self, what: str) -> None:
        """Stop: the program hangs."""
        if self.hung is None:
            self.hung = what
        self.stuck()
        self.stop()

    # -- threads ----------------------------------------------------------------------------------

    def run_in_executor(
        self, executor: Pool | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        if executor is None:
            self._check_closed()
            executor = self._default_executor
            if executor is None:
                executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
                self._default_executor = executor
        counted: Any = _Counted(executor)
        # Abstract in asyncio's base class, but the loop's own comes in between.
        future = super().run_in_executor(counted, func, *args)  # pyright: ignore[reportAbstractUsage]
        # Not asyncio's future: that one is done as soon as it is canceled, while the thread works
        # on. And told after asyncio was: what it posts is in the queue when the call is gone.
        call: Future[Any] = counted.submitted
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return future

    # -- tasks ------------------------------------------------------------------------------------

    def set_task_factory(self, factory: Any) -> None:
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._factory = factory

    def get_task_factory(self) -> Any:
        return self._factory

    def _make(
        self, _loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        if self.on_task is not None:
            return self.on_task(self._factory, coro, options)
        return make_task(self, self._factory, coro, options)

    # -- running ----------------------------------------------------------------------------------

    def run_until(self, *tasks: asyncio.Future[Any]) -> bool:
        """Run until all are done; return False if the program hangs."""
        left = {task for task in tasks if not task.done()}

        def ended(task: asyncio.Future[Any]) -> None:
            left.discard(task)
            if not left:
                self.stop()

        for task in tuple(left):
            task.add_done_callback(ended)
        if left:
            self.hung = None
            while left and self.hung is None:
                self._run()
            for task in tuple(left):
                task.remove_done_callback(ended)
        return self.hung is None

    def settle(
        self, seconds: float, at_work: Callable[[], bool] | None = None, *, patient: bool = False
    ) -> None:
        """Let what is under way come to rest: run for ``seconds`` of the loop's own time.

        Where no connection is open, that takes no real time. Where one is, it ends when nothing has
        happened for a millisecond and nobody is ``at_work``; after five at the latest.

        Args:
            seconds: how long, if nothing but timers can happen.
            at_work: says whether somebody is, who may yet come to an end.
            patient: take five milliseconds for that, and ``seconds`` at most.
        """
        self.release()
        self.hung = None
        until = self.time() + seconds
        watched = min(until, self.time() + (seconds if patient else _SETTLE_WATCHED))
        quiet = _SETTLE_WATCHED if patient else _QUIET
        while self.hung is None:
            if self.only_timers():
                self._run_for(max(until - self.time(), 0.0))
                return
            before = self.callbacks
            self._run_for(min(quiet, max(watched - self.time(), 0.0)))
            happened = self.callbacks - before > 1  # more than the timer's own
            working = bool(self._calls) or (at_work is not None and at_work())
            if self.time() >= watched or not (happened or working):
                return

    def _run_for(self, seconds: float) -> None:
        """Run for so long, in the loop's time; shorter if the program hangs."""
        over: list[None] = []

        def rest() -> None:
            over.append(None)
            self.stop()

        handle = self.call_later(seconds, rest)
        while not over and self.hung is None:
            self._run()
        handle.cancel()

    def _run(self) -> None:
        """Run until stopped; perhaps by the program itself, which is no reason to end."""
        try:
            self.run_forever()
        except SystemExit:
            pass  # the task that raised it has it as its exception

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.problems.append({**context, "path": _path_of(context)})


def _path_of(problem: dict[str, Any]) -> str:
    """Return the path of the task that a problem concerns, or that has asked for what failed."""
    task = problem.get("task") or problem.get("future")
    get: Any = getattr(task, "get_coro", None)
    coro = None if get is None else get()
    asked: Any = getattr(problem.get("handle"), "_context", None)
    path: str = PATH.get() if asked is None else asked.get(PATH, "loop")
    return str(getattr(coro, "path", path))


def make_task(
    loop: asyncio.AbstractEventLoop, factory: Factory | None, coro: Any, options: dict[str, Any]
) -> Any:
    """Make a task as asyncio does that has this factory."""
    if factory is None:
        return asyncio.Task(coro, loop=loop, **options)
    return factory(loop, coro, **options)

"""`Bed`: what the parts of one test run in, its async fixtures and its body.

*What it is.* Each part is a task of one executor: that of a `Runtime` on a host, or that of one run
of the lab. pytest makes fixtures in synchronous code, between two parts; a bed drives its executor
for as long as one of them takes.

*What it is not.* Where it is decided what is left behind (`leaks`), or how long it may take
(`watch`).

*Threads.* pytest's.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from rescind._core.errors import Deadlock
from rescind._core.executor import Executor
from rescind._core.into import as_future
from rescind._core.outcome import Canceled
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.task import Task
from rescind._host.choice import HostChoice
from rescind._host.manual import ManualHost
from rescind._shutdown import ShutdownReport
from rescind.runtime import Runtime
from rescind.tasks.current import current_task
from rescind.testing.lab.executor import LabExecutor
from rescind.testing.lab.injection import ROOT
from rescind.testing.lab.waits import who_waits
from rescind.testing.plugin.facade import LabRuntime
from rescind.testing.plugin.watch import Watch

__all__ = ["Bed", "HostBed", "LabBed", "PartFailed", "Signal"]


class PartFailed(Exception):
    """A part of a test did not end as it has to: it was canceled, or yields more than once."""


class Signal(Future[None]):
    """Set by somebody, and waited for by one.

    Args:
        what: what is waited for, for dumps.

    Attributes:
        is_set: is there nothing to wait for any more?
    """

    __slots__ = ("_taken", "_waker", "_what", "is_set")
    _native = True

    def __init__(self, what: str) -> None:
        self._taken = False
        self._waker: Waker | None = None
        self._what = what
        self.is_set = False

    def set(self) -> None:
        """Let whoever waits go on."""
        self.is_set = True
        waker, self._waker = self._waker, None
        if waker is not None:
            waker.wake()

    def poll(self, cx: Context) -> Pending | None:
        if self.is_set:
            return None
        self._waker = cx.waker
        return PENDING

    def drop(self) -> None:
        self._waker = None

    def __repr__(self) -> str:
        return self._what


class Bed:
    """What both kinds have in common.

    Args:
        executor: drives the parts.
        runtime: what the fixture ``runtime`` gives.

    Attributes:
        parts: the tasks of async fixtures that wait for the end of the test.
        main: the task of the body; None before it begins.
    """

    def __init__(self, executor: Executor, runtime: Any) -> None:
        self.executor = executor
        self.runtime = runtime
        self.parts: set[Task[Any]] = set()
        self.main: Task[Any] | None = None

    def spawn(
        self, coro: Coroutine[Any, Any, Any], name: str, context: contextvars.Context
    ) -> Task[Any]:
        """Start a part of the test that is not its body."""
        return self.executor.spawn(as_future(coro), name=name, context=context)

    async def body(self, test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Be the body of the test."""
        self.main = current_task()
        return await test()

    def drive(self, until: Signal, what: str) -> None:
        """Run everything until somebody sets ``until``; ``what`` takes that long."""
        raise NotImplementedError

    def wait(self, task: Task[Any]) -> Any:
        """Run everything until ``task`` has ended; return its value, or raise what it raised."""
        over = Signal(f"the end of {task.name}")
        task.on_end(lambda _outcome: over.set())
        self.drive(over, task.name)
        return value_of(task)


class HostBed(Bed):
    """The bed of a test that is run once, on a host.

    Args:
        host: its name.
        grace: for the cleanup of canceled tasks, in seconds; None: unbounded.
        timeout: seconds of real time for each part; None: any.
    """

    def __init__(self, host: str, *, grace: float | None, timeout: float | None) -> None:
        runtime = Runtime(host=host_of(host), grace=grace, name="test")
        super().__init__(runtime.executor, runtime)
        self._timeout = timeout

    def play(self, test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run the body of the test; return its value, or raise what it raised."""
        runtime: Runtime = self.runtime
        self._watched(lambda: runtime.drive(self.body(test)), "the test")
        assert self.main is not None
        return value_of(self.main)

    def drive(self, until: Signal, what: str) -> None:
        runtime: Runtime = self.runtime
        self._watched(lambda: runtime.drive(until), what)

    def _watched(self, drive: Callable[[], object], what: str) -> None:
        """Drive; say what everybody does if that ends in a hang, or takes too long."""
        watch = Watch(self._timeout, what, self.drop_all)
        words = ""
        try:
            with watch:
                drive()
        except Deadlock:
            words = f"deadlock: {who_waits(self._waiting(), self.executor.now())}"
            self.drop_all("deadlock")
        except KeyboardInterrupt:
            if not watch.interrupted:
                raise
            watch.join()
        if watch.text or words:
            pytest.fail(watch.text or words, pytrace=False)

    def _waiting(self) -> list[Task[Any]]:
        return [task for task in self.runtime.tasks() if task not in self.parts]

    def drop_all(self, why: str) -> None:
        """Drop, in the next turn, all that the test has running, but for its fixtures."""
        for task in self._waiting():
            task.cancel(why, grace=0)

    def close(self) -> ShutdownReport:
        """Shut the runtime down."""
        runtime: Runtime = self.runtime
        return runtime.shutdown("the test is over")


class LabBed(Bed):
    """The bed of one run of the lab."""

    def __init__(self, executor: LabExecutor) -> None:
        super().__init__(executor, LabRuntime(executor))
        self._lab = executor
        self._names: set[str] = set()

    def spawn(
        self, coro: Coroutine[Any, Any, Any], name: str, context: contextvars.Context
    ) -> Task[Any]:
        path = name  # without "/", since it is spawned by none: no injection strikes it
        while path in self._names:
            path += "'"
        self._names.add(path)
        self._lab.outermost = path
        try:
            return super().spawn(coro, name.removeprefix("fixture "), context)
        finally:
            self._lab.outermost = ROOT

    def drive(self, until: Signal, what: str) -> None:
        self._lab.drive(lambda: until.is_set)


def host_of(name: str) -> HostChoice:
    """Return what `Runtime` makes a host of."""
    return ManualHost() if name == "lab" else "uvloop" if name == "uvloop" else "asyncio"


def value_of(task: Task[Any]) -> Any:
    """Return the value of an ended part, or raise what it raised."""
    outcome = task.outcome()
    if isinstance(outcome, Canceled):
        words = str(outcome.reason).replace("\n", "\n  ")
        raise PartFailed(f"{task.name} was canceled: {words}")
    return task.unwrap()

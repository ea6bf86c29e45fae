"""CPython's own tests of asyncio, with the coroutines that they give to a loop driven by rescind.

*What it is.* A test gives a coroutine to ``Runner.run``, ``asyncio.run`` or ``run_until_complete``;
``IsolatedAsyncioTestCase`` does it for each of its methods. Here these are replaced, so that it is
a task of rescind's, or a branch of a combinator's, that runs it on the test's own loop. All else is
as the test made it: the loop, the tasks that it creates, what it asserts.

*What it is not.* A loop of its own: what asyncio schedules, asyncio schedules.
"""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import sys
import traceback
import unittest
import warnings
from asyncio.base_events import BaseEventLoop
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from time import monotonic
from types import CodeType
from typing import Any, Final, TypeVar
from unittest import mock

import rescind
from rescind import CancelKind, Runtime
from rescind._host.asyncio import AsyncioHost

__all__ = ["WAYS", "Ending", "case_of", "cases_in", "execute", "is_async"]

T = TypeVar("T")
AnyCoroutine = Coroutine[Any, Any, T]

PACKAGE: Final = "test.test_asyncio"

#: What is called with a coroutine; a test in whose code none of them is named gives none away.
_ENTRIES: Final = frozenset({"run", "run_until_complete"})


@dataclass
class Ending:
    """What became of one test.

    Attributes:
        driven: how many coroutines were driven by rescind.
        problems: tracebacks, as text.
        skipped: why CPython skips it.
    """

    driven: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str | None = None


# -- ways to drive a coroutine ---------------------------------------------------------------------


class _LentHost(AsyncioHost):
    """A loop that the test has made and closes itself, but that a runtime runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, owned=False)

    def run(self, until: Callable[[], bool]) -> None:
        self.owned = True
        try:
            super().run(until)
        finally:
            self.owned = False


def _in_a_task(
    loop: asyncio.AbstractEventLoop, coro: AnyCoroutine[T], *, signals: bool = False
) -> T:
    """Run ``coro`` as a task of rescind's, without a task of asyncio's around it."""
    runtime = Runtime(host=_LentHost(loop), handle_signals=signals)
    try:
        task = runtime.drive(coro)
        # Its loop goes on while a runtime shuts down: what was created last begins.
        loop.call_soon(loop.stop)
        loop.run_forever()
        outcome = task.outcome()
        if isinstance(outcome, rescind.Canceled) and outcome.reason.kind is CancelKind.SIGNAL:
            raise KeyboardInterrupt
        return _value_of(outcome)
    finally:
        runtime.shutdown(grace=0)


def _in_a_branch(coro: AnyCoroutine[T]) -> AnyCoroutine[T]:
    """Return a coroutine that a task of asyncio's runs, with ``coro`` in a combinator in it."""
    return _value_of_branch(rescind.outcomes(coro))


async def _value_of_branch(branches: Awaitable[tuple[rescind.Outcome[T]]]) -> T:
    (outcome,) = await branches
    return _value_of(outcome)


def _value_of(outcome: rescind.Outcome[T] | None) -> T:
    """End as asyncio's task would."""
    match outcome:
        case rescind.Completed(value):
            return value
        case rescind.Error(exc):
            raise exc
        case rescind.Canceled(reason):
            raise asyncio.CancelledError(*([] if reason.message is None else [reason.message]))
        case _:
            raise AssertionError("it has not ended")


#: A task of rescind's; a combinator's branch in a task of asyncio's; and in each such task.
WAYS: Final = ("task", "branch", "branches")


@contextlib.contextmanager
def _driven(way: str, ending: Ending) -> Iterator[None]:
    """Let rescind drive what is given to a loop during the block."""
    until_complete = BaseEventLoop.run_until_complete
    create_task = BaseEventLoop.create_task
    runner_run = asyncio.Runner.run

    def run_until_complete(loop: Any, future: Any) -> Any:
        if not inspect.iscoroutine(future) or _is_asyncios_own(future):
            return until_complete(loop, future)
        ending.driven += 1
        if way != "task":
            return until_complete(loop, _in_a_branch(future))
        loop._check_closed()
        loop._check_running()
        return _in_a_task(loop, future)

    def run(runner: Any, coro: Any, *, context: contextvars.Context | None = None) -> Any:
        if not inspect.iscoroutine(coro) or asyncio._get_running_loop() is not None:
            return runner_run(runner, coro, context=context)
        ending.driven += 1
        if way != "task":
            return runner_run(runner, _in_a_branch(coro), context=context)
        loop = runner.get_loop()
        context = context or runner._context
        return context.run(partial(_in_a_task, loop, coro, signals=True))

    def create(loop: Any, coro: Any, **options: Any) -> Any:
        if inspect.iscoroutine(coro) and not _is_asyncios_own(coro) and not _is_ours(coro):
            ending.driven += 1
            coro = _in_a_branch(coro)
        return create_task(loop, coro, **options)

    with contextlib.ExitStack() as stack:
        patched = mock.patch.object(BaseEventLoop, "run_until_complete", run_until_complete)
        stack.enter_context(patched)
        stack.enter_context(mock.patch.object(asyncio.Runner, "run", run))
        if way == "branches":
            stack.enter_context(mock.patch.object(BaseEventLoop, "create_task", create))
        yield


def _is_ours(coro: AnyCoroutine[Any]) -> bool:
    return coro.__qualname__ == _value_of_branch.__qualname__


def _is_asyncios_own(coro: AnyCoroutine[Any]) -> bool:
    """Is it what a runner gives the loop at its end?"""
    return coro.__qualname__.endswith((".shutdown_asyncgens", ".shutdown_default_executor"))


@contextlib.contextmanager
def _without_waiting() -> Iterator[None]:
    """Let the clock of every loop jump where the loop would wait, and else stand still.

    For tests that have no I/O: they take no time, and the same turns on a machine that is busy.
    """
    now = monotonic()
    once = BaseEventLoop._run_once  # type: ignore[attr-defined]

    def run_once(loop: Any) -> None:
        nonlocal now
        if not loop._ready and loop._scheduled:
            now = max(now, loop._scheduled[0]._when)
        once(loop)

    def time(_loop: Any) -> float:
        return now

    with mock.patch.object(BaseEventLoop, "time", time):
        with mock.patch.object(BaseEventLoop, "_run_once", run_once):
            yield


# -- CPython's tests -------------------------------------------------------------------------------


def cases_in(module: str) -> list[str]:
    """Return the tests of one of CPython's modules that give a coroutine to a loop."""
    found: list[str] = []
    loader = unittest.defaultTestLoader
    imported = import_module(f"{PACKAGE}.{module}")
    for cls in vars(imported).values():
        if not (isinstance(cls, type) and issubclass(cls, unittest.TestCase)):
            continue
        found += [
            f"{cls.__name__}.{name}"
            for name in loader.getTestCaseNames(cls)
            if _gives_a_coroutine(cls, name, set())
        ]
    return found


def case_of(module: str, case: str) -> unittest.TestCase:
    """Make a test of CPython's, such as ``LockTests.test_lock`` of ``test_locks``."""
    cls, name = case.split(".")
    made: unittest.TestCase = getattr(import_module(f"{PACKAGE}.{module}"), cls)(name)
    return made


def is_async(case: unittest.TestCase) -> bool:
    """Is the test itself a coroutine function, so that something must have been driven?"""
    method: Callable[..., object] = getattr(case, case._testMethodName)
    return inspect.iscoroutinefunction(inspect.unwrap(method))


def _gives_a_coroutine(cls: type, name: str, seen: set[str]) -> bool:
    """Does the method, or another that it names, give one away? By the names in its code."""
    seen.add(name)
    method = inspect.unwrap(getattr(cls, name))
    if inspect.iscoroutinefunction(method):
        return True
    code = getattr(method, "__code__", None)
    if code is None:
        return False
    names = _names_in(code)
    if names & _ENTRIES:
        return True
    others = {other for other in names - seen if inspect.isfunction(getattr(cls, other, None))}
    return any(_gives_a_coroutine(cls, other, seen) for other in sorted(others))


def _names_in(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            names |= _names_in(const)
    return names


def execute(case: unittest.TestCase, way: str | None, *, waits: bool = True) -> Ending:
    """Run one test, with its class's and its module's set-up.

    Args:
        case: the test.
        way: one of `WAYS`; None: as CPython runs it.
        waits: does real time pass?
    """
    suite = unittest.TestSuite([case])
    ending = Ending()
    result = unittest.TestResult()
    with contextlib.ExitStack() as stack:
        # CPython runs its tests without making warnings errors.
        stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        if way is not None:
            stack.enter_context(_driven(way, ending))
        if not waits:
            stack.enter_context(_without_waiting())
        try:
            suite.run(result)
        except KeyboardInterrupt:  # of a test about Ctrl-C, which unittest lets through
            ending.problems.append(traceback.format_exc())
            asyncio.set_event_loop_policy(None)
        if result.errors or result.failures or ending.problems:
            # What a test that was cut short leaves behind is not to be found in the next.
            stack.enter_context(mock.patch.object(sys, "unraisablehook"))
            gc.collect()
    ending.problems += [text for _, text in (*result.errors, *result.failures)]
    ending.problems += ["it was expected to fail" for _ in result.unexpectedSuccesses]
    ending.skipped = next((reason for _, reason in result.skipped), None)
    return ending

"""`Rig`: makes the fixtures of a test anew for each run, on the run's own loop, and ends them.

*What it is.* pytest's own machinery does it, as if the test were run again: fixtures of every
scope, autouse, parametrized, requested while others are made. Only two things are ours. A fixture
that is async is driven by us, on the loop of the run, before any plugin sees that it is async; and
an async fixture of a wider scope, whose value belongs to the loop of a plugin, is made once more
for the run, beside the one that the suite goes on to use.

*Invariants.*
 G1  An async generator is begun and ended by the same task: cancel scopes demand it.
 G2  After `tear_down` pytest knows of the item's parents what it knew before `set_up` (A1).

*Threads.* pytest's.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from rescind.testing.plugin.again import Again
from rescind.testing.plugin.fixtures import apply_context, is_async

if TYPE_CHECKING:
    import pytest

    from rescind.check.run import Run

__all__ = ["Ended", "Rig"]

#: The context variable of ours in what a part of a run has set.
_OURS = "rescind_check_path"


class Ended(Exception):
    """A fixture did not end as it has to."""


class Rig:
    """A test that is set up again and again.

    Attributes:
        run: for which it is set up, or being so; None: for none.
    """

    def __init__(self, item: pytest.Function, used: dict[str, pytest.FixtureDef[Any]]) -> None:
        self.item: Any = item
        self.run: Run | None = None
        self._again = Again(item)
        self._wide = _of_other_loops(used)
        self._saved: list[tuple[Any, Any, Any]] = []
        self._made: list[tuple[Any, Any]] = []

    # -- setting up and tearing down --------------------------------------------------------------

    def release(self) -> None:
        """Tear down the test, and nothing that others may still need."""
        self._again.release()

    def set_up(self, run: Run) -> None:
        """Make the fixtures; put them on the env of the run."""
        item = self.item
        self.run = run
        self._saved = [(one, one.cached_result, list(one._finalizers)) for one in self._wide]
        for one in self._wide:
            one.cached_result = None
            one._finalizers.clear()
        try:
            self._again.set_up()
        except BaseException:
            self.tear_down(run)
            raise
        for name in item._fixtureinfo.argnames:
            if not name.startswith("_"):
                setattr(run.env, name, item.funcargs[name])

    def tear_down(self, run: Run) -> None:
        """End the fixtures, the last made first."""
        failed: list[BaseException] = []
        steps: list[Callable[[], object]] = [self.release]
        steps += [
            lambda one=one, request=request: one.finish(request)  # type: ignore[misc]
            for one, request in reversed(self._made)
        ]
        for step in steps:
            try:
                step()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exc:  # pytest's outcomes are none of Exception
                failed.append(exc)
        self._made.clear()
        for one, result, finalizers in self._saved:
            one.cached_result = result
            one._finalizers[:] = finalizers
        self._saved.clear()
        self._again.restore()
        self.run = None
        if failed:
            raise failed[0]

    def body(self) -> Coroutine[Any, Any, Any]:
        """Return the test, called with its fixtures."""
        coroutine: Coroutine[Any, Any, Any] = self.item.obj(**self._again.arguments)
        return coroutine

    # -- fixtures ---------------------------------------------------------------------------------

    def instead_of(self, fixture: Any, request: Any) -> Callable[..., Any] | None:
        """Return the synchronous function that makes a fixture, if that is not for pytest alone."""
        run = self.run
        assert run is not None
        if any(one is fixture for one in self._wide):
            self._made.append((fixture, request))
        if fixture.argname == "_function_scoped_runner" or (
            fixture.argname == "event_loop" and fixture.func.__module__.startswith("pytest_asyncio")
        ):
            stands: object = run.loop if fixture.argname == "event_loop" else Runner(self)

            def stand(**_arguments: object) -> object:
                return stands

            return stand
        if not is_async(fixture.func):
            return None
        from _pytest.fixtures import resolve_fixture_function

        function: Any = resolve_fixture_function(fixture, request)
        if inspect.isasyncgenfunction(fixture.func):
            return self._generator(function, fixture.argname, request)

        def make(**arguments: Any) -> Any:
            context = contextvars.copy_context()
            value = self.drive(function(**arguments), f"fixture {fixture.argname}", context)
            apply_context(context, request, but=_OURS)
            return value

        return make

    def _generator(self, function: Any, name: str, request: Any) -> Callable[..., Iterator[Any]]:
        def make(**arguments: Any) -> Iterator[Any]:
            run = self.run
            assert run is not None
            loop = run.loop
            ready, over = loop.create_future(), loop.create_future()
            context = contextvars.copy_context()

            async def live() -> None:
                generator = function(**arguments)
                ready.set_result(await anext(generator))
                await over
                try:
                    await anext(generator)
                except StopAsyncIteration:
                    return
                await generator.aclose()
                raise Ended(f"the fixture {name} yields more than once")

            task = self._start(live(), f"fixture {name}", context)
            task.add_done_callback(lambda _task: ready.done() or ready.cancel())
            self._wait(ready)
            if ready.cancelled():
                self._result(task, name)
                raise Ended(f"the fixture {name} did not yield a value")
            apply_context(context, request, but=_OURS)
            yield ready.result()
            over.set_result(None)
            self._wait(task)
            self._result(task, name)

        return make

    def drive(
        self, coro: Coroutine[Any, Any, Any], name: str, context: contextvars.Context | None = None
    ) -> Any:
        """Run a coroutine to its end on the loop of the run, and return its value."""
        task = self._start(coro, name, context)
        self._wait(task)
        return self._result(task, name)

    def _start(
        self, coro: Coroutine[Any, Any, Any], name: str, context: contextvars.Context | None
    ) -> asyncio.Task[Any]:
        run = self.run
        assert run is not None
        asyncio.set_event_loop(run.loop)
        return run.loop.create_task(run.probes.wrap(coro, name), context=context)

    def _wait(self, future: asyncio.Future[Any]) -> None:
        run = self.run
        assert run is not None
        run.allow(run.scenario.timeout)
        run.loop.run_until(future)

    def _result(self, task: asyncio.Task[Any], name: str) -> Any:
        if not task.done():
            task.cancel()
            run = self.run
            assert run is not None
            raise Ended(f"{name} hangs: {run.loop.hung or 'it has not ended'}")
        return task.result()


class Runner:
    """Stands for the `asyncio.Runner` with which a plugin, or unittest, runs parts of a test."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def run(
        self, coro: Coroutine[Any, Any, Any], *, context: contextvars.Context | None = None
    ) -> Any:
        """Do what `asyncio.Runner.run` does."""
        return self._rig.drive(coro, getattr(coro, "__qualname__", "part"), context)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the run."""
        assert self._rig.run is not None
        return self._rig.run.loop

    def close(self) -> None:
        """Leave the loop to the run."""


def _of_other_loops(used: dict[str, Any]) -> list[Any]:
    """Return the fixtures of a wider scope that are async, or made from one that is."""
    wide: dict[str, Any] = {
        name: one for name, one in used.items() if one.scope != "function" and is_async(one.func)
    }
    grown = bool(wide)
    while grown:
        more = {
            name: one
            for name, one in used.items()
            if name not in wide
            and one.scope != "function"
            and not wide.keys().isdisjoint(one.argnames)
        }
        wide.update(more)
        grown = bool(more)
    return list(wide.values())

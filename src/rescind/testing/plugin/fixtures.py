"""Async fixtures, as synchronous functions that pytest can call: driven in the bed of their test.

*Invariants.*
 F1  An async generator is begun and ended by one task, which waits in between: cancel scopes and
     task groups demand that. What cancels it there reaches the generator, at its ``yield``.
 F2  If it ends before the test does, the test is canceled: what it was given is gone.

*Threads.* pytest's.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from _pytest.fixtures import resolve_fixture_function

from rescind._core.errors import UsageError
from rescind._core.task import Task
from rescind.runtime import Runtime
from rescind.testing.plugin.bed import Bed, PartFailed, Signal, host_of, value_of
from rescind.testing.plugin.clock import Clock

__all__ = ["apply_context", "clock_for", "instead_of", "is_async", "runtime_for"]


def is_async(function: object) -> bool:
    """Does it have to be driven by a loop?"""
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def instead_of(bed: Bed, fixture: Any, request: Any) -> Callable[..., Any] | None:
    """Return the synchronous function that makes a fixture in a bed; None: leave it to others."""
    if not is_async(fixture.func):
        return None
    name: str = fixture.argname
    if fixture.scope != "function":
        return None if _of_others(fixture, request) else _too_wide(name, fixture.scope)
    function: Any = resolve_fixture_function(fixture, request)
    if inspect.isasyncgenfunction(fixture.func):
        return _generator(bed, function, name, request)

    def make(**arguments: Any) -> Any:
        context = contextvars.copy_context()
        value = bed.wait(bed.spawn(function(**arguments), f"fixture {name}", context))
        apply_context(context, request)
        return value

    return make


def _generator(
    bed: Bed, function: Callable[..., Any], name: str, request: Any
) -> Callable[..., Iterator[Any]]:
    def make(**arguments: Any) -> Iterator[Any]:
        begun, over = Signal(f"the yield of the fixture {name}"), Signal("the end of the test")
        values: list[Any] = []

        async def live() -> None:  # F1
            generator = function(**arguments)
            values.append(await _first(generator, name))
            begun.set()
            try:
                await over
            except (asyncio.CancelledError, Exception) as exc:
                rest = generator.athrow(exc)
            else:
                rest = anext(generator)
            try:
                await rest
            except StopAsyncIteration:
                return
            await generator.aclose()
            raise PartFailed(f"the fixture {name} yields more than once")

        context = contextvars.copy_context()
        task = bed.spawn(live(), f"fixture {name}", context)
        task.on_end(lambda _outcome: begun.set())
        bed.drive(begun, task.name)
        if not values:
            value_of(task)
        bed.parts.add(task)
        task.on_end(lambda _outcome: _gone(bed, task, name))
        apply_context(context, request)
        yield values[0]
        bed.parts.discard(task)
        over.set()
        bed.wait(task)

    return make


async def _first(generator: Any, name: str) -> Any:
    try:
        return await anext(generator)
    except StopAsyncIteration:
        raise PartFailed(f"the fixture {name} did not yield a value") from None


def _gone(bed: Bed, task: Task[Any], name: str) -> None:
    if task in bed.parts:  # F2
        bed.parts.discard(task)
        if bed.main is not None:
            bed.main.cancel(f"the fixture {name} has ended before the test")


def _of_others(fixture: Any, request: Any) -> bool:
    """Does another plugin make this fixture, of a wider scope than a test, on a loop of its own?"""
    if getattr(fixture.func, "_force_asyncio_fixture", False):
        return True
    if "anyio_backend" in request.fixturenames:
        return True
    config: pytest.Config = request.config
    return mode_of(config, "asyncio_mode") == "auto"


def mode_of(config: pytest.Config, name: str) -> str | None:
    """Return in which mode another plugin is; None if it is not there."""
    try:
        mode: Any = config.getoption(name, None) or config.getini(name)
    except ValueError:
        return None
    return str(mode)


def _too_wide(name: str, scope: str) -> Callable[..., Any]:
    def refuse(**_arguments: Any) -> None:
        raise UsageError(
            f"the async fixture {name!r} has the scope {scope!r}, and would outlive the runtime of "
            "the test that awaits it; give it the scope of a function"
        )

    return refuse


def apply_context(context: contextvars.Context, request: Any, *, but: str = "") -> None:
    """Let the test see the context variables that a fixture has set, as plugins do.

    Args:
        context: in which the fixture has run.
        request: of the fixture; at its end what was set is taken back.
        but: the name of a variable to leave alone.
    """
    tokens: list[tuple[contextvars.ContextVar[Any], contextvars.Token[Any]]] = []
    missing = object()
    for var, value in context.items():
        if var.name != but and var.get(missing) is not value:
            tokens.append((var, var.set(value)))

    def restore() -> None:
        while tokens:
            var, token = tokens.pop()
            var.reset(token)

    if tokens:
        request.addfinalizer(restore)


# -- the fixtures of the plugin -------------------------------------------------------------------


def runtime_for(request: Any) -> Iterator[Any]:
    """Yield the runtime of a test: of its bed; or, if it has none, one of its own."""
    bed: Bed | None = getattr(request.node, "bed", None)
    if bed is not None:
        yield bed.runtime
        return
    host: Any = getattr(request, "param", "lab")
    with Runtime(host=host_of(host) if isinstance(host, str) else host, name="test") as runtime:
        yield runtime


def clock_for(request: Any) -> Clock:
    """Return the virtual clock of a test.

    Raises:
        UsageError: the test runs in real time.
    """
    bed: Bed | None = getattr(request.node, "bed", None)
    runtime: Any = request.getfixturevalue("runtime") if bed is None else bed.runtime
    host = runtime.executor.host.name
    if host not in ("lab", "manual"):
        raise UsageError(f"the clock of the host {host!r} is real; for this test, say hosts='lab'")
    return Clock(runtime.executor)

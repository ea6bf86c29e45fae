"""Runs async tests that no other plugin takes, each on a loop of asyncio of its own.

*What it is not.* What runs tests in a rescind runtime: that is `rescind.testing.plugin`.

*Threads.* pytest's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from rescind.testing.plugin.fixtures import is_async
from rescind.testing.plugin.item import RescindFunction

if TYPE_CHECKING:
    import pytest

__all__ = ["Beds", "is_ours"]

#: Marks of plugins that run async tests themselves.
_OTHERS = ("asyncio", "anyio", "trio", "twisted", "gen_test", "curio", "tornado")

Bed = Callable[[Coroutine[Any, Any, Any]], Any]


def is_ours(item: pytest.Item, *, sweeping: bool) -> bool:
    """Is it an async test that runs only if we run it?"""
    function = getattr(item, "obj", None)
    if not inspect.iscoroutinefunction(function) or hasattr(function, "hypothesis"):
        return False
    if isinstance(item, RescindFunction):
        return False
    if hasattr(getattr(item, "instance", None), "_asyncioRunner"):
        return False
    names: list[str] = getattr(item, "fixturenames", [])
    if "anyio_backend" in names or any(item.get_closest_marker(name) for name in _OTHERS):
        return False
    return sweeping or item.get_closest_marker("cancel_everywhere") is not None


class Beds:
    """What runs the parts of each such test."""

    def __init__(self) -> None:
        self._beds: dict[pytest.Item, Bed] = {}

    def run(self, item: Any) -> None:
        """Run the test."""
        arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
        self._of(item)(item.obj(**arguments))

    def fixture(self, item: Any, fixture: Any, request: Any) -> Callable[..., Any] | None:
        """Return the synchronous function that makes an async fixture of such a test."""
        if not is_async(fixture.func) or fixture.scope != "function":
            return None
        from _pytest.fixtures import resolve_fixture_function

        function: Any = resolve_fixture_function(fixture, request)
        bed = self._of(item)
        if not inspect.isasyncgenfunction(fixture.func):

            def once(**arguments: Any) -> Any:
                return bed(function(**arguments))

            return once

        def make(**arguments: Any) -> Iterator[Any]:
            generator = function(**arguments)
            yield bed(_next(generator))
            bed(_end(generator, fixture.argname))

        return make

    def _of(self, item: Any) -> Bed:
        bed = self._beds.get(item)
        if bed is None:
            runner = asyncio.Runner()
            bed = self._beds[item] = runner.run

            def done() -> None:
                del self._beds[item]
                runner.close()

            item.addfinalizer(done)
        return bed


async def _next(generator: Any) -> Any:
    return await anext(generator)


async def _end(generator: Any, name: str) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise RuntimeError(f"the fixture {name} yields more than once")

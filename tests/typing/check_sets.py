"""Dynamic sets keep the types of keys and values."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

import rescind
from rescind import Concurrently, FutureSet, Outcome, Select


async def number() -> int:
    """Return a number."""
    return 1


async def double(text: str) -> bytes:
    """Return bytes for text."""
    return text.encode()


async def texts() -> AsyncIterator[str]:
    """Yield text."""
    yield ""


async def sets() -> None:
    """Keys and values have the types that the set was made for."""
    async with FutureSet[str, int](limit=3) as s:
        assert_type(s, FutureSet[str, int])
        assert_type(s.add(number(), "a"), str)
        assert_type(await s.next(), tuple[str, Outcome[int]] | None)
        assert_type(s.next_nowait(), tuple[str, Outcome[int]] | None)
        assert_type(s.keys(), tuple[str, ...])
        async for key, outcome in s:
            assert_type(key, str)
            assert_type(outcome, Outcome[int])
    async with FutureSet[int, int]() as numbered:
        assert_type(numbered.add(number()), int)


async def selects() -> None:
    """Names are numbers for positional futures, text for named ones."""
    async with rescind.select(number(), number()) as s:
        assert_type(s, Select[int, int])
        assert_type(await s.first(), tuple[int, Outcome[int]])
    async with rescind.select(a=number(), b=number()) as named:
        assert_type(named, Select[str, int])
    async with rescind.select(number(), b=number()) as mixed:
        assert_type(mixed, Select[Any, int])


async def concurrent() -> None:
    """Results have the type of the function's; or are outcomes of it."""
    async with rescind.concurrently(double, ["a"], limit=1) as results:
        assert_type(results, Concurrently[bytes])
        assert_type([r async for r in results], list[bytes])
    async for outcome in rescind.concurrently(double, texts(), limit=1, on_error="outcomes"):
        assert_type(outcome, Outcome[bytes])

"""Combinators keep the types of their arguments."""

from typing import assert_type

import rescind
from rescind import AbortHandle, Canceled, Completed, Error, Outcome, Shared
from rescind.lowlevel import Future


async def number() -> int:
    """Return a number."""
    return 1


async def text() -> str:
    """Return text."""
    return ""


async def joins() -> None:
    """Joining keeps the types of its arguments, in order; many of one type give a tuple of it."""
    assert_type(await rescind.join(number()), tuple[int])
    assert_type(await rescind.join(number(), text()), tuple[int, str])
    assert_type(await rescind.join(number(), text(), number()), tuple[int, str, int])
    assert_type(await rescind.join(text(), text(), number(), number()), tuple[str, str, int, int])
    assert_type(
        await rescind.join(text(), number(), text(), number(), text(), biased=True),
        tuple[str, int, str, int, str],
    )
    assert_type(await rescind.join(*[number(), number()]), tuple[int, ...])


async def all_outcomes() -> None:
    """Each gets an outcome of each type."""
    assert_type(await rescind.outcomes(number()), tuple[Completed[int] | Error | Canceled])
    assert_type(await rescind.outcomes(number(), text()), tuple[Outcome[int], Outcome[str]])
    assert_type(await rescind.outcomes(*[text()]), tuple[Outcome[str], ...])


async def races() -> None:
    """Racing futures of one type gives it."""
    assert_type(rescind.race(number(), number()), Future[int])
    assert_type(await rescind.race(number(), number(), biased=True, grace=1.0), int)
    assert_type(await rescind.race_ok(text(), text()), str)
    assert_type(await rescind.race(*[number()]), int)


async def timeouts() -> None:
    """It gives the type of what it limits."""
    assert_type(await rescind.timeout(number(), 5, grace=None, on_overrun="drop"), int)
    async with rescind.deadline(5) as limit:
        assert_type(limit.expired, bool)
        assert_type(limit.at, float)


async def sharing() -> None:
    """It can be awaited many times; from a future, or from a function of one."""
    assert_type(rescind.shared(number()), Shared[int])
    assert_type(rescind.shared(number), Shared[int])
    assert_type(await rescind.shared(text), str)
    assert_type(rescind.now_or_never(number()), Completed[int] | Error | Canceled | None)
    future, handle = rescind.abortable(number())
    assert_type(future, Future[int])
    assert_type(handle, AbortHandle)


async def cleanups() -> None:
    """The cleanup combinators give the type of the future that they guard."""

    async def use(resource: bytes) -> int:
        return len(resource)

    async def acquire() -> bytes:
        return b""

    def release(resource: bytes) -> None:
        del resource

    assert_type(rescind.bracket(acquire, use, release), Future[int])
    assert_type(await rescind.shield(number()), int)
    assert_type(await rescind.on_cancel(number(), lambda _outcome: None), int)
    assert_type(await rescind.finalize(text(), lambda _outcome: None), str)
    assert_type(await rescind.catch_cancel(number()), Completed[int] | Error | Canceled)
    with rescind.shielded() as gate:
        assert_type(await gate.open(number()), int)


async def simplest() -> None:
    """The simplest futures."""
    assert_type(await rescind.ready(1), int)
    assert_type(await rescind.sleep(0), None)
    assert_type(rescind.now(), float)
    assert_type(await rescind.poll_fn(lambda _cx: 1), int)
    async for at in rescind.interval(1.0):
        assert_type(at, float)

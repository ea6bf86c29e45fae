"""A `KeyboardInterrupt` that comes up in a future runs every cleanup in it, each once."""

from collections.abc import Awaitable, Callable

import pytest

from rescind import Outcome, bracket, finalize, join, never, race, shield, sleep, timeout
from rescind.testing import poll_once, run_virtual


async def _interrupt() -> None:
    await sleep(1)
    raise KeyboardInterrupt


async def _traced(trace: list[str]) -> None:
    try:
        await sleep(100)
    finally:
        trace.append("sibling")


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(lambda trace: join(_traced(trace), _interrupt()), id="join"),
        pytest.param(lambda trace: race(_traced(trace), never(), _interrupt()), id="race"),
        pytest.param(
            lambda trace: shield(timeout(join(_interrupt(), _traced(trace)), 50)), id="nested"
        ),
    ],
)
def test_interrupt_in_one_child_drops_its_siblings_first(
    around: Callable[[list[str]], Awaitable[object]],
) -> None:
    """Siblings end before the parent's own cleanup runs, although a timer still knows them."""
    trace: list[str] = []

    async def main() -> None:
        try:
            await around(trace)
        finally:
            trace.append("parent")

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main)
    assert ["sibling", "parent"] == trace


def test_interrupt_in_a_root_combinator_drops_the_siblings() -> None:
    """The same holds where no coroutine is around the combinator."""
    trace: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_virtual(join(_traced(trace), _interrupt()))
    assert ["sibling"] == trace


def test_interrupt_in_use_releases_the_bracket_once() -> None:
    """What ``acquire`` returned is released."""
    trace: list[str] = []

    async def acquire() -> str:
        return "resource"

    async def use(resource: str) -> None:
        trace.append(f"use {resource}")
        await _interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_virtual(bracket(acquire, use, lambda resource: trace.append(f"release {resource}")))
    assert ["use resource", "release resource"] == trace


def test_interrupt_in_a_finalizer_does_not_run_it_twice() -> None:
    """A finalizer that was begun is not begun anew by the drop that follows."""
    trace: list[str] = []

    def finalizer(outcome: Outcome[None]) -> None:
        trace.append("finalizer")
        raise KeyboardInterrupt

    async def main() -> None:
        await finalize(sleep(1), finalizer)

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main)
    assert ["finalizer"] == trace


def test_interrupt_in_an_async_finalizer_drops_it_once() -> None:
    """What the finalizer had open is closed, and nothing of it runs again."""
    trace: list[str] = []

    async def finalizer(outcome: Outcome[None]) -> None:
        try:
            trace.append("finalizer")
            await _interrupt()
        finally:
            trace.append("closed")

    async def main() -> None:
        await finalize(sleep(1), finalizer)

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main)
    assert ["finalizer", "closed"] == trace


def test_dropping_what_was_finalized_runs_no_finalizer_again() -> None:
    """A drop after the end has no effect."""
    trace: list[Outcome[None]] = []
    future = finalize(_nothing(), trace.append)
    ended = poll_once(future)
    future.drop()
    assert [ended] == trace


async def _nothing() -> None:
    return None

"""A cleanup that overruns inside a combinator is reported once, at the await that is stuck."""

import logging
from collections.abc import Awaitable, Callable

import pytest

import rescind
from rescind.lowlevel import ManualHost


async def stuck() -> None:
    """Hang in the cleanup."""
    try:
        await rescind.never()
    finally:
        await rescind.sleep(1000)  # stuck here


async def outer() -> None:
    """Have the stuck one among the children of a combinator that a coroutine awaits."""
    await rescind.join(stuck(), rescind.never())


STUCK: dict[str, Callable[[], Awaitable[object]]] = {
    "a child of join": lambda: rescind.join(stuck()),
    "a child of a child": lambda: rescind.race(rescind.join(stuck())),
    "a child in a coroutine": outer,
    "shared": lambda: rescind.shared(stuck()).into_future(),
    "behind a timeout": lambda: rescind.timeout(rescind.race(stuck()), 50),
}


@pytest.mark.parametrize("where", STUCK)
def test_overrun_is_reported_once_with_its_place(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """R10: one warning and one entry of the report, which name the innermost await."""

    async def main() -> None:
        task = rescind.spawn(STUCK[where](), name="subject", grace=5)
        await rescind.sleep(1)
        await task.cancel()

    with rescind.Runtime(host=ManualHost()) as runtime:
        with caplog.at_level(logging.WARNING, "rescind"):
            runtime.block_on(main())
        report = runtime.shutdown()
    places = [late.place.rpartition(":")[2].partition(" ")[2] for late in report.earlier]
    stuck_at = [record.getMessage().count("in stuck") for record in caplog.records]
    assert (["in stuck"], [1]) == (places, stuck_at)


def test_tasks_that_wait_for_each_other_end_quietly_at_shutdown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task canceled together with the one it awaits is no failure that nobody joined."""

    async def wait_for(other: list[rescind.Task[None]]) -> None:
        await other[0]

    with caplog.at_level(logging.WARNING, "rescind"):
        with rescind.Runtime(host=ManualHost()) as runtime:
            tasks: list[rescind.Task[None]] = []

            async def main() -> None:
                tasks.append(rescind.spawn(rescind.sleep(1000), name="awaited"))
                rescind.spawn(wait_for(tasks), name="waiting")
                await rescind.sleep(1)

            runtime.block_on(main())
        tasks.clear()
    assert [] == caplog.records


def test_overrun_of_a_timeouts_cleanup_is_in_the_report() -> None:
    """R21, R24: what a timeout drops is recorded like what a task's grace drops."""

    async def main() -> None:
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(stuck(), 1, grace=2)

    with rescind.Runtime(host=ManualHost()) as runtime:
        runtime.block_on(main())
        [late] = runtime.shutdown().earlier
    assert ("<coroutine stuck>", "in stuck", 2.0, False) == (
        late.task,
        late.place.rpartition(":")[2].partition(" ")[2],
        late.seconds,
        late.abandoned,
    )

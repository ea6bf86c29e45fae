"""What the lab knows of a state: its queues, in order; and that it does not know all."""

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

import rescind
from rescind._core.current import local
from rescind.sync import Event, Mutex
from rescind.testing import Choice, Deviate, Lab
from rescind.testing.lab.executor import LabExecutor
from rescind.testing.lab.standing import standing

Main = Callable[[], Coroutine[Any, Any, object]]


class _Watch:
    """Chooses as it is told, and notes what the lab knows, by which tasks are offered."""

    def __init__(self, choices: dict[int, int]) -> None:
        self._inner = Deviate(choices)
        self.found: dict[tuple[str, ...], list[Hashable]] = {}

    def choose(self, options: Sequence[Choice]) -> int:
        """Note it, and choose."""
        lab = local.executor
        assert isinstance(lab, LabExecutor)
        offered = tuple(sorted(option.path[-1] for option in options))
        self.found.setdefault(offered, []).append(standing(lab))
        return self._inner.choose(options)


def seen(
    main: Main, choices: dict[int, int] | None = None
) -> dict[tuple[str, ...], list[Hashable]]:
    """Return what was known at each choice, by the ends of the paths that were offered."""
    watch = _Watch(choices or {})
    Lab(main, schedule=watch).run().unwrap()
    return watch.found


async def _yields() -> None:
    await rescind.yield_now()


async def four() -> None:
    """Four tasks that yield."""
    async with rescind.task_group() as g:
        for _ in range(4):
            g.spawn(_yields())


def test_the_same_run_is_the_same_state() -> None:
    """Nothing in it depends on addresses, or on anything but the run."""
    assert seen(four) == seen(four)
    assert all(None not in found for found in seen(four).values())


def test_the_order_of_those_who_yielded_counts() -> None:
    """With the second task stepped first, the other two are offered in another state."""
    plain, other = seen(four)["3", "4"][0], seen(four, {0: 1})["3", "4"][0]

    assert plain != other


def test_the_order_of_those_who_are_ready_counts() -> None:
    """Two that a third one has woken, in either order: the same tasks are ready."""

    async def waits(event: Event, delay: float) -> None:
        await rescind.sleep(delay)
        await event.wait()

    async def main(first: int) -> None:
        events = [Event(), Event()]
        async with rescind.task_group() as g:
            for event in events:
                g.spawn(waits(event, 1))
            await rescind.sleep(2)
            events[first].set()
            events[1 - first].set()

    plain, other = seen(lambda: main(0))["1", "2"][-1], seen(lambda: main(1))["1", "2"][-1]

    assert None not in (plain, other)
    assert plain != other


def test_how_long_timers_have_left_counts() -> None:
    """The same tasks sleep, with each other's time."""

    async def main(first: float, second: float) -> None:
        async with rescind.task_group() as g:
            g.spawn(rescind.sleep(first))
            g.spawn(rescind.sleep(second))
            await rescind.sleep(1)
            for _ in range(2):
                g.spawn(_yields())

    plain, other = seen(lambda: main(5, 6))["3", "4"][0], seen(lambda: main(6, 5))["3", "4"][0]

    assert None not in (plain, other)
    assert plain != other


def test_a_line_of_several_is_not_known() -> None:
    """Who is first at a mutex, nobody can see; of one who waits there is no order."""

    async def wants(mutex: Mutex) -> None:
        async with mutex:
            pass

    async def main(waiting: int) -> None:
        mutex = Mutex()
        async with mutex:
            tasks = [rescind.spawn(wants(mutex)) for _ in range(waiting)]
            await rescind.sleep(1)
            others = [rescind.spawn(_yields()) for _ in range(2)]
            await rescind.sleep(1)
        for task in (*tasks, *others):
            await task.join()

    assert seen(lambda: main(1))["2", "3"][0] is not None
    assert seen(lambda: main(2))["3", "4"][0] is None


def test_several_children_are_not_known() -> None:
    """In which order they were woken, nobody can see."""

    async def main() -> None:
        event = Event()
        joined = rescind.spawn(rescind.join(event.wait(), event.wait()))
        await rescind.sleep(1)
        others = [rescind.spawn(_yields()) for _ in range(2)]
        await rescind.sleep(1)
        event.set()
        for task in (joined, *others):
            await task.join()

    assert seen(main)["2", "3"][0] is None


def test_a_timer_of_somebody_else_is_not_known() -> None:
    """A grace that runs is the timer of no task."""

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(2)

    async def main() -> None:
        task = rescind.spawn(slow())
        await rescind.sleep(1)
        canceled = task.cancel("now")
        others = [rescind.spawn(_yields()) for _ in range(2)]
        await canceled
        for other in others:
            await other.join()

    assert {seen(main)["1", "2", "3"][0], seen(main)["2", "3"][0]} == {None}

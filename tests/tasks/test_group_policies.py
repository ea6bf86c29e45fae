"""What a group does about children that fail: collect, policies of the user's own, the limit."""

import logging
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, GroupPolicy, Task, task_group
from tests.conftest import HostFactory
from tests.core.kit import Bench, Leaf
from tests.tasks.group_kit import Boom, CleanupBoom, World, errors_of, settle, spawn_all, virtual


def test_collect_cancels_nobody_and_raises_all_at_the_end() -> None:
    """In the order of occurrence; the errors of cleanups too."""
    one, two, cleanup = Boom("one"), Boom("two"), CleanupBoom()
    world = World()

    async def main() -> None:
        async with task_group(policy="collect", name="g") as g:
            tasks = spawn_all(
                g,
                world.work("a", 3, fails=two),
                world.work("b", 1, fails=one),
                world.work("c", 9, cleanup_fails=cleanup),
                world.work("d", 4),
            )
            await rescind.sleep(2)
            tasks[2].cancel()
            world.note("body over")

    outcome = virtual(main)

    assert [one, cleanup, two] == errors_of(outcome)
    assert "3 failures in group 'g' (3 sub-exceptions)" == str(outcome.exception)  # type: ignore[union-attr]
    assert "4 -d" == world.trace[-1]


def test_an_exception_of_the_body_cancels_the_children_under_every_policy() -> None:
    """Nobody is left who could steer them."""
    for policy in ("fail_fast", "collect", "supervise"):
        world = World()
        boom = Boom()

        async def main(policy: Any = policy, world: World = world, boom: Boom = boom) -> None:
            async with task_group(policy=policy) as g:
                g.spawn(world.work("a", 9))
                await rescind.sleep(1)
                raise boom

        assert [boom] == errors_of(virtual(main))
        assert ["0 +a", "1 !a sibling failed", "1 -a"] == world.trace


class Tolerant(GroupPolicy):
    """Two failures are borne; the third cancels."""

    def __init__(self, raises: bool = True) -> None:
        self.raises = raises
        self.seen: list[str] = []

    def cancels(self, task: Task[Any], exception: BaseException) -> bool:
        self.seen.append(f"{task.name}: {exception}")
        return len(self.seen) == 3


@pytest.mark.parametrize("raises", [True, False])
def test_a_policy_of_ones_own_decides_when_to_cancel(
    raises: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked once for each failure; what it does not raise is logged."""
    policy = Tolerant(raises)
    booms = [Boom(str(number)) for number in range(3)]
    world = World()

    async def main() -> float:
        async with task_group(policy=policy) as g:
            spawn_all(
                g,
                *(world.work("x", n, fails=boom) for n, boom in enumerate(booms)),
                world.work("long", 9),
            )
        return rescind.now()

    with caplog.at_level(logging.ERROR, "rescind"):
        outcome = virtual(main)

    assert ["a: 0", "b: 1", "c: 2"] == policy.seen
    assert "2 -long" == world.trace[-1]
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    if raises:
        assert (booms, []) == (errors_of(outcome), logged)
    else:
        assert (Completed(2.0), booms) == (outcome, logged)


def test_a_policy_that_fails_cancels_the_group_and_is_raised() -> None:
    """Its own error is not lost, and disturbs nobody's end."""

    class Broken(GroupPolicy):
        def cancels(self, task: Task[Any], exception: BaseException) -> bool:
            raise ZeroDivisionError

    async def main() -> None:
        async with task_group(policy=Broken()) as g:
            spawn_all(g, rescind.never(), World().work("b", 1, fails=Boom()))

    assert [Boom, ZeroDivisionError] == [type(error) for error in errors_of(virtual(main))]


def test_an_exception_whose_repr_fails_is_still_named() -> None:
    """The reason of the siblings falls back to its class."""

    class Unspeakable(Exception):
        def __repr__(self) -> str:
            raise ValueError

    tasks: list[Any] = []

    async def main() -> None:
        async with task_group() as g:
            tasks.extend(spawn_all(g, rescind.never(), World().work("b", 1, fails=Unspeakable())))

    assert 1 == len(errors_of(virtual(main)))
    assert "Unspeakable" in tasks[0].cancel_reasons[0].message


# ------------------------------------------------------------------------------------------ limits


def test_no_more_than_the_limit_run_at_once_and_the_others_wait_in_line() -> None:
    """First come, first served; the bodies of those that wait have not begun."""
    world = World()

    async def main() -> None:
        async with task_group(limit=2) as g:
            spawn_all(g, *(world.work(name, 1) for name in "abcde"))

    virtual(main)

    assert ["0 +a", "0 +b", "1 -a", "1 -b", "1 +c", "1 +d", "2 -c", "2 -d", "2 +e", "3 -e"] == (
        world.trace
    )


def test_places_by_hand() -> None:
    """The full count of polls: one that waits is polled only when it is given the place."""
    leaves = [Leaf(name) for name in "abc"]

    async def main() -> None:
        async with task_group(limit=1) as g:
            for leaf in leaves:
                g.spawn(leaf)

    with Bench() as bench:
        bench.spawn(main())
        bench.idle()
        seen = [[list(leaf.trace) for leaf in leaves]]
        leaves[0].complete()
        bench.idle()
        seen.append([list(leaf.trace) for leaf in leaves])
        leaves[1].complete()
        leaves[2].complete()
        bench.idle()
        seen.append([list(leaf.trace) for leaf in leaves])

    a, b, c = "a: poll", "b: poll", "c: poll"
    assert [[[a], [], []], [[a, a], [b], []], [[a, a], [b, b], [c]]] == seen


def test_a_child_canceled_while_it_waits_never_begins() -> None:
    """It leaves the line, what it owns is closed, and those behind it move up."""
    world = World()
    closed: list[str] = []

    class Resource:
        async def aclose(self) -> None:
            closed.append(f"{rescind.now():g}")

    async def main() -> Any:
        async with task_group(limit=1) as g:
            g.spawn(world.work("a", 2))
            waiting = g.spawn(world.work("b", 1), owned=[Resource()])
            g.spawn(world.work("c", 1))
            await rescind.sleep(1)
            waiting.cancel()
        return waiting.outcome()

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert isinstance(outcome.value, Canceled)
    assert ["0 +a", "2 -a", "2 +c", "3 -c"] == world.trace
    assert ["1"] == closed


@pytest.mark.parametrize("how", ["cancel", "drop"])
def test_a_place_given_to_one_that_is_canceled_goes_to_the_next(how: str) -> None:
    """U3: given, but not taken up when the request comes: no place is lost."""
    leaves = [Leaf(name) for name in "abc"]

    async def main() -> None:
        async with task_group(limit=1) as g:
            tasks.extend(g.spawn(leaf) for leaf in leaves)

    tasks: list[Task[Any]] = []
    with Bench() as bench:
        bench.spawn(main())
        bench.idle()
        tasks[0].on_end(lambda _: tasks[1].cancel(**({} if how == "cancel" else {"grace": 0})))
        leaves[0].complete()
        bench.idle()
        seen = [list(leaf.trace) for leaf in leaves]
        leaves[2].complete()
        bench.idle()
        assert [] == bench.runtime.tasks()

    assert [["a: poll", "a: poll"], ["b: drop"], ["c: poll"]] == [
        [line for line in trace if line != "b: cancel"] for trace in seen
    ]


def test_a_place_is_kept_until_the_cleanup_is_done() -> None:
    """U1: one that is being canceled still runs."""
    world = World()

    async def main() -> None:
        async with task_group(limit=1) as g:
            first = g.spawn(world.work("a", 9, cleanup=2))
            g.spawn(world.work("b", 1))
            await rescind.sleep(1)
            first.cancel()

    virtual(main)

    assert ["0 +a", "1 !a explicit", "3 -a", "3 +b", "4 -b"] == world.trace


def test_daemons_take_no_place() -> None:
    """Else one of them would keep the others waiting for ever."""
    world = World()

    async def main() -> None:
        async with task_group(limit=1) as g:
            g.spawn(world.work("d", 9), daemon=True)
            g.spawn(world.work("a", 1))

    virtual(main)

    assert ["0 +d", "0 +a", "1 -a", "1 !d group exit", "1 -d"] == world.trace


def test_a_canceled_group_lets_nobody_begin(host: HostFactory) -> None:
    """All that wait are canceled unbegun, whatever their number."""
    begun: list[int] = []

    async def body(number: int) -> None:
        begun.append(number)
        await rescind.never()

    async def main() -> tuple[int, int]:
        async with task_group(limit=3) as g:
            for number in range(100):
                g.spawn(body(number))
            await settle()
            g.cancel()
        stats = g.statistics()
        return stats.canceled, stats.waiting

    with host() as runtime:
        assert (100, 0) == runtime.block_on(main())

    assert [0, 1, 2] == begun

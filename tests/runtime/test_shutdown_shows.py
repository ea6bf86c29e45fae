"""Ten thousand tasks in every state there is, one shutdown, and exactly those that overran."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, Runtime, Task
from rescind.lowlevel import PENDING, Context, Future, ManualHost
from tests.conftest import HostFactory

GRACE = 5.0
MANY = 10_000


@dataclass
class World:
    """What the tasks do to each other and to the outside, and how often they were finished."""

    tasks: dict[str, list[Task[Any]]] = field(default_factory=dict)
    finished: int = 0
    asyncio: bool = False


class Leaf(Future[None]):
    """A hand-written future that wakes itself as it is dropped."""

    def poll(self, cx: Context) -> Any:
        self.waker = cx.waker
        return PENDING

    def drop(self) -> None:
        self.waker.wake()


class Broken(Exception):
    """What a cleanup raises."""


async def cleaning(world: World, seconds: float) -> None:
    """Clean up for this long."""
    try:
        await rescind.never()
    finally:
        await rescind.sleep(seconds)
        world.finished += 1


async def parked_on_sleep(world: World) -> None:
    """Sleep."""
    try:
        await rescind.sleep(1e6)
    finally:
        world.finished += 1


async def parked_on_asyncio(world: World) -> None:
    """Await an asyncio future, where there are any."""
    try:
        if world.asyncio:
            await asyncio.sleep(1e6)
        else:
            await rescind.never()
    finally:
        world.finished += 1


async def shielded_for_a_while(world: World) -> None:
    """Hold the cancellation off for a moment."""
    await rescind.shield(rescind.sleep(0.01))
    await rescind.never()


async def shielded_for_ever(_: World) -> None:
    """Hold the cancellation off without an end."""
    with rescind.shielded():
        await rescind.never()


async def in_a_race(world: World) -> None:
    """Have three children in a race."""
    await rescind.race(cleaning(world, 0.01), cleaning(world, 0.02), rescind.sleep(1e6))


async def in_a_join_in_a_timeout(world: World) -> None:
    """Have children two levels down."""
    await rescind.timeout(rescind.join(cleaning(world, 0.01), parked_on_sleep(world)), 1e6)


async def hanging(_: World) -> None:
    """Hang in the cleanup."""
    try:
        await rescind.never()
    finally:
        await rescind.sleep(1e6)


async def hanging_in_a_race(world: World) -> None:
    """Have a child that hangs in its cleanup."""
    await rescind.race(hanging(world), parked_on_sleep(world))


async def stubborn(_: World) -> None:
    """Take no notice of anything, three times."""
    for _again in range(3):
        try:
            await rescind.never()
        except BaseException:
            pass


async def raising(world: World) -> None:
    """Fail in the cleanup."""
    try:
        await rescind.never()
    finally:
        await rescind.yield_now()
        raise Broken


async def absorbing(_: World) -> str:
    """Return a value all the same."""
    try:
        await rescind.never()
    except rescind.Cancellation:
        return "anyway"
    raise AssertionError


async def working_on(_: World) -> None:
    """Go on working."""
    while True:
        try:
            await rescind.sleep(1.0)
        except rescind.Cancellation:
            pass


async def joining(world: World, name: str, shift: int = 1) -> None:
    """Wait in the cleanup for a task of this kind: mine, shifted."""
    try:
        await rescind.never()
    finally:
        me = rescind.current_task()
        number = int(me.name.rpartition(" ")[2])
        others = world.tasks[name]
        await others[(number + shift) % len(others)].join()


async def joining_a_hanging_one(world: World) -> None:
    """Wait for one that overruns."""
    await joining(world, "hanging", 0)


async def joining_a_victim(world: World) -> None:
    """Wait for one that waits for one that overruns."""
    await joining(world, "joining_a_hanging_one", 0)


async def joining_in_a_circle(world: World) -> None:
    """Wait for the next of this kind, as all of them do."""
    await joining(world, "joining_in_a_circle")


async def joining_a_good_one(world: World) -> None:
    """Wait for one that ends."""
    await joining(world, "clean", 0)


async def spawning(_: World) -> None:
    """Spawn in the cleanup."""
    try:
        await rescind.never()
    finally:
        assert isinstance(await rescind.spawn(rescind.never()).join(), Canceled)


async def canceling_others(world: World) -> None:
    """Cancel others in the cleanup."""
    try:
        await rescind.never()
    finally:
        for task in world.tasks["clean"][:3]:
            task.cancel("you too")


async def clean(world: World) -> None:
    """Clean up for a moment."""
    await cleaning(world, 0.01)


async def hand_written(_: World) -> None:
    """Await a future that is written by hand."""
    await Leaf()


Kind = Callable[[World], Any]

GOOD: list[Kind] = [
    clean,
    parked_on_sleep,
    parked_on_asyncio,
    shielded_for_a_while,
    in_a_race,
    in_a_join_in_a_timeout,
    raising,
    absorbing,
    joining_a_good_one,
    spawning,
    canceling_others,
    hand_written,
]
LATE: list[Kind] = [
    hanging,
    hanging_in_a_race,
    stubborn,
    working_on,
    joining_in_a_circle,
    shielded_for_ever,
]
VICTIMS: list[Kind] = [joining_a_hanging_one, joining_a_victim]


def populate(runtime: Runtime, world: World, each: int) -> None:
    """Spawn as many of each kind; let them park; then some that are never polled."""
    for kind in (*GOOD, *LATE, *VICTIMS):
        name = kind.__name__
        world.tasks[name] = [
            runtime.spawn(kind(world), name=f"{name} {number}") for number in range(each)
        ]
    for _ in range(4):
        runtime.block_on(rescind.yield_now())
    world.tasks["never_polled"] = [
        runtime.spawn(clean(world), name=f"never_polled {number}") for number in range(each)
    ]


def check(runtime: Runtime, world: World, each: int) -> None:
    """Compare the report and each outcome with what each kind has to become."""
    report = runtime.report
    assert report is not None
    everybody = [task for tasks in world.tasks.values() for task in tasks]
    assert report.canceled == len(everybody)
    assert runtime.tasks() == []
    assert [task for task in everybody if not task.done()] == []

    def ids(kinds: list[Kind]) -> list[int]:
        return sorted(task.id for kind in kinds for task in world.tasks[kind.__name__])

    overran = {late.id for late in report.overran}
    assert sorted(number for number in overran if number is not None) == ids(LATE)
    assert sorted(late.id or 0 for late in report.held_up) == ids(VICTIMS)
    assert sorted(error.id or 0 for error in report.errors) == ids([raising])
    assert (report.abandoned, report.dropped) == (each, each * (len(LATE) + len(VICTIMS)))
    for late in report.overran:
        assert late.stack, late
        assert late.seconds == pytest.approx(GRACE, abs=0.5) or world.asyncio
    for task in world.tasks["absorbing"]:
        assert task.outcome() == Completed("anyway")
    for name in (kind.__name__ for kind in (*LATE, *VICTIMS)):
        for task in world.tasks[name]:
            outcome = task.outcome()
            assert isinstance(outcome, Canceled)
            assert (outcome.dropped, outcome.abandoned) == (True, name == "stubborn")
    # clean, sleep, asyncio; 2 in the race; 2 in the join
    assert world.finished >= 7 * each


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ten_thousand_tasks_in_mixed_states_end_within_the_grace_in_virtual_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Exactly those that overran are reported; none of their victims is."""
    caplog.set_level("CRITICAL", "rescind")
    world = World()
    each = MANY // (len(GOOD) + len(LATE) + len(VICTIMS) + 1)
    runtime = Runtime(host=ManualHost(), grace=GRACE)
    populate(runtime, world, each)
    report = runtime.shutdown("the show")
    assert report.seconds == GRACE
    check(runtime, world, each)
    assert len(str(report).splitlines()) < 120


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_the_same_in_real_time(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """On a loop, with a bound on the host's own clock."""
    caplog.set_level("CRITICAL", "rescind")
    world = World(asyncio=True)
    each = 100
    runtime = Runtime(host=name, grace=2.0)  # type: ignore[arg-type]
    populate(runtime, world, each)
    began = runtime.now()
    report = runtime.shutdown("the show")
    assert 2.0 - 1e-6 <= report.seconds <= runtime.now() - began < 30.0
    check(runtime, world, each)


def test_the_same_for_an_attached_runtime(caplog: pytest.LogCaptureFixture) -> None:
    """On somebody else's loop, which goes on meanwhile and afterwards."""
    caplog.set_level("CRITICAL", "rescind")
    world = World(asyncio=True)
    each = 20
    ticks = 0

    async def ticking() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main() -> Runtime:
        other = asyncio.get_running_loop().create_task(ticking())
        async with Runtime.attach(grace=1.5) as runtime:
            for kind in (*GOOD, *LATE, *VICTIMS):
                world.tasks[kind.__name__] = [
                    runtime.spawn(kind(world), name=f"{kind.__name__} {number}")
                    for number in range(each)
                ]
            await asyncio.sleep(0.05)
        before = ticks
        await asyncio.sleep(0.05)
        assert ticks > before > 0
        other.cancel()
        return runtime

    check(asyncio.run(main()), world, each)


def test_the_same_at_once(host: HostFactory, caplog: pytest.LogCaptureFixture) -> None:
    """With ``grace=0`` nothing awaits any more, and every task ends all the same."""
    caplog.set_level("CRITICAL", "rescind")
    threads = set(threading.enumerate())  # others' may be there all the time, a worker's say
    world = World(asyncio=host.name != "manual")
    runtime = host()
    populate(runtime, world, 20)
    before = runtime.now()
    report = runtime.shutdown(grace=0)
    assert runtime.now() - before < 5.0
    assert [task for tasks in world.tasks.values() for task in tasks if not task.done()] == []
    assert (report.canceled, set(threading.enumerate()) - threads) == (20 * 21, set())

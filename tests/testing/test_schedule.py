"""Schedules: what is chosen, and which orders are reached."""

import itertools
from collections.abc import Callable, Hashable, Sequence

import pytest

import rescind
from rescind.sync import Event, Mutex
from rescind.testing import (
    Choice,
    Deviate,
    Exhaustive,
    Fifo,
    Lab,
    Pct,
    RandomOrder,
    Replay,
    run_virtual,
)
from tests.testing.programs import run, three


def test_fifo_is_the_order_of_the_runtime() -> None:
    """With `Fifo` a program says what it says on the manual host (X1)."""
    assert run_virtual(three(3)).unwrap() == run(three(3), schedule=Fifo()).unwrap()


def test_timers_fire_before_tasks_run_in_fifo_order() -> None:
    """Timers that are due at once fire in order, and only then is who they wake stepped."""
    order: list[str] = []

    async def sleeper(name: str) -> None:
        await rescind.sleep(1)
        order.append(name)
        await rescind.yield_now()
        order.append(name)

    async def main() -> None:
        async with rescind.task_group() as g:
            for name in "abc":
                g.spawn(sleeper(name))

    run(main)

    assert list("abcabc") == order


def test_a_timer_that_is_due_may_come_after_a_task_that_is_ready() -> None:
    """A deviation lets the first sleeper run before the timer of the second fires."""
    orders: set[str] = set()
    said: list[str] = []

    async def sleeper(name: str) -> None:
        await rescind.sleep(1)
        said.append(name)
        await rescind.yield_now()
        said.append(name)

    async def main() -> str:
        said.clear()
        async with rescind.task_group() as g:
            g.spawn(sleeper("a"))
            g.spawn(sleeper("b"))
        return "".join(said)

    for schedule in Exhaustive(2):
        orders.add(Lab(main, schedule=schedule).run().unwrap())

    assert {"abab", "baba", "aabb"} <= orders


def test_every_order_is_reached_without_a_bound() -> None:
    """Three tasks of two steps each interleave in ninety ways; each is made."""
    said = {Lab(three(2), schedule=s, trace=False).run().unwrap() for s in Exhaustive(None)}

    # A task that yields runs after the others of its turn: two turns of three, in any order.
    assert 36 == len(said)


@pytest.mark.parametrize(("bound", "expected"), [(0, 1), (1, 4), (2, 6)])
def test_deviations_are_bounded(bound: int, expected: int) -> None:
    """With a bound, only so many choices differ from the runtime's."""
    said = {Lab(three(), schedule=schedule).run().unwrap() for schedule in Exhaustive(bound)}

    assert expected == len(said)


def test_no_schedule_is_made_twice() -> None:
    """Each set of deviations is tried once."""
    tried = [Lab(three(), schedule=schedule).run().choices for schedule in Exhaustive(None)]

    assert len(tried) == len(set(tried)) == 6


def test_random_orders_depend_on_the_seed_alone() -> None:
    """The same seed gives the same choices; other seeds give other orders."""

    def order(seed: int) -> str:
        said: str = run(three(3), schedule=RandomOrder(seed)).unwrap()
        return said

    assert [order(seed) for seed in range(8)] == [order(seed) for seed in range(8)]
    assert len({order(seed) for seed in range(8)}) > 4


class _Option:
    def __init__(self, path: str) -> None:
        self.path = path


def _options(*paths: str) -> Sequence[Choice]:
    return [_Option(path) for path in paths]


def test_pct_of_depth_one_never_changes_its_mind() -> None:
    """Without change points the same task stays the first."""
    schedule = Pct(1, seed=3)
    options = _options("root/1", "root/2", "root/3")

    assert 1 == len({schedule.choose(options) for _ in range(50)})


def test_pct_lowers_the_highest_at_a_change_point() -> None:
    """With one change point among the choices, the order changes once, and for good."""
    schedule = Pct(2, seed=5, steps=20)
    options = _options("root/1", "root/2")
    chosen = [schedule.choose(options) for _ in range(20)]

    assert {0, 1} == set(chosen)
    assert 1 == sum(before != after for before, after in itertools.pairwise(chosen))


def test_pct_puts_each_next_one_below_all() -> None:
    """Who is lowered second comes after who was lowered first."""
    schedule = Pct(3, seed=7, steps=2)
    options = _options("root/1", "root/2", "root/3")
    second = options[schedule.choose(options)]
    third = options[schedule.choose(options)]
    (first,) = [option for option in options if option not in (second, third)]

    assert 1 == schedule.choose([second, first])
    assert 0 == schedule.choose([first, second])


def test_pct_needs_a_depth() -> None:
    """A depth below 1 is refused."""
    with pytest.raises(ValueError, match="depth must be at least 1, not 0"):
        Pct(0, seed=1)


def test_choices_of_a_run_replay_it() -> None:
    """What a run chose, given to `Replay`, makes the same run."""
    first = run(three(3), schedule=RandomOrder(11))
    again = run(three(3), schedule=Replay(first.choices))

    assert first.signature() == again.signature()
    assert first.trace == again.trace


def test_a_replay_that_does_not_fit_is_refused() -> None:
    """A choice that is not offered says that the program has changed."""
    with pytest.raises(rescind.UsageError, match="choice 0 of this replay takes option 7"):
        run(three(), schedule=Replay([7]))


def test_a_deviation_that_is_not_offered_is_none() -> None:
    """`Deviate` takes what there is: it is for shrinking."""
    assert "abc" == run(three(), schedule=Deviate({0: 9})).unwrap()


class _Counters:
    """Tasks that add to one number, in two steps each; in which order shows in what comes out."""

    def __init__(self, tasks: int, times: int, state: Callable[[], Hashable] | None = None) -> None:
        self.tasks, self.times = tasks, times
        self.state = self.whole if state is None else state
        self.number = 0
        self.done: list[tuple[int, int | None]] = []

    async def _add(self, index: int) -> None:
        for time in range(self.times):
            seen = self.number
            self.done[index] = (time, seen)
            await rescind.yield_now()
            self.number = (self.number * 3 + seen + index) % 101
        self.done[index] = (self.times, None)

    async def main(self) -> int:
        """Start anew; return what the number is in the end."""
        self.number = 0
        self.done = [(-1, None)] * self.tasks
        async with rescind.task_group() as g:
            for index in range(self.tasks):
                g.spawn(self._add(index))
        return self.number

    def whole(self) -> Hashable:
        """Return all that decides how it goes on."""
        return (self.number, *self.done)

    def explored(self, deviations: int | None, *, pruned: bool) -> tuple[set[int], int]:
        """Return the numbers that are reached, and in how many runs."""
        schedules = Exhaustive(deviations, state=self.state if pruned else None)
        found = [Lab(self.main, schedule=one, trace=False).run().unwrap() for one in schedules]
        return set(found), len(found)


@pytest.mark.parametrize("deviations", [None, 1, 2, 3, 4])
@pytest.mark.parametrize(("tasks", "times"), [(2, 3), (3, 2)])
def test_a_state_that_was_seen_is_not_followed_again(
    deviations: int | None, tasks: int, times: int
) -> None:
    """With the whole state the same outcomes are reached, in fewer runs."""
    program = _Counters(tasks, times)
    everything, all_runs = program.explored(deviations, pruned=False)
    found, runs = program.explored(deviations, pruned=True)

    assert everything == found
    assert runs < all_runs or deviations == 1


def test_an_unknown_state_is_followed() -> None:
    """None means that nothing may be left out there."""
    program = _Counters(2, 2, lambda: None)

    assert program.explored(None, pruned=True) == program.explored(None, pruned=False)


def test_what_a_state_leaves_out_may_be_missed() -> None:
    """This is why no state is compared unless somebody vouches for it: 0 is not all there is."""
    program = _Counters(2, 2, lambda: ())
    found, _ = program.explored(None, pruned=True)

    assert found < program.explored(None, pruned=False)[0]


def test_with_fewer_deviations_left_a_state_is_followed_again() -> None:
    """A state that was followed with one deviation left is followed once more with two."""
    program = _Counters(3, 2)

    assert program.explored(4, pruned=True)[0] == program.explored(4, pruned=False)[0]


@pytest.mark.parametrize("deviations", [1, 2, 3])
def test_who_has_yielded_is_the_labs_to_know(deviations: int) -> None:
    """In which order the others come next is part of the state, though no program can tell."""
    program = _Counters(4, 2)
    everything, runs = program.explored(deviations, pruned=False)

    assert everything == program.explored(deviations, pruned=True)[0]
    assert runs > 10


def test_timers_are_the_labs_to_know() -> None:
    """Two sleepers, each of which may be the first to go on: who has how long left is not lost."""
    said: list[str] = []

    async def sleeper(name: str, first: float, second: float) -> None:
        await rescind.sleep(first)
        said.append(name)
        await rescind.sleep(second)
        said.append(name)

    async def main() -> str:
        said.clear()
        async with rescind.task_group() as g:
            g.spawn(sleeper("a", 1, 1))
            g.spawn(sleeper("b", 1, 2))
            g.spawn(rescind.race(sleeper("c", 1, 1), rescind.sleep(2)))
        return "".join(said)

    def found(schedules: Exhaustive) -> set[str]:
        return {Lab(main, schedule=one, trace=False).run().unwrap() for one in schedules}

    for deviations in (1, 2):
        pruned = Exhaustive(deviations, state=lambda: "".join(said))
        assert found(Exhaustive(deviations)) == found(pruned)


def test_a_line_of_several_is_nothing_the_lab_knows() -> None:
    """Who waits first at a mutex is seen by nobody, so nothing is pruned while two are waiting."""
    said: list[str] = []

    async def wants(mutex: Mutex, name: str) -> None:
        async with mutex:
            said.append(name)

    async def main() -> str:
        said.clear()
        mutex = Mutex()
        async with rescind.task_group() as g, mutex:
            for name in "abc":
                g.spawn(wants(mutex, name))
            await rescind.sleep(1)
        return "".join(said)

    def found(schedules: Exhaustive) -> set[str]:
        return {Lab(main, schedule=one, trace=False).run().unwrap() for one in schedules}

    everything = found(Exhaustive(None))

    assert 6 == len(everything)
    assert everything == found(Exhaustive(None, state=lambda: "".join(said)))


def test_children_that_were_woken_are_nothing_the_lab_knows() -> None:
    """In which order the children of a join go on is seen by nobody either."""
    said: list[str] = []

    async def child(event: Event, name: str) -> None:
        await event.wait()
        said.append(name)

    async def sets(event: Event) -> None:
        event.set()

    async def main() -> str:
        said.clear()
        one, other = Event(), Event()
        async with rescind.task_group() as g:
            g.spawn(rescind.join(child(one, "a"), child(other, "b")))
            await rescind.sleep(1)
            for event in (one, other, Event()):
                g.spawn(sets(event))
        return "".join(said)

    def found(schedules: Exhaustive) -> set[str]:
        return {Lab(main, schedule=one, trace=False).run().unwrap() for one in schedules}

    everything = found(Exhaustive(None))

    assert {"ab", "ba"} == everything
    assert everything == found(Exhaustive(None, state=lambda: "".join(said)))

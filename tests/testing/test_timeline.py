"""The timeline: lifelines, marks, shields, width."""

import pytest

import rescind
from rescind.testing import Injection, Instant, Kind, Lab, Spot, timeline
from tests.testing.programs import run


async def _shielded() -> None:
    with rescind.shielded():
        await rescind.sleep(1)
    await rescind.sleep(1)


async def _main() -> None:
    await rescind.spawn(_shielded(), name="shielded").join()


def _canceled() -> list[str]:
    spot = Spot("root/1", "_shielded+2", 1, Instant.PARKED)
    made = Lab(_main, injections=[Injection(spot, Kind.TASK)]).run()
    return [line[14:] for line in timeline(made).splitlines()]


def test_a_shield_holds_a_cancellation_back_in_sight() -> None:
    """Where the cancellation waits, the line says so, and the lifeline is a double one."""
    lines = _canceled()

    assert "main      shielded" == lines[0]
    assert lines[2].startswith("│         ● waits at test_timeline.py:12 in a shield for sleep(1)")
    assert lines[3].startswith("│         ✂ TASK CANCEL, PARKED, at test_timeline.py:12")
    held = "│         ✗ the cancellation is held back by a shield; waits at test_timeline.py:12 in"
    assert lines[4].startswith(held)
    assert lines[5].startswith("│         ║   ")
    assert any("■ wakes main; canceled (explicit)" in line for line in lines)


def test_a_task_has_no_lifeline_before_it_is_spawned_and_after_its_end() -> None:
    """Left of a line stands only who is alive."""

    async def quick() -> None:
        await rescind.yield_now()

    async def main() -> None:
        await rescind.spawn(quick(), name="first")
        await rescind.spawn(quick(), name="second")

    lines = timeline(run(main)).splitlines()
    spawns = next(line for line in lines if "spawns second" in line)
    ends = next(line for line in reversed(lines) if "■ wakes main" in line)

    assert spawns[14:].startswith("● spawns second")
    assert ends[14:].startswith("│               ■")


def test_a_cleanup_shows_as_such_while_others_act() -> None:
    """Who cleans up has a dotted lifeline."""

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(1)

    async def main() -> None:
        task = rescind.spawn(slow(), name="slow")
        other = rescind.spawn(rescind.sleep(0.5), name="other")
        await rescind.yield_now()
        task.cancel("enough")
        await other
        await task.join()

    lines = timeline(run(main)).splitlines()

    assert any(line[14:].startswith("│      ┆      ■") for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 30])
@pytest.mark.parametrize("count", [1, 6, 15])
def test_no_line_is_too_long_as_long_as_there_is_room(width: int, count: int) -> None:
    """Columns shrink with the number of tasks; what is too long is wrapped."""

    async def main() -> None:
        async with rescind.task_group(name="many") as g:
            for number in range(count):
                g.spawn(rescind.sleep(number), name=f"a task with the number {number}")

    lines = timeline(run(main), width=width).splitlines()

    # With fifteen columns of three characters, twenty are left for words, in any case.
    assert max(map(len, lines)) <= max(width, 60) + (30 if count > 10 else 0)


def test_names_that_are_too_long_are_cut() -> None:
    """The header keeps its columns apart."""

    async def main() -> None:
        async with rescind.task_group() as g:
            for number in range(9):
                g.spawn(rescind.sleep(1), name=f"number {number} of nine")

    header = timeline(run(main)).splitlines()[0]

    assert ("main  " + "numb… " * 9).rstrip() == header[14:]

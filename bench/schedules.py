"""Schedules that the lab explores in a second: `python -m bench.schedules`; see docs/testing.md.

*What it is.* Short programs, explored over and over: of the first two every order, of the third
cancellations too. A run is all of it: the runtime of its own that it has, the program, what it
noted, the judgement, and the search for the next. What is told is CPU time of one core, the median
of the rounds (docs/design/0050), in the form of rescind that is found.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any, Final

import rescind
from rescind._core.form import compiled
from rescind.sync import Mutex
from rescind.testing import Bounds, Lab, explore

__all__ = ["PROGRAMS", "Program", "Rate", "main", "measure"]


@dataclass(frozen=True)
class Program:
    """What is explored.

    Args:
        about: for a reader.
        main: the program.
        bounds: how far.
    """

    about: str
    main: Callable[[], Coroutine[Any, Any, None]]
    bounds: Bounds


@dataclass(frozen=True)
class Rate:
    """What was measured of a program.

    Args:
        tasks: in a run, main among them.
        steps: of the plain run.
        runs: how many an exploration has.
        each_second: how many were made in a second of CPU time; the median of the rounds.
    """

    tasks: int
    steps: int
    runs: int
    each_second: float


async def _ready() -> None:
    tasks = [rescind.spawn(rescind.ready(number)) for number in range(4)]
    for task in tasks:
        await task


async def _yielding() -> None:
    async def twice() -> None:
        await rescind.yield_now()
        await rescind.yield_now()

    tasks = [rescind.spawn(twice()) for _ in range(3)]
    for task in tasks:
        await task


async def _locking() -> None:
    mutex = Mutex()

    async def once() -> None:
        async with mutex:
            await rescind.yield_now()

    async with rescind.task_group() as group:
        for _ in range(3):
            group.spawn(once())


_ORDERS: Final = Bounds(changes=8, deviations=8, injections=0, runs=1_000)

PROGRAMS: Final = {
    "ready": Program("four tasks that end at once, every order", _ready, _ORDERS),
    "yielding": Program("three tasks that yield twice, every order", _yielding, _ORDERS),
    "locking": Program(
        "three tasks that take a mutex, orders and cancellations", _locking, Bounds(runs=1_000)
    ),
}


def measure(program: Program, *, rounds: int, seconds: float) -> Rate:
    """Explore a program again and again, ``seconds`` of CPU time in each round."""
    plain = Lab(program.main).run()
    rates: list[float] = []
    made = 0
    for number in range(-1, rounds):  # the first one warms up
        runs = 0
        began = process_time()
        while True:
            report = explore(program.main, bounds=program.bounds, budget=3600).check()
            made = report.runs
            runs += made
            spent = process_time() - began
            if spent >= seconds:
                break
        if number >= 0:
            rates.append(runs / spent)
    return Rate(len(plain.names), plain.steps, made, median(rates))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.schedules", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="samples of each; default: 7")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each sample; default: 1")
    options = parser.parse_args(arguments)
    print(f"rescind {rescind.__version__}, {'compiled' if compiled else 'interpreted'}")
    for name, program in PROGRAMS.items():
        rate = measure(program, rounds=options.rounds, seconds=options.seconds)
        print(
            f"{name:10} {rate.each_second:8,.0f} runs a second   "
            f"{rate.tasks} tasks, {rate.steps} steps, {rate.runs} runs: {program.about}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

#!/usr/bin/env python3
"""Print how many runs the checker makes in a second of one core, all detectors on.

A scenario in memory with ten awaits that always passes: first runs of one kind, over and over, then
a whole sweep in all instants and modes, the thorough instant too. Run it as
`PYTHONPATH=src python bench/check/runs.py`.
"""

from __future__ import annotations

import argparse
import asyncio
from time import process_time

from rescind.check import Env, Instant, Judge, Options, RunPlan, Scenario, sweep
from rescind.check.detectors import DETECTORS
from rescind.check.run import execute
from rescind.check.sweep import collector_off


async def setup(env: Env) -> None:
    """Make a lock and an event."""
    env.lock = asyncio.Lock()
    env.event = asyncio.Event()


async def scenario(env: Env) -> int:
    """Wait ten times: for timers, an event, and turns of the loop."""
    total = 0
    for number in range(3):
        async with env.lock:
            await asyncio.sleep(0.001)
            total += number
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(env.event.set)
    await env.event.wait()
    async with asyncio.timeout(1):
        await asyncio.sleep(0.002)
    await asyncio.sleep(0)
    await asyncio.sleep(0.5)
    return total


def measure(judge: Judge, seconds: float) -> float:
    """Return how many runs of one kind a core makes in a second."""
    case = Scenario(scenario, setup, name="ten awaits")
    plan = RunPlan(judge=judge)
    runs = 0
    with collector_off():
        began = process_time()
        while process_time() - began < seconds:
            execute(case, plan, [detector() for detector in DETECTORS])
            runs += 1
        return runs / (process_time() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each kind of run")
    seconds: float = parser.parse_args().seconds
    for judge in Judge:
        print(f"{judge.value:12} {measure(judge, seconds):8.0f} runs/s")
    for name, options in (
        ("usual", Options()),
        ("thorough", Options(instants=tuple(Instant))),
        ("2 processes", Options(processes=2)),
    ):
        began = process_time()
        report = sweep(scenario, setup=setup, options=options)
        spent = process_time() - began  # of this process: workers are not in it
        print(
            f"{name:12} {report.verdict}: {report.runs} runs in {report.seconds:.2f} s, "
            f"of which this process worked {spent:.2f} s"
        )


if __name__ == "__main__":
    main()

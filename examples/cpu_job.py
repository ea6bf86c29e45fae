"""A computation that can be ended: three of them, none of which would end by itself.

A thread cannot be stopped from outside; a process can. The first job computes in Python, the
second inside one call of a C function, where no Python code runs and no exception can arrive; the
third has decided to ignore the signal that asks it to end. A cancellation ends each within the
grace, together with whatever it had started, and leaves no process behind. The fourth finishes.
"""

import os
import signal
import tempfile
import time
from pathlib import Path

import rescind
from rescind import Canceled, Completed
from rescind.blocking import spawn_process


def sign(place: str) -> None:
    """Tell that the job has begun, and in which process."""
    new = Path(place).with_suffix(".new")
    new.write_text(str(os.getpid()))
    new.rename(place)


def in_python(place: str) -> None:
    """Count for ever."""
    sign(place)
    number = 0
    while True:
        number += 1


def in_c(place: str) -> None:
    """Add up what takes hours, in one call."""
    sign(place)
    sum(range(10**14))


def stubborn(place: str) -> None:
    """Take no hints."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sign(place)
    while True:
        time.sleep(60)


def modest(limit: int) -> int:
    """Count the primes below a limit."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def process_of(place: Path) -> int | None:
    """Read the job's sign, if it has given one."""
    return int(place.read_text()) if place.exists() else None


async def begun(place: Path) -> int:
    """Wait for the job's sign, and return its process."""
    while (process := process_of(place)) is None:
        await rescind.sleep(0.005)
    return process


def is_there(process: int) -> bool:
    """Is there such a process, or a zombie of it?"""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for job in (in_python, in_c, stubborn):
            place = Path(folder, job.__name__)
            task = spawn_process(job, str(place), name=job.__name__, grace=0.5)
            process = await begun(place)
            started = rescind.now()
            outcome = await task.cancel("taking too long")
            assert isinstance(outcome, Canceled)
            in_time = rescind.now() - started < 5
            print(f"{job.__name__}: {outcome.reason.message};", end=" ")
            print(f"ended in time: {in_time}, still there: {is_there(process)}")

    match await spawn_process(modest, 10_000, name="modest").join():
        case Completed(count):
            print(f"modest: {count} primes")
        case other:
            print(f"modest: {other}")


if __name__ == "__main__":
    rescind.run(main)

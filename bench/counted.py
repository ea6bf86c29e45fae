"""The process whose instructions are counted: `python -m bench.counted PEER`, under valgrind.

*What it is.* The far end of `bench.instructions`. It does each operation first in its own process,
so that everything is imported and the interpreter has adapted itself. Then, for each, it forks
twice: one child does it N times, one 2N times. A child's count begins with that of its parent at
the fork, which falls out of the difference, as starting and ending the loop do. First it says who
it is; then a line of JSON for each child: ``operation``, ``times``, ``pid``; or ``skip`` with a
reason.

*Invariants.*
 C1  The collector is off: when it runs depends on what was made long before.
 C2  Warnings are on, as in a program, but nothing is slow enough for one: here everything is slow.
     With a second argument, `QUIET`, they are off, and nobody listens to anything.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, TypeAlias

from bench.drivers import Driver, Unavailable, driver_of
from bench.peers import PEERS
from bench.subject import Body, Watch
from bench.subjects import all_subjects, body_of

__all__ = ["OPERATIONS", "QUIET", "TIMES", "YARDSTICK", "main"]

#: Does an operation so many times.
Work: TypeAlias = Callable[[int], Coroutine[Any, Any, object]]

#: Ordinary Python, of which nothing is ours: what an interpreter built in another way takes for
#: it says how its other counts are to be compared.
YARDSTICK: Final = "yardstick"
#: What is counted, besides.
OPERATIONS: Final = (
    "switch",
    "spawn_join",
    "spawn_cancel_join",
    "race2",
    "timeout",
    "asyncio_future",
)
#: Without warnings.
QUIET: Final = "quiet"
#: N.
TIMES: Final = 100

#: Tasks that take turns in `_switch`.
_TASKS: Final = 10


def main() -> int:
    """Say who it is, and run what is counted."""
    peer = next(peer for peer in PEERS if peer.name == sys.argv[1])
    try:
        driver = driver_of(peer)
    except Unavailable as error:
        print(json.dumps({"skip": str(error)}))
        return 0
    print(json.dumps({"version": driver.version}))
    gc.disable()  # (C1)
    quiet = sys.argv[2:] == [QUIET]
    # (C2)
    os.environ["RESCIND_WARN"] = (
        "0" if quiet else "slow_poll=1000,slow_cleanup=1000,shield_held=1000"
    )
    everything = {YARDSTICK: _yardstick, **{name: _work(name) for name in OPERATIONS}}
    for work in everything.values():
        _run(driver, work, TIMES)
    for name, work in everything.items():
        for times in (TIMES, 2 * TIMES):
            pid = _forked(driver, work, times)
            print(json.dumps({"operation": name, "times": times, "pid": pid}))
    return 0


def _forked(driver: Driver, work: Work, times: int) -> int:
    """Do it in a child, and return its id."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            _run(driver, work, times)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError(f"what does {work!r} has failed")
    return pid


def _run(driver: Driver, work: Work, times: int) -> None:
    async def run() -> None:
        await work(times)

    driver.run(run)


def _work(name: str) -> Work:
    """Return what does the operation of a subject; of ``switch``, with as many tasks every time."""
    if name == "switch":
        return _switch
    subject = next(subject for subject in all_subjects() if subject.name == name)
    body: Body | None = body_of(subject, "rescind")
    assert body is not None

    async def work(times: int) -> None:
        await body(Watch(), times, *subject.args)

    return work


async def _switch(times: int) -> None:
    import rescind

    async def task() -> None:
        for _ in range(times // _TASKS):
            await rescind.yield_now()

    tasks = [rescind.spawn(task()) for _ in range(_TASKS)]
    for each in tasks:
        await each


class _Thing:
    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def _counting() -> Generator[int, int, None]:
    number = 0
    while True:
        number += yield number


async def _yardstick(times: int) -> None:
    """Send to a generator, make an object, await a coroutine, and use a list."""
    things: list[_Thing] = []

    async def returns(thing: _Thing) -> int:
        return thing.number

    generator = _counting()
    next(generator)
    for number in range(times):
        for _ in range(_TASKS):
            thing = _Thing(generator.send(number))
            things.append(thing)
            await returns(thing)


if __name__ == "__main__":
    sys.exit(main())

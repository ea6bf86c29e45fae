"""A service that can be looked at while it runs, with `rescind top` in another terminal.

`rescind run examples/watched_service.py`, or `python examples/watched_service.py`; it runs until
Ctrl-C. `rescind.serve_top()` opens a socket that only this user can use. It costs a thread that
sleeps, and answers while the loop is stuck.

There is something to find in it:

* `nightly report` was canceled, and does not end. Its details say what its cleanup waits for, who
  has that, and why this one does not end either: a shield, and its line.
* `request 17` asks two replicas, and has a deadline. The query that is not needed any more is
  canceled: in the tree (`t`) it is seen for a moment, *cleaning up*.
* Some requests are given up by their clients: the view of what ended lately (`e`) has them.
* `metrics` is polled a hundred times as often as others: sort by POLLS (`s`).
* Cancel a `worker` (`c`), with a reason: it is printed here.

Ctrl-C ends it, though not at once: `migration` is shielded. A second one does not wait for that.
"""

import os
import random
from contextlib import suppress

import rescind
from rescind.sync import Mutex, Semaphore

database = Mutex(name="database")
connections = Semaphore(6, name="connections")
chance = random.Random(17)

LONG = 600.0  # seconds: longer than anybody looks


# -- what answers requests ------------------------------------------------------------------------


async def query(seconds: float) -> str:
    """Ask a replica; give the connection back in any case, which takes a while as well."""
    async with connections:
        try:
            await rescind.sleep(seconds)
        finally:
            await rescind.sleep(seconds / 4)
    return "row"


async def answer(near: float, far: float) -> str:
    """Ask two replicas; the first answer wins, and the other query is canceled."""
    try:
        return await rescind.timeout(rescind.race(query(near), query(far)), 3.0)
    except rescind.TimedOut:
        return "504 Gateway Timeout"


async def serve() -> None:
    """Answer requests as they come; every third client has gone before it is answered."""
    async with rescind.task_group(name="requests") as requests:
        for number in range(1, 1_000_000):
            near, far = chance.uniform(0.4, 3), chance.uniform(0.8, 4)
            request = requests.spawn(answer(near, far), name=f"request {number}")
            await rescind.sleep(chance.uniform(0.3, 0.8))
            if number % 3 == 0:
                request.cancel("the client has hung up")


# -- what goes on beside it -----------------------------------------------------------------------


async def migrate() -> None:
    """Hold the database, and do not let that be interrupted."""
    async with database:
        with rescind.shielded():
            await rescind.sleep(LONG)


async def report() -> None:
    """Write down what was done today; for the last line it needs the database."""
    try:
        await rescind.sleep(LONG)
    finally:
        async with database:
            await rescind.sleep(0.1)


async def measure() -> None:
    """Look at the time again and again."""
    async for _ in rescind.interval(0.01):
        pass


async def work(number: int) -> None:
    """Wait for orders, of which there are none; tidy up in the end."""
    try:
        await rescind.never()
    finally:
        await rescind.sleep(0.5)
        print(f"worker {number} stops: {rescind.cancel_requested()}", flush=True)


async def main() -> None:
    with rescind.serve_top():
        migration = rescind.spawn(migrate(), name="migration")
        nightly = rescind.spawn(report(), name="nightly report")
        rescind.spawn(measure(), name="metrics")
        for number in (1, 2, 3):
            rescind.spawn(work(number), name=f"worker {number}")
        await rescind.sleep(0.1)
        for task in (migration, nightly):
            task.cancel("a new version is deployed", grace=LONG)
        await rescind.yield_now()
        print(f"look at it with: rescind top {os.getpid()}", flush=True)
        await serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        rescind.run(main)

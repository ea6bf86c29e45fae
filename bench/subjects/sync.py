"""Synchronization: n tasks meet at one primitive.

mutex: each takes the lock and yields within it, again and again, so that the others queue.
semaphore: the same with ten permits. event: n tasks wait, it is set, and all have run.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Kit, together

SUBJECTS: Final = (
    Subject("mutex", "a contended lock is taken, held for a yield, released", args=("mutex",)),
    Subject("semaphore", "the same with a semaphore of ten", args=("semaphore",)),
    Subject("event", "one of n that wait for an event runs", args=("event",)),
)

PERMITS: Final = 10


async def on_any(watch: Watch, n: int, kind: str, kit: Kit) -> int:
    if kind == "event":
        await together(watch, kit, n, None)
        return n
    rounds = max(1, 5_000 // n)
    pause = kit.pause
    lock = kit.lock() if kind == "mutex" else kit.semaphore(PERMITS)

    async def work() -> None:
        for _ in range(rounds):
            async with lock:
                await pause()

    await together(watch, kit, n, work)
    return n * rounds

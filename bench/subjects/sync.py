"""Synchronization: n tasks meet at one primitive.

mutex: each takes the lock and yields within it, again and again, so that the others queue.
semaphore: the same with ten permits. mutex_free, semaphore_free: one task takes and releases it n
times, and nobody else wants it. event: n tasks wait, it is set, and all have run.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.kit import Kit, together

SUBJECTS: Final = (
    Subject("mutex", "a contended lock is taken, held for a yield, released", args=("mutex",)),
    Subject("semaphore", "the same with a semaphore of ten", args=("semaphore",)),
    Subject("mutex_free", "a free lock is taken and released", growth=(), args=("mutex_free",)),
    Subject(
        "semaphore_free", "the same with a semaphore of ten", growth=(), args=("semaphore_free",)
    ),
    Subject("event", "one of n that wait for an event runs", args=("event",)),
)

PERMITS: Final = 10


async def on_any(watch: Watch, n: int, kind: str, kit: Kit) -> int:
    if kind == "event":
        await together(watch, kit, n, None)
        return n
    lock = kit.lock() if kind.startswith("mutex") else kit.semaphore(PERMITS)
    if kind.endswith("_free"):
        with watch:
            for _ in range(n):
                async with lock:
                    pass
        return n
    rounds = max(1, 5_000 // n)
    pause = kit.pause

    async def work() -> None:
        for _ in range(rounds):
            async with lock:
                await pause()

    await together(watch, kit, n, work)
    return n * rounds

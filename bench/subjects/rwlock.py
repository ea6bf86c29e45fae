"""A lock for many readers or one writer: n tasks meet at it, and yield within.

Of ten rounds of a task nine read and one writes. Only rescind and tokio have such a lock.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch
from bench.subjects.kit import kit_of, together

SUBJECTS: Final = (
    Subject("rwlock", "a lock is taken for reading, each tenth time for writing", args=()),
)

#: One in so many rounds writes.
_WRITES: Final = 10


async def on_rescind(watch: Watch, n: int) -> int:
    from rescind.sync import RwLock

    kit = kit_of("rescind")
    lock = RwLock()
    pause = kit.pause
    rounds = max(_WRITES, 5_000 // n)

    async def work() -> None:
        for i in range(rounds):
            async with lock.write() if i % _WRITES == _WRITES - 1 else lock.read():
                await pause()

    await together(watch, kit, n, work)
    return n * rounds

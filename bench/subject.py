"""`Subject`: what is measured; `Watch`: what measures it.

*What it is.* A subject is described once, and done by one function per family of peers: in
its module below `bench.subjects`, ``on_asyncio``, ``on_trio`` and so on. Such a function gets a
watch and a size, does its work within ``with watch:``, and returns how many operations that were.

*Invariants.*
 W1  What is outside of ``with watch:`` is not measured: making what the work needs, and ending it.
 W2  A family whose function is missing has no such thing; it is left out, and nothing is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any, Final, Literal, TypeAlias

__all__ = ["GROWTH", "Body", "Clock", "Measure", "Subject", "Watch"]

#: The sizes at which a subject shows how its cost grows.
GROWTH: Final = (100, 1_000, 10_000, 100_000)

#: cpu: the time that the process computed, which a busy machine does not lengthen.
#: wall: the time that passed, where others compute or the network takes part.
Clock: TypeAlias = Literal["cpu", "wall"]
Measure: TypeAlias = Literal["time", "bytes"]


class Watch:
    """Adds up the time within its ``with`` blocks, by both clocks."""

    __slots__ = ("_cpu_at", "_wall_at", "amount", "cpu", "wall")

    def __init__(self) -> None:
        self.wall = 0.0
        self.cpu = 0.0
        #: What was measured, where that is no time: bytes, in all.
        self.amount = 0.0
        self._wall_at = 0.0
        self._cpu_at = 0.0

    def __enter__(self) -> None:
        self._cpu_at = process_time()
        self._wall_at = perf_counter()

    def __exit__(self, *_exc: object) -> None:
        self.wall += perf_counter() - self._wall_at
        self.cpu += process_time() - self._cpu_at

    def add(self, wall: float, cpu: float) -> None:
        """Count time that was measured in another process, in seconds."""
        self.wall += wall
        self.cpu += cpu


#: Does the work at a size, and returns the number of operations.
Body: TypeAlias = Callable[..., Coroutine[Any, Any, int]]


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Args:
        name: as the command line and the results call it.
        about: what one operation is, in a few words.
        size: at which peers are compared.
        growth: the sizes that show how the cost grows; empty where size means nothing.
        long: further sizes, for the long run.
        smoke: the size at which it is only seen to work; 0: it is left out there.
        args: for the functions, after watch and size.
        clock: by which it is judged.
        measure: what the result is.
        native: is it one of what a runtime itself does: switch, spawn, cancel, race, timeout?
    """

    name: str
    about: str
    size: int = 1_000
    growth: tuple[int, ...] = GROWTH
    long: tuple[int, ...] = ()
    smoke: int = 4
    args: tuple[Any, ...] = ()
    clock: Clock = "cpu"
    measure: Measure = "time"
    native: bool = False

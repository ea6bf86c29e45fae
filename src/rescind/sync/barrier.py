"""`Barrier`: all wait until there are enough of them.

*Invariants.*
 G1  Those who arrive make up a generation; the last of it lets all go on, and the next begins.
 G2  One that is canceled while it waits has not arrived: the others wait for somebody else. There
     is no broken barrier.
 G3  One that was let go on has taken part, whatever becomes of it.

*Source.* tokio's ``Barrier``; ``asyncio.Barrier`` without its broken state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rescind._core.errors import Closed, WouldBlock
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.arguments import checked_count
from rescind.sync.operation import Operation
from rescind.sync.section import Section

__all__ = ["Barrier", "BarrierStatistics"]

_CLOSED: Final = -1


@dataclass(frozen=True, slots=True)
class BarrierStatistics:
    """A snapshot of a barrier.

    Attributes:
        parties: how many are needed.
        waiting: how many of them are there.
        generation: how often it has let all go on.
        closed: was it closed?
    """

    parties: int
    waiting: int
    generation: int
    closed: bool


class Barrier:
    """Holds those who come until there are enough: ``await barrier.wait()``.

    Args:
        parties: how many are needed, at least 1.
        name: for messages.

    Threads: tasks of several runtimes, and of plain asyncio, may meet at it; `close` may be called
        from any thread.

    Raises:
        TypeError: ``parties`` is no int.
        ValueError: ``parties`` is less than 1.

    Example:
        >>> import rescind
        >>> from rescind.sync import Barrier
        >>> async def main():
        ...     barrier = Barrier(3)
        ...     return await rescind.join(barrier.wait(), barrier.wait(), barrier.wait())
        >>> rescind.run(main)
        (0, 1, 2)

    Source: tokio's ``Barrier``, ``threading.Barrier``.
    """

    __slots__ = (
        "__weakref__",
        "_closed",
        "_generation",
        "_section",
        "_parties",
        "_waiting",
        "name",
    )
    __reduce__ = refuse_copy

    def __init__(self, parties: int, *, name: str | None = None) -> None:
        self.name = name
        self._section = Section()
        self._parties = checked_count(parties, "the parties of a barrier")
        # A waiter's ``given`` is its index in the generation, or that the barrier was closed.
        self._waiting = WaitList()
        self._generation = 0
        self._closed = False

    def wait(self) -> Future[int]:
        """Return a future that ends when enough have come, itself included.

        Returns:
            Its place in the order of arrival: each of the party has another, from 0 to
            ``parties - 1``. So ``if await barrier.wait() == 0:`` is true for one of them.

        Raises:
            Closed: the barrier is closed, or is being closed meanwhile.

        Cancellation: loses its place: it has not arrived, and the others wait for somebody else.
            If enough had come already, its place is delivered, and the cancellation arrives at
            the next park (R7).
        """
        return _Wait(self)

    def wait_nowait(self) -> int:
        """Arrive, if that completes the party.

        Returns:
            The place in the order of arrival: ``parties - 1``.

        Raises:
            WouldBlock: others are still missing.
            Closed: the barrier is closed.
        """
        with self._section, self._section.lock:  #: compiled: with self._section:
            index = self._arrive()
            if isinstance(index, Pending):
                raise WouldBlock(f"{self!r} waits for others; 'await barrier.wait()' waits too")
            return index

    def close(self) -> None:
        """Let nobody wait here any more: all who wait, and all who come, get `Closed`.

        A second call does nothing.
        """
        self._section.post(self._close)

    def _close(self) -> None:
        self._closed = True
        self._section.wake_all(self._waiting, _CLOSED)

    def _arrive(self) -> int | Pending:
        """Complete the party and return the last one's index; `PENDING` if others are missing."""
        if self._closed:
            raise Closed(f"{self!r} lets nobody wait")
        return PENDING if len(self._waiting) + 1 < self._parties else self._let_go_on()

    def _let_go_on(self) -> int:
        """Let all go on who wait now; return how many they are."""
        self._generation += 1
        index = 0
        latest = self._waiting.tickets
        while True:
            waiter = self._waiting.first
            if waiter is None or waiter.ticket > latest:
                return index
            index += self._section.wake(self._waiting, waiter, index)

    # -- what it is -------------------------------------------------------------------------------

    @property
    def parties(self) -> int:
        """How many are needed."""
        return self._parties

    @property
    def closed(self) -> bool:
        """Was it closed?"""
        if self._section.posted:
            self._section.catch_up()
        return self._closed

    def statistics(self) -> BarrierStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:  #: compiled: with self._section:
            return BarrierStatistics(
                self._parties, len(self._waiting), self._generation, self._closed
            )

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        closed = ", closed" if self._closed else ""
        return f"<Barrier{name}, {len(self._waiting)} of {self._parties} there{closed}>"


class _Wait(Operation[int]):
    """The future that `Barrier.wait` returns."""

    __slots__ = ("_barrier",)

    def __init__(self, barrier: Barrier) -> None:
        super().__init__(barrier._section)  #: compiled: self._section = barrier._section
        self._barrier = barrier

    def _attempt(self, cx: Context) -> int | Pending:
        return self._barrier._arrive()

    def _queue(self, waker: Waker) -> Waiter:
        return self._barrier._waiting.join(waker)

    def _look_again(self, waiter: Waiter) -> None:
        barrier = self._barrier
        if barrier._closed:
            barrier._close()
        elif len(barrier._waiting) >= barrier._parties:
            barrier._let_go_on()

    def _received(self, waiter: Waiter) -> int:
        index: int = waiter.given
        if index == _CLOSED:
            raise Closed(f"{self._barrier!r} was closed while others were waited for")
        return index

    def _withdraw(self, waiter: Waiter) -> None:
        self._barrier._waiting.leave(waiter)  # G2, G3

    def __repr__(self) -> str:
        return f"wait of {self._barrier!r}"

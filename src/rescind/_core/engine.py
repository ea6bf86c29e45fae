"""`Engine`: the part of an executor that a step has to do with.

*What it is.* What futures read and count in every step, in one small class below them; the rest,
`executor.Executor`, stands above tasks.

*Threads.* The executor's thread; ``thread`` may be read from any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .current import Seat
    from .hostport import Host, Swap
    from .outcome import Outcome
    from .poll import Waker
    from .task import Task
    from .timers import Timer

__all__ = ["Engine"]


class Engine:
    """What a step has to do with.

    Attributes:
        host: what it rides on.
        thread: that runs it; 0 before the first run.
        current: the task whose step is under way; None between steps.
        budget: leaf completions left in this step (E3).
        rounds: how often those who yielded were woken: the host had its turn in between (E2).
        keeps: does an identity stay until another one is needed? In a turn it does (E7).
        identity: which one is current at the host for a coroutine of this turn; None: none yet.
        seat: in a turn, the seat of its thread; None else.
    """

    __slots__ = (
        "__weakref__",
        "_back",
        "_outside",
        "_put",
        "_swap",
        "budget",
        "current",
        "host",
        "identity",
        "keeps",
        "rounds",
        "seat",
        "thread",
    )
    __reduce__ = refuse_copy

    def __init__(self, host: Host, budget: int) -> None:
        self.host = host
        self.thread = 0
        self.current: Task[Any] | None = None
        self.budget = budget
        self.rounds = 0
        self.keeps = False
        self.identity: Any = None
        self.seat: Seat | None = None
        self._swap: Swap | None = host.swap
        # As that, where nobody asks for what was current before.
        self._put: Swap | None = getattr(host.swap, "put", host.swap)
        self._back: Any = getattr(host.swap, "back", host.swap)
        # What was current at the host before the turn's first identity.
        self._outside: Any = None

    def assume(self, identity: Any) -> None:
        """Make an identity the current one, until another one is needed or the turn ends (E7)."""
        swap = self._swap
        assert swap is not None  # or nothing has an identity
        if self.identity is None:
            self._outside = swap(identity)  #: compiled: self._outside = swapped(swap, identity)
        else:
            put = self._put
            assert put is not None
            put(identity)  #: compiled: swapped(swap, identity)
        self.identity = identity

    def resign(self) -> None:
        """Put back what was current before: code of others runs next (E7)."""
        if self.identity is not None:
            #: compiled: swap = self._swap
            before, self._outside = self._outside, None
            self.identity = None
            self._back(before)  #: compiled: put_back(swap, before)

    def now(self) -> float:
        """Return the host's time, in seconds."""
        raise NotImplementedError

    def add_timer(self, at: float, waker: Waker) -> Timer:
        """Wake ``waker`` at host time ``at``."""
        raise NotImplementedError

    def defer(self, waker: Waker) -> None:
        """Wake ``waker`` after the host has looked for I/O (E2)."""
        raise NotImplementedError

    def wake_directly(self, waker: Waker) -> None:
        """Wake, and run the turn at once: this is a callback of the host's."""
        raise NotImplementedError

    def enqueue(self, task: Task[Any]) -> None:
        """Append a task to the ready queue."""
        raise NotImplementedError

    def forget(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        """Note that a task has ended."""
        raise NotImplementedError

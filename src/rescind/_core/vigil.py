"""`Vigil`: what an executor tells whoever looks after it: of turns, and of canceled tasks' ends.

*What it is.* The port through which the layer above hears of what it warns. An executor without a
vigil tests one attribute for each turn and for each canceled task; with one it reads the clock
twice for each turn, and calls only if the turn was long, or if the vigil wants to hear of the next.

*What it is not.* An observer: those are told of every step, and of every cell.

*Threads.* The executor's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .executor import Executor
    from .outcome import Outcome
    from .poll import Future
    from .task import Task

__all__ = ["Vigil"]


class Vigil:
    """Somebody who looks after one executor.

    Attributes:
        slow: of a turn that takes longer than this many seconds it is told.
        wants: is it to be told of the next turn, however short?
        ends: is it to be told of the end of every task that had been asked to cancel? If not, of
            those alone that swallowed that.
    """

    __slots__ = ("ends", "slow", "wants")

    ends: bool
    slow: float
    wants: bool

    def turned(self, executor: Executor, seconds: float, steps: int) -> None:
        """A turn is over; ``executor.current`` is still the task that it stepped last, if any."""
        raise NotImplementedError

    def ended(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        """A task has ended that had been asked to cancel; see ``ends``."""
        raise NotImplementedError

    def unawaited(self, future: Future[Any]) -> None:
        """A future is being collected that was never polled, and that nobody has dropped."""
        raise NotImplementedError

    def stop(self) -> None:
        """Look no more: the runtime has ended."""
        raise NotImplementedError

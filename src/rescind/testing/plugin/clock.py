"""`Clock`: the virtual clock of a test, as a fixture.

*Threads.* The test's.
"""

from __future__ import annotations

from rescind._core.executor import Executor
from rescind._core.grace import checked_seconds
from rescind.time import sleep_until, yield_now

__all__ = ["Clock"]


class Clock:
    """The clock of a test that runs in virtual time.

    It jumps by itself to the next timer when nothing can run, so that no sleep takes any time. To
    stand at a certain moment, and look, move it by hand.

    Args:
        executor: whose clock it is.

    Example:
        >>> import rescind
        >>> from rescind.testing import run_virtual
        >>> from rescind.testing.plugin.clock import Clock
        >>> async def main():
        ...     clock = Clock(rescind.current_runtime().executor)
        ...     task = rescind.spawn(rescind.sleep(60))
        ...     await clock.advance(59)
        ...     early = task.done()
        ...     await clock.advance(1)
        ...     return early, task.done(), clock.now()
        >>> run_virtual(main).unwrap()
        (False, True, 60.0)
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def now(self) -> float:
        """Return the time, in seconds."""
        return self._executor.now()

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, and whoever is due by then run until it waits again.

        Args:
            seconds: not negative; 0 lets run what is ready or due now.

        Raises:
            ValueError: it is negative, or NaN.

        Cancellation: safe.
        """
        await sleep_until(self.now() + checked_seconds(seconds, "seconds"))
        await yield_now()  # resumed in the next turn, when all that this one has woken has run

    def __repr__(self) -> str:
        return f"<Clock at {self.now():g} s>"

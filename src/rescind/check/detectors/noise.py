"""What went wrong and nobody was told of, but the console.

*Threads.* As `listening`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rescind.check.detectors.compare import More
from rescind.check.detectors.listening import Heard, listen, what_was_heard

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["NeverAwaited", "NeverRetrieved", "Noise", "Unclosed"]


class _Listens(More):
    expected = "as quiet as without a cancellation"
    between = "; "
    once = True

    def begin(self, run: Run) -> None:
        listen(run)

    def fact(self, run: Run) -> list[str]:
        return self.part(what_was_heard(run))

    def part(self, heard: Heard) -> list[str]:
        """Return what concerns this detector."""
        raise NotImplementedError


class Unclosed(_Listens):
    """Sockets, files, transports that were left to the garbage collector."""

    name = "unclosed"
    one = "something is closed by the garbage collector alone"
    remedy = "close what was opened in a finally, also if opening it is canceled"

    def part(self, heard: Heard) -> list[str]:
        return heard.unclosed


class NeverAwaited(_Listens):
    """Coroutines that were made and never awaited."""

    name = "never awaited"
    one = "a coroutine is never awaited"
    several = "{} coroutines are never awaited"
    remedy = "make coroutines where they are awaited; close those that are given up"

    def part(self, heard: Heard) -> list[str]:
        return heard.unawaited


class NeverRetrieved(_Listens):
    """Tasks and futures that failed, and nobody asked how they ended."""

    name = "never retrieved"
    one = "something fails, and nobody is told"
    remedy = "await the tasks that you cancel, and look at what they raise"

    def part(self, heard: Heard) -> list[str]:
        return heard.unretrieved


class Noise(_Listens):
    """Failed callbacks, error logs, exceptions in finalizers: all that was not there before."""

    name = "noise"
    one = "something went wrong that nobody was told of"
    remedy = "a callback has to expect that what it serves is gone"

    def part(self, heard: Heard) -> list[str]:
        return heard.other

"""What went wrong and nobody was told of, but the console.

*Threads.* As `listening`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rescind.check.detectors.base import Detector
from rescind.check.detectors.compare import more_than
from rescind.check.detectors.listening import Heard, listen, what_was_heard
from rescind.check.record import Record, Symptom

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["NeverAwaited", "NeverRetrieved", "Noise", "Unclosed"]


class _Listens(Detector):
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

    def part(self, heard: Heard) -> list[str]:
        return heard.unclosed

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        return _more(
            Unclosed.name,
            seen,
            clean,
            "something is closed by the garbage collector alone",
            "close what was opened in a finally, also if opening it is canceled",
        )


class NeverAwaited(_Listens):
    """Coroutines that were made and never awaited."""

    name = "never awaited"

    def part(self, heard: Heard) -> list[str]:
        return heard.unawaited

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        return _more(
            NeverAwaited.name,
            seen,
            clean,
            "a coroutine is never awaited",
            "make coroutines where they are awaited; close those that are given up",
        )


class NeverRetrieved(_Listens):
    """Tasks and futures that failed, and nobody asked how they ended."""

    name = "never retrieved"

    def part(self, heard: Heard) -> list[str]:
        return heard.unretrieved

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        return _more(
            NeverRetrieved.name,
            seen,
            clean,
            "something fails, and nobody is told",
            "await the tasks that you cancel, and look at what they raise",
        )


class Noise(_Listens):
    """Failed callbacks, error logs, exceptions in finalizers: all that was not there before."""

    name = "noise"

    def part(self, heard: Heard) -> list[str]:
        return heard.other

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        return _more(
            Noise.name,
            seen,
            clean,
            "something went wrong that nobody was told of",
            "a callback has to expect that what it serves is gone",
        )


def _more(name: str, seen: Record, clean: Record, sentence: str, remedy: str) -> Iterable[Symptom]:
    extra = more_than(seen.facts.get(name) or (), clean.facts.get(name) or ())
    if extra:
        yield Symptom(
            sentence,
            expected="as quiet as without a cancellation",
            seen="; ".join(dict.fromkeys(extra)),
            remedy=remedy,
        )

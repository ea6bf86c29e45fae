"""What nobody was told but the console: warnings, the loop's exception handler, error logs.

*What it is.* The three places to which Python sends what went wrong and could not be raised.
``ResourceWarning``, coroutines that were never awaited, exceptions that were never retrieved, a
callback that failed, a library that logged an error: all that the clean run did not have.

*Threads.* `warnings`, `logging` and `sys.unraisablehook` are the process's: one run at a time.
"""

from __future__ import annotations

import gc
import logging
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rescind.check.detectors.base import Detector
from rescind.check.detectors.compare import more_than
from rescind.check.record import Record, Symptom, shown

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Noise"]


class Noise(Detector):
    """Warnings, unretrieved exceptions and error logs that the clean run did not have."""

    name = "noise"

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._catching = warnings.catch_warnings(record=True)
        self._warnings: list[warnings.WarningMessage] = []
        self._handler = _Handler(self._heard)
        self._unraisable: Any = None

    def begin(self, run: Run) -> None:
        self._warnings = self._catching.__enter__() or []
        warnings.simplefilter("always", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._unraised
        logging.getLogger().addHandler(self._handler)

    def fact(self, run: Run) -> list[str]:
        try:
            gc.collect()  # what is left may have something to say when it goes
        finally:
            logging.getLogger().removeHandler(self._handler)
            sys.unraisablehook = self._unraisable
            self._catching.__exit__(None, None, None)
        warned = [
            f"{one.category.__name__}: {shown(str(one.message))}"
            for one in self._warnings
            if issubclass(one.category, (ResourceWarning, RuntimeWarning))
        ]
        return [_problem(context) for context in run.problems] + warned + self._heard

    def _unraised(self, unraised: Any) -> None:
        self._heard.append(
            f"{unraised.err_msg or 'exception ignored'}: {shown(unraised.exc_value)}"
        )

    @staticmethod
    def judge(seen: Record, clean: Record) -> Iterable[Symptom]:
        extra = more_than(seen.facts.get(Noise.name, ()), clean.facts.get(Noise.name, ()))
        if extra:
            yield Symptom(
                "something went wrong that nobody was told of",
                expected="as quiet as without a cancellation",
                seen="; ".join(dict.fromkeys(extra)),
                remedy="await or cancel what was started, close what was opened, in a finally",
            )


class _Handler(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "asyncio":  # the loop's handler has told it already
            self._heard.append(f"{record.name} logged: {shown(record.getMessage())}")


def _problem(context: dict[str, Any]) -> str:
    exc = context.get("exception")
    what = "" if exc is None else f": {shown(exc)}"
    return f"{context.get('message', 'a problem')}{what}"

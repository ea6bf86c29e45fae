"""Hears what nobody is told but the console: the loop's handler, warnings, error logs, finalizers.

*What it is.* The places to which Python sends what went wrong and could not be raised. Several
detectors ask for what was heard; one listens.

*Threads.* `warnings`, `logging` and `sys.unraisablehook` are the process's: one run at a time.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from rescind.check.detectors.garbage import collect, collect_older
from rescind.check.record import shown
from rescind.check.whose import PATH, named

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Heard", "listen", "what_was_heard"]

_UNRETRIEVED = "exception was never retrieved"
_UNAWAITED = "was never awaited"


class Heard:
    """What was heard in one run, sorted. What setup has started is the doing `BySetup`.

    Attributes:
        unretrieved: exceptions of tasks and futures that nobody asked for.
        unawaited: coroutines that nobody awaited.
        unclosed: what was closed by its finalizer alone.
        other: failed callbacks, error logs, exceptions in finalizers.
    """

    def __init__(self) -> None:
        self.unretrieved: list[str] = []
        self.unawaited: list[str] = []
        self.unclosed: list[str] = []
        self.other: list[str] = []


class _Ears:
    """Listens, from setup until what the run has left is collected."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._open = True
        collect_older()
        self._catching = warnings.catch_warnings(record=True)
        caught = self._catching.__enter__()
        assert caught is not None  # and still empty: what `or` would take for nothing
        self._warnings = caught
        warnings.simplefilter("always", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)
        self._handler = _Handler(self.heard.other)
        logging.getLogger().addHandler(self._handler)
        self._before, sys.unraisablehook = sys.unraisablehook, self._unraised

    def close(self, run: Run) -> Heard:
        """Collect what is left, and listen no more."""
        if self._open:
            self._open = False
            try:
                collect(run)
            finally:
                logging.getLogger().removeHandler(self._handler)
                sys.unraisablehook = self._before
                self._catching.__exit__(None, None, None)
            self._sort(run)
        return self.heard

    def _sort(self, run: Run) -> None:
        heard = self.heard
        for context in run.problems:
            text = _problem(context)
            lines = heard.unretrieved if _UNRETRIEVED in text else heard.other
            lines.append(named(text, context["path"]))
        for one in self._warnings:
            text = shown(str(one.message))
            if issubclass(one.category, ResourceWarning):
                heard.unclosed.append(f"ResourceWarning: {text}")
            elif issubclass(one.category, RuntimeWarning) and _UNAWAITED in text:
                heard.unawaited.append(f"RuntimeWarning: {text}")

    def _unraised(self, unraised: Any) -> None:
        text = f"{unraised.err_msg or 'exception ignored'}: {shown(unraised.exc_value)}"
        self.heard.other.append(named(text, PATH.get()))


_ears: WeakKeyDictionary[Run, _Ears] = WeakKeyDictionary()


def listen(run: Run) -> None:
    """Begin to listen to ``run``, unless somebody does."""
    if run not in _ears:
        _ears[run] = _Ears()


def what_was_heard(run: Run) -> Heard:
    """Return what was heard; after that nobody listens."""
    ears = _ears.get(run)
    return Heard() if ears is None else ears.close(run)


class _Handler(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "asyncio":  # the loop's handler has told it already
            text = f"{record.name} logged: {shown(record.getMessage())}"
            self._heard.append(named(text, PATH.get()))


def _problem(context: dict[str, Any]) -> str:
    exc = context.get("exception")
    what = "" if exc is None else f": {shown(exc)}"
    return f"{context.get('message', 'a problem')}{what}"

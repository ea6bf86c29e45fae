"""Stops in the debugger where a run is canceled: in the user's own frame, parked at the await.

*What it is.* The frames of a suspended coroutine are alive, but on no stack. `Debugger` is pdb,
shown the chain of awaits as if it were one: ``up`` and ``down`` go along it, locals can be read and
expressions evaluated. ``continue`` sends the cancellation and lets the run go on; ``next`` and
``step`` send it too, and stop where it arrives.

*Threads.* The loop's.
"""

from __future__ import annotations

import pdb  # noqa: T100 - it is what the user asked for
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from rescind._core.frames import from_library
from rescind.check.detectors.base import Detector

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Debugger", "Stop", "frames_of_awaits"]

_HELP = """\
Stopped just before the cancellation is sent. The task is parked in this frame.
  up, down     along the chain of awaits
  continue     cancel, and let the run go on
  next, step   cancel, and stop where it arrives
"""


class Debugger(pdb.Pdb):
    """pdb on the frames of a task that is parked."""

    def __init__(self, frames: list[FrameType], current: int, **options: Any) -> None:
        super().__init__(nosigint=True, **options)
        self.prompt = "(rescind pdb) "
        self._frames = frames
        self._current = current
        self._parked = True
        self._given_up = False

    def get_stack(
        self, f: FrameType | None, t: TracebackType | None
    ) -> tuple[list[tuple[FrameType, int]], int]:
        """Return the chain of awaits while the task is parked; then the stack as it is."""
        if not self._parked:
            return super().get_stack(f, t)
        return [(frame, frame.f_lineno) for frame in self._frames], self._current

    def stop(self) -> None:
        """Talk with the user; return when the run shall go on."""
        self.reset()
        frame = self._frames[self._current]
        self.message(_HELP.rstrip())
        self.interaction(frame, None)
        self._parked = False
        if self._given_up:
            raise KeyboardInterrupt
        if self.stopframe is None:
            return
        # What was asked for happens in frames that exist already: they have to be watched by hand.
        self.botframe = self._frames[0]
        for one in self._frames:
            one.f_trace = self.trace_dispatch
        sys.settrace(self.trace_dispatch)

    def do_continue(self, arg: str) -> bool | None:
        """Cancel, and let the run go on."""
        self.stopframe = self.botframe = None
        self.returnframe = None
        self.stoplineno = -1
        if not self._parked:
            sys.settrace(None)
        return True

    do_c = do_cont = do_continue

    def do_quit(self, arg: str) -> bool | None:
        """Give up: nothing more is run."""
        self._given_up = True
        if not self._parked:
            sys.settrace(None)
            raise KeyboardInterrupt
        return True

    do_q = do_exit = do_EOF = do_quit  # noqa: N815 - as pdb calls it


class Stop(Detector):
    """Opens the debugger before the first strike of a run.

    Attributes:
        stopped: was there anything to stop in?
    """

    name = "debugger"

    def __init__(self, **options: Any) -> None:
        self.stopped = False
        self._options = options

    def set_up(self, run: Run) -> None:
        strike: Callable[[Callable[[], object]], None] = run._strike._strike

        def watched(cancel: Callable[[], object]) -> None:
            if not self.stopped:
                self.stopped = True
                self._stop(run)
            strike(cancel)

        run._strike._strike = watched  # type: ignore[method-assign]

    def settled(self, run: Run) -> None:
        if self.stopped:
            sys.settrace(None)

    def _stop(self, run: Run) -> None:
        point = run.plan.point
        probe = None if point is None else run.probes.all.get(point.task)
        frames = [] if probe is None else frames_of_awaits(probe.coroutine)
        theirs = [one for one in frames if not _is_ours(one)]
        if theirs:
            own = [n for n, one in enumerate(theirs) if not from_library(one.f_code.co_filename)]
            Debugger(theirs, own[-1] if own else len(theirs) - 1, **self._options).stop()


def frames_of_awaits(coro: Any) -> list[FrameType]:
    """Return the frames of a suspended coroutine and of all that it awaits, outermost first."""
    frames: list[FrameType] = []
    while coro is not None:
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(coro, f"{prefix}_frame", None)
            if frame is not None:
                frames.append(frame)
                break
        coro = (
            getattr(coro, "cr_await", None)
            or getattr(coro, "gi_yieldfrom", None)
            or getattr(coro, "ag_await", None)
        )
    return frames


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("rescind.check.")

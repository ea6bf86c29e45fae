"""`SlowPolls`: which task keeps everything else waiting, and where; found once a turn was slow.

*What it is.* The executor times its turns, and nothing else. After a slow turn of several steps
this looks closer for a while: it times each step, and notes at which await it began. So what the
first warning says is certain if the turn had one step, and a guess otherwise; the next ones name
the task.

*What it costs.* A microsecond for a step that is looked at, and there are at most so many of those
between two beats: of a program that takes a million steps a second a few in a hundred are looked
at, of one that takes ten thousand all.

*Invariants.*
 P1  It listens only while it looks closer, which ends by itself.
 P2  What happened is told after the step, by the thread of the runtime; the watchdog only looks.
 P3  Of steps within steps the innermost one that was slow is named, once.
 P4  What the collector took in a step, or in a turn, is not the step's.

*Threads.* Events come on the runtime's thread. The watchdog is a thread of its own: it reads the
runtime's frames, and ends when nobody looks closer any more.

*Source.* asyncio's debug mode, which times each callback; tokio-console's busy tasks; BlockBuster.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rescind._core.hooks import Observer, explaining, hooks
from rescind._core.waiting import children_of
from rescind._warn.places import Mark, label_of, likeness, mark_of, words

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.executor import Executor
    from rescind._core.outcome import Outcome
    from rescind._core.task import Task
    from rescind._warn.collecting import Collections
    from rescind._warn.lines import Lines

__all__ = ["SlowPolls"]

#: For so many seconds after a slow turn steps are timed,
_CLOSER: Final = 30.0
#: between two beats no more of them than so many.
_STEPS: Final = 10_000
#: So many seconds are usual for a step: a turn of many is slow only beyond that.
_USUAL: Final = 0.001
_KIND: Final = "slow polls"


class _Step:
    """A step under way."""

    __slots__ = ("began", "cell", "since", "site", "told")

    def __init__(self, cell: Cell[Any]) -> None:
        self.cell = cell
        # The await at which it began; empty if it is the first step.
        self.since: Mark = mark_of(cell) if cell.started else ()
        self.site = ""  # where the watchdog saw it
        self.told = False  # was one within it told, or itself (P3)?
        self.began = monotonic()


class SlowPolls(Observer):
    """Looks closer at the steps of one executor while it listens.

    Args:
        executor: whose steps.
        lines: where to warn.
        slow: from how many seconds on a step is slow.
        watchdog: may a thread look at the line of a step that is slow?
        collections: knows what of that was the collector's (P4); None: nobody asks.
    """

    def __init__(
        self,
        executor: Executor,
        lines: Lines,
        slow: float,
        *,
        watchdog: bool,
        collections: Collections | None = None,
    ) -> None:
        # Whoever listens is held by the process, and must not hold what a runtime is made of.
        self._executor = weakref.ref(executor)
        self._lines = lines
        self._slow = slow
        self._collections = collections
        self._watchdog = watchdog
        # The steps under way, outermost first, while it looks closer.
        self._steps: list[_Step] = []
        # What was found in the turn under way, and what makes two of them alike.
        self._found: list[tuple[str, Hashable]] = []
        self._until = 0.0  # when to stop looking closer; 0: it does not
        self._left = 0  # so many steps are timed till the next beat
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    # -- the turn ---------------------------------------------------------------------------------

    def turned(self, seconds: float, steps: int) -> None:
        """Tell of a turn that was slow, and look closer from now on if more can be known."""
        found, self._found = self._found, []
        closely = self._left > 0
        self._steps.clear()
        for text, like in found:
            self._lines.say(_KIND, text, like)
        if not closely and seconds > self._slow + (steps - 1) * _USUAL:
            self._lines.say(_KIND, self._first(seconds, steps))
        if steps > 1 or self._watchdog or self._has_children():
            self._look_closer()

    def _has_children(self) -> bool:
        """May it have been a child of the task that was stepped last?"""
        last = _current(self._executor())
        return last is not None and bool(children_of(last.future))

    def _first(self, seconds: float, steps: int) -> str:
        """What can be said of a turn of which only the length is known."""
        last = _current(self._executor())
        if steps == 1 and last is not None:
            return _text(label_of(last), seconds, (), mark_of(last), "")
        whose = "" if last is None else f"; the last of them was {label_of(last)}"
        return (
            f"one of {steps} polls ran for up to {seconds:.1f} s without awaiting, while "
            f"everything else stood still{whose}. The next slow one will be named"
        )

    # -- looking closer ---------------------------------------------------------------------------

    def _look_closer(self) -> None:
        self._until = monotonic() + _CLOSER
        self._listen()
        if self._watchdog and (self._thread is None or not self._thread.is_alive()):
            self._over.clear()
            self._thread = threading.Thread(target=self._look, name="rescind watchdog", daemon=True)
            self._thread.start()

    def _listen(self) -> None:
        if self._left == 0:
            hooks.add(self)
        self._left = _STEPS

    @property
    def looks(self) -> bool:
        """Does it look closer, so that `rest` has to be called now and then?"""
        return self._until > 0

    def rest(self) -> bool:
        """Look closer no more, if it is time; return whether it does; called at each beat."""
        if 0 < self._until < monotonic():
            self.stop()
        elif self._until > 0:
            self._listen()
        return self.looks

    def stop(self) -> None:
        """Look closer no more."""
        self._until = 0.0
        self._deafen()
        self._over.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _deafen(self) -> None:
        """Time no more steps, at least till the next beat."""
        hooks.remove(self)
        self._left = 0
        self._steps.clear()

    def polled(self, cell: Cell[Any]) -> None:
        if cell.cx.executor is self._executor():
            self._left -= 1
            if self._left <= 0:
                self._deafen()
            else:
                self._steps.append(_Step(cell))

    def parked(self, cell: Cell[Any]) -> None:
        self._stepped(cell)

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        self._stepped(cell)

    def _stepped(self, cell: Cell[Any]) -> None:
        steps = self._steps
        if not steps or steps[-1].cell is not cell:
            return
        step = steps.pop()
        seconds = monotonic() - step.began
        if seconds > self._slow and self._collections is not None:
            seconds -= self._collections.within(seconds)  # P4
        if seconds > self._slow and not step.told:
            step.told = True
            until = mark_of(cell)  # of no others: a frame that was looked at stays an object
            text = _text(label_of(cell), seconds, step.since, until, step.site)
            like = likeness(step.since), likeness(until), step.site
            self._found.append((text, like if any(like) else None))
        if steps and step.told:
            steps[-1].told = True

    # -- the watchdog -----------------------------------------------------------------------------

    def _look(self) -> None:
        while not self._over.wait(self._slow / 2):
            if self._until < monotonic():
                return
            try:
                step = self._steps[-1]
            except IndexError:
                continue
            task = _current(self._executor())
            if step.site or task is None or monotonic() - step.began <= self._slow:
                continue
            place = explaining.explain(task).task.place
            if self._steps and self._steps[-1] is step:  # else the place was somebody else's
                step.site = place


def _current(executor: Executor | None) -> Task[Any] | None:
    return None if executor is None else executor.current


def _text(label: str, seconds: float, since: Mark, until: Mark, site: str) -> str:
    """The line; of the places the most certain ones that are known."""
    first, last = words(since), words(until)
    if site:
        where = f", {site}"
    elif first and last and first != last:
        where = f", between its awaits at {first} and at {last}"
    elif first and last:
        where = f", from one await at {first} to the next"
    elif first or last:
        where = f", {'until' if last else 'after'} its await at {last or first}"
    else:
        where = ""
    return (
        f"{label} ran for {seconds:.1f} s without awaiting{where}. Everything else stood still "
        "meanwhile: let it await, or use rescind.blocking.spawn_blocking"
    )

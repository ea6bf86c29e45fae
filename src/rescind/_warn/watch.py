"""`Watch`: looks after one runtime, and warns of what its settings say.

*What it is.* Turns are timed by the executor. For all else it looks around in *beats*: half a
second after a turn, and again as long as there are turns, or somebody cleans up who was not told of
yet. A beat looks through the tasks that were asked to cancel, and if nothing has run since the last
one, for what hangs.

*Invariants.*
 W1  A program in which nothing runs has no beats: the next turn asks for one.
 W2  Each task is told of once for its cleanup, and once for a shield; what only waits for others
     that were asked to cancel is left to them, unless they wait for each other.
 W3  A fault of its own takes it off, with an error in the log, and the program goes on.

*What it costs.* Two clock reads for a turn; a look at a coroutine's lines for each cancellation
that is raised in a task; a walk through the tasks for each beat.

*Threads.* The runtime's.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.executor import Executor
from rescind._core.explanation import reason_text
from rescind._core.hooks import explaining, hooks
from rescind._core.outcome import Completed
from rescind._core.phase import Phase
from rescind._core.reason import CancelKind
from rescind._core.vigil import Vigil
from rescind._core.waiting import children_of, found_at, parts_of, waits_of
from rescind._warn.collecting import Collections
from rescind._warn.deliveries import Deliveries, Part
from rescind._warn.hangs import Hangs
from rescind._warn.lines import Lines
from rescind._warn.places import Mark, label_of, likeness, words
from rescind._warn.turns import SlowPolls
from rescind._warn.unawaited import unawaited_line

if TYPE_CHECKING:
    from rescind._core.cell import Cell
    from rescind._core.explanation import Explanation
    from rescind._core.outcome import Outcome
    from rescind._core.poll import Future
    from rescind._core.reason import CancelReason
    from rescind._core.task import Task
    from rescind._warn.settings import Warnings

__all__ = ["Watch", "watch_over"]

_log = logging.getLogger("rescind")

_BEAT: Final = 0.5
#: So many tasks are explained in a beat; the others are counted.
_LOOKS: Final = 50
#: While it is busy, it looks for what hangs in one of so many beats.
_BUSY: Final = 20
_NEVER: Final = float("inf")
_CLEANUPS: Final = "slow cleanups"
_SHIELDS: Final = "shields that hold a cancellation back"
_UNAWAITED: Final = "futures that were never awaited"
_ABSORBED: Final = "cancellations that were swallowed"
#: A task that swallows these ends all the same, and nobody waits for more.
_AT_THE_END: Final = frozenset({CancelKind.SHUTDOWN, CancelKind.SIGNAL})

#: Nothing holds it back but those in the queue before it.
_ITS_TURN: Final = (Phase.NEW, Phase.READY, Phase.REQUESTED)


class Watch(Vigil):
    """Looks after one runtime.

    Args:
        executor: of the runtime.
        loop: that it rides on.
        warnings: of what to warn.
    """

    def __init__(
        self, executor: Executor, loop: asyncio.AbstractEventLoop, warnings: Warnings
    ) -> None:
        self.slow = _NEVER if warnings.slow_poll is None else warnings.slow_poll
        self._looks_around = any((warnings.slow_cleanup, warnings.shield_held, warnings.hangs))
        self.wants = self._looks_around
        self.ends = False  # till somebody was told of, or somebody else wants to be
        self._on_end: Callable[[Task[Any], Outcome[Any]], object] | None = None
        self._executor = executor
        self._loop = loop
        self._warnings = warnings
        self._lines = lines = Lines()
        # Listens only if a slow turn is to be told of.
        self._collections = None if warnings.slow_poll is None else Collections()
        self._polls = SlowPolls(
            executor, lines, self.slow, watchdog=warnings.watchdog, collections=self._collections
        )
        self._hangs = Hangs(executor, loop, lines) if warnings.hangs else None
        self._deliveries: Deliveries | None = None
        if warnings.absorbed or warnings.slow_cleanup is not None:
            self._deliveries = Deliveries(executor, parts=warnings.slow_cleanup is not None)
        # The next beat; None if none is due (W1).
        self._alarm: asyncio.TimerHandle | None = None
        self._turns = -1  # of the executor, at the last beat
        self._beats = 0
        # What was told of: the task's id, and whether it was its shield (W2).
        self._told: set[tuple[int, bool]] = set()
        limits = (warnings.slow_cleanup, warnings.shield_held)
        self._every = min(_BEAT, *(limit / 2 for limit in limits if limit is not None), _BEAT)

    def start(self) -> None:
        """Look from now on."""
        self._executor.vigil = self
        if self._deliveries is not None:
            hooks.add(self._deliveries)

    def tell_of_ends(self, told: Callable[[Task[Any], Outcome[Any]], object]) -> None:
        """Call ``told`` with each task that ends after it had been asked to cancel."""
        self._on_end = told
        self.ends = True

    def stop(self) -> None:
        """Look no more, and tell what was only counted."""
        if self._executor.vigil is self:
            self._executor.vigil = None
        if self._deliveries is not None:
            hooks.remove(self._deliveries)
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()
        self._polls.stop()
        if self._collections is not None:
            self._collections.stop()
        self._lines.flush(last=True)

    # -- what the executor tells ------------------------------------------------------------------

    def turned(self, executor: Executor, seconds: float, steps: int) -> None:
        try:
            if seconds > self.slow and self._collections is not None:
                seconds -= self._collections.within(seconds)
                if seconds > self.slow and not self._alone():
                    self._polls.turned(seconds, steps)
            if self.wants:
                self._arm()
        except Exception:
            self._failed()

    def _alone(self) -> bool:
        """Is there one task and nothing else, so that nobody was kept waiting?"""
        executor = self._executor
        tasks = list(executor.tasks.values())
        if len(tasks) > 1 or executor.statistics().timers > 0:
            return False
        if any(children_of(task.future) for task in tasks):
            return False
        return len(asyncio.all_tasks(self._loop)) <= 1

    def ended(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        try:
            if self._told:
                self._told.discard((task.id, False))
                self._told.discard((task.id, True))
            if task.absorbed and self._warnings.absorbed:
                self._absorbed(task, outcome, cast("Mark", task.raised_at or ()))
            if self._on_end is not None:
                self._on_end(task, outcome)
        except Exception:
            self._failed()

    def unawaited(self, future: Future[Any]) -> None:
        try:
            if self._warnings.never_awaited:
                what, like = unawaited_line(future)
                self._lines.say(_UNAWAITED, what, like)
        except Exception:
            self._failed()

    def _absorbed(self, task: Task[Any], outcome: Outcome[Any], place: Mark) -> None:
        reason = task.cancel_reasons[0]
        if reason.chain()[-1].kind in _AT_THE_END:
            return
        like = likeness(place) or None
        if not self._lines.free(_ABSORBED, like):
            self._lines.count(_ABSORBED)
            return
        at = words(place)
        value = "a value"
        if isinstance(outcome, Completed) and outcome.value is None:
            value = "None"
        self._lines.say(
            _ABSORBED,
            f"{label_of(task)} returned {value} although it was canceled: its Cancellation was "
            f"raised{f' at {at},' if at else ''} and swallowed. Let it pass, or raise it again "
            f"after cleaning up. Canceled: {reason_text(reason)}",
            like,
        )

    def _failed(self) -> None:
        _log.exception("the warnings of %r failed, and are off from now on", self._executor.name)
        self.stop()

    # -- beats ------------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._alarm is None and not self._executor.stopped:
            with suppress(RuntimeError):  # the loop is closed
                # uvloop's timers are not seen by the collector: this one must hold nothing.
                watch: weakref.ref[Watch] = weakref.ref(self)
                self._alarm = self._loop.call_later(self._every, _beat, watch)
            self.wants = False

    def beat(self) -> None:
        """Look around; called by the loop."""
        self._alarm = None
        try:
            self._look_around()
        except Exception:
            self._failed()

    def _look_around(self) -> None:
        executor = self._executor
        self._beats += 1
        self._polls.rest()
        waiting = self._sweep()
        waiting = self._sweep_parts() or waiting
        self._lines.flush()
        turns = executor.statistics().turns
        busy, self._turns = turns != self._turns, turns
        if self._hangs is not None and not (busy and self._beats % _BUSY):
            self._hangs.look()
        if busy or waiting:
            self._arm()
        else:
            self.wants = self._looks_around  # W1

    def _sweep(self) -> bool:
        """Tell of those who are slow to end; return True if there are others that may become so."""
        executor = self._executor
        now = executor.now()
        looks = _LOOKS
        waiting = False
        for task in [task for task in executor.tasks.values() if task.request is not None]:
            shielded = not _raised(task)
            limit = self._warnings.shield_held if shielded else self._warnings.slow_cleanup
            if limit is None or (task.id, shielded) in self._told:
                continue
            if shielded and task.phase in _ITS_TURN:
                waiting = True
                continue
            since = _asked_at(task, now)
            grace_at = None if task.request is None else task.request.grace_at
            if grace_at is not None:
                limit = min(limit, (grace_at - since) / 2)
            if now - since < limit:
                waiting = True
                continue
            self._told.add((task.id, shielded))
            self.ends = True
            kind = _SHIELDS if shielded else _CLEANUPS
            if looks > 0 and self._lines.free(kind):
                looks -= 1
                self._tell(task, kind)
            else:
                self._lines.count(kind)
        return waiting

    def _sweep_parts(self) -> bool:
        """Tell of what is slow to end in tasks that are not canceled; True if more may become so.

        Branches that lost a race, work whose timeout has passed, blocks of a deadline.
        """
        limit = self._warnings.slow_cleanup
        if self._deliveries is None or limit is None:
            return False
        now = self._executor.now()
        looks = _LOOKS
        waiting = False
        for part in list(self._deliveries.unfinished()):
            cell = part.cell()
            at = part.request.grace_at
            most = limit if at is None else min(limit, (at - part.since) / 2)
            if cell is None or now - part.since < most:
                waiting = True
                continue
            self._deliveries.parts.remove(part)  # W2
            if looks > 0 and self._lines.free(_CLEANUPS):
                looks -= 1
                found: Explanation = explaining.explain(cell)
                if found.cycle or not self._held_up(cell):
                    line = _part_line(cell, part, found, now)
                    self._lines.say(_CLEANUPS, line, (found.task.place, found.task.waits_for))
            else:
                self._lines.count(_CLEANUPS)
        return waiting

    def _tell(self, task: Task[Any], kind: str) -> None:
        found: Explanation = explaining.explain(task)
        if not found.cycle and self._held_up(task):
            return  # W2
        if kind == _SHIELDS and not found.task.shields:
            kind = _CLEANUPS  # of what it awaits: that has to end before
        line = (_shield_line if kind == _SHIELDS else _cleanup_line)(found)
        self._lines.say(kind, line, (found.task.place, found.task.waits_for))

    def _held_up(self, cell: Cell[Any]) -> bool:
        """Does it only wait for the ends of tasks that were asked to cancel, too?"""
        tasks = [self._executor.tasks.get(number) for number in found_at(cell.future)[2]]
        return bool(tasks) and all(one is not None and one.request is not None for one in tasks)


def watch_over(executor: Executor, warnings: Warnings) -> None:
    """Have a runtime watched, if it rides on a loop with a clock of its own, and anything is on.

    Virtual clocks would jump to a beat, and the checker's executor and the lab's have their turns
    counted.
    """
    loop = getattr(executor.host, "loop", None)
    if loop is not None and warnings and type(executor) is Executor:
        Watch(executor, loop, warnings).start()


def _beat(watch: weakref.ref[Watch]) -> None:
    found = watch()
    if found is not None:
        found.beat()


# ---------------------------------------------------------------------------------------- the words


def _cleanup_line(found: Explanation) -> str:
    info = found.task
    text = f"{info.label} has been cleaning up for {info.asked or 0.0:.1f} s"
    if info.waits_for:
        text += f": it waits for {info.waits_for}"
    return f"{text}{_rest(found, info.grace_left, info.reasons[0])}"


def _part_line(cell: Cell[Any], part: Part, found: Explanation, now: float) -> str:
    """Say what of a task is slow to end: which child of what, or which part of it."""
    info = found.task
    who = label_of(cell)
    if cell.parent is None:
        who = f"a part of {who}"
    elif cell.parent.future is not None:
        who += f", in its {waits_of(cell.parent, '')[0].what}"
    text = f"{who}, has been cleaning up for {now - part.since:.1f} s"
    if info.waits_for:
        text += f": it waits for {info.waits_for}"
    at = part.request.grace_at
    left = None if at is None else at - now
    return f"{text}{_rest(found, left, part.request.reason)}"


def _shield_line(found: Explanation) -> str:
    info = found.task
    text = (
        f"{info.label} was asked to cancel {info.asked or 0.0:.1f} s ago, and the shield at "
        f"{info.shields[0]} holds it back"
    )
    if info.waits_for:
        text += f" while it waits for {info.waits_for}"
    return f"{text}{_rest(found, info.grace_left, info.reasons[0])}"


def _rest(found: Explanation, grace_left: float | None, reason: CancelReason) -> str:
    """Where, who blocks, the grace that is left, and why it was canceled."""
    info = found.task
    text = f", {info.place}" if info.place else ""
    if info.blocked_by:
        text += f", blocked by {', '.join(one.label for one in info.blocked_by[:3])}"
    if found.cycle:
        text += f", and these wait for each other: {' → '.join(found.cycle)}"
    if grace_left is not None:
        text += f". It is dropped in {max(grace_left, 0.0):.1f} s"
    return f"{text}. Canceled: {reason_text(reason)}"


def _raised(task: Task[Any]) -> bool:
    """Has its cancellation been raised inside, so that what runs is its cleanup?"""
    for part in parts_of(task.future):
        if isinstance(part, CoroutineFuture):
            return cast("CoroutineFuture[object]", part).delivered()
    return True


def _asked_at(task: Task[Any], now: float) -> float:
    at = task.cancel_reasons[0].at
    return now if at is None else at

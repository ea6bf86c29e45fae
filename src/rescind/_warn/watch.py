"""`Watch`: looks after one runtime, and warns of what its settings say.

*What it is.* Turns are timed by the executor. For all else it looks around in *beats*: half a
second after a turn, and again as long as there are turns, or somebody cleans up who was not told of
yet. A beat looks through the tasks that were asked to cancel, and if nothing has run since the last
one, for what hangs.

*What it is not.* Where warnings are worded: `turns`, `rounds`, `hangs` and the others are imported
when there is something for them to look at, which in most programs is never.

*Invariants.*
 W1  A program in which nothing runs has no beats: the next turn asks for one.
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

from rescind._core.executor import Executor
from rescind._core.hooks import Observer, hooks
from rescind._core.reason import CancelKind
from rescind._core.vigil import Vigil
from rescind._warn.collecting import Collections

# What there are words for is imported when it has happened: a program that does well does without.
if TYPE_CHECKING:
    from rescind._core.outcome import Outcome
    from rescind._core.poll import Future
    from rescind._core.reason import CancelRequest
    from rescind._core.scope import ScopeStack
    from rescind._core.task import Task
    from rescind._warn.deliveries import Deliveries
    from rescind._warn.hangs import Hangs
    from rescind._warn.lines import Lines
    from rescind._warn.places import Mark
    from rescind._warn.rounds import Rounds
    from rescind._warn.settings import Warnings
    from rescind._warn.turns import SlowPolls

__all__ = ["Watch", "watch_over"]

_log = logging.getLogger("rescind")

_BEAT: Final = 0.5
#: While it is busy, it looks for what hangs in one of so many beats.
_BUSY: Final = 20
_NEVER: Final = float("inf")
_UNAWAITED: Final = "futures that were never awaited"
_ABSORBED: Final = "cancellations that were swallowed"
_AT_THE_END: Final = (CancelKind.SHUTDOWN, CancelKind.SIGNAL)


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
        # Listens only if a slow turn is to be told of.
        self._collections = None if warnings.slow_poll is None else Collections()
        # These are made when they are first needed.
        self._said: Lines | None = None
        self._polls: SlowPolls | None = None
        self._hangs: Hangs | None = None
        self._rounds: Rounds | None = None
        self._deliveries: Deliveries | None = None
        # Hears of the first delivery; None if none is to be heard of.
        self._first: _First | None = None
        if warnings.absorbed or warnings.slow_cleanup is not None:
            self._first = _First(self)
        # The next beat; None if none is due (W1).
        self._alarm: asyncio.TimerHandle | None = None
        self._turns = -1  # of the executor, at the last beat
        self._beats = 0
        limits = (warnings.slow_cleanup, warnings.shield_held)
        self._every = min(_BEAT, *(limit / 2 for limit in limits if limit is not None), _BEAT)

    def start(self) -> None:
        """Look from now on."""
        self._executor.vigil = self
        if self._first is not None:
            hooks.add(self._first)

    def tell_of_ends(self, told: Callable[[Task[Any], Outcome[Any]], object]) -> None:
        """Call ``told`` with each task that ends after it had been asked to cancel."""
        self._on_end = told
        self.ends = True

    def stop(self) -> None:
        """Look no more, and tell what was only counted."""
        if self._executor.vigil is self:
            self._executor.vigil = None
        for observer in (self._first, self._deliveries):
            if observer is not None:
                hooks.remove(observer)
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()
        if self._polls is not None:
            self._polls.stop()
        if self._collections is not None:
            self._collections.stop()
        if self._said is not None:
            self._said.flush(last=True)

    # -- what the executor tells ------------------------------------------------------------------

    def turned(self, executor: Executor, seconds: float, steps: int) -> None:
        try:
            if seconds > self.slow and self._collections is not None:
                seconds -= self._collections.within(seconds)
                if seconds > self.slow and not self._alone():
                    self._slow_turn(seconds, steps)
            if self.wants:
                self._arm()
        except Exception:
            self._failed()

    @property
    def _lines(self) -> Lines:
        if self._said is None:
            from rescind._warn.lines import Lines

            self._said = Lines()
        return self._said

    def _slow_turn(self, seconds: float, steps: int) -> None:
        polls = self._polls
        if polls is None:
            from rescind._warn.turns import SlowPolls

            self._polls = polls = SlowPolls(
                self._executor,
                self._lines,
                self.slow,
                watchdog=self._warnings.watchdog,
                collections=self._collections,
            )
        polls.turned(seconds, steps)
        if polls.looks:
            self._arm()  # whose beats end that

    def _alone(self) -> bool:
        """Is there one task and nothing else, so that nobody was kept waiting?"""
        from rescind._core.waiting import children_of

        executor = self._executor
        tasks = list(executor.tasks.values())
        if len(tasks) > 1 or executor.statistics().timers > 0:
            return False
        if any(children_of(task.future) for task in tasks):
            return False
        return len(asyncio.all_tasks(self._loop)) <= 1

    def ended(self, task: Task[Any], outcome: Outcome[Any]) -> None:
        try:
            if self._rounds is not None:
                self._rounds.forget(task)
            if task.absorbed and self._warnings.absorbed:
                self._absorbed(task, outcome, cast("Mark", task.raised_at or ()))
            if self._on_end is not None:
                self._on_end(task, outcome)
        except Exception:
            self._failed()

    def unawaited(self, future: Future[Any]) -> None:
        try:
            if self._warnings.never_awaited:
                from rescind._warn.unawaited import unawaited_line

                what, like = unawaited_line(future)
                self._lines.say(_UNAWAITED, what, like)
        except Exception:
            self._failed()

    def _absorbed(self, task: Task[Any], outcome: Outcome[Any], place: Mark) -> None:
        from rescind._warn.places import likeness
        from rescind._warn.wording import absorbed_line

        reason = task.cancel_reasons[0]
        if reason.chain()[-1].kind in _AT_THE_END:
            return  # it ends all the same, and nobody waits for more
        like = likeness(place) or None
        if self._lines.free(_ABSORBED, like):
            self._lines.say(_ABSORBED, absorbed_line(task, outcome, place, reason), like)
        else:
            self._lines.count(_ABSORBED)

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
        looks = self._polls is not None and self._polls.rest()
        waiting = self._sweep()
        if self._said is not None:
            self._said.flush()
        turns = executor._counts.turns  # `statistics` would bring a module for this number
        busy, self._turns = turns != self._turns, turns
        if self._warnings.hangs and executor.tasks and not (busy and self._beats % _BUSY):
            self._look_for_hangs()
        if (busy and self._looks_around) or waiting or looks:
            self._arm()
        else:
            self.wants = self._looks_around  # W1

    def _sweep(self) -> bool:
        """Tell of those who are slow to end; return True if others may become so."""
        parts = self._deliveries is not None and bool(self._deliveries.parts)
        if not parts and all(task.request is None for task in self._executor.tasks.values()):
            return False
        if self._rounds is None:
            from rescind._warn.rounds import Rounds

            self._rounds = Rounds(self._executor, self._warnings, self._lines)
        waiting = self._rounds.look()
        self.ends = self.ends or bool(self._rounds.told)
        if self._deliveries is not None:
            waiting = self._rounds.look_at_parts(self._deliveries) or waiting
        return waiting

    def _look_for_hangs(self) -> None:
        if self._hangs is None:
            from rescind._warn.hangs import Hangs

            self._hangs = Hangs(self._executor, self._loop, self._lines)
        self._hangs.look()

    def listen(self) -> Deliveries:
        """Note from now on where cancellations are raised; called at the first of them."""
        from rescind._warn.deliveries import Deliveries

        parts = self._warnings.slow_cleanup is not None
        self._deliveries = found = Deliveries(self._executor, parts=parts)
        hooks.add(found)
        return found


class _First(Observer):
    """Hears of the first cancellation that is raised in a runtime, and passes that on.

    The process holds it: it refers to the watch weakly.
    """

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch) -> None:
        self._watch = weakref.ref(watch)

    def delivered(self, stack: ScopeStack, request: CancelRequest) -> None:
        watch = self._watch()
        if watch is not None:
            if stack.cx is None or stack.cx.executor is not watch._executor:
                return  # another runtime's
            watch.listen().delivered(stack, request)
        hooks.remove(self)


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

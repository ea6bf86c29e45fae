"""`Strike`: where a run is, and the cancellation at the moment that its plan names.

*What it is.* Told of each task and of each park while the scenario runs, it notes the points, and
when the plan's is reached it arms the strike: right after the callback that runs now (parked, not
begun), when what is awaited is done and before the task resumes (woken), or before a callback.

*Invariants.* X1 and X2 of `run`; and
 X4  What was noted before the first strike tells whether the run went the clean run's way
     (`went_astray`): a strike at the right place in a run that came by another way is worth
     nothing.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rescind.check.points import ROOT, Instant, Mode, Point
from rescind.check.probe import Probe
from rescind.check.record import Record

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Strike", "went_astray"]

_START = Point(ROOT)


class Strike:
    """The cancellation of one run.

    In a storm, each round is struck anew; what is noted is of the first.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._plan = run.plan
        self._record = run.record
        self._loop = run.loop
        # Which round is under way, counted from 1; 0: none, nothing is struck.
        self._round = 0
        self._first = True
        # Was the point reached in this round?
        self._aimed = False
        # Was it struck in this round?
        self._struck = False
        self._struck_at = 0.0
        self._callbacks_before = 0

    def begin(self, *, first: bool) -> None:
        """Watch one round of the scenario."""
        plan, loop, probes = self._plan, self._loop, self._run.probes
        self._round += 1
        self._first = first
        self._aimed = self._struck = False
        self._record.cleanup = 0
        self._record.cleaned = []
        if first and plan.point is not None:
            self._record.struck = False
        probes.on_made = self._made
        probes.on_parked = self._parked
        self._callbacks_before = loop.callbacks
        if plan.instant is Instant.CALLBACK:
            if first:
                loop.trace(self._trace)
            if plan.point is not None:
                loop.strike_before(loop.callbacks + plan.point.visit, self._at_root)

    def aim(self) -> None:
        """Strike before the first poll, if the loop cannot put that before others later on."""
        plan = self._plan
        if plan.instant is Instant.UNSTARTED and plan.point == _START and not self._loop.orders:
            self._aimed = True
            self._loop.call_soon(self._at_root)

    def end(self) -> None:
        """The round is over."""
        self._loop.trace(None)
        self._loop.strike_before(0, _nothing)
        if self._first:
            self._record.callbacks = self._loop.callbacks - self._callbacks_before
        if self._struck:
            self._record.cleanup_seconds = self._loop.time() - self._struck_at

    def over(self) -> None:
        """Watch no more."""
        probes = self._run.probes
        probes.on_made = probes.on_parked = None
        self._loop.trace(None)
        self._round = 0

    # -- what is seen -----------------------------------------------------------------------------

    def _made(self, probe: Probe, _awaits: object) -> None:
        point = Point(probe.path)
        if self._first:
            self._record.points.append((point, False))
        plan = self._plan
        if plan.instant is Instant.UNSTARTED and plan.point == point and not self._aimed:
            self._aimed = True
            if probe.path != ROOT and (probe.wakes or not self._loop.orders):
                self._at(probe)  # its executor may poll it before the loop calls anything back
            else:
                self._loop.call_next(partial(self._at, probe))

    def _parked(self, probe: Probe, awaits: Any) -> None:
        record, plan = self._record, self._plan
        point = probe.point
        assert point is not None
        # What another runtime waits for says nothing when it is done.
        waits = asyncio.isfuture(awaits) or (awaits is not None and probe.wakes)
        if self._struck:
            record.after.add(point.stack)
            if plan.point is not None and probe.path == plan.point.task:
                record.cleanup += 1
                record.cleaned.append(point.stack)
                if record.cleanup == plan.second:
                    record.again = point
                    self._loop.call_next(partial(self._again, probe))
        elif self._first:
            record.points.append((point, not waits))
        if self._aimed or plan.point != point:
            return
        if plan.instant is Instant.PARKED:
            self._aimed = True
            if plan.hold is not None:
                self._loop.hold(
                    plan.hold.connection
                )  # now: the loop may look for I/O before it strikes
            self._loop.call_next(partial(self._if_parked, probe, awaits))
        elif plan.instant is Instant.WOKEN and waits:
            self._aimed = True
            if asyncio.isfuture(awaits):
                # Its callback comes before the task's own, which will resume it.
                awaits.add_done_callback(partial(self._if_woken, probe, self._round))
            else:
                probe.on_woken = partial(self._if_woken, probe, self._round)

    def _trace(self, handle: Any) -> None:
        way = self._run.way
        if way is None or not way.done.done():  # after that there is nothing to be struck
            self._record.trace.append(_described(handle))

    # -- the strike -------------------------------------------------------------------------------

    def _if_parked(self, probe: Probe, awaits: Any) -> None:
        if probe.awaits is not awaits or (awaits is not None and _done(awaits)):
            self._record.diverged = "what it awaits was done before the cancellation could be sent"
            return
        self._at(probe)

    def _if_woken(self, probe: Probe, number: int, _done: object = None) -> None:
        # Else it was interrupted; or it hangs since an earlier round, or until all is ended.
        if number == self._round and probe.point == self._plan.point:
            self._at(probe)

    def _at(self, probe: Probe) -> None:
        if probe.path == ROOT:
            way = self._run.way
            if way is not None and way.probe is probe:
                self._at_root()  # else it is of an earlier round of a storm, and hangs
            return
        task = probe.task
        if task is not None and not task.done():
            probe.counts = _any
            self._strike(partial(self._cancel, probe))

    def _at_root(self) -> None:
        way = self._run.way
        if way is not None and not way.done.done():
            self._strike(way.strike)

    def _strike(self, cancel: Callable[[], object]) -> None:
        if self._plan.hold is not None:
            self._loop.hold(self._plan.hold.connection)
        self._struck_at = self._loop.time()
        self._struck = True
        if not self._record.struck:
            self._record.struck = True
            self._record.before = len(self._record.points)
        cancel()

    def _cancel(self, probe: Probe) -> None:
        """Cancel a task that the scenario has made, as far as the mode concerns it."""
        try:
            if self._plan.mode is Mode.CLOSE:
                probe.close()
        finally:
            probe.task.cancel("rescind check")
        if self._plan.mode is Mode.TWICE:
            self._loop.call_soon(partial(probe.task.cancel, "rescind check, again"))

    def _again(self, probe: Probe) -> None:
        if probe.path == ROOT:
            way = self._run.way
            if way is not None:
                way.cancel_again()
        elif probe.task is not None:
            probe.task.cancel("rescind check, again")


def went_astray(record: Record, clean: Record) -> str:
    """Return where a struck run did not go the clean run's way before it was struck; or nothing.

    Each task of the scenario and of its copies is compared by itself: how far one is when another
    parks may depend on when an answer arrives. Between callbacks, all is.
    """
    plan = record.plan
    assert plan.point is not None
    if plan.instant is Instant.CALLBACK:
        number = plan.point.visit
        return _difference(record.trace[:number], clean.trace[:number], "callback")
    usual = _by_task(clean.points)
    for task, points in _by_task(record.points[: record.before]).items():
        if task.partition("/")[0] in (ROOT, "crowd"):
            known = usual.get(task, [])
            why = _difference(points, known[: len(points)], f"step of {task}")
            if why:
                return why
    return ""


def _difference(seen: Sequence[object], usual: Sequence[object], what: str) -> str:
    for number, one in enumerate(seen):
        if number >= len(usual):
            return f"{what} {number + 1} is {one}, but uncanceled there is none"
        if one != usual[number]:
            return f"{what} {number + 1} is {one}, but uncanceled it is {usual[number]}"
    return ""


def _by_task(points: Sequence[tuple[Point, bool]]) -> dict[str, list[Point]]:
    tasks: dict[str, list[Point]] = {}
    for point, _ in points:
        tasks.setdefault(point.task, []).append(point)
    return tasks


def _described(handle: Any) -> str:
    """Return what a callback is, the same in every run."""
    callback = handle._callback
    while isinstance(callback, partial):
        callback = callback.func
    owner: Any = getattr(callback, "__self__", None)
    coro = owner.get_coro() if hasattr(owner, "get_coro") else None
    if isinstance(coro, Probe):
        return f"a step of {coro.path}"
    name = getattr(callback, "__qualname__", None) or type(callback).__qualname__
    return f"{getattr(callback, '__module__', None) or type(owner).__module__}.{name}"


def _done(awaits: Any) -> bool:
    done = getattr(awaits, "done", None)
    return bool(done()) if callable(done) else False


def _any(_exc: BaseException) -> bool:
    """Count every cancellation that is raised in a task which was struck."""
    return True


def _nothing() -> None: ...

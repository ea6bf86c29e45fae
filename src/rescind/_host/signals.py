"""`SignalLadder`: what SIGINT and SIGTERM mean while a runtime blocks (R24).

*What it is.* The first signal cancels, the second drops, the third raises ``KeyboardInterrupt`` in
whatever runs. Before any of this happens it says so, to whoever asked to be told.

*What it is not.* In the way of others: a handler that the program has set itself stays, and a
signal that is ignored (as in a job in the background) stays ignored.

*Invariants.*
 G1  A request takes effect in a turn, never inside the signal handler: that interrupts any two
     instructions, those of the executor too.
 G2  Whoever is told, is told at most once per signal: in the turn in which it takes effect; or,
     if synchronous code keeps that from coming, a moment later, from another thread.
 G3  The handler takes no lock: it may have interrupted whoever holds it.
 G4  A signal ends the wait of the loop, also one that came in just before that began, or on another
     thread: it is written to the socket that wakes the loop, as for ``loop.add_signal_handler``.

*Threads.* Python handles signals on the main thread; on any other this does nothing.
"""

from __future__ import annotations

import itertools
import signal
import sys
import threading
from _thread import get_ident, start_new_thread
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from time import sleep
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from rescind._core.executor import Executor
from rescind._core.frames import site_of
from rescind._core.outcome import Canceled
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.record import Record, fill
from rescind._core.task import Task

if TYPE_CHECKING:
    from rescind._core.site import Site

__all__ = ["SignalLadder", "SignalNotice", "ended_by_signal"]

_DEFAULTS: Final[dict[signal.Signals, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}

#: How long synchronous code may hold a signal up before that is told of, in seconds.
_MOMENT: Final = 0.25
#: It is waited for in so many pieces: if the whole process stands still, one of them takes longer,
#: and the main thread has the others to go on.
_LOOKS: Final = 5

#: The number of the signal that is not waited for any more.
_AT_ONCE: Final = 3


class SignalNotice(Record):
    """A signal that came in.

    Attributes:
        name: ``SIGINT`` or ``SIGTERM``.
        count: 1 for the first, which cancels; 2 for the second, which drops.
        busy: the place of the synchronous code that keeps it from taking effect; None if none does.
        shutdown: did it come during the shutdown, when everything is canceled already?
    """

    __slots__ = ("busy", "count", "name", "shutdown")
    __match_args__ = ("name", "count", "busy", "shutdown")

    name: str
    count: int
    busy: Site | None
    shutdown: bool

    def __init__(self, name: str, count: int, busy: Site | None, shutdown: bool) -> None:
        fill(self, name, count, busy, shutdown)


class SignalLadder:
    """Counts the signals, and cancels accordingly.

    Args:
        executor: whose tasks are canceled.
        notify: told of the first two signals, before they take effect (G2).

    Attributes:
        count: how many have come in since the ladder was `reset`.
        name: of the first of them; None as long as there was none.
    """

    def __init__(self, executor: Executor, notify: Callable[[SignalNotice], object]) -> None:
        self.count = 0
        self.name: str | None = None
        self._executor = executor
        self._notify = notify
        # Those that have not yet taken effect (G1).
        self._pending: list[_Pending] = []

    def reset(self) -> None:
        """Count from the beginning."""
        self.count = 0
        self.name = None

    @contextmanager
    def instead(
        self, targets: Callable[[], Iterable[Task[Any]]], *, shutdown: bool = False
    ) -> Generator[None]:
        """Let signals that come in during the block cancel ``targets()``, not end the process."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(number: int, _frame: FrameType | None) -> None:
            self._handle(signal.Signals(number).name, targets, shutdown)

        ours = [
            number for number, default in _DEFAULTS.items() if signal.getsignal(number) == default
        ]
        try:
            for number in ours:
                signal.signal(number, on_signal)
        except ValueError:
            ours = []  # an embedded interpreter that was made without signals
        loop: Any = getattr(self._executor.host, "loop", None) if ours else None
        written: int | None = None
        try:
            written = _write_to(loop)
            yield
        finally:
            for pending in self._pending:
                pending.claim()
            if written is not None:
                _write_no_more(loop, written)
            # SIGINT last: once it has its handler back, that may raise here.
            for number in reversed(ours):
                signal.signal(number, _DEFAULTS[number])

    def _handle(
        self, name: str, targets: Callable[[], Iterable[Task[Any]]], shutdown: bool
    ) -> None:
        self.count += 1
        self.name = self.name or name
        if self.count >= _AT_ONCE:
            raise KeyboardInterrupt
        pending = _Pending(SignalNotice(name, self.count, None, shutdown))
        self._pending.append(pending)
        self._executor.post(lambda: self._take_effect(pending, list(targets())))
        # Not `threading.Thread`, whose start takes a lock (G3).
        start_new_thread(self._look_again, (pending, get_ident()))

    def _look_again(self, pending: _Pending, main: int) -> None:
        """Tell of a signal that could not take effect for a moment, on a thread of its own."""
        for _ in range(_LOOKS):
            sleep(_MOMENT / _LOOKS)
        notice = pending.notice
        if notice.count == self.count and pending.claim():
            busy = site_of(sys._current_frames().get(main))
            self._notify(SignalNotice(notice.name, notice.count, busy, notice.shutdown))

    def _take_effect(self, pending: _Pending, targets: list[Task[Any]]) -> None:
        self._pending.remove(pending)
        notice = pending.notice
        try:
            if pending.claim():
                self._notify(notice)
        finally:
            now = self._executor.now()
            reason = CancelReason(CancelKind.SIGNAL, notice.name, at=now)
            for task in targets:
                grace = 0.0 if notice.count > 1 else task.effective_grace()
                grace_at = None if grace is None else now + grace
                task.ask(CancelRequest(reason, grace_at=grace_at, target=task))


class _Pending:
    """A signal on its way: told of by whoever claims it first (G2)."""

    def __init__(self, notice: SignalNotice) -> None:
        self.notice = notice
        self._claims = itertools.count()

    def claim(self) -> bool:
        """Is this the first claim? Atomic, without a lock."""
        return next(self._claims) == 0


def _write_to(loop: Any) -> int | None:
    """Have signals written to what wakes the loop, if to nothing yet; return where to (G4).

    asyncio keeps that private (``_csock``). Where it is absent, as in uvloop, the loop sees to
    signals itself, or nobody does.
    """
    waking = getattr(loop, "_csock", None)
    if waking is None:
        return None
    place: int = waking.fileno()
    try:
        before = signal.set_wakeup_fd(place, warn_on_full_buffer=False)
    except (OSError, ValueError):  # another loop's, and no such socket
        return None
    if before == -1:
        return place
    if before != place:  # somebody else's, who is woken by it; or is it closed?
        try:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        except (OSError, ValueError):
            return place
    return None


def _write_no_more(loop: Any, place: int) -> None:
    """Undo that, unless others have taken it over: the loop for handlers of its own, or anybody."""
    now = signal.set_wakeup_fd(-1)
    if now not in (-1, place) or (now == place and getattr(loop, "_signal_handlers", None)):
        with suppress(OSError, ValueError):
            signal.set_wakeup_fd(now)


def ended_by_signal(outcome: Canceled) -> BaseException:
    """Return what stands for the end by a signal: as if Python had handled it itself."""
    ended: BaseException = KeyboardInterrupt()
    if outcome.reason.message == "SIGTERM":
        ended = SystemExit(128 + signal.SIGTERM)
    for error in outcome.also:
        ended.add_note(f"while cleaning up: {error!r}")
    return ended

"""`SignalLadder`: what SIGINT and SIGTERM mean while a runtime blocks (R24).

*What it is.* The first signal cancels, the second drops, the third raises ``KeyboardInterrupt`` in
whatever runs. Before any of this happens it says so, to whoever asked to be told.

*What it is not.* In the way of others: a handler that the program has set itself stays, and a
signal that is ignored (as in a job in the background) stays ignored.

*Invariants.*
 G1  A request takes effect in a turn, never inside the signal handler: that interrupts any two
     instructions, those of the executor too.
 G2  Whoever is told, is told once per signal; at once if synchronous code holds the thread, since a
     turn may then never come.

*Threads.* Python handles signals on the main thread; on any other this does nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from rescind._core.executor import Executor
from rescind._core.frames import Site, site_of
from rescind._core.outcome import Canceled
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.task import Task

__all__ = ["SignalLadder", "SignalNotice", "ended_by_signal"]

_DEFAULTS: Final[dict[signal.Signals, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}

#: The number of the signal that is not waited for any more.
_AT_ONCE: Final = 3


@dataclass(frozen=True, slots=True)
class SignalNotice:
    """A signal that came in.

    Attributes:
        name: ``SIGINT`` or ``SIGTERM``.
        count: 1 for the first, which cancels; 2 for the second, which drops.
        busy: the place of the synchronous code that it interrupted; None between two steps.
        shutdown: did it come during the shutdown, when everything is canceled already?
    """

    name: str
    count: int
    busy: Site | None
    shutdown: bool


class SignalLadder:
    """Counts the signals, and cancels accordingly.

    Args:
        executor: whose tasks are canceled.
        notify: told of the first two signals, before they take effect.

    Attributes:
        count: how many have come in since the ladder was `reset`.
        name: of the first of them; None as long as there was none.
    """

    def __init__(self, executor: Executor, notify: Callable[[SignalNotice], object]) -> None:
        self.count = 0
        self.name: str | None = None
        self._executor = executor
        self._notify = notify
        # How many have not yet taken effect (G1).
        self._waiting = 0

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

        def on_signal(number: int, frame: FrameType | None) -> None:
            self._handle(signal.Signals(number).name, frame, targets, shutdown)

        ours = [
            number for number, default in _DEFAULTS.items() if signal.getsignal(number) == default
        ]
        for number in ours:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in ours:
                signal.signal(number, _DEFAULTS[number])

    def _handle(
        self,
        name: str,
        frame: FrameType | None,
        targets: Callable[[], Iterable[Task[Any]]],
        shutdown: bool,
    ) -> None:
        self.count += 1
        self.name = self.name or name
        if self.count >= _AT_ONCE:
            raise KeyboardInterrupt
        busy = None
        if self._executor.running or self._waiting:
            busy = site_of(frame)
        notice = SignalNotice(name, self.count, busy, shutdown)
        if busy is not None:
            self._notify(notice)
        self._waiting += 1
        self._executor.post(lambda: self._take_effect(notice, list(targets())))

    def _take_effect(self, notice: SignalNotice, targets: list[Task[Any]]) -> None:
        self._waiting -= 1
        try:
            if notice.busy is None:
                self._notify(notice)
        finally:
            now = self._executor.now()
            reason = CancelReason(CancelKind.SIGNAL, notice.name, at=now)
            for task in targets:
                grace = 0.0 if notice.count > 1 else task.effective_grace
                grace_at = None if grace is None else now + grace
                task.ask(CancelRequest(reason, grace_at=grace_at, target=task))


def ended_by_signal(outcome: Canceled) -> BaseException:
    """Return what stands for the end by a signal: as if Python had handled it itself."""
    ended: BaseException = KeyboardInterrupt()
    if outcome.reason.message == "SIGTERM":
        ended = SystemExit(128 + signal.SIGTERM)
    for error in outcome.also:
        ended.add_note(f"while cleaning up: {error!r}")
    return ended

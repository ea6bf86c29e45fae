"""`Watch`: ends a part of a test that takes too long, and says what every task did then.

*What it is.* A thread that waits for real time to pass, whatever the host's clock shows. When it
has, it takes the tree of all tasks (`rescind.dump`) and has them dropped. Code that does not give
way, a busy loop say, is interrupted a moment later, as Ctrl-C would do it, where that is possible:
on the main thread.

*Invariants.*
 W1  After the block the thread is gone, and interrupts nothing any more.

*Threads.* Entered and left on pytest's; fires on its own.
"""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from rescind.trace.dump import dump

__all__ = ["Watch", "tree"]

#: How long code may take to give way once it was told to, in seconds.
_STUBBORN: Final = 1.0

#: The lab refuses threads to what runs in it; who watches that stands outside.
_START: Final = threading.Thread.start


def tree() -> str:
    """Return what every task of this process does now."""
    out = io.StringIO()
    dump(out)
    return out.getvalue().rstrip()


class Watch:
    """A limit in real time around a block.

    Args:
        seconds: the limit; None: there is none.
        what: which part of the test it is for.
        end: called on the watch's thread with the reason, to drop what runs.

    Attributes:
        text: what to report; empty as long as the time is not up.
        interrupted: has a ``KeyboardInterrupt`` come from here?
    """

    def __init__(self, seconds: float | None, what: str, end: Callable[[str], object]) -> None:
        self.text = ""
        self.interrupted = False
        self._seconds = seconds
        self._what = what
        self._end = end
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._interruptible = _interruptible()

    def __enter__(self) -> Watch:
        if self._seconds is not None:
            self._thread = threading.Thread(
                target=self._watch, args=(self._seconds,), name="rescind time-out", daemon=True
            )
            _START(self._thread)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._over.set()
        self.join()

    def join(self) -> None:
        """Wait for the thread to end, if there is one: to be called again if interrupted."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, seconds: float) -> None:
        if self._over.wait(seconds):
            return
        self.text = (
            f"timed out: {self._what} was not over after {seconds:g} s of real time; what every "
            f"task did then:\n{tree()}"
        )
        self._end(f"timed out after {seconds:g} s")
        if self._over.wait(_STUBBORN):
            return
        with self._lock:
            if self._interruptible and not self._over.is_set():
                self.interrupted = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _interruptible() -> bool:
    """Would a signal raise ``KeyboardInterrupt`` here?"""
    return (
        hasattr(signal, "pthread_kill")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

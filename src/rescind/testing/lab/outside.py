"""The world outside, which has no place in the lab: threads, sockets, sleeping, asyncio's loop.

*What it is.* While a run is under way on a thread, whatever would reach outside from that thread is
refused with a `UsageError`, and noted: a run is only as repeatable as all that it waits for. Two
nets: the interpreter's audit events, and, as the thread's running loop, an object that refuses.

*What it is not.* A sandbox: files may be read, and nothing is hidden from C code.

*Threads.* Concerns the lab's own alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import get_ident
from typing import Any, Final, NoReturn

from rescind._core.errors import UsageError
from rescind.testing.lab.audit import listen

__all__ = ["Outside", "instead", "refused"]

_log: Final = logging.getLogger("rescind")

_EVENTS: Final = {
    "subprocess.Popen": "a process was to be started",
    "os.fork": "a process was to be started",
    "os.posix_spawn": "a process was to be started",
    "os.system": "a process was to be started",
    "socket.bind": "a socket was to be bound",
    "socket.connect": "a socket was to be connected",
    "socket.getaddrinfo": "a name was to be looked up",
    "socket.sendto": "a socket was to be written to",
}


def refused(what: str) -> UsageError:
    """Return the error that says so."""
    return UsageError(
        f"the lab has no world outside: {what}. Replace it by a future or a primitive of rescind's "
        "in this program, or run it with rescind.run(...)"
    )


class _NoLoop:
    """What asyncio finds as the running loop."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def __getattr__(self, name: str) -> Any:
        self._outside.refuse(f"asyncio's event loop was used ({name})")


class Outside:
    """What the runs on one thread tried to reach.

    Attributes:
        touched: what the run under way tried first, in words; None if nothing.
        unawaited: what was called and not awaited, since the list was emptied.
    """

    def __init__(self) -> None:
        self.touched: str | None = None
        self.unawaited: list[str] = []
        self._loop = _NoLoop(self)

    def refuse(self, what: str) -> NoReturn:
        """Note it, and raise."""
        if self.touched is None:
            self.touched = what
        raise refused(what)

    @contextmanager
    def shut(self) -> Generator[None]:
        """During the block, refuse."""
        _install()
        thread = get_ident()
        _shut[thread] = self
        asyncio._set_running_loop(self._loop)  # type: ignore[arg-type]
        # What the runtime warns of, a cleanup that overran say, is in the run; it is no news here.
        _log.addFilter(elsewhere := _Elsewhere(thread))
        try:
            with (
                # CPython calls this for each coroutine that goes unawaited (Python/_warnings.c).
                instead(warnings, "_warn_unawaited_coroutine", self._note_unawaited),
                instead(time, "sleep", self._refuse_sleep),
                instead(threading.Thread, "start", self._refuse_thread),
            ):
                yield
        finally:
            _log.removeFilter(elsewhere)
            asyncio._set_running_loop(None)
            del _shut[thread]

    def _note_unawaited(self, coro: Any) -> None:
        self.unawaited.append(coro.__qualname__)

    def _refuse_sleep(self, seconds: float) -> NoReturn:
        self.refuse(f"time.sleep({seconds:g}) was called, for which there is 'await sleep(...)'")

    def _refuse_thread(self, thread: threading.Thread) -> NoReturn:
        self.refuse(f"the thread {thread.name!r} was to be started")


class _Elsewhere(logging.Filter):
    """Lets pass what other threads log."""

    def __init__(self, thread: int) -> None:
        super().__init__()
        self._thread = thread

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread


class _Replaced:
    """A function for which some threads have another one called; their blocks end in any order."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self.original = original
        self.by_thread: dict[int, Callable[..., Any]] = {}

    def function(self) -> Callable[..., Any]:
        """Return what takes its place; a function, which as a method gets its ``self``."""
        original, by_thread = self.original, self.by_thread

        def call(*args: Any, **kwargs: Any) -> Any:
            return by_thread.get(get_ident(), original)(*args, **kwargs)

        return call


@contextmanager
def instead(owner: Any, name: str, instead: Callable[..., Any]) -> Generator[None]:
    """During the block, and on this thread alone, have ``instead`` called for ``owner.name``."""
    here, key = get_ident(), (owner, name)
    with _replacing:
        replaced = _replaced.get(key)
        if replaced is None:
            replaced = _replaced[key] = _Replaced(getattr(owner, name))
            setattr(owner, name, replaced.function())
        before = replaced.by_thread.get(here)
        replaced.by_thread[here] = instead
    try:
        yield
    finally:
        with _replacing:
            del replaced.by_thread[here]
            if before is not None:
                replaced.by_thread[here] = before
            if not replaced.by_thread:
                del _replaced[key]
                setattr(owner, name, replaced.original)


_replacing: Final = threading.Lock()
_replaced: dict[tuple[Any, str], _Replaced] = {}
_shut: dict[int, Outside] = {}
_installed: list[bool] = []


def _install() -> None:
    """Listen to audit events, from now on and for good: a hook cannot be taken back."""
    if not _installed:
        _installed.append(True)
        listen(_audit)


def _audit(event: str, _args: object) -> None:
    if _shut and event in _EVENTS:
        outside = _shut.get(get_ident())
        if outside is not None:
            outside.refuse(_EVENTS[event])

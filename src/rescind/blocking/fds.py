"""`Ready`: a future that parks until a file descriptor can be read or written.

*What it is.* What pipes and processes are waited for with. On an asyncio loop it is the loop that
looks; on other hosts one thread does, for all descriptors of a runtime, and it ends when it has
nothing to look at.

*What it is not.* Something for regular files, which are always ready, or for descriptors that an
asyncio transport owns.

*Invariants.*
 V1  A descriptor is looked at only while somebody waits; each readiness is told once.
 V2  Who waits no more is not told: `Ready.drop` unregisters before the descriptor is closed.
 V3  All callbacks come on the executor's thread.

*Threads.* The executor's.

*Source.* trio's ``lowlevel.wait_readable``; ``loop.add_reader``.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.outcome import Canceled, Completed, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, polled_after_end
from rescind._core.reason import CancelRequest
from rescind._core.resources import Resource
from rescind._host.asyncio import AsyncioHost
from rescind.blocking.loop_end import obtain

__all__ = ["Ready"]

Call = Callable[[], object]
Key = tuple[int, bool]

#: How long the thread waits for something to look at before it ends, in seconds.
_IDLE: Final = 0.2


class Ready(Future[None]):
    """Parks until ``fd`` can be read, or written.

    Args:
        fd: a pipe, a socket, a process descriptor.
        write: wait until it can be written.

    Cancellation: safe. Nothing is read or written; one that is ready by then is ready.
    """

    __slots__ = ("_cx", "_fd", "_fds", "_fired", "_given", "_taken", "_write")
    _native = True

    def __init__(self, fd: int, *, write: bool = False) -> None:
        self._taken = False
        self._fd = fd
        self._write = write
        # Where it is registered; None before the first poll, and after the end.
        self._fds: _Fds | None = None
        self._cx: Context | None = None
        self._fired = False
        self._given = False

    def poll(self, cx: Context) -> Pending | None:
        if self._fired:
            if self._given:
                polled_after_end(self)
            self._given = True
            self._cx = None
            return None
        self._cx = cx
        if self._fds is None:
            fds = _fds_of(cx.runtime("waiting for a file descriptor"))
            fds.watch(self._fd, self._write, self._fire)
            self._fds = fds
        return PENDING

    def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None] | Pending:
        # What has come already is not given up for the cancellation, though nobody has told yet
        # that it came (R7).
        ready = self._fired or (self._fds is not None and _is_ready(self._fd, self._write))
        self.drop()
        self._given = True
        return Completed(None) if ready else Canceled(request.reason)

    def drop(self) -> None:
        fds, self._fds = self._fds, None
        self._cx = None
        if fds is not None:
            fds.unwatch(self._fd, self._write, self._fire)

    def cut(self) -> None:
        """Be ready now: the descriptor is about to be closed, and looked at no more."""
        fds = self._fds
        if fds is not None:
            fds.unwatch(self._fd, self._write, self._fire)
            self._fire()

    def _fire(self) -> None:
        cx, self._fds, self._fired = self._cx, None, True
        if cx is not None and cx.executor is not None:
            cx.executor.wake_directly(cx.waker)

    def __repr__(self) -> str:
        return f"file descriptor {self._fd} to be {'written' if self._write else 'read'}"


def _is_ready(fd: int, write: bool) -> bool:
    looking = select.poll()
    looking.register(fd, select.POLLOUT if write else select.POLLIN)
    return bool(looking.poll(0))


class _Fds(Resource):
    """Who waits for which descriptor; subclasses look at them."""

    name = "file descriptors"

    def __init__(self) -> None:
        self._calls: dict[Key, list[Call]] = {}

    def watch(self, fd: int, write: bool, call: Call) -> None:
        """Call ``call()`` once, when ``fd`` is ready; several may wait for the same."""
        key = (fd, write)
        calls = self._calls.get(key)
        if calls is not None:
            calls.append(call)
            return
        self._arm(key)
        self._calls[key] = [call]

    def unwatch(self, fd: int, write: bool, call: Call) -> None:
        """Do not call ``call()`` any more (V2)."""
        key = (fd, write)
        calls = self._calls.get(key)
        if calls is None or call not in calls:
            return
        calls.remove(call)
        if not calls:
            del self._calls[key]
            self._disarm(key)

    def fired(self, key: Key) -> None:
        """Tell those who wait; it is looked at no more (V1)."""
        for call in self._calls.pop(key, ()):
            call()

    def _arm(self, key: Key) -> None:
        raise NotImplementedError

    def _disarm(self, key: Key) -> None:
        raise NotImplementedError


class _LoopFds(_Fds):
    """The asyncio loop looks."""

    def __init__(self, executor: Executor) -> None:
        super().__init__()
        assert isinstance(executor.host, AsyncioHost)
        self._loop = executor.host.loop

    def _arm(self, key: Key) -> None:
        fd, write = key
        add = self._loop.add_writer if write else self._loop.add_reader
        try:
            add(fd, partial(self._ready, key))
        except NotImplementedError:
            raise UsageError(
                f"processes need an event loop that can look at pipes, but {self._loop!r} cannot"
            ) from None

    def _disarm(self, key: Key) -> None:
        if self._loop.is_closed():
            return
        fd, write = key
        (self._loop.remove_writer if write else self._loop.remove_reader)(fd)

    def _ready(self, key: Key) -> None:
        self._disarm(key)
        self.fired(key)


class _ThreadFds(_Fds):
    """A thread looks, for hosts that cannot."""

    def __init__(self, executor: Executor) -> None:
        super().__init__()
        self._executor = executor
        self._lock = threading.Lock()
        # What is looked at; each time it is armed with a mark of its own.
        self._armed: dict[Key, object] = {}
        # The thread, and what interrupts its look; None while there is nothing to look at.
        self._thread: threading.Thread | None = None
        self._interrupt = -1
        self._closed = False

    def _arm(self, key: Key) -> None:
        self._executor.outside += 1
        with self._lock:
            self._armed[key] = object()
            if self._thread is not None:
                os.write(self._interrupt, b"x")
                return
            interrupted, self._interrupt = os.pipe()
            self._thread = threading.Thread(
                target=self._look,
                args=(interrupted, self._interrupt),
                name=f"{self._executor.name}-fds",
                daemon=True,
            )
            self._thread.start()

    def _disarm(self, key: Key) -> None:
        self._executor.outside -= 1
        with self._lock:
            self._armed.pop(key, None)

    def _look(self, interrupted: int, interrupt: int) -> None:
        armed: dict[Key, object] = {}
        ready: list[tuple[int, int]] = []
        while True:
            with self._lock:
                for key in _keys_of(ready):
                    mark = armed.get(key)
                    if mark is not None and self._armed.get(key) is mark:
                        del self._armed[key]
                        self._executor.post(partial(self._told, key))
                if not self._armed and (self._closed or not ready):
                    self._thread = None
                    os.close(interrupted)
                    os.close(interrupt)
                    return
                armed = dict(self._armed)
            looking = select.poll()
            looking.register(interrupted, select.POLLIN)
            for fd in {fd for fd, _ in armed}:
                events = select.POLLIN if (fd, False) in armed else 0
                looking.register(fd, events | (select.POLLOUT if (fd, True) in armed else 0))
            ready = looking.poll(None if armed else _IDLE * 1000)
            if (interrupted, select.POLLIN) in ready:
                os.read(interrupted, 4096)

    def _told(self, key: Key) -> None:
        if key in self._calls:
            self._executor.outside -= 1
            self.fired(key)

    def close(self, until: float | None) -> Awaitable[object] | None:
        """End the thread; nobody waits any more."""
        self.close_now()
        return None

    def close_now(self) -> None:
        """End the thread, and see it ended: it does nothing but look."""
        with self._lock:
            self._closed = True
            self._armed.clear()
            thread = self._thread
            if thread is not None:
                os.write(self._interrupt, b"x")
        if thread is not None:
            thread.join()


def _keys_of(ready: list[tuple[int, int]]) -> list[Key]:
    """Return which descriptors can be read, and which can be written; a hang-up is both."""
    both = select.POLLHUP | select.POLLERR | select.POLLNVAL
    keys: list[Key] = []
    for fd, events in ready:
        if events & (select.POLLIN | select.POLLPRI | both):
            keys.append((fd, False))
        if events & (select.POLLOUT | both):
            keys.append((fd, True))
    return keys


def _fds_of(executor: Executor) -> _Fds:
    if isinstance(executor.host, AsyncioHost):
        return obtain(executor, _LoopFds, partial(_LoopFds, executor))
    return obtain(executor, _ThreadFds, partial(_ThreadFds, executor))

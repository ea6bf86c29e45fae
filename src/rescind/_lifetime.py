"""`Lifetime`: who may run a runtime, and how it ends: asked to, collected, forked, or at exit.

*What it is.* The lock of the thread that runs it, and the driver of its shutdown. A runtime that is
collected, or open when the process exits, drops its tasks on the spot, as a Rust value would be
dropped, and warns. In a forked child it is the parent's: it is never touched there, nor collected.

*Invariants.*
 T1  One thread at a time runs it; nothing blocks a thread that runs something else.
 T2  A child changes nothing that it shares with its parent: an epoll set, a socket pair.
 T3  In a child no code of an inherited task runs, except that which called ``fork`` itself.

*Threads.* Any may ask; a fork leaves one.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import warnings
import weakref
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

from rescind._core.current import local
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.frames import keep_for_ever
from rescind._host.asyncio import AsyncioHost
from rescind._host.ending import LoopEnd
from rescind._shutdown import Shutdown, ShutdownReport

if TYPE_CHECKING:
    from rescind._core.hostport import Host

__all__ = ["Lifetime", "refuse_to_block"]


class Lifetime:
    """The life of one runtime.

    Args:
        owner: the runtime; not kept.
        executor: its executor.
        host: its host.

    Attributes:
        closed: has it been shut down?
        inherited: is this process a fork of the one that made it?
        running: held by the thread that runs it.
        report: what its shutdown found; None before.
    """

    def __init__(self, owner: Any, executor: Executor, host: Host) -> None:
        self.closed = False
        self.inherited = False
        self.running = Lock()
        self.report: ShutdownReport | None = None
        self._executor = executor
        # Does it end with a loop that is its own, or leave somebody else's?
        self._owns_loop = isinstance(host, AsyncioHost) and host.owned
        self._attached = isinstance(host, AsyncioHost) and not host.owned
        if isinstance(host, AsyncioHost) and host.owned:
            executor.resources.add(LoopEnd(host.loop))
        _open[self] = weakref.ref(owner)

    def __repr__(self) -> str:
        tasks = len(self._executor.tasks)
        return "closed" if self.closed else "1 task" if tasks == 1 else f"{tasks} tasks"

    # -- running ----------------------------------------------------------------------------------

    def take(self, what: str) -> None:
        """Become the thread that runs it, until `entered` is left; refuse what would hang (T1)."""
        if self.closed:
            raise UsageError(f"{what} is closed; make a new Runtime")
        if self.inherited:
            raise UsageError(
                f"{what} belongs to the process that made it, of which this is a fork; make a "
                "new Runtime here"
            )
        refuse_to_block(what)
        if not self.running.acquire(blocking=False):
            raise UsageError(
                f"{what} is already running in another thread; use spawn(...) from here, and "
                "task.cancellation_handle().wait()"
            )

    @contextmanager
    def entered(self) -> Generator[None]:
        """Be run by this thread during the block; it must have been taken."""
        executor, outer = self._executor, local.executor
        executor.thread = get_ident()
        local.executor = executor
        try:
            executor.drain()  # what was spawned before comes first
            yield
        finally:
            local.executor = outer
            self.running.release()

    # -- the end ----------------------------------------------------------------------------------

    def shut_down(
        self,
        what: str,
        shutdown: Shutdown,
        signals: AbstractContextManager[None],
        *,
        at_once: bool = False,
    ) -> ShutdownReport:
        """Drive the shutdown; refuse, and change nothing, if it would have to wait and cannot.

        Args:
            what: the runtime, in words.
            shutdown: what is driven.
            signals: in force while it waits.
            at_once: is nothing to be waited for?
        """
        self._take_for_shutdown(what)
        executor, busy = self._executor, _busy()
        with self.entered():
            if busy and not at_once and executor.tasks:
                raise UsageError(
                    f"{what} cannot be shut down here: this thread already runs {busy}, so that "
                    f"its {self!r} could not be waited for. Shut it down in another thread, or "
                    "with grace=0, which drops them at once"
                )
            try:
                if busy:
                    shutdown.at_once()
                else:
                    with signals:
                        shutdown.run()
            finally:
                report = self.end(shutdown)
        return report

    def _take_for_shutdown(self, what: str) -> None:
        if self.running.acquire(blocking=False):
            return
        if self._attached:
            remedy = "leave its 'async with' block, which shuts it down and awaits that"
        else:
            remedy = (
                "it is shut down where block_on was called, when that has returned. To hurry it, "
                "cancel the task that block_on runs"
            )
        inside = self._executor.thread == get_ident()
        where = "from inside, where it would wait for itself" if inside else "from another thread"
        raise UsageError(f"{what} cannot be shut down {where}, while it runs: {remedy}")

    def end(self, shutdown: Shutdown) -> ShutdownReport:
        """Close it, and keep the report."""
        self.closed = True
        _open.pop(self, None)
        if self._executor.vigil is not None:
            self._executor.vigil.stop()
        self.report = shutdown.finish()
        return self.report

    def end_unclosed(self, owner: Any) -> None:
        """End it without waiting: ``owner`` is collected, or the process exits."""
        if self.closed or self.inherited or (self.running.locked() and not self._attached):
            return
        executor = self._executor
        shutdown = Shutdown(executor, "the runtime was never shut down", 0)
        words = repr(owner)
        with executor.kept_by(owner):
            try:
                shutdown.at_once()
            finally:
                report = self.end(shutdown)
        if local.executor is executor:
            local.executor = None
        shutdown.tell()
        if report.canceled or self._owns_loop:
            warnings.warn(
                f"{words} was never shut down, and dropped its tasks without time to clean up. "
                "Use it in a 'with' block, or call shutdown()",
                ResourceWarning,
                stacklevel=2,
                source=owner,
            )

    def inherit(self) -> None:
        """Note that this process is a fork: it stays the parent's (T2, T3)."""
        self.inherited = True
        self._executor.disown()


def _busy() -> str | None:
    """Return what this thread runs, in words; None if nothing."""
    if local.executor is not None:
        return f"the runtime {local.executor.name!r}"
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return "an asyncio loop"


def refuse_to_block(what: str) -> None:
    """Refuse to block a thread that runs something already."""
    busy = _busy()
    if busy is None:
        return
    remedy = "block in another thread"
    if local.executor is None:
        remedy = "use 'async with Runtime.attach()'"
    raise UsageError(
        f"{what} cannot block here: this thread already runs {busy}. Await the future instead, or "
        + remedy
    )


# -- the end of the process, and its fork ---------------------------------------------------------

_open: weakref.WeakKeyDictionary[Lifetime, weakref.ref[Any]] = weakref.WeakKeyDictionary()
"""The runtimes that have not been shut down."""


def _at_exit() -> None:
    for lifetime, owner in list(_open.items()):
        lifetime.end_unclosed(owner())


def _after_fork() -> None:
    local.executor = None
    local.region = None
    for lifetime in list(_open):
        lifetime.inherit()
        keep_for_ever(lifetime)  # not even the interpreter's exit is to finalize its coroutines
    _open.clear()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

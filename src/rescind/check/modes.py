"""How a scenario is canceled: each mode wraps it as users would, and strikes at the given moment.

*Threads.* The loop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import get_ident
from typing import Any

from rescind._core.coroutine import CoroutineFuture
from rescind._core.errors import Cancellation
from rescind._core.outcome import Canceled, Completed, Error, Outcome
from rescind._core.task import Task
from rescind._host.asyncio import AsyncioHost
from rescind.check.executor import ProbedExecutor
from rescind.check.looping import RunLoop
from rescind.check.points import ROOT, Mode
from rescind.check.probe import Probe, Probes

__all__ = ["WAYS", "Struck", "Way"]


class Struck(Exception):
    """What the sibling of mode ``group`` fails with."""


class Way:
    """The scenario as one task, under one mode; this one: ``Task.cancel()``, once.

    Attributes:
        probe: sees what the scenario awaits.
        done: ends when the scenario, and what the mode puts around it, has.
        body: how the scenario itself ended, inside what the mode puts around it: ``(True, value)``,
            ``(False, exception)``, or None if it has not.
        struck: was the cancellation sent while it was not done?
    """

    def __init__(
        self, loop: RunLoop, probes: Probes, coro: Coroutine[Any, Any, Any], path: str = ROOT
    ) -> None:
        self.loop = loop
        self.body: tuple[bool, Any] | None = None
        self.struck = False
        self._coro = coro
        self._probes = probes
        self.probe: Probe = probes.wrap(self.around(self._noted(coro)), path)
        self.probe.counts = self.is_mine
        self.done: asyncio.Future[Any] = self.begin()

    async def _noted(self, coro: Coroutine[Any, Any, Any]) -> Any:
        try:
            value = await coro
        except BaseException as exc:
            self.body = (False, exc)
            raise
        self.body = (True, value)
        return value

    def around(self, coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """Wrap the scenario."""
        return coro

    def begin(self) -> asyncio.Future[Any]:
        """Start the task."""
        return self.loop.create_task(self.probe)

    def end(self) -> None:
        """Close the scenario's coroutine, if its task was canceled before it began."""
        if self.body is None and self.done.done():
            self._coro.close()

    def strike(self) -> None:
        """Cancel, now."""
        if not self.done.done():
            self.struck = True
            self.cancel()

    def cancel(self) -> None:
        """Send the first cancellation."""
        self.done.cancel("rescind check")

    def cancel_again(self) -> None:
        """Send one more, in the cleanup."""
        self.done.cancel("rescind check, again")

    def is_mine(self, exc: BaseException) -> bool:
        """Is ``exc``, which is thrown into the scenario, the cancellation that was sent?"""
        return self.struck


class Twice(Way):
    """``Task.cancel()``, and again at the loop's next tick."""

    def cancel(self) -> None:
        super().cancel()
        self.loop.call_soon(self.cancel_again)


class Timeout(Way):
    """``asyncio.timeout`` expires."""

    _timeout: Any = None

    def around(self, coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        async def timed() -> Any:
            async with asyncio.timeout(None) as self._timeout:
                return await coro

        return timed()

    def cancel(self) -> None:
        self._timeout._on_timeout()


class Group(Way):
    """A sibling in the same ``asyncio.TaskGroup`` fails."""

    _group: Any = None

    def around(self, coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        async def grouped() -> Any:
            async with asyncio.TaskGroup() as self._group:
                return await coro

        return grouped()

    def cancel(self) -> None:
        # As when a child has failed, but now, and not at the next tick.
        failed: Any = self.loop.create_future()
        failed.set_exception(Struck("a sibling failed"))
        self._group._tasks.add(failed)
        self._group._on_task_done(failed)


class Anyio(Way):
    """An ``anyio.CancelScope`` is canceled: it cancels again and again, until it is left."""

    _scope: Any = None

    def around(self, coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        async def scoped() -> Any:
            import anyio  # whoever chooses this mode has it

            with anyio.CancelScope() as self._scope:
                return await coro

        return scoped()

    def cancel(self) -> None:
        self._scope.cancel()

    def is_mine(self, exc: BaseException) -> bool:
        # Until it is raised, a value that was there may win; anyio names the scope in its message.
        return self.struck and f"{id(self._scope):x}" in str(exc)


class Rescind(Way):
    """``rescind.Task.cancel()``: once, shield-aware, drained; what is ready wins (R7, R30)."""

    def begin(self) -> asyncio.Future[Any]:
        host = AsyncioHost(self.loop, owned=False)
        self._executor = ProbedExecutor(host, name="check", probes=self._probes)
        self._executor.thread = get_ident()
        done: asyncio.Future[Any] = self.loop.create_future()
        self._task: Task[Any] = self._executor.spawn(CoroutineFuture(self.probe), name="scenario")
        self._task.on_end(_teller(done))
        return done

    def end(self) -> None:
        super().end()
        if self.done.done() and not self._executor.tasks:
            self._executor.stop()  # else its alarm stays in the loop

    def cancel(self) -> None:
        self._task.cancel("rescind check")

    def cancel_again(self) -> None:
        self._task.cancel("rescind check, again")

    def is_mine(self, exc: BaseException) -> bool:
        return isinstance(exc, Cancellation)


def _teller(done: asyncio.Future[Any]) -> Callable[[Outcome[Any]], None]:
    def tell(outcome: Outcome[Any]) -> None:
        if done.done():
            return
        if isinstance(outcome, Completed):
            done.set_result(outcome.value)
        elif isinstance(outcome, Canceled):
            done.cancel()
        else:
            assert isinstance(outcome, Error)
            done.set_exception(outcome.exception)

    return tell


class Close(Way):
    """The coroutine is closed at its await; what awaits it is told that it was canceled."""

    def cancel(self) -> None:
        try:
            self.probe.close()
        finally:
            self.done.cancel("rescind check")


WAYS: dict[Mode, type[Way]] = {
    Mode.ASYNCIO: Way,
    Mode.TWICE: Twice,
    Mode.TIMEOUT: Timeout,
    Mode.GROUP: Group,
    Mode.ANYIO: Anyio,
    Mode.RESCIND: Rescind,
    Mode.CLOSE: Close,
}

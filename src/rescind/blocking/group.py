"""`ProcessGroup`: a process with all that it starts, and the ladder that ends them.

*What it is.* A process that leads a session of its own, so that a signal reaches it, its children
and theirs, and no Ctrl-C of the terminal does. `stop` is the ladder: SIGTERM, grace, SIGKILL.

*Invariants.*
 X1  After `end` the process is reaped and nothing of it is left: no zombie, no descriptor.
 X2  A signal is sent only as long as the number is the group's: before the leader is reaped, or
     while somebody else in the group still lives, which keeps the number from being given away.
 X3  No process outlives the interpreter, unless that is killed itself.

*Threads.* The runtime's.

*Source.* trio's ``run_process`` and its ``deliver_cancel``; ``tini``'s kill of the whole group;
Python's own multiprocessing leaves the children of its children alive.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Sequence
from typing import Any, Final, cast
from weakref import WeakSet

from rescind._core import scope
from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.grace import Grace, Unset
from rescind._core.leftover import Leftover
from rescind._core.resources import Resource
from rescind.blocking.fds import Ready
from rescind.blocking.loop_end import obtain
from rescind.combinators.race import race
from rescind.time import now, sleep, sleep_until

__all__ = ["ProcessGroup"]

_log = logging.getLogger("rescind")

#: How much of the grace is kept for the end of what SIGKILL ends, and at most how many seconds.
_KEPT: Final = 0.2
_KEPT_AT_MOST: Final = 1.0
#: How long a killed process may take to end before it is left to be reaped later, in seconds.
_REAP: Final = 2.0


class ProcessGroup:
    """A process, and those that it starts.

    Args:
        command: the program and its arguments.
        executor: the runtime that it belongs to.
        options: for ``subprocess.Popen``.

    Raises:
        OSError: it could not be started.
    """

    def __init__(self, command: Sequence[str], executor: Executor, **options: Any) -> None:
        if sys.platform == "win32":
            raise UsageError("processes need process groups and signals, which Windows has not")
        self._processes = obtain(executor, _Processes, _Processes)
        self._executor = executor
        self._popen = _popen(command, options)
        self.pid = self._popen.pid
        # Can be read once the leader has ended; -1 after `end`.
        self._exit_fd = -1
        self._processes.add(self)
        try:
            self._exit_fd = _exit_fd(self._popen)
        except BaseException:
            self.end()
            for fd in self.take_pipes():
                if fd is not None:
                    os.close(fd)
            raise

    def status(self) -> int | None:
        """Return the leader's exit status, negative for a signal; None as long as it runs.

        It is not reaped by the question (X2), where the system can tell without.
        """
        if self._popen.returncode is not None or not hasattr(os, "waitid"):
            return self._popen.poll()
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            found = os.waitid(os.P_PID, self.pid, flags)
        except ChildProcessError:
            return self._popen.poll()  # somebody else has reaped it
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def take_pipes(self) -> tuple[int | None, ...]:
        """Return our ends of its stdin, stdout and stderr; they are the caller's to close."""
        taken: list[int | None] = []
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            taken.append(None if pipe is None else os.dup(pipe.fileno()))
            if pipe is not None:
                pipe.close()
        return tuple(taken)

    def exited(self) -> Ready:
        """Return a future that is ready when the leader has ended, reaped or not."""
        return Ready(self._exit_fd)

    def signal(self, number: int) -> bool:
        """Send a signal to all of them; return False if nobody is there any more."""
        if self._exit_fd == -1:
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def stop(self, grace: Grace) -> None:
        """End all of them: SIGTERM, grace, SIGKILL. Runs in the cleanup of what owns the process.

        Args:
            grace: seconds until SIGKILL; it never comes later than shortly before the grace of the
                cancellation under way is over.
        """
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # one that is stopped would not see the first
        kill_at = self._kill_at(grace)
        if kill_at is None:
            await self.exited()
        else:
            await race(self.exited(), sleep_until(kill_at), biased=True)
        if self._popen.poll() is not None:
            await self._others_gone(kill_at)
        self.signal(signal.SIGKILL)
        await self.exited()

    async def _others_gone(self, kill_at: float | None) -> None:
        """Let those whom the leader has left behind clean up too."""
        delay = 0.001
        self._executor.outside += 1  # they live in real time
        try:
            while self._others_live() and (kill_at is None or now() < kill_at):
                await sleep(delay if kill_at is None else min(delay, max(0.0, kill_at - now())))
                delay = min(2 * delay, 0.05)
        finally:
            self._executor.outside -= 1

    def _others_live(self) -> bool:
        """Is anybody in the group, after the leader was reaped, who is no zombie?

        Zombies count for ``killpg``, and may stay for long: in a container, say, whose first
        process reaps nobody.
        """
        if not self.signal(0):
            return False
        try:
            numbers = [name for name in os.listdir("/proc") if name.isdigit()]
        except OSError:
            return True
        # Without Linux's /proc, or without the right to look, the answer stays yes.
        found = [_state_and_group(number) for number in numbers]
        return not any(found) or any(
            group == self.pid and state not in "ZX" for state, group in filter(None, found)
        )

    def _kill_at(self, grace: Grace) -> float | None:
        at = None if isinstance(grace, Unset) or grace is None else now() + grace
        request = scope.cancel_requested()
        if request is not None:
            latest = request.grace_at
        elif isinstance(grace, Unset) and self._executor.grace is not None:
            latest = now() + self._executor.grace
        else:
            latest = None
        if latest is not None:
            latest -= min(_KEPT_AT_MOST, _KEPT * max(0.0, latest - now()))
            at = latest if at is None else min(at, latest)
        return at

    def end(self, *, kill: bool = True) -> None:
        """Reap the leader and let go of everything (X1); the first call counts.

        Args:
            kill: kill first what still lives; else the leader must have ended, and what it has
                left behind goes on.
        """
        if self._exit_fd == -1 and self._popen.returncode is not None:
            return
        if kill:
            self._kill()
        try:
            self._popen.wait(_REAP)
        except subprocess.TimeoutExpired:
            _log.warning("process %d does not end although it was killed", self.pid)
        fd, self._exit_fd = self._exit_fd, -1
        if fd != -1:
            os.close(fd)
        self._processes.discard(self)

    def _kill(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def __repr__(self) -> str:
        return f"<process group {self.pid}>"


class _Processes(Resource):
    """The processes of one runtime: none of them outlives it."""

    name = "processes"

    def __init__(self) -> None:
        self._groups: set[ProcessGroup] = set()

    def add(self, group: ProcessGroup) -> None:
        """Own a process until its end."""
        self._groups.add(group)
        _alive.add(group)

    def discard(self, group: ProcessGroup) -> None:
        """Own it no more."""
        self._groups.discard(group)
        _alive.discard(group)

    def close(self, until: float | None) -> Awaitable[object] | None:
        """Kill what is left: those who own it have ended without."""
        self.close_now()
        return None

    def close_now(self) -> None:
        """Kill, and reap."""
        for group in list(self._groups):
            group.end()

    def leftovers(self) -> Sequence[Leftover]:
        """Return those that do not end although they were killed."""
        return [Leftover(self.name, f"process {group.pid}") for group in self._groups]


_alive: WeakSet[ProcessGroup] = WeakSet()


@atexit.register
def _kill_all() -> None:
    for group in list(_alive):
        group._kill()


def _state_and_group(number: str) -> tuple[str, int] | None:
    """Return a process's state, a letter, and its group; None if it is gone."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            # "PID (name, with anything in it) STATE PARENT GROUP ..."
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[2])


def _popen(command: Sequence[str], options: dict[str, Any]) -> subprocess.Popen[bytes]:
    process: Any = subprocess.Popen(command, start_new_session=True, **options)
    return cast("subprocess.Popen[bytes]", process)


def _exit_fd(popen: subprocess.Popen[bytes]) -> int:
    """Return a descriptor that can be read once the process has ended.

    Linux has them; elsewhere a thread waits for the process and closes a pipe.
    """
    opener = getattr(os, "pidfd_open", None)
    if opener is not None:
        try:
            fd: int = opener(popen.pid)
        except OSError:
            pass  # an old kernel, or a sandbox
        else:
            return fd
    reader, writer = os.pipe()

    def wait() -> None:
        try:
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            else:
                popen.wait()
        except ChildProcessError:
            pass  # it was reaped meanwhile
        finally:
            os.close(writer)

    threading.Thread(target=wait, name=f"wait for process {popen.pid}", daemon=True).start()
    return reader

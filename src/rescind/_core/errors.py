"""Every exception of rescind, under two roots.

*What it is.* `Cancellation` is the one way in which a cancellation appears inside a coroutine.
It is a `BaseException`, and a subclass of `asyncio.CancelledError`, so that code written for
asyncio cleans up on it. Everything else that rescind raises is a `RescindError`, an ordinary
`Exception`.

*What it is not.* `Cancellation` never means "what I awaited was canceled"; that is
`TaskCanceled`, which an ordinary ``except Exception`` may handle (R17).

*Source.* The split between "I am canceled" and "it was canceled" answers Kotlin's issue 3658.
"""

from __future__ import annotations

import signal
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reason import CancelReason

__all__ = [
    "Abandoned",
    "Cancellation",
    "Closed",
    "Deadlock",
    "InternalError",
    "PolledAfterCompletion",
    "ProcessDied",
    "ProcessFailed",
    "RemoteError",
    "RescindError",
    "TaskCanceled",
    "TimedOut",
    "UsageError",
    "WouldBlock",
]


class Cancellation(CancelledError):
    """You are being canceled: raised at the await where the canceled future is parked.

    Let it pass, or clean up and re-raise it. Catching it and returning a value completes the
    future with that value; the task then records that a cancellation was absorbed (R11).

    Attributes:
        reason: who asked, why, where, and what caused it.
        also: errors of the cleanup that has already run, further in, in order.
    """

    __slots__ = ("also", "reason")

    reason: CancelReason
    also: tuple[BaseException, ...]

    def __init__(self, reason: CancelReason, also: tuple[BaseException, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.also = also

    def __reduce__(self) -> tuple[Any, ...]:
        return Cancellation, (self.reason, self.also), self.__dict__ or None


class RescindError(Exception):
    """The root of all ordinary exceptions of rescind."""


class UsageError(RescindError):
    """rescind was called in a way that cannot work; the message says how to mend it."""


class PolledAfterCompletion(UsageError):
    """A future was polled after it had ended; its output was already given out."""


class WouldBlock(RescindError):
    """A ``*_nowait`` operation could not be done at once."""


class Closed(RescindError):
    """The other side, or the thing itself, is closed."""


class TaskCanceled(RescindError):
    """What you awaited was canceled, by somebody else; you were not (R17).

    Attributes:
        reason: why it was canceled.
        also: errors of its cleanup, in order; they are in the notes, too.
        what: what was canceled, in words.
    """

    reason: CancelReason
    also: tuple[BaseException, ...] = ()
    what: str = "the awaited task"

    def __init__(self, reason: CancelReason) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what} was canceled: {self.reason}"


class TimedOut(RescindError, TimeoutError):
    """A `timeout` or `deadline` ran out before the work was done.

    Attributes:
        also: errors of the cleanup, in order.
    """

    also: tuple[BaseException, ...] = ()


class ProcessDied(RescindError):
    """A process that ran a function ended without its result.

    Attributes:
        what: the function, in words.
        pid: the process's number.
        returncode: its exit status; negative: the number of the signal that ended it.
    """

    def __init__(self, what: str, pid: int, returncode: int) -> None:
        super().__init__(what, pid, returncode)
        self.what = what
        self.pid = pid
        self.returncode = returncode

    def __str__(self) -> str:
        return f"process {self.pid}, which ran {self.what}, {_exit(self.returncode)}"


class ProcessFailed(RescindError):
    """A command ended with an exit status other than 0, or by a signal.

    Attributes:
        command: the command and its arguments.
        returncode: its exit status; negative: the number of the signal that ended it.
        stdout: what it wrote, as far as that was captured; None if it was not.
        stderr: the same for its errors; the message shows the end of it.
    """

    def __init__(
        self,
        command: tuple[str, ...],
        returncode: int,
        stdout: bytes | None = None,
        stderr: bytes | None = None,
    ) -> None:
        super().__init__(command, returncode, stdout, stderr)
        self.command = command
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    def __str__(self) -> str:
        text = f"the command {' '.join(self.command)!r} {_exit(self.returncode)}"
        tail = (self.stderr or b"")[-1000:].decode(errors="replace").strip()
        return f"{text}\n{tail}" if tail else text


class RemoteError(RescindError):
    """What a function raised in a process of its own could not be brought back.

    The message has its type and its words; its traceback stands in the notes.
    """


class Deadlock(RescindError):
    """Nothing can run any more: the message names each task and what it waits for."""


class InternalError(RescindError):
    """A fault of rescind itself. Please report it, with the traceback."""


class Abandoned(RescindError):
    """A coroutine went on after it had been closed: it is never polled again.

    `Future.drop` raises it; the task's outcome then says ``abandoned=True``. The message
    names the await at which the coroutine hangs.

    Attributes:
        coroutines: the coroutine and those it awaits, kept so that the collector does not
            resume them once more.
        kept: are they kept already?
    """

    coroutines: tuple[object, ...] = ()
    kept: bool = False


def _exit(returncode: int) -> str:
    """Say how a process ended."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    memory = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"

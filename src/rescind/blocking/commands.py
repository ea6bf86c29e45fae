"""`run_process` and `open_process`: commands, with their output captured or streamed.

*What it is not.* asyncio's subprocesses: those need a child watcher, which differs between
versions, hosts and loops, and which may be a thread per process. These work on every host.

*Threads.* The runtime's.

*Source.* trio's ``run_process``; Rust's ``kill_on_drop``. tokio kills the process alone, and leaves
it to the runtime to reap it some time; here its group goes, and is reaped before the await ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

from rescind._core.coroutine import CoroutineFuture
from rescind._core.errors import ProcessFailed, UsageError
from rescind._core.grace import UNSET, Grace, checked_grace
from rescind._core.poll import Future
from rescind.blocking.group import ProcessGroup
from rescind.blocking.streams import ByteReceiver, ByteSender
from rescind.combinators.join import join
from rescind.tasks.current import here

__all__ = [
    "Command",
    "OpenProcess",
    "Output",
    "Process",
    "ProcessResult",
    "open_process",
    "run_process",
]

Command: TypeAlias = Sequence[str | os.PathLike[str]]
Output = Literal["capture", "inherit", "discard"]

_OUTPUTS: Final = {"capture": subprocess.PIPE, "inherit": None, "discard": subprocess.DEVNULL}


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a command ended.

    Attributes:
        command: the command and its arguments.
        pid: the number that the process had.
        returncode: its exit status; negative: the number of the signal that ended it.
        stdout: what it wrote; None if that was not captured.
        stderr: the same for its errors.
    """

    command: tuple[str, ...]
    pid: int
    returncode: int
    stdout: bytes | None
    stderr: bytes | None

    @property
    def text(self) -> str:
        """What it wrote, as UTF-8."""
        return (self.stdout or b"").decode()

    def check(self) -> ProcessResult:
        """Return the result itself, or raise `ProcessFailed` if the exit status is not 0."""
        if self.returncode:
            raise ProcessFailed(self.command, self.returncode, self.stdout, self.stderr)
        return self


@dataclass(frozen=True, slots=True)
class _Spec:
    """What is to be started, and how."""

    command: tuple[str, ...]
    options: dict[str, Any]
    grace: Grace


def run_process(
    command: Command,
    *,
    input: bytes | bytearray | memoryview | None = None,  # noqa: A002  # subprocess's word
    stdout: Output = "capture",
    stderr: Output | Literal["stdout"] = "capture",
    check: bool = True,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    grace: Grace = UNSET,
) -> Future[ProcessResult]:
    """Return a future that runs a command to its end, and captures what it writes.

    Nothing is started before the first poll. A cancellation ends the process and all that it has
    started: SIGTERM to the whole group, SIGKILL when the grace is over; then it is reaped. When it
    ends by itself, what it has left running in the background goes on.

    Args:
        command: the program and its arguments; no shell comes in between. For a shell's syntax,
            ``["sh", "-c", text]``.
        input: what it reads; nothing by default.
        stdout: ``"capture"``, ``"inherit"`` (the program's own) or ``"discard"``.
        stderr: the same; or ``"stdout"``: mixed into that.
        check: raise `ProcessFailed` if the exit status is not 0.
        cwd: the directory to start it in; by default the current one.
        env: the environment, complete; by default this process's.
        grace: how long it may take to end after SIGTERM, in seconds; never longer than what is
            left of the grace of the canceled task, which is the default.

    Returns:
        A future of the `ProcessResult`.

    Raises:
        TypeError: ``command`` is a str, or not a sequence of strings.
        ValueError: it is empty, or an option is not known.
        OSError: raised by the await: the program cannot be started, such as
            ``FileNotFoundError``.
        ProcessFailed: raised by the await, see ``check``; it has what was captured.

    Cancellation: loses: what was captured so far; use `open_process` to keep it.

    Example:
        >>> import rescind
        >>> from rescind.blocking import run_process
        >>> rescind.run(run_process(["tr", "a-z", "A-Z"], input=b"hello")).text
        'HELLO'

    Source: trio's ``run_process``.
    """
    options = {
        "stdin": subprocess.DEVNULL if input is None else subprocess.PIPE,
        "stdout": _output(stdout, "stdout"),
        "stderr": subprocess.STDOUT if stderr == "stdout" else _output(stderr, "stderr"),
        "cwd": cwd,
        "env": env,
    }
    if input is not None:
        input = bytes(memoryview(input))  # noqa: A001  # refused here, and ours from now on
    spec = _Spec(_checked(command, "run_process"), options, checked_grace(grace))
    return CoroutineFuture(_run(spec, input, check))


def open_process(
    command: Command,
    *,
    stdin: Literal["pipe", "inherit", "discard"] = "discard",
    stdout: Output = "capture",
    stderr: Output | Literal["stdout"] = "inherit",
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    grace: Grace = UNSET,
) -> OpenProcess:
    """Return an async context manager that starts a command and gives a `Process`.

    The process does not outlive the block: leaving it, in whatever way, ends the process with all
    that it has started, as a cancellation of `run_process` does, and closes the pipes. Await
    `Process.wait` in the block to let it come to its end.

    Args:
        command: see `run_process`.
        stdin: ``"pipe"``: write to ``process.stdin``; ``"inherit"``; ``"discard"``: it reads
            nothing.
        stdout: ``"capture"``: read ``process.stdout``; ``"inherit"``; ``"discard"``.
        stderr: the same; or ``"stdout"``: mixed into that.
        cwd: see `run_process`.
        env: see `run_process`.
        grace: see `run_process`.

    Raises:
        TypeError, ValueError, OSError: see `run_process`; the last on entering the block.

    Cancellation: of the block: ends the process, and reaps it.

    Example:
        >>> import rescind
        >>> from rescind.blocking import open_process
        >>> async def main():
        ...     async with open_process(["echo", "one two"]) as process:
        ...         async for line in process.stdout.lines():
        ...             print(line)
        ...         return await process.wait()
        >>> rescind.run(main)
        one two
        0

    Source: anyio's ``open_process``; there leaving the block waits for the process.
    """
    inputs = {**_OUTPUTS, "pipe": subprocess.PIPE}
    if stdin not in ("pipe", "inherit", "discard"):
        raise ValueError(f"stdin must be 'pipe', 'inherit' or 'discard': {stdin!r}")
    options = {
        "stdin": inputs[stdin],
        "stdout": _output(stdout, "stdout"),
        "stderr": subprocess.STDOUT if stderr == "stdout" else _output(stderr, "stderr"),
        "cwd": cwd,
        "env": env,
    }
    return OpenProcess(_Spec(_checked(command, "open_process"), options, checked_grace(grace)))


class Process:
    """A running command; made by `open_process`.

    Attributes:
        command: the command and its arguments.
        pid: its number.
    """

    def __init__(self, spec: _Spec) -> None:
        self.command = spec.command
        self._grace = spec.grace
        self._group = ProcessGroup(spec.command, here("a process"), bufsize=0, **spec.options)
        self.pid = self._group.pid
        pipes, of = self._group.take_pipes(), f"of {spec.command[0]!r}"
        self._stdin = None if pipes[0] is None else ByteSender(pipes[0], f"stdin {of}")
        self._stdout = None if pipes[1] is None else ByteReceiver(pipes[1], f"stdout {of}")
        self._stderr = None if pipes[2] is None else ByteReceiver(pipes[2], f"stderr {of}")

    @property
    def stdin(self) -> ByteSender:
        """What it reads; needs ``stdin="pipe"``."""
        return self._stdin or self._no_pipe("stdin", "pipe")

    @property
    def stdout(self) -> ByteReceiver:
        """What it writes; needs ``stdout="capture"``."""
        return self._stdout or self._no_pipe("stdout", "capture")

    @property
    def stderr(self) -> ByteReceiver:
        """What it writes about errors; needs ``stderr="capture"``."""
        return self._stderr or self._no_pipe("stderr", "capture")

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None as long as it runs."""
        return self._group.status()

    async def wait(self) -> int:
        """Wait until it has ended, and return its exit status; negative for a signal.

        It may never end if it writes more than a pipe holds and nobody reads it.

        Cancellation: safe. The process goes on, as long as its block does.
        """
        status = self._group.status()
        while status is None:
            await self._group.exited()
            status = self._group.status()
        return status

    def signal(self, number: int) -> bool:
        """Send a signal to the process and all that it has started.

        Returns:
            False if there is nobody any more.
        """
        return self._group.signal(number)

    def terminate(self) -> bool:
        """Send SIGTERM: ask it to end; see `signal`."""
        return self.signal(signal.SIGTERM)

    def kill(self) -> bool:
        """Send SIGKILL: end it at once; see `signal`."""
        return self.signal(signal.SIGKILL)

    def _no_pipe(self, name: str, option: str) -> Any:
        raise UsageError(f"{name} of {self!r} is no pipe; start it with {name}={option!r}")

    async def _stop(self) -> None:
        """End it, if it has not, and what it has left behind."""
        await self._group.stop(self._grace)

    def _let_go(self, *, kill: bool = True) -> None:
        """Close the pipes, and reap; see `ProcessGroup.end`."""
        for end in (self._stdin, self._stdout, self._stderr):
            if end is not None:
                end.close()
        self._group.end(kill=kill)

    def __repr__(self) -> str:
        status = self.returncode
        state = "running" if status is None else f"ended with {status}"
        return f"<process {self.pid} {self.command[0]!r}, {state}>"


class OpenProcess:
    """The context manager that `open_process` returns."""

    def __init__(self, spec: _Spec) -> None:
        self._spec = spec
        # The process while the block is open.
        self._process: Process | None = None

    async def __aenter__(self) -> Process:
        if self._process is not None:
            raise UsageError("this process was started already; call open_process(...) again")
        self._process = Process(self._spec)
        return self._process

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        assert process is not None
        try:
            # A block that is closed cannot await: then the process is killed at once.
            if exc_type is not GeneratorExit and (process.returncode is None or process.signal(0)):
                await process._stop()
        finally:
            process._let_go()


async def _run(spec: _Spec, data: bytes | None, check: bool) -> ProcessResult:
    """Start the command, feed it, read it, wait for it; end it if canceled."""
    process = Process(spec)
    try:
        try:
            _, stdout, stderr = await join(
                _feed(process, data), _read(process._stdout), _read(process._stderr)
            )
            returncode = await process.wait()
        except CancelledError:
            await process._stop()
            raise
        process._let_go(kill=False)
    finally:
        process._let_go()
    result = ProcessResult(spec.command, process.pid, returncode, stdout, stderr)
    return result.check() if check else result


async def _feed(process: Process, data: bytes | None) -> None:
    if data is None:
        return
    try:
        await process.stdin.write(data)
    except BrokenPipeError:
        pass  # it does not read to the end; its exit status tells whether that is an error
    finally:
        process.stdin.close()


async def _read(receiver: ByteReceiver | None) -> bytes | None:
    return None if receiver is None else await receiver.read_all()


def _output(output: str, name: str) -> int | None:
    if output not in _OUTPUTS:
        more = ", or 'stdout'" if name == "stderr" else ""
        raise ValueError(f"{name} must be 'capture', 'inherit' or 'discard'{more}: {output!r}")
    return _OUTPUTS[output]


def _checked(command: Command, what: str) -> tuple[str, ...]:
    """Return the command as strings; refuse what would be meant for a shell."""
    if isinstance(command, (str, bytes, os.PathLike)):
        raise TypeError(
            f"{what}() needs a sequence of a program and its arguments, not {command!r}: write "
            f"shlex.split(...), or, if a shell shall interpret it, ['sh', '-c', {command!r}]"
        )
    parts = list(command)
    if not parts:
        raise ValueError(f"{what}() needs a program, but the command is empty")
    for part in parts:
        if not isinstance(part, (str, os.PathLike)):
            raise TypeError(f"a command consists of strings and paths, not {part!r}: {parts!r}")
    return tuple(os.fspath(part) for part in parts)

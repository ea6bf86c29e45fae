"""`spawn_process`: run a function in a process of its own, which can really be ended (R27).

*What it is.* For each call a fresh interpreter: it shares no lock, no thread and no memory with
the program, so that it can be killed at any moment. The call and its result are pickled.

*Threads.* The runtime's.

*Source.* anyio's ``to_process``, which keeps its workers for the next call; the standard library's
``multiprocessing``, whose contexts are weighed in docs/design/0013-blocking.md.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.errors import InternalError, ProcessDied, RemoteError, UsageError
from rescind._core.executor import Executor
from rescind._core.grace import UNSET, Grace, checked_grace
from rescind._core.task import Task
from rescind.blocking.fds import Ready
from rescind.blocking.group import ProcessGroup
from rescind.blocking.threads import checked_function, name_of
from rescind.combinators.race import race
from rescind.combinators.shield import shield
from rescind.tasks.current import here

__all__ = ["spawn_process"]

T = TypeVar("T")

_CHILD: Final = str(Path(__file__).with_name("child.py"))
_HEADER: Final = 8
_CHUNK: Final = 1 << 16


def spawn_process(
    fn: Callable[..., T],
    *args: Any,
    name: str | None = None,
    grace: Grace = UNSET,
    **kwargs: Any,
) -> Task[T]:
    """Run ``fn(*args, **kwargs)`` in a process of its own, as a task.

    Canceling the task ends the process, whatever it does, and all that it has started: SIGTERM to
    the whole group, and SIGKILL shortly before the grace is over. The process is always reaped. It
    also ends, with its children, as soon as the function has returned.

    The process is a new interpreter: it takes some 20 ms to start, and then imports the module
    of ``fn``. The main module is imported only if ``fn`` or an argument is defined there, under
    another name: keep what it does below ``if __name__ == "__main__":``. Standard input is empty;
    output goes where the program's does.

    Args:
        fn: a function defined at the top level of a module. Its own keyword arguments cannot be
            called ``name`` or ``grace``: use ``functools.partial`` for those.
        args: for the function; they must be picklable, as must be its value.
        name: of the task; by default the function's.
        grace: how long the process may take to end after SIGTERM, in seconds; None: unbounded; 0:
            SIGKILL at once. By default the runtime's.
        kwargs: for the function.

    Returns:
        The task; an exception of the function has the traceback of its process in its notes.
        Awaiting it raises `ProcessDied` if the process ended without a result, such as by a signal,
        ``os._exit`` or ``sys.exit``; `RemoteError` if the exception itself could not be brought
        back; `UsageError` if the function could not be loaded there, or its value not pickled.

    Raises:
        TypeError: ``fn`` is not callable, or an async function.
        UsageError: ``fn`` or an argument cannot be pickled; no runtime or asyncio loop runs on
            this thread; the system is Windows.

    Cancellation: spawning does not wait; the task's loses: what the function had done so far.

    Example:
        >>> import math, rescind
        >>> from rescind.blocking import spawn_process
        >>> async def main():
        ...     return await rescind.timeout(spawn_process(math.factorial, 20), 30)
        >>> rescind.run(main)
        2432902008176640000

    Source: anyio's ``to_process.run_sync``; there a canceled call is killed at once.
    """
    checked_function(fn, "spawn_process", "an async function runs in this process")
    executor = here("spawn_process()")
    checked_grace(grace)
    what = name or name_of(fn)
    try:
        call = pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)
    except Exception as exc:
        raise UsageError(
            f"{what} cannot be sent to another process, because it, or one of its arguments, "
            f"cannot be pickled: {exc}. Pass plain data to a function that is defined at the top "
            "level of a module"
        ) from exc
    future: CoroutineFuture[T] = CoroutineFuture(_run(call, what, executor))
    return executor.spawn(future, name=what, grace=grace)


async def _run(call: bytes, what: str, executor: Executor) -> Any:
    """Start the process, wait for its result, and end it, in each case."""
    with ExitStack() as stack:
        reader, writer = os.pipe()
        stack.callback(os.close, reader)
        try:
            with _file_of(pickle.dumps(_preparation()), call) as file:
                group = ProcessGroup(
                    [*_interpreter(), _CHILD, str(writer)],
                    executor,
                    stdin=file,
                    pass_fds=(writer,),
                )
        finally:
            os.close(writer)
        stack.callback(group.end)
        os.set_blocking(reader, False)
        try:
            frame = await _read_frame(reader, group)
        except CancelledError:
            await group.stop(UNSET)
            raise
        if frame is not None:
            group.signal(signal.SIGKILL)
        # What came is not given up for a cancellation that comes now (R7).
        await shield(group.exited())
        group.end()
        if frame is None:
            raise ProcessDied(what, group.pid, group.status() or 0)
    return _unpack(frame, what, group.pid)


async def _read_frame(reader: int, group: ProcessGroup) -> bytes | None:
    """Read the result; None if the process ended without one."""
    data = bytearray()
    exited = False
    while True:
        try:
            chunk = os.read(reader, _CHUNK)
        except BlockingIOError:
            if exited:
                return None  # somebody holds the pipe open, but nobody will write
            await race(Ready(reader), group.exited())
            exited = group.status() is not None
            continue
        if not chunk:
            await group.exited()
            return None
        data += chunk
        if len(data) >= _HEADER and len(data) >= _HEADER + int.from_bytes(data[:_HEADER], "big"):
            return bytes(data[_HEADER:])


class _Results(pickle.Unpickler):
    """Reads a result; the other process knows our main module by another name."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        module_name = "__main__" if module_name == "__mp_main__" else module_name
        return super().find_class(module_name, global_name)


def _unpack(frame: bytes, what: str, pid: int) -> Any:
    """Return the value, or raise what the function raised."""
    try:
        kind, *rest = cast("tuple[Any, ...]", _Results(io.BytesIO(frame)).load())
    except Exception as exc:
        raise UsageError(
            f"the value of {what} could not be read back from its process: {exc!r}"
        ) from exc
    if kind == "value":
        return rest[0]
    if kind == "error":
        _raise(what, pid, *rest)
    if kind == "unloadable":
        error = UsageError(f"{what} could not be loaded in a process of its own: {rest[0]}")
        error.add_note(f"in process {pid}:\n{rest[1]}")
        raise error
    if kind == "unpicklable":
        raise UsageError(
            f"{what} returned what cannot be pickled, so it cannot leave its process: "
            f"{rest[0]}. Return plain data"
        )
    raise InternalError(f"a process gave {kind!r}")


def _raise(what: str, pid: int, pickled: bytes | None, summary: str, text: str) -> None:
    exc: BaseException | None = None
    if pickled is not None:
        try:
            exc = _Results(io.BytesIO(pickled)).load()
        except Exception:
            exc = None
    if not isinstance(exc, Exception) or isinstance(exc, (StopIteration, StopAsyncIteration)):
        # It could not be brought back, or here it would mean something else.
        exc = RemoteError(f"{what} raised {summary}")
    exc.add_note(f"in process {pid}:\n{text.rstrip()}")
    raise exc


def _interpreter() -> list[str]:
    """Return the command that starts an interpreter like this one."""
    if not sys.executable:
        raise UsageError("spawn_process() needs sys.executable, the path of the interpreter")
    # What multiprocessing uses for the same purpose: -O, -W, -X and the like.
    flags = getattr(subprocess, "_args_from_interpreter_flags", list)
    return [sys.executable, *cast("list[str]", flags()), "-P"]


def _preparation() -> dict[str, Any]:
    """Return what the other process needs to find the same modules."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    path = getattr(main, "__file__", None)
    return {
        "path": sys.path,
        "argv": sys.argv,
        "main_name": None if spec is None else spec.name,
        "main_path": None if path is None else os.path.abspath(path),
    }


def _file_of(*parts: bytes) -> IO[bytes]:
    """Return an open file with this content: whoever reads it never waits for us."""
    file: IO[bytes]
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("call"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # it is returned
    try:
        for part in parts:
            file.write(part)
        file.flush()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file

"""Waiting for file descriptors, and the group of a process, by themselves."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed, PolledAfterCompletion, Runtime, UsageError
from rescind.blocking.fds import Ready
from rescind.blocking.group import ProcessGroup
from rescind.lowlevel import PENDING, Context, ManualHost
from rescind.testing import CountingWaker, poll_cancel_once, poll_once
from tests.blocking.kit import LONG, alive, children, gone, noted, nothing_left
from tests.conftest import HostFactory


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a process, a descriptor or a thread."""
    with nothing_left():
        yield


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe: its end for reading, its end for writing."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_readable_is_told_once(pipe: tuple[int, int], host: HostFactory) -> None:
    """Each wait is a future of its own; what is ready already is told too."""
    reader, writer = pipe

    async def main() -> None:
        waiting = rescind.spawn(Ready(reader))
        await rescind.sleep(0.01)
        assert not waiting.done()
        os.write(writer, b"x")
        await waiting
        await Ready(reader)
        os.read(reader, 1)
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(Ready(reader), 0.01)

    with host() as runtime:
        runtime.block_on(main())


def test_writable_is_told(pipe: tuple[int, int], host: HostFactory) -> None:
    """Not while the pipe is full; reading and writing ends may be waited for together."""
    reader, writer = pipe
    os.set_blocking(writer, False)

    async def main() -> None:
        await Ready(writer, write=True)
        while True:
            try:
                os.write(writer, b"x" * 4096)
            except BlockingIOError:
                break
        waiting = rescind.spawn(Ready(writer, write=True))
        await rescind.sleep(0.01)
        assert not waiting.done()
        await Ready(reader)
        os.read(reader, 65536)
        await waiting

    with host() as runtime:
        runtime.block_on(main())


def test_several_wait_for_the_same(pipe: tuple[int, int], host: HostFactory) -> None:
    """One that leaves takes nobody along."""
    reader, writer = pipe

    async def main() -> list[Any]:
        tasks = [rescind.spawn(Ready(reader)) for _ in range(3)]
        await rescind.yield_now()
        canceled = await tasks[0].cancel()
        os.write(writer, b"x")
        return [type(canceled), await tasks[1].join(), await tasks[2].join()]

    with host() as runtime:
        assert runtime.block_on(main()) == [Canceled, Completed(None), Completed(None)]


def test_hang_up_is_readable(host: HostFactory) -> None:
    """The end of the stream is something to read."""
    reader, writer = os.pipe()

    async def main() -> None:
        waiting = rescind.spawn(Ready(reader))
        await rescind.yield_now()
        os.close(writer)
        await waiting

    with host() as runtime:
        runtime.block_on(main())
    os.close(reader)


def test_canceled_wait_that_is_ready_says_so(pipe: tuple[int, int], host: HostFactory) -> None:
    """Though nobody has told yet: what has come is not given up (R7)."""
    reader, writer = pipe

    async def main() -> Any:
        task = rescind.spawn(Ready(reader))
        await rescind.yield_now()
        os.write(writer, b"x")
        task.cancel()
        return await task.join()

    with host() as runtime:
        assert runtime.block_on(main()) == Completed(None)


def test_descriptor_is_looked_at_no_more_when_nobody_waits(
    pipe: tuple[int, int], host: HostFactory
) -> None:
    """Told, left, or cut: its number may be another's next, who is told then."""
    reader, writer = pipe

    async def main() -> None:
        loop: Any = getattr(rescind.current_runtime().host, "loop", None)
        cut = Ready(reader)
        waiting = [rescind.spawn(Ready(reader)), rescind.spawn(cut)]
        await rescind.yield_now()
        await waiting[0].cancel()
        cut.cut()
        assert await waiting[1].join() == Completed(None)
        assert loop is None or loop.remove_reader(reader) is not True
        again = rescind.spawn(Ready(reader))
        await rescind.sleep(0.01)
        assert not again.done()
        os.write(writer, b"x")
        await again
        assert loop is None or loop.remove_reader(reader) is not True

    with host() as runtime:
        runtime.block_on(main())


def test_poll_by_hand(pipe: tuple[int, int]) -> None:
    """It needs a runtime; it wakes the latest waker; after the end it refuses."""
    reader, writer = pipe
    with pytest.raises(UsageError, match="file descriptor"):
        Ready(reader).poll(Context(CountingWaker()))
    with Runtime(host=ManualHost()) as runtime:
        future = Ready(reader)
        first, second = CountingWaker(), CountingWaker()
        executor = runtime.executor
        assert poll_once(future, Context(first, executor)) is PENDING
        assert poll_once(future, Context(second, executor)) is PENDING
        assert (repr(future), executor.outside) == (f"file descriptor {reader} to be read", 1)
        os.write(writer, b"x")
        runtime.block_on(rescind.poll_fn(lambda cx: None if executor.outside == 0 else _again(cx)))
        assert (first.wakes, second.wakes) == (0, 1)
        assert poll_once(future, Context(second, executor)) == Completed(None)
        with pytest.raises(PolledAfterCompletion):
            future.poll(Context(second, executor))
        unpolled = Ready(writer, write=True)
        assert repr(unpolled) == f"file descriptor {writer} to be written"
        assert isinstance(poll_cancel_once(unpolled), Canceled)


def _again(cx: Context) -> Any:
    assert cx.executor is not None
    cx.executor.add_timer(cx.executor.now() + 0.001, cx.waker)
    return PENDING


def test_thread_that_looks_ends_by_itself(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there is nothing to look at for a moment; and comes back when there is."""
    reader, writer = pipe
    os.write(writer, b"x")
    before = threading.active_count()
    begun: list[str] = []
    start = threading.Thread.start

    def noted_start(thread: threading.Thread) -> None:
        begun.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted_start)

    async def main() -> None:
        for _ in range(2):
            await Ready(reader)
            end = time.monotonic() + LONG
            while threading.active_count() > before:
                assert time.monotonic() < end
                await rescind.sleep(0)

    with Runtime(host=ManualHost()) as runtime:
        runtime.block_on(main())

    assert begun == [f"{runtime.executor.name}-fds"] * 2


def test_loop_that_cannot_look_is_refused(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows' default loop, say."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    with Runtime() as runtime:
        loop = runtime.host.loop  # type: ignore[attr-defined]
        monkeypatch.setattr(type(loop), "add_reader", refuse)
        with pytest.raises(UsageError, match="cannot"):
            runtime.block_on(Ready(pipe[0]))
        monkeypatch.undo()


# -------------------------------------------------------------------------------------- the group


def started(runtime: Runtime, *command: str) -> ProcessGroup:
    """Start a group, as a task would."""
    return ProcessGroup(list(command), runtime.executor)


def test_group_that_nobody_ends_is_ended_with_the_runtime(host: HostFactory) -> None:
    """Whatever forgot it."""
    with host() as runtime:
        group = started(runtime, "sleep", "100")
        assert repr(group) == f"<process group {group.pid}>"
        assert alive(group.pid)

    assert not alive(group.pid)
    assert group.status() == -signal.SIGKILL


def test_end_is_effective_once(host: HostFactory) -> None:
    """Its number may be somebody else's afterwards: no signal is sent."""
    with host() as runtime:
        group = started(runtime, "sleep", "100")
        group.end()
        group.end()
        assert (group.signal(0), group.status()) == (False, -signal.SIGKILL)


def test_status_does_not_reap(host: HostFactory) -> None:
    """The number stays the group's until its end."""

    async def main(group: ProcessGroup) -> int | None:
        await group.exited()
        assert [group.status(), group.status()] == [3, 3]
        assert group.pid in children()
        return group.status()

    with host() as runtime:
        group = started(runtime, "sh", "-c", "exit 3")
        assert runtime.block_on(main(group)) == 3
        group.end()


@pytest.mark.parametrize("missing", ["waitid", "pidfd_open"])
def test_systems_without_have_something_else(
    missing: str, monkeypatch: pytest.MonkeyPatch, host: HostFactory
) -> None:
    """No waitid (macOS before Python 3.13), no process descriptors (all but Linux)."""
    monkeypatch.delattr(os, "pidfd_open")
    if missing == "waitid":
        monkeypatch.delattr(os, "waitid")

    async def main(group: ProcessGroup) -> int | None:
        await group.exited()
        while group.status() is None:
            await rescind.sleep(0.001)
        return group.status()

    with host() as runtime:
        group = started(runtime, "sh", "-c", "exit 3")
        assert runtime.block_on(main(group)) == 3
        group.end()


LEAVES_A_ZOMBIE = """
import os, sys, time
if os.fork():
    os._exit(0)  # the leader
if os.fork() == 0:
    os._exit(0)  # stays in the group, as a zombie
os.setsid()  # its parent does not
with open(sys.argv[1] + ".tmp", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
time.sleep(100)
"""


def test_zombies_of_the_group_are_not_waited_for(tmp_path: Path, host: HostFactory) -> None:
    """Nothing can end them but their parent, who need not care."""
    path = tmp_path / "pid"
    with host() as runtime:
        group = started(runtime, sys.executable, "-c", LEAVES_A_ZOMBIE, str(path))
        outsider = noted(path)
        group._popen.wait()
        end = time.monotonic() + LONG
        while group._others_live() and time.monotonic() < end:
            time.sleep(0.001)
        assert group.signal(0)  # the zombie
        assert not group._others_live()
        group.end()
        os.kill(outsider, signal.SIGKILL)
    assert gone([outsider])


def test_without_a_process_table_zombies_count(
    monkeypatch: pytest.MonkeyPatch, host: HostFactory
) -> None:
    """Then the ladder takes its time, at worst."""
    listdir = os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if path == "/proc":
            raise FileNotFoundError(path)
        return listdir(path)

    with host() as runtime:
        group = started(runtime, "sleep", "100")
        monkeypatch.setattr(os, "listdir", refuse)
        assert group._others_live()
        monkeypatch.undo()
        group.end()


def test_process_that_does_not_die_is_left_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, host: HostFactory
) -> None:
    """One that hangs in the kernel, say: it is not waited for for ever."""
    monkeypatch.setattr("rescind.blocking.group._REAP", 0.01)
    with host() as runtime:
        group = started(runtime, "sleep", "100")
        monkeypatch.setattr(os, "killpg", lambda *_: None)
        group.end()
        monkeypatch.undo()
        assert "does not end although it was killed" in caplog.text
        os.killpg(group.pid, signal.SIGKILL)
        group._popen.wait()
    assert sys.platform != "win32"

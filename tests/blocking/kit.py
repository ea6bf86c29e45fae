"""What tests of blocking work share: gates for threads, functions for processes, and counts."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rescind

if TYPE_CHECKING:
    import pytest

#: Longer than anything that is expected to happen takes; a wait for that long is a failure.
LONG = 60.0


class Gate:
    """A blocking function that begins, and ends when it is told to.

    Attributes:
        begun: set when it runs.
        opened: set to let it return.
        ended: set when it is about to return.
        holds: is it within, and has not been told to return?
    """

    def __init__(self, value: object = "through") -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.ended = threading.Event()
        self.value = value
        self.runs = 0
        self.given_up = False

    def __call__(self) -> object:
        self.runs += 1
        self.begun.set()
        if not self.opened.wait(LONG):
            self.given_up = True
            raise AssertionError("the gate was never opened")
        self.ended.set()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    @property
    def holds(self) -> bool:
        """Does it run, and wait to be opened? Not if somebody has waited for it too long."""
        return self.begun.is_set() and not self.opened.is_set() and not self.given_up

    def open(self) -> None:
        """Let it return."""
        self.opened.set()


async def until(condition: Callable[[], object]) -> None:
    """Let others run until the condition holds."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        await rescind.yield_now()


def open_fds() -> set[str]:
    """Name the descriptors of this process, with what they are."""
    found: set[str] = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            pass  # the one that listed
    return found


def children() -> list[int]:
    """Number the children of this process, zombies too."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += [int(pid) for pid in (task / "children").read_text().split()]
        except FileNotFoundError:
            pass
    return found


def alive(pid: int) -> bool:
    """Does this process run? A zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def gone(pids: list[int]) -> bool:
    """Wait until none of these processes runs; False if one does for long."""
    end = time.monotonic() + LONG
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _counted() -> set[str]:
    """Name the descriptors, the children and the threads of this process."""
    return {
        *(f"descriptor {fd}" for fd in open_fds()),
        *(f"child {pid}" for pid in children()),
        *(f"thread {thread.name}" for thread in threading.enumerate()),
    }


@functools.cache
def _warm_up() -> None:
    """Let uvloop open what it opens once in a process."""
    try:
        import uvloop
    except ImportError:
        return
    loop = uvloop.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def keep_all_but(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have SIGKILL come so long after SIGTERM: the rest of a grace of `LONG` is for what it ends.

    Usually a fifth is, which a machine that stands still may use up.
    """
    from rescind.blocking import group

    monkeypatch.setattr(group, "_KEPT", 1 - seconds / LONG)
    monkeypatch.setattr(group, "_KEPT_AT_MOST", float("inf"))


@contextmanager
def nothing_left() -> Iterator[None]:
    """Look that no descriptor, child or thread is left by what runs in the block."""
    _warm_up()
    gc.collect()
    before = _counted()
    yield
    gc.collect()
    until_at = time.monotonic() + LONG
    while (left := _counted() - before) and time.monotonic() < until_at:
        time.sleep(0.01)  # a thread that has told its end is about to be gone
    assert sorted(left) == []


# ------------------------------------------------------------ functions for processes of their own


def note(path: str) -> None:
    """Write this process's number into a file, at once and as a whole."""
    temporary = f"{path}.{os.getpid()}"
    Path(temporary).write_text(str(os.getpid()))
    os.replace(temporary, path)


def noted(path: Path) -> int:
    """Wait for the number that `note` writes."""
    end = time.monotonic() + LONG
    while not path.exists():
        assert time.monotonic() < end, "the process never began"
        time.sleep(0.002)
    return int(path.read_text())


def spin(path: str) -> int:
    """Spin in C code, which looks at no Python signal handler."""
    note(path)
    return sum(range(10**12))


def spin_deaf(path: str) -> int:
    """Spin in C code, with a handler for SIGTERM, which Python would call between two bytecodes."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    note(path)
    return sum(range(10**12))


def sleep_deaf(path: str) -> None:
    """Ignore SIGTERM, and sleep in C code, holding the interpreter's lock."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(path)
    ctypes.PyDLL(None).sleep(1000)


def heed(path: str, done: str) -> None:
    """Clean up at SIGTERM."""

    def clean(*_: Any) -> None:
        note(done)
        os._exit(7)

    signal.signal(signal.SIGTERM, clean)
    note(path)
    while True:
        time.sleep(1)


def with_family(path: str, child_path: str, grandchild_path: str, deaf: bool) -> None:
    """Start a child, which starts a grandchild; they all stay."""
    trap = "trap '' TERM; " if deaf else ""
    inner = f"{trap}echo $$ > {grandchild_path}.tmp; mv {grandchild_path}.tmp {grandchild_path}; "
    wait = "while true; do sleep 1; done"
    outer = (
        f'{trap}sh -c "{inner.replace("$", chr(92) + "$")} {wait}" & '
        f"echo $$ > {child_path}.tmp; mv {child_path}.tmp {child_path}; {wait}"
    )
    subprocess.Popen(["sh", "-c", outer])
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(path)
    while True:
        time.sleep(1)


def meet(folder: str, count: int) -> None:
    """Return when so many processes have come here; fail if they do not."""
    note(f"{folder}/{os.getpid()}")
    end = time.monotonic() + LONG
    while sum(name.isdecimal() for name in os.listdir(folder)) < count:
        assert time.monotonic() < end, "the others never came"
        time.sleep(0.005)


def leave_child(path: str) -> str:
    """Return while a child of this function's lives on."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    temporary = f"{path}.tmp"
    Path(temporary).write_text(str(child.pid))
    os.replace(temporary, path)
    child.returncode = 0  # no warning that it still runs
    return "returned"


class Odd(Exception):
    """An exception that can be written, but not read."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raise_odd() -> None:
    """Raise what cannot be brought back."""
    raise Odd(1, 2)


def raise_value_error(text: str) -> None:
    """Raise from a cause."""
    try:
        raise KeyError("the cause")
    except KeyError as exc:
        raise ValueError(text) from exc


def raise_stop() -> None:
    """Raise what means something else where it arrives."""
    raise StopIteration(1)


def raise_canceled() -> None:
    """Raise what looks like a cancellation where it arrives."""
    raise asyncio.CancelledError("mine")


def hold_pipe_and_die() -> None:
    """Leave a forked child that holds all descriptors, and end without a result."""
    pid = os.fork()
    if pid == 0:
        time.sleep(1000)
        os._exit(0)
    os._exit(5)


def lambda_maker() -> Any:
    """Return what cannot be pickled."""
    return lambda: None


def identity(value: Any) -> Any:
    """Return what came."""
    return value


def environment() -> dict[str, Any]:
    """Tell how a process of ours finds itself."""
    return {
        "pid": os.getpid(),
        "leads": os.getpid() == os.getpgrp() == os.getsid(0),
        "stdin": sys.stdin.read(),
        "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
        "path": sys.path,
        "modules": sorted(name for name in sys.modules if name.startswith("rescind")),
        "sigterm": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    }


class ReadOnlyThere:
    """A value that can be read in the process that made it, and in no other."""

    def __init__(self) -> None:
        self.pid = os.getpid()

    def __setstate__(self, state: dict[str, int]) -> None:
        if state["pid"] != os.getpid():
            raise LookupError("not here")


class OddThere(Exception):
    """An exception that can be read in the process that made it, and in no other."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        if pid != os.getpid():
            raise LookupError("not here")


def make_read_only_there() -> ReadOnlyThere:
    """Return what cannot be read back."""
    return ReadOnlyThere()


def raise_odd_there() -> None:
    """Raise what cannot be read back."""
    raise OddThere(os.getpid())

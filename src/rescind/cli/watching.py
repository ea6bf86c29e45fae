"""What is seen of a program by ``rescind run``: a dump on SIGUSR1, a trace, ``rescind top``.

*Threads.* The main thread.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from rescind._core.errors import UsageError
from rescind._core.frames import shortened
from rescind._core.hostport import Host
from rescind._host.asyncio import AsyncioHost
from rescind.cli import say
from rescind.cli.target import Refused
from rescind.top.serving import serve_top
from rescind.trace.dump import dump
from rescind.trace.events import line_of
from rescind.trace.recorder import Recorder
from rescind.trace.story import Life, Story

__all__ = ["dumped_on_signal", "looked_at", "traced"]

#: How many causes are named in the summary; the rest is counted.
_CAUSES: Final = 5


@contextmanager
def dumped_on_signal(host: Host) -> Generator[None]:
    """During the block, write to standard error what every task does, each time SIGUSR1 comes.

    What the program itself does about the signal has precedence; so has being told to ignore it.

    Args:
        host: of the runtime. The system may have any thread take the signal, but Python handles it
            on the main one: a loop that waits there has to be woken.
    """
    number = getattr(signal, "SIGUSR1", None)
    if (
        number is None
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(number) is not signal.SIG_DFL
    ):
        yield
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        text = io.StringIO()
        dump(text)
        say.write(text.getvalue())

    if isinstance(host, AsyncioHost):
        # This has the loop be woken; it would call back only when it is not stuck.
        host.loop.add_signal_handler(number, int)
    signal.signal(number, on_signal)
    try:
        yield
    finally:
        if signal.getsignal(number) is on_signal:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def looked_at(wanted: bool, address: str | None) -> Generator[None]:
    """During the block, let ``rescind top`` look at this process, if that is wanted; say how.

    Raises:
        Refused: it cannot.
    """
    if not wanted:
        yield
        return
    try:
        server = serve_top(address)
    except UsageError as exc:
        raise Refused(str(exc)) from None
    except OSError as exc:
        raise Refused(f"'rescind top' cannot be served: {exc.strerror or exc}") from None
    with server:
        say.note(f"to look at it: rescind top {os.getpid() if address is None else server.address}")
        yield


@contextmanager
def traced(file: str | None) -> Generator[None]:
    """During the block, record what happens into a file; then say what was canceled, and by what.

    Args:
        file: where to; None: do nothing.

    Raises:
        Refused: it cannot be written.
    """
    if file is None:
        yield
        return
    recorder = Recorder(file)
    try:
        recorder.start()
    except OSError as exc:
        raise Refused(f"the trace cannot be written to {file!r}: {exc.strerror}") from None
    try:
        yield
    finally:
        recorder.stop()
        lines = "\n".join(f"  {line}" for line in _summary(Story.of(recorder.trace())))
        say.note(f"the trace is in {shortened(file)}", lines)
        sys.stderr.flush()


def _summary(story: Story) -> Iterator[str]:
    """What was canceled by what, what was absorbed, what overran, what did not end."""
    tasks = [life for life in story.lives.values() if life.kind == "task"]
    causes: dict[str, list[Life]] = {}
    for reason, lives in story.roots():
        causes.setdefault(line_of(reason), []).extend(lives)
    for line, lives in list(causes.items())[:_CAUSES]:
        canceled = [life for life in lives if life.kind == "task"]
        children = len(lives) - len(canceled)
        what = [_count(len(canceled), "task")] if canceled else []
        what += [_count(children, "child", "children")] if children else []
        yield f"{' and '.join(what)} canceled: {line}"
    if len(causes) > _CAUSES:
        yield f"… for {len(causes) - _CAUSES} more reasons"
    absorbed = [life for life in tasks if life.absorbed]
    if absorbed:
        yield f"{_count(len(absorbed), 'task')} went on in spite of it: {_names(absorbed)}"
    for _, label, place, seconds in story.overruns:
        yield f"{label} was dropped: {seconds:.1f} s after it was canceled it was at {place}"
    for _, message in story.abandoned:
        yield message
    left = [life for life in tasks if life.ended is None]
    if left:
        yield f"{_count(len(left), 'task')} had not ended: {_names(left)}"
    if story.dropped:
        yield f"{_count(story.dropped, 'event')} could not be written in time, and are lost"
    if story.skipped:
        yield f"{_count(story.skipped, 'line')} could not be understood: {story.faults[0]}"


def _names(lives: list[Any]) -> str:
    shown = ", ".join(life.label for life in lives[:_CAUSES])
    return shown + (f" and {len(lives) - _CAUSES} more" if len(lives) > _CAUSES else "")


def _count(number: int, one: str, several: str | None = None) -> str:
    return f"1 {one}" if number == 1 else f"{number} {several or one + 's'}"

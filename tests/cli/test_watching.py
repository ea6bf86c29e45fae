"""What is seen of a program that runs: a dump on SIGUSR1, a trace, and what was canceled."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import rescind
import rescind.__main__
from rescind.cli import watching
from rescind.testing import run_virtual
from rescind.trace import Recorder, Story
from tests.cli.kit import running, write

needs_usr1 = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1")


#: The command line, with a clock by which no deadline is over before its tasks have begun.
STEADY = (str(Path(__file__).parents[1] / "steady.py"), rescind.__main__.__file__)


def _run(
    *arguments: str, folder: Path, command: Sequence[str] = ("-m", "rescind")
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command, "run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@needs_usr1
@pytest.mark.parametrize("uvloop", [False, True])
def test_sigusr1_writes_what_every_task_does_and_the_program_goes_on(
    tmp_path: Path, uvloop: bool
) -> None:
    """As often as it is sent."""
    if uvloop:
        pytest.importorskip("uvloop")
    source = """
        import sys
        import rescind
        from rescind.blocking import spawn_blocking

        async def main():
            async with rescind.task_group(name="workers") as group:
                group.spawn(rescind.sleep(1000), name="patient")
                await rescind.yield_now()
                print("ready", flush=True)
                await spawn_blocking(sys.stdin.readline)
                group.cancel()
            print("done", flush=True)
    """
    with running(tmp_path, source, *(["--uvloop"] if uvloop else [])) as program:
        program.wait_for("ready")
        for _ in range(2):
            program.send(signal.SIGUSR1)
            program.wait_for_error("'patient' waiting: sleep(1000)")
        program.answer()
        assert program.end() == (0, ["done"])
    assert any("group 'workers', 1 alive" in line for line in program.said)


@needs_usr1
@pytest.mark.parametrize("uvloop", [False, True])
def test_it_does_not_matter_which_thread_takes_the_signal(tmp_path: Path, uvloop: bool) -> None:
    """The main thread, which waits for I/O and has the signal blocked, is woken all the same."""
    if uvloop:
        pytest.importorskip("uvloop")
    source = """
        import signal
        import sys
        import threading
        import rescind
        from rescind.blocking import spawn_blocking

        async def main():
            taker = threading.Thread(target=sys.stdin.readline)
            taker.start()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
            rescind.spawn(rescind.sleep(1000), name="patient")
            await rescind.yield_now()
            print("ready", flush=True)
            await spawn_blocking(taker.join)
    """
    with running(tmp_path, source, *(["--uvloop"] if uvloop else [])) as program:
        program.wait_for("ready")
        program.send(signal.SIGUSR1)
        program.wait_for_error("'patient' waiting: sleep(1000)")
        program.answer()
        assert program.end() == (0, [])


@needs_usr1
def test_it_works_while_the_program_is_stuck_in_synchronous_code(tmp_path: Path) -> None:
    """And says where: in the function that is called, not only in the coroutine that calls it."""
    source = """
        import sys

        def stuck():
            print("ready", flush=True)
            sys.stdin.readline()

        async def main():
            stuck()
    """
    with running(tmp_path, source) as program:
        program.wait_for("ready")
        program.send(signal.SIGUSR1)
        program.wait_for_error("'main' running: at app.py:")
        program.answer()
        assert program.end() == (0, [])
    assert any(line.endswith(" in stuck\n") for line in program.said)


@needs_usr1
def test_a_handler_of_the_program_keeps_its_signal(tmp_path: Path) -> None:
    """What it does about it is its own business."""
    app = write(
        tmp_path,
        """
        import asyncio, os, signal

        async def main():
            got = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, got.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await got.wait()
            print("mine")
        """,
    )
    done = _run(str(app), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "mine\n", "")


TREE = """
import rescind

async def fetch():
    try:
        await rescind.sleep(1000)
    finally:
        await rescind.yield_now()

async def stubborn():
    try:
        await rescind.sleep(1000)
    except rescind.Cancellation:
        return "anyway"

async def main():
    try:
        async with rescind.deadline(0.01), rescind.task_group() as group:
            for _ in range(3):
                group.spawn(fetch(), name="fetch")
            group.spawn(stubborn(), name="stubborn")
    except TimeoutError:
        pass
    await rescind.race(rescind.ready(1), rescind.never())
    return 3
"""


def test_a_trace_is_written_and_what_was_canceled_is_told(tmp_path: Path) -> None:
    """By whom, why, and where; who went on in spite of it."""
    write(tmp_path, TREE)
    done = _run("--trace", "trace.jsonl", "app.py", folder=tmp_path, command=STEADY)
    assert done.returncode == 3
    deadline = "deadline: the deadline of 0.01 s has passed"
    assert done.stderr.splitlines() == [
        "rescind: the trace is in trace.jsonl",
        f"  4 tasks canceled: {deadline}, by task 1 'main', at app.py:17",
        "  1 child canceled: race lost: lost to child 0, by task 1 'main', at app.py:23",
        "  1 task went on in spite of it: task 5 'stubborn'",
    ]
    lines = (tmp_path / "trace.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["program"].endswith("app.py")
    assert sum(json.loads(line)[1] == "delivered" for line in lines[1:]) == 5


def test_what_was_canceled_from_the_same_place_is_told_once() -> None:
    """Each request has a reason of its own; to whoever reads it they are one."""

    async def main() -> None:
        tasks = [rescind.spawn(rescind.never()) for _ in range(3)]
        await rescind.yield_now()
        for task in tasks:
            task.cancel("enough")
        for task in tasks:
            await task.join()

    with Recorder() as recorder:
        run_virtual(main)
    (line,) = watching._summary(Story.of(recorder.trace()))
    assert line.startswith("3 tasks canceled: explicit: enough, by task ")


def test_a_trace_of_a_program_that_fails_is_there_too(tmp_path: Path) -> None:
    """And the exit code stays that of the program."""
    write(tmp_path, "async def main():\n    raise ValueError('broken')\n")
    done = _run("--trace", "trace.jsonl", "app.py", folder=tmp_path)
    assert done.returncode == 1
    assert "ValueError: broken" in done.stderr
    assert done.stderr.endswith("rescind: the trace is in trace.jsonl\n")
    assert "failed" in (tmp_path / "trace.jsonl").read_text()


def test_a_trace_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """With the name of the file."""
    write(tmp_path, "async def main():\n    print('ran')\n")
    done = _run("--trace", "missing/trace.jsonl", "app.py", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "cannot be written to 'missing/trace.jsonl': No such file" in done.stderr

"""Ctrl-C and SIGTERM, sent for real to a program in a process of its own."""

import signal
from pathlib import Path

import pytest

from tests.cli.kit import running

pytestmark = pytest.mark.parametrize("options", [(), ("--uvloop",)], ids=["asyncio", "uvloop"])

FIRST = (
    "rescind: Ctrl-C: canceling main; its cleanup may take up to 30 s. "
    "Press Ctrl-C again to stop at once."
)
SECOND = "rescind: Ctrl-C again: stopping at once. Cleanup that is not done is dropped."

#: What programs begin with whose main waits for ever; how it ends follows.
NEVER = """
        import rescind

        async def main():
            try:
                print("ready")
                await rescind.never()"""

CLEANS_UP = """
    import rescind

    async def worker():
        await rescind.sleep(1000)

    async def main():
        rescind.spawn(worker(), name="worker")
        await rescind.sleep(0)
        try:
            print("ready")
            await rescind.sleep(500)
        finally:
            await rescind.sleep(0.001)
            print("closed")
"""


def test_first_signal_says_what_is_waited_for_and_lets_cleanup_run(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The first Ctrl-C names each task with its await, runs the cleanup, and exits with 130."""
    with running(tmp_path, CLEANS_UP, *options) as program:
        program.wait_for("ready")
        program.send()
        ended = program.end()
    assert (130, ["closed"]) == ended
    assert [
        FIRST,
        "Waiting for:",
        "  main    sleep(500)   at app.py:11 in main",
        "  worker  sleep(1000)  at app.py:4 in worker",
        "rescind: at the end:",
        "  1 task was still running when main ended, and was canceled: task 2 'worker'",
    ] == program.errors()


def test_sigterm_does_the_same_and_exits_with_143(tmp_path: Path, options: tuple[str, ...]) -> None:
    """SIGTERM cancels as Ctrl-C does, in its own words and with its own exit code."""
    with running(tmp_path, CLEANS_UP, "--grace", "none", *options) as program:
        program.wait_for("ready")
        program.send(signal.SIGTERM)
        ended = program.end()
    assert (143, ["closed"]) == ended
    assert (
        "rescind: SIGTERM: canceling main; its cleanup may take as long as it needs. "
        "Send it again to stop at once."
    ) == program.errors()[0]


def test_second_signal_drops_a_cleanup_that_is_stuck(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The second Ctrl-C ends a blocked cleanup, and the report says where it was stuck."""
    source = (
        NEVER
        + """
            finally:
                try:
                    print("cleaning")
                    await rescind.never()
                finally:
                    print("dropped")
    """
    )
    with running(tmp_path, source, *options) as program:
        program.wait_for("ready")
        program.send()
        program.wait_for("cleaning")
        program.send()
        ended = program.end()
    assert (130, ["dropped"]) == ended
    *said, report, overrun = program.errors()
    assert [
        FIRST,
        "Waiting for:",
        "  main  never()  at app.py:6 in main",
        SECOND,
        "Waiting for:",
        "  main  cleanup: never()  at app.py:10 in main",
    ] == said
    assert "rescind: cleanup that was not done in time was dropped:" == report
    assert ["main:", "app.py:10 in main"] == [overrun.split()[0], overrun.rpartition("at ")[2]]


def test_main_that_swallows_the_first_is_dropped_by_the_second(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A main that catches the cancellation and goes on is ended by the second Ctrl-C."""
    source = """
        import rescind

        async def main():
            print("ready")
            while True:
                try:
                    await rescind.sleep(1000)
                except rescind.Cancellation:
                    print("swallowed")
    """
    with running(tmp_path, source, *options) as program:
        program.wait_for("ready")
        program.send()
        program.wait_for("swallowed")
        program.send()
        ended = program.end()
    assert (130, []) == ended
    assert "  main  cleanup: sleep(1000)  at app.py:7 in main" == program.errors()[5]


def test_main_that_swallows_and_returns_exits_as_interrupted(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A graceful return after Ctrl-C still exits with 130, whatever it returns."""
    source = (
        NEVER
        + """
            except rescind.Cancellation as exc:
                print(exc.reason)
            return 0
    """
    )
    with running(tmp_path, source, *options) as program:
        program.wait_for("ready")
        program.send()
        ended = program.end()
    assert (130, ["signal: SIGINT"]) == ended


def test_third_signal_interrupts_synchronous_code(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A loop that never awaits is named, and interrupted where it is by the third."""
    source = """
        import time

        def crunch():
            print("ready")
            while True:
                time.sleep(0.001)

        async def main():
            try:
                crunch()
            except KeyboardInterrupt:
                print("interrupted")
                raise
    """
    with running(tmp_path, source, *options) as program:
        program.wait_for("ready")
        program.send()
        program.wait_for_error("nothing: running")
        program.send()
        program.wait_for_error("nothing: running")
        program.send()
        ended = program.end()
    assert (130, ["interrupted"]) == ended
    said = program.errors()
    assert [
        FIRST,
        "Waiting for:",
        "  main  nothing: running  at app.py:10 in main",
        SECOND,
        "Waiting for:",
        "  main  nothing: running  at app.py:10 in main",
    ] == [line for line in said if "without awaiting" not in line]
    first, second = [line for line in said if "without awaiting" in line]
    assert first.startswith("  It runs without awaiting, at app.py:")
    assert first.endswith("press Ctrl-C three times in all to interrupt it.")
    assert second.endswith("press Ctrl-C once more to interrupt it.")


def test_signal_during_the_shutdown_first_tells_then_drops(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """While tasks that main left clean up, the first Ctrl-C says so, the second drops them."""
    source = """
        import rescind

        async def lingering():
            try:
                await rescind.never()
            finally:
                print("cleaning")
                await rescind.never()

        async def main():
            rescind.spawn(lingering(), name="lingering")
            await rescind.sleep(0.001)
    """
    with running(tmp_path, source, *options) as program:
        program.wait_for("cleaning")
        program.send()
        program.wait_for_error("cleanup: never()")
        program.send()
        ended = program.end()
    assert (130, []) == ended
    assert [
        (
            "rescind: Ctrl-C: main has ended; the cleanup of 1 task may take up to 30 s. "
            "Press Ctrl-C again to stop at once."
        ),
        "Waiting for:",
        "  lingering  cleanup: never()  at app.py:8 in lingering",
        SECOND,
    ] == program.errors()[:4]


def test_error_in_cleanup_is_shown_though_the_code_is_130(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """What a cleanup raises after Ctrl-C is not lost: its traceback is written."""
    source = (
        NEVER
        + """
            finally:
                raise ValueError("broken pipe")
    """
    )
    with running(tmp_path, source, *options) as program:
        program.wait_for("ready")
        program.send()
        ended = program.end()
    assert (130, []) == ended
    said = program.errors()
    assert "rescind: the cleanup of main failed:" == said[3]
    assert "ValueError: broken pipe" == said[-1]


def test_grace_that_runs_out_drops_and_reports(tmp_path: Path, options: tuple[str, ...]) -> None:
    """With --grace the cleanup is dropped without a second Ctrl-C, and reported once."""
    source = (
        NEVER
        + """
            finally:
                await rescind.sleep(1000)
    """
    )
    with running(tmp_path, source, "--grace", "0.05", *options) as program:
        program.wait_for("ready")
        program.send()
        ended = program.end()
    assert (130, []) == ended
    said = program.errors()
    assert "rescind: cleanup that was not done in time was dropped:" == said[3]
    assert [5, "app.py:8 in main"] == [len(said), said[4].rpartition("at ")[2]]


def test_signal_handler_of_the_program_stays(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A SIGINT handler that the program set before main runs is not replaced."""
    source = """
        import asyncio
        import signal

        import rescind

        signal.signal(signal.SIGINT, lambda number, frame: print("mine"))

        async def main():
            print("ready")
            await rescind.never()
    """
    with running(tmp_path, source, *options) as program:
        program.wait_for("ready")
        program.send()
        program.wait_for("mine")
        program.send(signal.SIGTERM)
        ended = program.end()
    assert (143, []) == ended

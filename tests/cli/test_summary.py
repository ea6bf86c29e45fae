"""What `rescind run` says at the end without a trace, and when it says nothing."""

import signal
from pathlib import Path

import pytest

from tests.cli.kit import running

MANY = """
    import rescind

    async def works():
        try:
            await rescind.sleep(1000)
        except rescind.Cancellation:
            if rescind.current_task().name == "stubborn":
                return
            raise

    async def main():
        left = rescind.spawn(works(), name="left behind")
        async with rescind.task_group(name="early") as group:
            for _ in range(3):
                group.spawn(works())
            await rescind.sleep(0)
            group.cancel("enough")
        async with rescind.task_group(name="workers") as group:
            for _ in range(1000):
                group.spawn(works())
            group.spawn(works(), name="stubborn")
            await rescind.sleep(0)
            print("ready", flush=True)
"""


@pytest.mark.parametrize("options", [["--no-warn"], ["--warn"]])
def test_after_a_signal_it_says_who_was_canceled_by_what(
    tmp_path: Path, options: list[str]
) -> None:
    """A line for each cause, whatever the number of tasks; whether or not it warns."""
    with running(tmp_path, MANY, *options) as program:
        program.wait_for("ready")
        program.send(signal.SIGINT)
        assert program.end() == (130, [])
    said = program.errors()
    end = said[said.index("rescind: at the end:") :]
    assert end == [
        "rescind: at the end:",
        "  1001 tasks canceled: signal: SIGINT",
        "  3 tasks canceled: explicit: enough, by task 1 'main', at app.py:17",
        "  1 task went on in spite of it: task 1006 'stubborn'",
        "  1 task was still running when main ended, and was canceled: task 2 'left behind'",
    ]


def test_at_a_normal_end_it_says_what_main_left_and_else_nothing(tmp_path: Path) -> None:
    """Cancellations are what programs do; a task that is left may be an await forgotten."""
    source = """
        import rescind

        async def main():
            async with rescind.task_group() as group:
                group.spawn(rescind.never())
                group.cancel("enough")
            for index in range(NUMBER):
                rescind.spawn(rescind.never(), name=f"left {index}")
            await rescind.sleep(0)
    """
    with running(tmp_path, source.replace("NUMBER", "0")) as program:
        assert program.end() == (0, [])
    assert program.errors() == []
    with running(tmp_path, source.replace("NUMBER", "7")) as program:
        assert program.end() == (0, [])
    assert "\n".join(program.errors()) == (
        "rescind: at the end:\n"
        "  7 tasks were still running when main ended, and were canceled: task 3 'left 0', "
        "task 4 'left 1', task 5 'left 2', task 6 'left 3', task 7 'left 4' and 2 more"
    )


def test_with_a_trace_its_own_summary_says_it(tmp_path: Path) -> None:
    """And nothing is said twice."""
    source = """
        import rescind

        async def main():
            rescind.spawn(rescind.never(), name="left")
            await rescind.sleep(0)
    """
    with running(tmp_path, source, "--trace", "trace.jsonl") as program:
        assert program.end() == (0, [])
    assert program.errors()[0] == "rescind: the trace is in trace.jsonl"
    assert "rescind: at the end:" not in program.errors()


def test_warnings_are_shown_and_can_be_switched_off(tmp_path: Path) -> None:
    """Through the command line, whatever the environment says."""
    source = """
        import rescind

        async def works():
            try:
                await rescind.sleep(1000)
            except rescind.Cancellation:
                pass

        async def main():
            task = rescind.spawn(works())
            await rescind.sleep(0)
            await task.cancel()
    """
    swallowed = "rescind: task 2 'task-2' returned None although it was canceled: its Cancellation"
    for option, expected in (("--warn", True), ("--no-warn", False)):
        with running(tmp_path, source, option) as program:
            assert program.end() == (0, [])
        assert any(line.startswith(swallowed) for line in program.errors()) == expected

"""What comes from outside and is shown in a terminal moves no cursor: it is spelled out."""

import asyncio
import io
import logging
from typing import Any

import pytest

import rescind
from rescind.cli import say
from rescind.lowlevel import PENDING, Context, Future

ESCAPE = "\x1b[2J"
SPELLED = "\\x1b[2J"


class _Odd(Future[None]):
    """Waits for ever, under a name that clears the screen."""

    def poll(self, cx: Context) -> Any:
        self.waker = cx.waker
        return PENDING

    def __repr__(self) -> str:
        return f"leaf {ESCAPE}"


async def _waits() -> None:
    await _Odd()


def test_a_dump_and_an_explanation_spell_it_out() -> None:
    """In names of tasks, of groups and of asyncio's tasks, in what is waited for, in reasons."""
    texts: list[str] = []

    async def main() -> None:
        foreign = asyncio.ensure_future(asyncio.sleep(60))
        foreign.set_name(f"foreign {ESCAPE}")
        async with rescind.task_group(name=f"group {ESCAPE}") as group:
            task = group.spawn(_waits(), name=f"task {ESCAPE}")
            await rescind.yield_now()
            await rescind.yield_now()
            task.cancel(f"reason {ESCAPE}")
            out = io.StringIO()
            rescind.dump(out)
            texts.extend((out.getvalue(), str(task.explain())))
        foreign.cancel()

    rescind.run(main)
    dumped, explained = texts
    assert "\x1b" not in dumped + explained
    for word in ("group", "task", "leaf", "reason", "foreign"):
        assert f"{word} {SPELLED}" in dumped
    for word in ("task", "leaf", "reason"):
        assert f"{word} {SPELLED}" in explained


def test_a_warning_spells_it_out(caplog: pytest.LogCaptureFixture) -> None:
    """A log is read in a terminal, too."""

    async def swallows() -> None:
        try:
            await rescind.never()
        except rescind.Cancellation:
            pass

    async def main() -> None:
        task = rescind.spawn(swallows())
        await rescind.yield_now()
        await rescind.yield_now()
        await task.cancel(f"reason {ESCAPE}")

    with caplog.at_level(logging.WARNING, "rescind"):
        rescind.run(main, warn=rescind.Warnings())
    (record,) = caplog.records
    assert f"reason {SPELLED}" in record.getMessage()
    assert "\x1b" not in record.getMessage()


def test_what_the_command_line_says_spells_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    """In the message, and in each of the lines below it; these stay lines."""
    say.note(f"message {ESCAPE}", f"one {ESCAPE}\n\ttwo {ESCAPE}")
    assert capsys.readouterr().err.splitlines() == [
        f"rescind: message {SPELLED}",
        f"one {SPELLED}",
        f"        two {SPELLED}",
    ]

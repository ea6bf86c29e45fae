"""Blocking work keeps the types of what it runs."""

from typing import assert_type

from rescind import CancelReason, Task
from rescind.blocking import (
    ByteReceiver,
    Process,
    ProcessResult,
    block_on,
    cancel_reason,
    canceled,
    open_process,
    run_process,
    spawn_blocking,
    spawn_process,
    wait_canceled,
)
from rescind.lowlevel import Future


def number(text: str) -> int:
    """Return a number."""
    return int(text)


async def word() -> str:
    """Return a word."""
    return "word"


def threads() -> None:
    """A call in a thread is a task of the function's type."""
    assert_type(spawn_blocking(number, "1"), Task[int])
    assert_type(
        spawn_blocking(number, "1", on_overrun="detach", on_undelivered=lambda value: value + 1),
        Task[int],
    )
    assert_type(block_on(word()), str)
    assert_type(canceled(), bool)
    assert_type(cancel_reason(), CancelReason | None)
    assert_type(wait_canceled(1), bool)


async def processes() -> None:
    """So is a call in a process; commands give bytes, lines give text."""
    assert_type(spawn_process(number, "1", grace=None), Task[int])
    assert_type(await spawn_process(number, "1"), int)
    assert_type(run_process(["true"]), Future[ProcessResult])
    result = await run_process(["true"], input=b"", stderr="stdout", check=False)
    assert_type(result.stdout, bytes | None)
    assert_type(result.text, str)
    async with open_process(["true"], stdin="pipe") as process:
        assert_type(process, Process)
        assert_type(process.stdout, ByteReceiver)
        assert_type(await process.wait(), int)
        async for line in process.stdout.lines():
            assert_type(line, str)
        async for piece in process.stdout:
            assert_type(piece, bytes)

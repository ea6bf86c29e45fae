"""What the tests of deadlines share: a body that notes its steps, run to its end."""

from collections.abc import Callable
from typing import Any

import rescind
from rescind import Cancellation, Error
from tests.core.kit import Bench

__all__ = ["name", "run", "step"]


async def step(trace: list[str], name: str, seconds: float = 1) -> None:
    """Sleep, and note how that ended, and why."""
    try:
        await rescind.sleep(seconds)
    except Cancellation as exc:
        trace.append(f"{name} canceled at {rescind.now():g}: {exc.reason.kind.name}")
        raise
    trace.append(f"{name} done at {rescind.now():g}")


def run(body: Callable[..., Any], *, cancel_at: float | None = None) -> list[str]:
    """Run a body that notes its steps; return the notes, and how and when it ended."""
    trace: list[str] = []
    with Bench() as bench:
        task = bench.spawn(body(trace))
        task.on_end(lambda outcome: trace.append(f"{name(outcome)} at {bench.host.now():g}"))
        if cancel_at is not None:
            bench.advance(cancel_at)
            task.cancel("stop")
        bench.advance(100)
        assert 0 == bench.runtime.statistics().timers
    return trace


def name(outcome: object) -> str:
    """Name an outcome: its kind, and the type of what was raised."""
    if isinstance(outcome, Error):
        return type(outcome.exception).__name__
    return type(outcome).__name__

"""Whose deadline was it?"""

from pathlib import Path
from typing import Any

import rescind
from rescind import CancelKind, Cancellation, CancelReason
from tests.conftest import HostFactory


def test_an_expired_deadline_names_the_task_and_the_line_that_set_it(host: HostFactory) -> None:
    """The reason has everything that R14 asks for: kind, words, task, place, and the time due."""
    seen: list[Any] = []

    async def main() -> float:
        task = rescind.current_task()
        try:
            async with rescind.deadline(0.001) as limit:
                seen.append(f"task {task.id} {task.name!r}")
                await rescind.never()
        except rescind.TimedOut as error:
            match error.__cause__:
                case Cancellation(reason=reason):
                    seen.append(reason)
        return limit.at

    with host() as runtime:
        at = runtime.block_on(main())

    line = main.__code__.co_firstlineno + 3
    assert seen == [
        seen[0],
        CancelReason(
            kind=CancelKind.DEADLINE,
            message="the deadline of 0.001 s has passed",
            by=seen[0],
            where=f"{Path(__file__)}:{line}",
            at=at,
            cause=None,
        ),
    ]

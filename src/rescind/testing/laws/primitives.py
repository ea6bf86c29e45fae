"""`check_primitive`: the laws that every primitive keeps, over orders and cancellations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import rescind
from rescind._core.outcome import Completed, Error
from rescind.testing.laws import strategies
from rescind.testing.laws.broken import broken
from rescind.testing.laws.interpret import Machine
from rescind.testing.laws.law import search
from rescind.testing.laws.stage import Injection, Setting, play

__all__ = ["check_primitive"]

P = TypeVar("P")


def check_primitive(
    make: Callable[[], P],
    *uses: Callable[[P], Awaitable[object]],
    state: Callable[[P], object] | None = None,
    tasks: int = 3,
    examples: int = 100,
    name: str | None = None,
) -> None:
    """Check that a primitive loses nothing, whoever is canceled, and when.

    Several tasks use one primitive, in all sorts of orders; some are canceled: before they start,
    where they are parked, and when they were woken and have not run yet; with time for their
    cleanup, or without, which drops them. Afterwards the
    primitive has to be as it was new, everybody else has had a turn, and one more use ends.

    Args:
        make: makes a new primitive.
        uses: async functions of the primitive. Each gives back what it takes: acquires, waits
            a little, releases. All of them together, each by one task, have to end if nobody is
            canceled.
        state: returns what must be the same at the end as at the beginning, such as how many
            permits are free; by default nothing is compared.
        tasks: how many, at least; ``uses`` are dealt out in turn.
        examples: how many runs; a hypothesis profile of more than 100 raises this in proportion.
        name: what to call it in messages.

    Raises:
        LawBroken: something was lost; it says in which run, and what to do.
        UsageError: hypothesis is not installed, or there is no use.

    Example:
        >>> import rescind
        >>> from rescind.sync import Semaphore
        >>> from rescind.testing import laws
        >>> async def use(semaphore):
        ...     async with semaphore:
        ...         await rescind.sleep(1)
        >>> laws.check_primitive(
        ...     lambda: Semaphore(1), use, state=lambda one: one.available, examples=10
        ... )
    """
    strategies.hypothesis_or_error()
    import hypothesis.strategies as st

    if not uses:
        raise rescind.UsageError("check_primitive() needs at least one async function that uses it")
    subject = name or getattr(make, "__qualname__", None) or repr(make)
    count = max(tasks, len(uses))
    victims = st.builds(
        Injection,
        st.integers(1, count),
        st.integers(1, 4),
        st.sampled_from(["before", "after"]),
        st.just("canceled"),
        st.sampled_from([None, 0]),
    )
    made = st.builds(Setting, strategies.sched(length=8), st.lists(victims, max_size=2).map(tuple))

    def survives(on: Setting) -> None:
        _run(make, uses, state, subject=subject, count=count, on=on)

    search(survives, {"on": made}, examples)


def _run(
    make: Callable[[], P],
    uses: Sequence[Callable[[P], Awaitable[object]]],
    state: Callable[[P], object] | None,
    *,
    count: int,
    subject: str,
    on: Setting,
) -> None:
    primitive = make()
    before = None if state is None else state(primitive)
    struck = {one.task for one in on.injections}
    tasks: list[rescind.Task[Any]] = []
    last: list[rescind.Task[Any]] = []

    async def used(use: Callable[[P], Awaitable[object]]) -> None:
        await use(primitive)

    async def main(_world: Machine) -> None:
        tasks.extend(
            rescind.spawn(used(uses[number % len(uses)]), name=f"user {number + 1}")
            for number in range(count)
        )
        for task in tasks:
            await task.join()
        last.extend(rescind.spawn(used(use), name="one more") for use in uses)
        for task in last:
            await task.join()

    run = play(main, on)
    program = f"{count} users in {on!r}"
    waiting = [task.name for task in (*tasks, *last) if _was_stuck(task)]
    if run.stuck or run.hung:
        happened = f"nothing could run any more, and {', '.join(waiting) or 'somebody'} waited"
        raise broken("P71", subject, happened, program=program)
    for number, task in enumerate((*tasks, *last), 1):
        outcome = task.outcome()
        if isinstance(outcome, Error):
            raise outcome.exception
        if number not in struck and not isinstance(outcome, Completed):
            happened = f"{task.name} ended as {outcome!r}, though nobody canceled it"
            raise broken("P71", subject, happened, program=program)
    after = None if state is None else state(primitive)
    if after != before:
        happened = f"at the end its state is {after!r}; when it was new it was {before!r}"
        raise broken("P71", subject, happened, program=program)


def _was_stuck(task: rescind.Task[Any]) -> bool:
    return any(reason.message == "stuck" for reason in task.cancel_reasons)

"""Cancellation in families: tasks that live in a block, fail together, or are begun again.

A task group is a promise about lifetimes: when its block has been left, by whatever way, nothing
that was started in it still runs. Its policy says what a failure of one means for the others: that
they stop (the default), that they go on and all errors are told at the end, or that whoever
failed is begun again, until that has happened too often.
"""

import logging

import rescind
from rescind import Canceled, Completed, Error, Supervise, task_group


class Told(logging.Handler):
    """Prints the first line of what a supervised group logs."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        what = record.getMessage().partition("group ")[2]
        print(f"  log: {what}: {error}")


async def part(name: str, seconds: float, error: Exception | None = None) -> str:
    """Work for a while, and fail or return; say so when it is canceled."""
    try:
        await rescind.sleep(seconds)
    except rescind.Cancellation as canceled:
        print(f"  {name} is canceled ({canceled.reason.message})")
        raise
    if error is not None:
        raise error
    return name


async def one_fails_all_stop() -> None:
    """The first error cancels the siblings; when the block is left, they have ended."""
    try:
        async with task_group(name="page") as g:
            g.spawn(part("text", 10), name="text")
            g.spawn(part("image", 0.01, OSError("no such image")), name="image")
            g.spawn(part("style", 10), name="style")
    except* OSError as errors:
        print(f"  {errors.message}: {errors.exceptions[0]}")
    print(f"  still alive: {len(g.tasks)}")


async def collect_what_there_is() -> None:
    """Nobody is canceled; the outcomes of all are there, the errors as one group."""
    try:
        async with task_group(policy="collect", limit=2, name="mirrors") as g:
            for number in range(4):
                error = OSError(f"mirror {number} is down") if number % 2 else None
                g.spawn(part(f"mirror {number}", 0.01 * (1 + number), error))
    except* OSError as errors:
        print(f"  {errors.message}")
    for outcome in g.outcomes():
        match outcome:
            case Completed(value):
                print(f"  {value} answered")
            case Error(exception):
                print(f"  {exception}")
            case Canceled(reason):
                print(f"  canceled: {reason}")


class Feed:
    """A source that breaks twice before it holds."""

    def __init__(self) -> None:
        self.connections = 0

    async def read(self) -> None:
        self.connections += 1
        print(f"  connection {self.connections}")
        await rescind.sleep(0.01)
        if self.connections < 3:
            raise ConnectionError("the feed broke off")
        await rescind.never()


async def begin_it_again() -> None:
    """A supervised function is begun again, after a growing back-off; a cancel ends it for good."""
    policy = Supervise(backoff=0.01, max_restarts=5, within=10)
    async with task_group(policy=policy, name="feeds") as g:
        feed = g.spawn(Feed().read, name="feed")
        await rescind.sleep(0.2)
        g.cancel("the service stops")
    print(f"  {type(feed.outcome()).__name__} after {g.statistics().restarts} restarts")


async def but_not_for_ever() -> None:
    """More restarts than allowed: the group gives up, and raises the errors that led to it."""

    async def broken() -> None:
        raise ConnectionError("refused")

    try:
        async with task_group(policy=Supervise(max_restarts=2), name="feeds") as g:
            g.spawn(broken, name="feed")
            sibling = g.spawn(rescind.sleep(10), name="sibling")
    except* ConnectionError as errors:
        print(f"  given up after {len(errors.exceptions)} failures")
    print(f"  the sibling: {type(sibling.outcome()).__name__}")


async def daemons_end_with_the_rest() -> None:
    """A daemon serves the others, and is canceled when it is alone."""
    async with task_group(name="download") as g:
        g.spawn(part("progress bar", 10), name="progress", daemon=True)
        g.spawn(part("blocks", 0.02))
    print(f"  {g.outcomes()[1]}")


async def main() -> None:
    logger = logging.getLogger("rescind")
    logger.handlers = [Told()]
    logger.propagate = False
    for scene in (
        one_fails_all_stop,
        collect_what_there_is,
        begin_it_again,
        but_not_for_ever,
        daemons_end_with_the_rest,
    ):
        print(scene.__doc__)
        await scene()
        print()


if __name__ == "__main__":
    rescind.run(main)

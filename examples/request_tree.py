"""A request that is canceled as a tree: who canceled whom, for which reason, and how long it took.

A server answers three requests. The first one does. In the second a part fails, and its siblings
are canceled. The third has a deadline, and when that passes the request is far down: in groups
within groups, in a race, behind a shield, with something to clean up in most places. Nothing of it
is alive when the block of its group has been left.

Run it with `rescind run --trace tree.jsonl`, and look at `rescind report tree.jsonl`.
"""

import rescind
from rescind import TimedOut, race, task_group


async def query(seconds: float, tidy: float = 0.004) -> str:
    """Ask a database; give the connection back in any case, which takes a while as well."""
    try:
        await rescind.sleep(seconds)
    finally:
        await rescind.sleep(tidy)
    return "row"


async def profile() -> str:
    """Ask two replicas; who answers first wins, the other is canceled."""
    return await race(query(0.02), query(0.03))


async def payment() -> None:
    """Commit, which must not be interrupted: a cancellation waits until it is done."""
    await query(0.05)
    with rescind.shielded():
        await rescind.sleep(0.13)
    await query(0.02)


async def recommendations() -> str:
    """Answer with something older if there is no time."""
    try:
        return await query(10)
    except rescind.Cancellation:
        return "those of yesterday"


async def feed() -> None:
    """Ask all shards at once."""
    async with task_group(name="shards") as shards:
        for number in range(12):
            shards.spawn(query(1, 0.01 + 0.004 * (number % 4)), name=f"shard {number}")


async def advertisement(*, broken: bool) -> None:
    """Fail, if told so."""
    await rescind.sleep(0.03)
    if broken:
        raise ConnectionError("the server of the advertisements is down")


async def page(*, broken: bool = False, full: bool = False) -> None:
    """Make the parts of a page, all at once."""
    async with task_group(name="page") as parts:
        parts.spawn(profile(), name="profile")
        parts.spawn(advertisement(broken=broken), name="advertisement")
        if broken or full:
            parts.spawn(feed(), name="feed")
        if full:
            parts.spawn(payment(), name="payment")
            parts.spawn(recommendations(), name="recommendations")


async def request(number: int) -> str:
    """Answer one request, with the status of HTTP."""
    try:
        async with rescind.deadline(0.15):
            await page(broken=number == 2, full=number == 3)
    except TimedOut:
        return "504 Gateway Timeout"
    except ExceptionGroup:
        return "502 Bad Gateway"
    return "200 OK"


async def main() -> None:
    async with task_group(name="server") as server:
        requests = [server.spawn(request(number), name=f"request {number}") for number in (1, 2, 3)]
    for one in requests:
        print(f"{one.name}: {one.unwrap()}")


if __name__ == "__main__":
    rescind.run(main)

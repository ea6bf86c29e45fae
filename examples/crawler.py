"""A crawler: many pages at once, but not too many; and nothing left over when it stops.

Three ways to work through what nobody knows beforehand. *Level by level*: `concurrently` calls a
function for each link, four at a time, and gives the pages in the order of the links. *As they
come*: a `FutureSet` takes each new link at once. *Until it is found*: the block is left early, and
the pages that are still under way are canceled and hang up before it is over.

The site is in memory, so that the example prints the same each time.
"""

import rescind
from rescind import Cancellation, Completed, Error, FutureSet, Outcome, Progress, concurrently

AT_ONCE = 4

#: Each page: how long it takes, in fiftieths of a second, and what it links to.
SITE: dict[str, tuple[int, list[str]]] = {
    "/": (1, ["/docs", "/blog", "/about"]),
    "/docs": (2, ["/docs/race", "/docs/sets", "/docs/old"]),
    "/blog": (6, ["/blog/1", "/docs"]),
    "/about": (4, ["/"]),
    "/docs/race": (9, ["/docs/sets"]),
    "/docs/sets": (3, ["/docs/race"]),
    "/blog/1": (7, ["/about"]),
}

open_connections = 0


async def fetch(path: str) -> list[str]:
    """Fetch a page and return its links; hang up politely, also if canceled."""
    global open_connections
    open_connections += 1
    try:
        if path not in SITE:
            raise LookupError(f"404: {path}")
        fiftieths, links = SITE[path]
        await rescind.sleep(fiftieths / 50)
        return links
    except Cancellation as canceled:
        print(f"  {path} is canceled: {canceled.reason.message}")
        raise
    finally:
        await rescind.sleep(0.001)  # the goodbye
        open_connections -= 1


def shown(path: str, outcome: Outcome[list[str]]) -> str:
    match outcome:
        case Completed(links):
            return f"{path} links to {', '.join(links)}"
        case Error(exc):
            return f"{path} failed: {exc.args[0]}"
        case canceled:
            return f"{path} was {canceled}"


async def level_by_level() -> None:
    """All links of one level, then all that these led to: in order, failures among them."""
    known, level = {"/"}, ["/"]

    def progress(far: Progress) -> None:
        if not far.running:
            print(f"    {far.done} pages and {far.failed} failures of {far.total}")

    while level:
        found: list[str] = []
        async with concurrently(
            fetch, level, limit=AT_ONCE, ordered=True, on_error="outcomes", on_progress=progress
        ) as outcomes:
            paths = iter(level)
            async for outcome in outcomes:
                print(f"  {shown(next(paths), outcome)}")
                if isinstance(outcome, Completed):
                    found += outcome.value
        level = [link for link in dict.fromkeys(found) if link not in known]
        known.update(level)


async def as_they_come() -> None:
    """Each link as soon as it is known: the slow page holds nobody up."""
    async with FutureSet[str, list[str]](limit=AT_ONCE) as pages:
        known = {pages.add(fetch("/"), "/")}
        async for path, outcome in pages:
            print(f"  {shown(path, outcome)}")
            if isinstance(outcome, Completed):
                for link in outcome.value:
                    if link not in known:
                        known.add(pages.add(fetch(link), link))
        print(f"  {pages.statistics().fetched} pages")


async def until_it_is_found() -> None:
    """Stop at the first page that links to the one wanted; what is under way hangs up first."""
    async with FutureSet[str, list[str]](limit=AT_ONCE) as pages:
        for path in SITE:
            pages.add(fetch(path), path)
        async for path, outcome in pages:
            if isinstance(outcome, Completed) and "/docs/sets" in outcome.value:
                print(f"  found on {path}")
                break
    print(f"  {open_connections} connections are open")


async def main() -> None:
    for part in (level_by_level, as_they_come, until_it_is_found):
        print(part.__doc__)
        await part()


if __name__ == "__main__":
    rescind.run(main)

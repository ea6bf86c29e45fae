"""Fetch forty pages from three mirrors that cannot be trusted, with httpx over real sockets.

Each page is asked for at one mirror; if no answer has come after 50 ms, at a second one as well,
and after 100 ms at the third: *hedged* requests. The first good answer wins, and the requests
that lost are canceled. A page has a deadline, and so has the whole. Who canceled which
request, why, and how long its cleanup took, is all in the reasons that the outcomes carry.

The mirrors run in this process, on ports of 127.0.0.1 that the system chooses: *good* answers soon
but has lost every tenth page, *slow* takes its time, and *failing* refuses, hangs up or hangs.
"""

import asyncio
import contextlib
import statistics
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import httpx

import rescind
from rescind import Canceled, CancelKind, CancelReason, Completed, Error, Outcome, Task, TimedOut

PAGES = 40
AT_ONCE = 4
HEDGE = 0.05  # seconds before the next mirror is asked, too
PAGE_DEADLINE = 0.6
WHOLE_DEADLINE = 1.2


# -- the mirrors ---------------------------------------------------------------------------------

Answer = Callable[[int], Awaitable[int | None]]  # page -> status, or None: hang up


async def good(page: int) -> int:
    await rescind.sleep(0.02 + page * 7 % 6 * 0.01)
    return 404 if page % 10 == 4 else 200


async def slow(page: int) -> int:
    await rescind.sleep(0.1 + page * 3 % 8 * 0.1)
    return 500 if page % 10 == 4 else 200


async def failing(page: int) -> int | None:
    if page % 3 == 2:
        await rescind.never()
    return 503 if page % 3 == 0 else None


@dataclass
class Mirror:
    """A small HTTP server, and what it saw."""

    name: str
    answer: Answer
    url: str = ""
    requests: int = 0
    abandoned: int = 0  # the client had gone before there was an answer
    opened: int = 0  # connections, and how many of them were closed
    closed: int = 0


@contextlib.asynccontextmanager
async def serving(mirror: Mirror) -> AsyncGenerator[Mirror]:
    """Serve on a free port; each connection is a rescind task, canceled at the end."""
    connections: list[Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mirror.opened += 1
        name = f"{mirror.name} connection {mirror.opened}"
        connections.append(rescind.spawn(serve(mirror, reader, writer), name=name))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    mirror.url = f"http://{host}:{port}"
    try:
        yield mirror
    finally:
        server.close()
        for connection in connections:
            await connection.cancel("the server closes")
        await server.wait_closed()


async def serve(mirror: Mirror, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request after the other, until the client goes."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            mirror.requests += 1
            page = int(head.split()[1].strip(b"/"))
            # Whatever comes first: the answer, or the end of the client's patience.
            match await rescind.race(mirror.answer(page), gone(reader)):
                case None:
                    return
                case "gone":
                    mirror.abandoned += 1
                    return
                case int(status):
                    body = f"page {page} of {mirror.name}".encode()
                    writer.write(b"HTTP/1.1 %d -\r\n" % status)
                    writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                    await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await rescind.shield(writer.wait_closed())  # also if the server closes meanwhile
        mirror.closed += 1


async def gone(reader: asyncio.StreamReader) -> Literal["gone"]:
    await reader.read(1)  # a client that waits for an answer sends nothing: this is its end
    return "gone"


# -- the client ----------------------------------------------------------------------------------


@dataclass
class Attempt:
    """One request that was made, or would have been had it not been canceled first."""

    page: int
    mirror: str
    sent: bool = False
    outcome: Outcome[str] | None = None
    cleanup: float = 0.0  # seconds from the request for cancellation to the end


@dataclass
class Report:
    """What came of it all; everything in it was measured."""

    mirrors: list[Mirror]
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    pages: dict[int, Outcome[str]] = field(default_factory=dict[int, Outcome[str]])
    seconds: float = 0.0


async def ask(
    client: httpx.AsyncClient, mirror: Mirror, page: int, delay: float, attempt: Attempt
) -> str:
    """Ask one mirror, after a delay that it may not live to see the end of."""
    if delay:
        await rescind.sleep(delay)
    attempt.sent = True
    response = await client.get(f"{mirror.url}/{page}")
    response.raise_for_status()
    return mirror.name


def hedged(client: httpx.AsyncClient, report: Report, page: int) -> Awaitable[str]:
    """Return a future of the name of the first mirror that has the page."""
    first = page % len(report.mirrors)
    order = report.mirrors[first:] + report.mirrors[:first]

    def attempt(number: int, mirror: Mirror) -> Awaitable[str]:
        entry = Attempt(page, mirror.name)
        report.attempts.append(entry)

        def note(outcome: Outcome[str]) -> None:
            entry.outcome = outcome
            if isinstance(outcome, Canceled) and outcome.reason.at is not None:
                entry.cleanup = rescind.now() - outcome.reason.at

        return rescind.finalize(ask(client, mirror, page, number * HEDGE, entry), note)

    return rescind.race_ok(*(attempt(*item) for item in enumerate(order)))


async def fetch(
    client: httpx.AsyncClient, limit: asyncio.Semaphore, report: Report, page: int
) -> str:
    async with limit:  # asyncio's own: what works in an asyncio task works here
        return await rescind.timeout(hedged(client, report, page), PAGE_DEADLINE)


async def progress(tasks: list[Task[str]]) -> None:
    """Tell how far it is, until the race is lost to the work."""
    live = sys.stdout.isatty()
    async for _ in rescind.interval(0.1 if live else 0.5):
        done = sum(task.done() for task in tasks)
        line = f"{done:3} of {len(tasks)} pages  {'█' * done}{'░' * (len(tasks) - done)}"
        print(line, end="\r" if live else "\n", flush=True)


async def everything(tasks: list[Task[str]]) -> bool:
    """Wait for all pages, or cancel what is left at the deadline; was there enough time?"""
    try:
        async with rescind.deadline(WHOLE_DEADLINE):
            await rescind.outcomes(*(rescind.join_or_cancel(task) for task in tasks))
    except TimedOut:
        return False
    return True


async def collect() -> Report:
    """Start the mirrors, fetch all pages, and leave nothing behind."""
    mirrors = [Mirror("good", good), Mirror("slow", slow), Mirror("failing", failing)]
    report = Report(mirrors)
    async with contextlib.AsyncExitStack() as stack:
        for mirror in mirrors:
            await stack.enter_async_context(serving(mirror))
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=None, trust_env=False))
        limit = asyncio.Semaphore(AT_ONCE)
        started = rescind.now()
        tasks = [
            rescind.spawn(fetch(client, limit, report, page), name=f"page {page}")
            for page in range(PAGES)
        ]
        await rescind.race(progress(tasks), everything(tasks))
        report.seconds = rescind.now() - started
        for page, task in enumerate(tasks):
            report.pages[page] = await task.join()
    return report


# -- the report ----------------------------------------------------------------------------------


def ending(outcome: Outcome[str]) -> str:
    """Say in a few words how a page ended."""
    match outcome:
        case Completed():
            return "fetched"
        case Error(TimedOut()):
            return f"no answer within {PAGE_DEADLINE} s"
        case Error():
            return "no mirror has it"
        case Canceled():
            return f"stopped, {WHOLE_DEADLINE} s were over"


def fate(attempt: Attempt) -> str:
    """Say in a word what became of a request."""
    match attempt.outcome:
        case Completed():
            return "won"
        case Error():
            return "failed"
        case _:
            return "canceled" if attempt.sent else "spared"


def root(reason: CancelReason) -> CancelReason:
    return reason.chain()[-1]


def why(reason: CancelReason) -> str:
    """Say what is at the bottom of a cancellation."""
    match root(reason):
        case CancelReason(kind=CancelKind.RACE_LOST):
            return "lost the race"
        case CancelReason(kind=CancelKind.DEADLINE, by=by) if by and "'page" in by:
            return "deadline of its page"
        case CancelReason(kind=CancelKind.DEADLINE):
            return "deadline for all"
        case other:
            return other.kind.value


def tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return title, header and rows of each table."""
    fates = Counter((attempt.mirror, fate(attempt)) for attempt in report.attempts)
    mirrors: list[list[str]] = []
    for mirror in report.mirrors:
        counts = [fates[mirror.name, word] for word in ("won", "failed", "canceled")]
        spared = fates[mirror.name, "spared"]
        cells = [sum(counts), *counts, spared, mirror.abandoned]
        mirrors.append([mirror.name, *map(str, cells)])
    groups: dict[tuple[str, bool], list[tuple[CancelReason, float]]] = {}
    for attempt in report.attempts:
        if isinstance(attempt.outcome, Canceled):
            reason = attempt.outcome.reason
            group = groups.setdefault((why(reason), attempt.sent), [])
            group.append((reason, attempt.cleanup))
    canceled = [
        [
            cause,
            "in flight" if sent else "not yet sent",
            str(len(found)),
            by(reason for reason, _ in found),
            f"{statistics.median(ms for _, ms in found) * 1000:.2f}",
            f"{max(ms for _, ms in found) * 1000:.2f}",
        ]
        for (cause, sent), found in sorted(groups.items())
    ]
    pages = [[words, str(n)] for words, n in Counter(map(ending, report.pages.values())).items()]
    return [
        ("the pages", ["how it ended", "pages"], sorted(pages)),
        (
            "the mirrors",
            ["mirror", "sent", "won", "failed", "canceled", "spared", "hang-ups seen"],
            mirrors,
        ),
        (
            "who canceled the requests, why, and how long they took to clean up",
            ["why", "it was", "requests", "by", "median ms", "max ms"],
            canceled,
        ),
    ]


def by(reasons: Iterable[CancelReason]) -> str:
    """Name who asked, or say how many did."""
    names = {root(reason).by or "nobody" for reason in reasons}
    return f"{len(names)} tasks" if len(names) > 1 else names.pop()


def show(report: Report) -> None:
    for title, header, rows in tables(report):
        print()
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:
            print(title)
            widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
            for row in (header, *rows):
                print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        else:
            table = Table(*header, title=title, title_justify="left")
            for row in rows:
                table.add_row(*row)
            Console(width=max(Console().width, 100)).print(table)


async def main() -> None:
    print(f"{PAGES} pages from three mirrors, {AT_ONCE} at a time, {WHOLE_DEADLINE} s for all")
    report = await collect()
    show(report)
    stopped = [outcome for outcome in report.pages.values() if isinstance(outcome, Canceled)]
    if stopped:
        print(f"\nwhy the last page was stopped:\n{stopped[-1].reason}")
    won = sum(isinstance(outcome, Completed) for outcome in report.pages.values())
    opened = sum(mirror.opened for mirror in report.mirrors)
    closed = sum(mirror.closed for mirror in report.mirrors)
    print(f"\n{won} of {PAGES} pages in {report.seconds:.2f} s")
    print(f"{opened} connections opened, {closed} closed")


if __name__ == "__main__":
    rescind.run(main)

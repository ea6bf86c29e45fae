"""The cartesian matrix of one task's life: the programs, the player of one cell, and the oracle.

The oracle (`expect`) is written from the rules of the design, not from the code: the *fate* of a
task follows from the moment of the request, and each kind of program has one end per fate.
"""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from rescind import (
    Canceled,
    Cancellation,
    CancelRequest,
    Completed,
    Error,
    Outcome,
    TaskCanceled,
    abortable,
    current_runtime,
    finalize,
    join,
    never,
    race,
    shared,
    shield,
    sleep,
    spawn,
    timeout,
)
from rescind.lowlevel import PENDING, Context
from rescind.testing import CountingWaker, poll_once

from .support import Boom, CleanupBoom, Flag, Logged, settle

FIRST = "first request"
SECOND = "second request"
GRACE = 30.0

#: From Python 3.12 on, the frame in the traceback of an exception that left a coroutine refers to
#: the frames that had resumed it (`f_back`). A task's own let go of it; those of a combinator
#: refer to the combinator, and so to the exception: it goes with the collector's next round.
CYCLES = sys.version_info >= (3, 12)


# -- the programs ------------------------------------------------------------------------------


class Local:
    """Lives in the frame of a program: when it is gone, so is the frame."""


class Run:
    """One run of one program: what it did, and the leaves by which it is driven."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.first = Flag()
        self.tail = Flag()
        self.refusing = True
        # Called once in the middle of the first poll.
        self.during: Callable[[], object] | None = None
        self._local: weakref.ref[Local] | None = None

    def begin(self, local: Local) -> None:
        """Note that the body has started, and that `local` lives in its frame."""
        self.trace.append("body")
        self._local = weakref.ref(local)
        during, self.during = self.during, None
        if during is not None:
            during()

    @property
    def frame_alive(self) -> bool:
        """Does the frame still exist?"""
        return self._local is not None and self._local() is not None


async def returns(run: Run) -> str:
    """Return what it waited for."""
    local = Local()
    run.begin(local)
    try:
        return f"returned {await run.first}"
    finally:
        run.trace.append("cleanup")


async def raises(run: Run) -> str:
    """Raise after what it waited for."""
    local = Local()
    run.begin(local)
    try:
        raise Boom(await run.first)
    finally:
        run.trace.append("cleanup")


async def swallows(run: Run) -> str:
    """Turn the cancellation into a value."""
    local = Local()
    run.begin(local)
    try:
        return f"returned {await run.first}"
    except Cancellation:
        return "swallowed"
    finally:
        run.trace.append("cleanup")


async def raises_in_cleanup(run: Run) -> str:
    """Fail in its cleanup, whatever came before."""
    local = Local()
    run.begin(local)
    try:
        return f"returned {await run.first}"
    finally:
        run.trace.append("cleanup")
        raise CleanupBoom("cleanup")


async def awaits_in_cleanup(run: Run) -> str:
    """Await in its cleanup."""
    local = Local()
    run.begin(local)
    try:
        return f"returned {await run.first}"
    finally:
        run.trace.append("cleanup")
        await run.tail
        run.trace.append("cleaned")


async def shielded_wait(run: Run) -> str:
    """Wait first inside a shield, then without."""
    local = Local()
    run.begin(local)
    try:
        value = await shield(run.first)
        run.trace.append(f"shield gave {value}")
        await run.tail
        return f"returned {value}"
    finally:
        run.trace.append("cleanup")


async def refuses(run: Run) -> str:
    """Take no notice of anything that ends it."""
    local = Local()
    run.begin(local)
    try:
        return f"returned {await run.first}"
    except Cancellation:
        run.trace.append("cleanup")
    while run.refusing:
        try:
            await never()
        except BaseException as exc:
            run.trace.append(f"ignored {type(exc).__name__}")
    return "gave in"


# -- the dimensions ----------------------------------------------------------------------------


class Kind(Enum):
    """How the program ends."""

    RETURNS = "returns"
    RAISES = "raises"
    SWALLOWS = "swallows"
    RAISES_IN_CLEANUP = "raises in cleanup"
    AWAITS_IN_CLEANUP = "awaits in cleanup"
    SHIELDED = "shielded"
    REFUSES = "refuses"


class Use(Enum):
    """What becomes of the `Task`."""

    JOINED = "joined"
    AWAITED = "awaited"
    DROPPED_AT_ONCE = "dropped at once"
    DROPPED_AFTER_FIRST_POLL = "dropped after the first poll"
    DROPPED_AFTER_END = "dropped after the end"


class When(Enum):
    """When it is canceled."""

    NEVER = "never"
    BEFORE_FIRST_POLL = "before the first poll"
    DURING_FIRST_POLL = "during the first poll"
    PARKED = "parked"
    WOKEN = "woken but not resumed"
    IN_CLEANUP = "again in cleanup"
    AFTER_END = "after the end"


class Source(Enum):
    """By whom."""

    NOBODY = "nobody"
    TASK = "the task"
    HANDLE = "its handle"
    CLONE = "a copy of the handle"
    THREAD = "another thread"


class Wrap(Enum):
    """What the program is part of."""

    PLAIN = "nothing"
    AWAITED = "a coroutine"
    TIMEOUT = "timeout"
    JOIN = "join"
    RACE = "race"
    ABORTABLE = "abortable"
    FINALIZE = "finalize"
    SHARED = "shared"


PROGRAMS: dict[Kind, Callable[[Run], Coroutine[Any, Any, str]]] = {
    Kind.RETURNS: returns,
    Kind.RAISES: raises,
    Kind.SWALLOWS: swallows,
    Kind.RAISES_IN_CLEANUP: raises_in_cleanup,
    Kind.AWAITS_IN_CLEANUP: awaits_in_cleanup,
    Kind.SHIELDED: shielded_wait,
    Kind.REFUSES: refuses,
}


Make = Callable[[], Coroutine[Any, Any, str]]


async def _awaiting(make: Make) -> str:
    return await make()


WRAPPERS: dict[Wrap, Callable[[Make], Any]] = {
    Wrap.PLAIN: lambda make: make(),
    Wrap.AWAITED: _awaiting,
    Wrap.TIMEOUT: lambda make: timeout(make(), float("inf")),
    Wrap.JOIN: lambda make: join(make()),
    Wrap.RACE: lambda make: race(never(), make()),
    Wrap.ABORTABLE: lambda make: abortable(make())[0],
    Wrap.FINALIZE: lambda make: finalize(make(), lambda _outcome: None),
    Wrap.SHARED: lambda make: shared(make()),
}


@dataclass(frozen=True)
class Cell:
    """One point of the matrix."""

    kind: Kind
    use: Use
    when: When
    source: Source
    wrap: Wrap = Wrap.PLAIN

    def __str__(self) -> str:
        return (
            f"{self.kind.value}; {self.use.value}; canceled {self.when.value} "
            f"by {self.source.value}; in {self.wrap.value}"
        )


def cells(kind: Kind, when: When, wrap: Wrap = Wrap.PLAIN) -> Iterator[Cell]:
    """Return every cell that can be: who cancels must exist when the request is made."""
    for use, source in itertools.product(Use, Source):
        if (source is Source.NOBODY) != (when is When.NEVER):
            continue
        gone_first = use is Use.DROPPED_AT_ONCE or (
            use is Use.DROPPED_AFTER_FIRST_POLL
            and when not in (When.BEFORE_FIRST_POLL, When.DURING_FIRST_POLL)
        )
        if source is Source.TASK and gone_first:
            continue
        yield Cell(kind, use, when, source, wrap)


# -- what is seen ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ending:
    """How a task ended, as plain data.

    Attributes:
        what: ``Completed``, ``Error`` or ``Canceled``.
        value: what it returned; the name and argument of what it raised; the words of the reason.
    """

    what: str
    value: str
    also: tuple[str, ...] = ()
    dropped: bool = False
    abandoned: bool = False


@dataclass(frozen=True)
class Seen:
    """Everything that is checked about one cell.

    Attributes:
        ending: what the joiners saw, all alike; None where nobody could.
        trace: what the program did.
        accepted: for each request, whether it was accepted.
        counted: which counters of the runtime moved, and by how much.
        logged: what was logged, by sort.
        frame_alive: was the frame still there when all was over?
        left: tasks and timers that were left.
        wakers_left: does a leaf still hold a waker?
        joins: who was pending before the end, how often each was woken, whether they agree.
        reasons: what each request's reason knows.
    """

    ending: Ending | None
    trace: tuple[str, ...]
    accepted: tuple[bool, ...]
    counted: tuple[tuple[str, int], ...]
    logged: tuple[str, ...]
    frame_alive: bool
    left: tuple[int, int]
    wakers_left: bool
    joins: tuple[str, ...]
    reasons: tuple[str, ...]


# -- the player --------------------------------------------------------------------------------


class Joiner:
    """Somebody who waits for the task, polled by hand."""

    def __init__(self, task: Any, use: Use) -> None:
        self.waker = CountingWaker()
        self.future = task.join() if use is Use.JOINED else task.into_future()
        self.cx = Context(self.waker)

    def poll(self) -> Any:
        """Return the task's outcome, or `PENDING`."""
        seen = poll_once(self.future, self.cx)
        if isinstance(seen, Completed) and isinstance(seen.value, (Completed, Error, Canceled)):
            return seen.value
        return seen


def describe(outcome: Outcome[Any]) -> Ending:
    """Turn an outcome into plain data."""
    if isinstance(outcome, Completed):
        return Ending("Completed", str(outcome.value))
    also = tuple(type(exc).__name__ for exc in outcome.also)
    if isinstance(outcome, Error):
        exc = outcome.exception
        if isinstance(exc, TaskCanceled):
            return Ending("TaskCanceled", str(exc.reason.message))
        return Ending("Error", f"{type(exc).__name__}({exc})", also)
    return Ending("Canceled", str(outcome.reason.message), also, outcome.dropped, outcome.abandoned)


def _ask(source: Source, asker: Any, words: str) -> CancelRequest:
    """Make one request, as the source does."""
    if source is Source.CLONE:
        asker = asker.__copy__()
    if source is not Source.THREAD:
        request: CancelRequest = asker.cancel(words)
        return request
    made: list[CancelRequest] = []
    thread = threading.Thread(target=lambda: made.append(asker.cancel(words)))
    thread.start()
    thread.join()
    return made.pop()


def _facts(request: CancelRequest) -> str:
    """Say what the reason of a request knows: who, where."""
    reason = request.reason
    where = "here" if (reason.where or "").startswith(__file__) else repr(reason.where)
    who = None if reason.by is None else reason.by.split("'")[1]
    return f"{reason.kind.name} {reason.message!r} by {who} at {where}"


def _sort(message: str) -> str:
    for words in ("nobody joined it", "overran its grace", "went on after it had been closed"):
        if words in message:
            return words
    return message


COUNTERS = ("completed", "failed", "canceled", "dropped", "abandoned", "absorbed")


async def play(cell: Cell, log: Logged) -> Seen:
    """Play one cell to its end, and return what was seen; the driver is a task named ``driver``."""
    runtime = current_runtime()
    before = runtime.statistics()
    tasks_before = len(runtime.tasks())
    run = Run()
    task: Any = spawn(
        WRAPPERS[cell.wrap](lambda: PROGRAMS[cell.kind](run)), name="subject", grace=GRACE
    )
    handle = task.cancellation_handle()
    asker = task if cell.source is Source.TASK else handle
    accepted: list[bool] = []
    facts: list[str] = []

    def ask(words: str, asker: Any = asker) -> None:
        request = _ask(cell.source, asker, words)
        accepted.append(request.accepted)
        facts.append(_facts(request))

    when = cell.when
    joiners: list[Joiner] = []
    if cell.use in (Use.JOINED, Use.AWAITED):
        joiners = [Joiner(task, cell.use) for _ in range(3)]
        pending = [joiner.poll() is PENDING for joiner in joiners]
        leaver = joiners.pop()
        leaver.future.drop()  # to leave is to leave no trace
    if when is When.BEFORE_FIRST_POLL:
        ask(FIRST)
    if when is When.DURING_FIRST_POLL:
        run.during = lambda asker=asker: ask(FIRST, asker)
    if cell.source is Source.TASK and cell.use is Use.DROPPED_AFTER_FIRST_POLL:
        ask.__defaults__ = ()  # the driver itself holds the task no longer
        asker = None
    if cell.use is Use.DROPPED_AT_ONCE:
        del task
    await settle()
    if cell.use is Use.DROPPED_AFTER_FIRST_POLL:
        del task
    if when in (When.PARKED, When.IN_CLEANUP):
        ask(FIRST)
        await settle()
    if when is When.IN_CLEANUP:
        ask(SECOND)
        await settle()
    run.first.set("1")
    if when is When.WOKEN:
        ask(FIRST)
    await settle()
    run.tail.set("2")
    await settle()
    if cell.kind is Kind.REFUSES and runtime.host.name != "manual":
        handle.cancel("no more patience", grace=0.0005)  # no real time is spent on a long grace
    for _ in range(100):
        if handle.done():
            break
        await sleep(GRACE if runtime.host.name == "manual" else 0.0005)
    if when is When.AFTER_END:
        ask(FIRST)
        await settle()

    ending: Ending | None = None
    joins: list[str] = []
    if joiners:
        outcomes = [joiner.poll() for joiner in joiners]
        late = Joiner(task, cell.use)
        outcomes.append(late.poll())
        wakes = [joiner.waker.wakes for joiner in [*joiners, leaver, late]]
        known = task.outcome()
        joins.append(f"pending {pending}, woken {wakes}")
        same = {_identity(outcome) for outcome in [*outcomes, known]}
        joins.append("agree" if len({describe(one) for one in outcomes}) == 1 else "differ")
        joins.append("identical" if len(same) == 1 else f"{len(same)} identities")
        ending = describe(outcomes[0])
        del outcomes, known
    elif cell.use is Use.DROPPED_AFTER_END:
        ending = describe(task.outcome())
    del joiners, handle, asker
    ask.__defaults__ = ()
    task = leaver = late = None
    if CYCLES and cell.wrap in (Wrap.TIMEOUT, Wrap.RACE, Wrap.SHARED):
        gc.collect(0)
    after = runtime.statistics()
    counted = tuple(
        (name, moved)
        for name in COUNTERS
        if (moved := getattr(after, name) - getattr(before, name)) != 0
    )
    seen = Seen(
        ending=ending,
        trace=tuple(run.trace),
        accepted=tuple(accepted),
        counted=counted,
        logged=tuple(_sort(message) for message in log.take()),
        frame_alive=run.frame_alive,
        left=(len(runtime.tasks()) - tasks_before, after.timers - before.timers),
        wakers_left=run.first.waker is not None or run.tail.waker is not None,
        joins=tuple(joins),
        reasons=tuple(facts),
    )
    _bury(run, runtime.executor)
    return seen


def _identity(outcome: Outcome[Any]) -> int:
    """Return what must be one and the same for every joiner: the exception, or the reason."""
    if isinstance(outcome, Completed):
        return id(outcome.value)
    if isinstance(outcome, Canceled):
        return id(outcome.reason)
    if isinstance(outcome.exception, TaskCanceled):
        return id(outcome.exception.reason)
    return id(outcome.exception)


def _bury(run: Run, executor: Any) -> None:
    """Let a refusing program give in, so that it outlives its test nowhere."""
    run.refusing = False
    for error in executor.abandoned:
        for coroutine in error.coroutines:
            coroutine.close()
    executor.abandoned.clear()


# -- the oracle --------------------------------------------------------------------------------


class Fate(Enum):
    """What the moment of the request means for a program."""

    NATURAL = "no request came in time (R16)"
    UNSTARTED = "canceled before the first poll: nothing of the body runs (R5)"
    DELIVERED = "raised at the await where it is parked (R6)"
    VALUE_FIRST = "the value is there: it is delivered, the cancellation at the next park (R7)"


FATES = {
    When.NEVER: Fate.NATURAL,
    When.BEFORE_FIRST_POLL: Fate.UNSTARTED,
    When.DURING_FIRST_POLL: Fate.DELIVERED,
    When.PARKED: Fate.DELIVERED,
    When.WOKEN: Fate.VALUE_FIRST,
    When.IN_CLEANUP: Fate.DELIVERED,
    When.AFTER_END: Fate.NATURAL,
}

CANCELED = Ending("Canceled", FIRST)
RETURNED = Ending("Completed", "returned 1")
BODY_CLEANUP = ("body", "cleanup")

#: For each program and fate: how it ends, and what it did. One line, one rule.
ENDS: dict[tuple[Kind, Fate], tuple[Ending, tuple[str, ...]]] = {
    (Kind.RETURNS, Fate.NATURAL): (RETURNED, BODY_CLEANUP),
    (Kind.RETURNS, Fate.DELIVERED): (CANCELED, BODY_CLEANUP),
    # It never parks again: completion beats the request that was not delivered (R16).
    (Kind.RETURNS, Fate.VALUE_FIRST): (RETURNED, BODY_CLEANUP),
    (Kind.RAISES, Fate.NATURAL): (Ending("Error", "Boom(1)"), BODY_CLEANUP),
    (Kind.RAISES, Fate.DELIVERED): (CANCELED, BODY_CLEANUP),
    (Kind.RAISES, Fate.VALUE_FIRST): (Ending("Error", "Boom(1)"), BODY_CLEANUP),
    (Kind.SWALLOWS, Fate.NATURAL): (RETURNED, BODY_CLEANUP),
    # Who catches it and returns a value has completed (R11).
    (Kind.SWALLOWS, Fate.DELIVERED): (Ending("Completed", "swallowed"), BODY_CLEANUP),
    (Kind.SWALLOWS, Fate.VALUE_FIRST): (RETURNED, BODY_CLEANUP),
    (Kind.RAISES_IN_CLEANUP, Fate.NATURAL): (
        Ending("Error", "CleanupBoom(cleanup)"),
        BODY_CLEANUP,
    ),
    # An error of the cleanup makes no Error of a Canceled, and is not lost (R15).
    (Kind.RAISES_IN_CLEANUP, Fate.DELIVERED): (
        replace(CANCELED, also=("CleanupBoom",)),
        BODY_CLEANUP,
    ),
    # Nothing was delivered: it is not the cleanup of a cancellation.
    (Kind.RAISES_IN_CLEANUP, Fate.VALUE_FIRST): (
        Ending("Error", "CleanupBoom(cleanup)"),
        BODY_CLEANUP,
    ),
    (Kind.AWAITS_IN_CLEANUP, Fate.NATURAL): (RETURNED, (*BODY_CLEANUP, "cleaned")),
    # After delivery, awaits run normally (R9).
    (Kind.AWAITS_IN_CLEANUP, Fate.DELIVERED): (CANCELED, (*BODY_CLEANUP, "cleaned")),
    # The next park is the one in `finally`.
    (Kind.AWAITS_IN_CLEANUP, Fate.VALUE_FIRST): (CANCELED, BODY_CLEANUP),
    (Kind.SHIELDED, Fate.NATURAL): (RETURNED, ("body", "shield gave 1", "cleanup")),
    # The shield defers; the value is delivered; the first park outside delivers (R12).
    (Kind.SHIELDED, Fate.DELIVERED): (CANCELED, ("body", "shield gave 1", "cleanup")),
    (Kind.SHIELDED, Fate.VALUE_FIRST): (CANCELED, ("body", "shield gave 1", "cleanup")),
    (Kind.REFUSES, Fate.NATURAL): (RETURNED, ("body",)),
    # Request, grace, drop, abandon (R10).
    (Kind.REFUSES, Fate.DELIVERED): (
        replace(CANCELED, also=("Abandoned",), dropped=True, abandoned=True),
        (*BODY_CLEANUP, "ignored GeneratorExit"),
    ),
    (Kind.REFUSES, Fate.VALUE_FIRST): (RETURNED, ("body",)),
} | {(kind, Fate.UNSTARTED): (CANCELED, ()) for kind in Kind}

#: Programs that are still there when the second request comes: it is accepted, and changes nothing.
STILL_CLEANING = {Kind.AWAITS_IN_CLEANUP, Kind.SHIELDED, Kind.REFUSES}


def expect(cell: Cell) -> Seen:
    """Say what the rules of the design make of a cell."""
    fate = FATES[cell.when]
    ending, trace = ENDS[cell.kind, fate]
    told: Ending | None = ending
    if cell.wrap is Wrap.JOIN and ending.what == "Completed":
        told = replace(ending, value=f"('{ending.value}',)")
    if cell.use is Use.AWAITED and ending.what == "Canceled":
        told = Ending("TaskCanceled", FIRST)  # R17
    if cell.use in (Use.DROPPED_AT_ONCE, Use.DROPPED_AFTER_FIRST_POLL):
        told = None
    return Seen(
        ending=told,
        trace=trace,
        accepted=_accepted(cell),
        counted=_counted(cell, ending, fate),
        logged=_logged(cell, ending),
        frame_alive=ending.abandoned,
        left=(0, 0),
        wakers_left=False,
        joins=_joins(cell),
        reasons=_reasons(cell),
    )


def _accepted(cell: Cell) -> tuple[bool, ...]:
    if cell.when is When.NEVER:
        return ()
    if cell.when is When.AFTER_END:
        return (False,)  # R16: a no-op that says so
    if cell.when is When.IN_CLEANUP:
        return (True, cell.kind in STILL_CLEANING)
    return (True,)


def _counted(cell: Cell, ending: Ending, fate: Fate) -> tuple[tuple[str, int], ...]:
    names = {"Completed": "completed", "Error": "failed", "Canceled": "canceled"}
    counts = {names[ending.what]: 1}
    if ending.dropped:
        counts["dropped"] = 1
    if ending.abandoned:
        counts["abandoned"] = 1
    swallowed = cell.kind is Kind.SWALLOWS and fate is Fate.DELIVERED
    if swallowed and cell.wrap in (Wrap.PLAIN, Wrap.AWAITED):
        counts["absorbed"] = 1  # R11; what a combinator's child absorbed is the child's
    return tuple((name, counts[name]) for name in COUNTERS if name in counts)


def _logged(cell: Cell, ending: Ending) -> tuple[str, ...]:
    unseen = cell.use in (Use.DROPPED_AT_ONCE, Use.DROPPED_AFTER_FIRST_POLL)
    if ending.what == "Error" and unseen:
        return ("nobody joined it",)  # an error is never lost
    if ending.abandoned:
        # One report for the task, however many cells its cleanup hung in.
        return ("overran its grace", "went on after it had been closed")
    return ()


def _joins(cell: Cell) -> tuple[str, ...]:
    if cell.use not in (Use.JOINED, Use.AWAITED):
        return ()
    # Two wait and are woken once; one has left, one came after the end: neither is.
    return ("pending [True, True, True], woken [1, 1, 0, 0]", "agree", "identical")


def _reasons(cell: Cell) -> tuple[str, ...]:
    by = "subject" if cell.when is When.DURING_FIRST_POLL else "driver"
    if cell.source is Source.THREAD:
        by = "None"
    words = {When.NEVER: (), When.IN_CLEANUP: (FIRST, SECOND)}.get(cell.when, (FIRST,))
    return tuple(f"EXPLICIT {word!r} by {by} at here" for word in words)


def differences(cell: Cell, seen: Seen) -> list[str]:
    """Name every way in which a cell was not as expected."""
    expected = expect(cell)
    return [
        f"{cell}: {name} should be {getattr(expected, name)!r}, but is {getattr(seen, name)!r}"
        for name in Seen.__dataclass_fields__
        if getattr(seen, name) != getattr(expected, name)
    ]

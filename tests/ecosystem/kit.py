"""Cancel what a library does wherever it suspends, and look whether the library survives.

*What it is.* A `Scenario` opens a resource (a client, a pool), uses it, and can tell whether it is
still whole. `cancel_at_every_yield` runs the use as often as it suspends: in the n-th run it is
canceled at its n-th suspension, in one of several ways (`WAYS`), with everything fresh. After each
run the resource has to be usable, and nothing may have been reported: no warning, no error that
nobody took, no call of the loop's exception handler.

*What it is not.* `rescind.check`, which looks at somebody's own code. Here the code is given, and
the question is which way of canceling it survives.

A suspension is what reaches the driver: a ``yield``, those of ``asyncio.sleep(0)`` too.
"""

import asyncio
import contextlib
import gc
import importlib.util
import sys
import types
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import rescind
from rescind.sync import Event

__all__ = ["WAYS", "Point", "Scenario", "cancel_at_every_yield", "note_reports"]

Loop = Literal["asyncio", "uvloop"]

#: How long one step of a run (the canceled use, the check) may take, in seconds. Who expects that
#: much is broken, and waits for it each time, sets it to less.
PATIENCE = 60.0
#: So many suspensions are believed to be a loop.
MOST: Final = 200


@dataclass(frozen=True)
class Scenario:
    """A representative use of a library.

    Attributes:
        name: the library, and what is done.
        needs: the modules without which it cannot be run.
        resource: opens what is used, fresh in each run; its argument is the port of the server.
        use: what is canceled.
        check: raises if what was opened is not as good as new.
        server: the server that is needed, ``"redis"`` or ``"postgres"``; None if it brings its own.
        shared: may two use it at a time?
        known: how a problem begins that the library has whoever cancels it, asyncio too.
    """

    name: str
    needs: tuple[str, ...]
    resource: Callable[[int], AbstractAsyncContextManager[Any]]
    use: Callable[[Any], Coroutine[Any, Any, Any]]
    check: Callable[[Any], Awaitable[object]]
    server: str | None = None
    shared: bool = True
    known: str | None = None

    def missing(self) -> str | None:
        """Return the name of a module that is not installed, if there is one."""
        return next((name for name in self.needs if importlib.util.find_spec(name) is None), None)


@dataclass
class Point:
    """What happened when the use was canceled at its n-th suspension."""

    number: int
    ended: str = "not canceled"
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"at {self.number}, {self.ended}: {'; '.join(self.problems) or 'fine'}"


class Trigger:
    """Calls ``cancel`` once the operation has suspended for the n-th time.

    Attributes:
        early: before the driver can have seen what became ready, not at its next tick.
        again: at the suspension after that, too.
    """

    def __init__(self, at: int, *, early: bool = False, again: bool = False) -> None:
        self.at = at
        self.early = early
        self.again = again
        self.count = 0
        self.cancel: Callable[[], object] = _nothing

    @property
    def reached(self) -> bool:
        """Was there an n-th suspension?"""
        return self.count >= self.at

    def suspended(self, yielded: object) -> None:
        """Count one suspension."""
        self.count += 1
        if self.count == self.at or (self.again and self.count == self.at + 1):
            if self.early and hasattr(yielded, "add_done_callback"):
                yielded.add_done_callback(lambda _: self.cancel())
            else:
                asyncio.get_running_loop().call_soon(self.cancel)


def _nothing() -> None:
    pass


@types.coroutine
def _told(
    coro: Coroutine[Any, Any, Any], suspended: Callable[[object], None]
) -> Generator[Any, Any, Any]:
    """Await ``coro``, and tell of each of its suspensions."""
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            yielded = coro.send(value) if error is None else coro.throw(error)
        except StopIteration as stop:
            return stop.value
        value = error = None
        suspended(yielded)
        try:
            value = yield yielded
        except GeneratorExit:
            coro.close()
            raise
        except BaseException as exc:
            error = exc


Use = Callable[[], Coroutine[Any, Any, Any]]


async def _by_asyncio(use: Use, trigger: Trigger) -> str:
    """As asyncio cancels: `Task.cancel`."""
    task = asyncio.get_running_loop().create_task(use())
    trigger.cancel = task.cancel
    await asyncio.wait([task])
    if task.cancelled():
        return "canceled"
    exc = task.exception()
    return "completed" if exc is None else f"failed with {exc!r}"


async def _by_anyio(use: Use, trigger: Trigger) -> str:
    """As anyio cancels: by a scope, which cancels again each tick."""
    import anyio

    ended = "canceled"
    try:
        with anyio.CancelScope() as scope:
            trigger.cancel = scope.cancel
            await use()
            ended = "completed"
    except Exception as exc:
        return f"failed with {exc!r}"
    except asyncio.CancelledError:
        return "failed with a CancelledError that left its scope"
    return ended


async def _by_rescind(use: Use, trigger: Trigger, **options: Any) -> str:
    """As `rescind.Task.cancel` does."""
    task = rescind.spawn(use(), grace=PATIENCE)

    def cancel() -> None:
        task.cancel("the test says so", **options)

    trigger.cancel = cancel
    return _told_of(await task.join())


async def _by_drop(use: Use, trigger: Trigger) -> str:
    """By closing the coroutine."""
    return await _by_rescind(use, trigger, grace=0)


async def _by_race(use: Use, trigger: Trigger) -> str:
    """As the branch of a race that loses."""
    gate = Event()
    trigger.cancel = gate.set
    seen: list[str] = ["was dropped"]

    async def branch() -> None:
        try:
            await use()
            seen[:] = ["completed"]
        except asyncio.CancelledError:
            seen[:] = ["canceled"]
            raise
        except Exception as exc:
            seen[:] = [f"failed with {exc!r}"]

    await rescind.race(branch(), gate.wait())
    return seen[0]


async def _by_anyio_around(use: Use, trigger: Trigger) -> str:
    """As anyio does, each tick, while a plain asyncio task awaits a combinator of ours (R31)."""

    async def raced() -> None:
        await rescind.race(use())

    return await _by_anyio(raced, trigger)


async def _by_asyncio_around(use: Use, trigger: Trigger) -> str:
    """As `asyncio.Task.cancel` does, while a plain asyncio task awaits a combinator of ours."""

    async def raced() -> None:
        await rescind.race(use())

    return await _by_asyncio(raced, trigger)


def _told_of(outcome: rescind.Outcome[Any]) -> str:
    match outcome:
        case rescind.Completed():
            return "completed"
        case rescind.Error(exc):
            return f"failed with {exc!r}"
        case rescind.Canceled():
            also = [type(exc).__name__ for exc in outcome.also]
            also += ["was abandoned"] if outcome.abandoned else []
            return "canceled" + "".join(f", and {more}" for more in also)


#: Each way, and who runs the program: a stock asyncio task, or a task of rescind's.
WAYS: Final[dict[str, tuple[Callable[[Use, Trigger], Awaitable[str]], bool]]] = {
    "asyncio": (_by_asyncio, False),
    "asyncio, twice": (_by_asyncio, False),
    "anyio": (_by_anyio, False),
    "close": (_by_drop, True),
    "rescind": (_by_rescind, True),
    "rescind, a branch": (_by_race, True),
    "asyncio, twice, a race": (_by_asyncio_around, False),
    "anyio, a race": (_by_anyio_around, False),
}


def cancel_at_every_yield(
    scenario: Scenario,
    way: str = "rescind",
    *,
    port: int = 0,
    loop: Loop = "asyncio",
    early: bool = False,
) -> list[Point]:
    """Run the scenario once for each of its suspensions, canceled there.

    Args:
        scenario: what to run.
        way: how to cancel, one of `WAYS`.
        port: of the server that the scenario needs.
        loop: ``"asyncio"`` or ``"uvloop"``.
        early: cancel when what it waits for has just become ready, before it is told.
    """
    points: list[Point] = []
    gc.collect()
    gc.freeze()  # libraries that a test before has loaded: each collection below would see them
    for number in range(1, MOST):
        trigger = Trigger(number, early=early, again=way.startswith("asyncio, twice"))
        point = Point(number)
        with _listening(point.problems):
            _run(scenario, way, trigger, point, port=port, loop=loop)
            gc.collect()
        if not trigger.reached:
            if point.problems:
                points.append(point)  # it does not even work when nobody cancels it
            return points
        points.append(point)
    raise AssertionError(f"{scenario.name} has more than {MOST} suspensions")


def _run(
    scenario: Scenario, way: str, trigger: Trigger, point: Point, *, port: int, loop: Loop
) -> None:
    cancel, ours = WAYS[way]

    async def main() -> None:
        note_reports(point.problems)
        async with contextlib.AsyncExitStack() as stack:
            resource = await stack.enter_async_context(scenario.resource(port))
            await _once(scenario, resource, cancel, trigger, point)
            async with asyncio.timeout(PATIENCE):
                await stack.aclose()

    try:
        if ours:
            rescind.run(main, host=loop)
        else:
            with asyncio.Runner(loop_factory=_factory(loop)) as runner:
                runner.run(main())
    except Exception as exc:
        point.problems.append(f"the resource did not close: {exc!r}")


async def _once(
    scenario: Scenario,
    resource: Any,
    cancel: Callable[[Use, Trigger], Awaitable[str]],
    trigger: Trigger,
    point: Point,
) -> None:
    async def use() -> Any:
        return await _told(scenario.use(resource), trigger.suspended)

    try:
        async with asyncio.timeout(PATIENCE):
            point.ended = await cancel(use, trigger)
    except TimeoutError:
        point.problems.append("it did not end")
    if point.ended.startswith("failed") or ", and " in point.ended:
        point.problems.append(f"it {point.ended}")
    try:
        async with asyncio.timeout(PATIENCE):
            await scenario.check(resource)
    except Exception as exc:
        point.problems.append(f"afterwards: {exc!r}")


def _factory(loop: Loop) -> Callable[[], asyncio.AbstractEventLoop]:
    if loop == "uvloop":
        import uvloop

        made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return made
    return asyncio.new_event_loop


def note_reports(reported: list[str]) -> None:
    """Have the running loop note here what it reports to nobody in particular.

    But for one thing: grpc has one thread for all loops of a process. What that has for a loop that
    is closed by now, of an earlier run, it hands to the one that runs, where it fails.
    """

    def note(_loop: object, context: dict[str, Any]) -> None:
        said, exc = context["message"], context.get("exception")
        if "PollerCompletionQueue" in said and str(exc) == "Event loop is closed":
            return
        reported.append(f"reported: {said} {exc!r}")

    asyncio.get_running_loop().set_exception_handler(note)


@contextlib.contextmanager
def _listening(problems: list[str]) -> Iterator[None]:
    """Note warnings, and exceptions that nobody could catch."""

    def note(unraised: "sys.UnraisableHookArgs") -> None:
        problems.append(f"unraisable: {unraised.exc_value!r}")

    hook, sys.unraisablehook = sys.unraisablehook, note
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        problems += [f"warned: {warning.message}" for warning in caught]
    finally:
        sys.unraisablehook = hook

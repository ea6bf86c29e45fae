"""The interpreter: a program becomes a coroutine that writes down what it does.

*What it is.* `Machine.run` maps each node to the one thing of rescind's surface that it stands
for. What a program's user would see is the *trace*: what leaves begin, end and are canceled, and
which finalizers run, in order. Combinators leave nothing in it, so a law can put a program into one
and compare.

*Invariants.*
 M1  Each program that begins is noted in ``open``, and leaves it when it ends, whatever way.
 M2  A finalizer that is registered gets a number; how often it begins and ends is counted.
 M3  Nothing here depends on anything but the program: the same run gives the same trace.

*Threads.* The executor's thread only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import rescind
from rescind._core.current import local
from rescind._core.gate import Gate
from rescind._core.outcome import Completed, Outcome
from rescind.sync import Mutex, Semaphore, channel
from rescind.testing.laws import program as ast
from rescind.testing.laws.program import Program

__all__ = ["TOP", "Boom", "Entry", "Finalizer", "Machine"]


class Boom(Exception):
    """What programs raise; its argument is the word of the `program.Fail`."""


@dataclass(frozen=True)
class Entry:
    """One line of a trace.

    Attributes:
        what: what happened, such as ``sleep 1``.
        sheltered: was it inside a shield or a finalizer, where a cancellation waits?
        task: the name of the task.
        step: how many steps that task had begun.
    """

    what: str
    sheltered: bool = field(compare=False, default=False)
    task: str = field(compare=False, default="")
    step: int = field(compare=False, default=0)

    def __repr__(self) -> str:
        return self.what


@dataclass
class Finalizer:
    """A finalizer that was registered, and what became of it.

    Attributes:
        of: the node that registered it.
        program: what it runs.
        begun: how often it began.
        ended: how often it ended.
        saw: the outcomes that it was told.
    """

    of: Program
    program: Program
    begun: int = 0
    ended: int = 0
    saw: list[Outcome[Any]] = field(default_factory=list[Outcome[Any]])


@dataclass(frozen=True)
class _Place:
    """Where in a program a node stands: the gates around it, and whether a cancellation waits.

    What a finalizer starts is a part of the cleanup too, though no shield is inherited.
    """

    gates: tuple[tuple[str, Gate], ...] = ()
    sheltered: bool = False
    cleaning: bool = False

    def gate(self, name: str) -> Gate | None:
        for known, gate in reversed(self.gates):
            if known == name:
                return gate
        return None


TOP = _Place()


class Machine:
    """Runs programs in a world of its own: a mutex, a semaphore, a channel, and a trace.

    Attributes:
        trace: what happened, in order.
        open: what has begun and not ended (M1).
        finalizers: those that were registered, in order (M2).
        raised: each `Boom` that a program raised, in order.
        steps: says how many steps a task has begun; set by who runs it.
    """

    def __init__(self) -> None:
        self.trace: list[Entry] = []
        self.open: dict[int, Program] = {}
        self.finalizers: list[Finalizer] = []
        self.raised: list[Boom] = []
        self.sent: list[int] = []
        self.received: list[int] = []
        self.undelivered: list[int] = []
        self.mutex = Mutex()
        self.semaphore = Semaphore(2)
        self.sender, self.receiver = channel(1, on_undelivered=self.undelivered.append)
        self.steps: Callable[[Any], int] | None = None
        self._begun = 0

    # -- what it notes ----------------------------------------------------------------------------

    def note(self, what: str, place: _Place = TOP) -> None:
        """Append to the trace."""
        executor = local.executor
        task = None if executor is None else executor.current
        step = 0 if self.steps is None or task is None else self.steps(task)
        name = "" if task is None else task.name  # nobody's: polled by hand
        self.trace.append(Entry(what, place.sheltered or place.cleaning, name, step))

    def register(
        self, of: Program, program: Program, place: _Place = TOP
    ) -> Callable[[Outcome[Any]], Awaitable[Any]]:
        """Return a finalizer of the node ``of`` that runs ``program``, and is counted."""
        entry = Finalizer(of, program)
        self.finalizers.append(entry)
        sheltered = _Place(place.gates, sheltered=True, cleaning=True)

        async def finalizer(outcome: Outcome[Any]) -> None:
            entry.begun += 1
            entry.saw.append(outcome)
            try:
                await self.run(program, sheltered)
            finally:
                entry.ended += 1

        return finalizer

    # -- the interpreter --------------------------------------------------------------------------

    def future(self, program: Program, place: _Place = TOP) -> Awaitable[Any]:
        """Return a future of a program, without a coroutine around it where it is a gate.

        A gate opens its shield only for what the shield's own coroutine awaits, so what is
        around it has to be a future too.
        """
        match program:
            case ast.Open(body, name):
                gate = place.gate(name)
                if gate is not None:
                    inside = _Place(place.gates, cleaning=place.cleaning)
                    again = isinstance(body, ast.Open)
                    return gate.open((self.future if again else self.run)(body, inside))
            case ast.OnCancel(body, finalizer):
                inner = self.future(body, place)
                return rescind.on_cancel(inner, self.register(program, finalizer, place))
            case ast.Finalize(body, finalizer):
                inner = self.future(body, place)
                return rescind.finalize(inner, self.register(program, finalizer, place))
            case ast.CatchCancel(body):
                return rescind.catch_cancel(self.future(body, place))
            case ast.Shield(body):
                return rescind.shield(self.future(body, _Place(place.gates, True, place.cleaning)))
            case ast.Timeout(seconds, body):
                return rescind.timeout(self.future(body, place), seconds)
            case _:
                pass
        return self.run(program, place)

    async def run(self, program: Program, place: _Place = TOP) -> Any:
        """Run a program; return its value."""
        self._begun += 1
        number = self._begun
        self.open[number] = program
        try:
            if isinstance(program, _LEAVES):
                return await self._leaf(program, place)
            if isinstance(program, _PARENTS):
                return await self._parent(program, place)
            return await self._nested(program, place)
        finally:
            del self.open[number]

    async def _leaf(self, program: Program, place: _Place) -> Any:
        match program:
            case ast.Value(value):
                self.note(f"value {value}", place)
                return value
            case ast.Fail(word):
                self.note(f"fail {word}", place)
                boom = Boom(word)
                self.raised.append(boom)
                raise boom
            case ast.Sleep(seconds):
                return await self._wait(f"sleep {seconds:g}", rescind.sleep(seconds), place)
            case ast.Pause():
                return await self._wait("pause", rescind.yield_now(), place)
            case ast.Never():
                return await self._wait("never", rescind.never(), place)
            case ast.SelfCancel(word):
                return await self._wait(f"self_cancel {word}", rescind.self_cancel(word), place)
            case ast.Send(value):
                await self._wait(f"send {value}", self.sender.send(value), place)
                self.sent.append(value)
                return None
            case ast.Receive():
                value = await self._wait("receive", self.receiver.recv(), place)
                self.received.append(value)
                return value
            case _:
                raise TypeError(f"no program: {program!r}")

    async def _wait(self, what: str, fut: Awaitable[Any], place: _Place) -> Any:
        self.note(what, place)
        try:
            value = await fut
        except GeneratorExit:
            raise
        except rescind.Cancellation:
            self.note(f"{what}: canceled", place)
            raise
        self.note(f"{what}: done", place)
        return value

    async def _nested(self, program: Program, place: _Place) -> Any:
        run = self.run
        match program:
            case ast.Seq(first, second):
                await run(first, place)
                return await run(second, place)
            case ast.Catch(body, handler):
                try:
                    return await run(body, place)
                except Exception:
                    pass
                return await run(handler, place)
            case ast.ForceThen(first, second):
                try:
                    await run(first, place)
                except Exception:
                    pass
                return await run(second, place)
            case ast.Masked(body, name):
                with rescind.shielded() as gate:
                    gates = (*place.gates, (name, gate))
                    return await run(body, _Place(gates, True, place.cleaning))
            case ast.Bracket(acquire, use, release):
                return await self._bracket(program, acquire, use, release, place)
            case ast.Guard(seconds, body):
                token = rescind.CancellationToken.after(seconds)
                try:
                    return await token.guard(run(body, place))
                finally:
                    token.detach()
            case ast.Locked(body):
                async with self.mutex:
                    return await run(body, place)
            case ast.Permitted(body):
                async with self.semaphore:
                    return await run(body, place)
            case ast.Open(body, _) if not place.gate(program.gate):
                return await run(body, place)
            case _:
                return await self.future(program, place)

    async def _bracket(
        self, of: Program, acquire: Program, use: Program, release: Program, place: _Place
    ) -> Any:
        sheltered = _Place(place.gates, sheltered=True)
        owed: list[Callable[[Outcome[Any]], Awaitable[Any]]] = []

        async def acquired() -> Any:
            resource = await self.run(acquire, sheltered)
            owed.append(self.register(of, release, place))  # from here on it is owed
            return resource

        async def used(_resource: Any) -> Any:
            return await self.run(use, place)

        async def released(resource: Any) -> None:
            await owed[0](Completed(resource))

        return await rescind.bracket(acquired, used, released)

    async def _parent(self, program: Program, place: _Place) -> Any:
        # Children of combinators and tasks stand in a place of their own: no shield is inherited.
        run, fresh = self.run, _Place(place.gates, cleaning=place.cleaning)
        match program:
            case ast.Race(left, right):
                return await rescind.race(run(left, fresh), run(right, fresh))
            case ast.Both(left, right):
                return await rescind.join(run(left, fresh), run(right, fresh))
            case ast.Outcomes(left, right):
                return await rescind.outcomes(run(left, fresh), run(right, fresh))
            case ast.Group(left, right):
                async with rescind.task_group() as group:
                    group.spawn(run(left, fresh))
                    return await run(right, place)
            case ast.SpawnJoin(body):
                return await rescind.spawn(run(body, fresh))
            case ast.Cancel(seconds, body, word):
                task = rescind.spawn(run(body, fresh))
                await rescind.sleep(seconds)
                return await task.cancel(word)
            case _:
                raise TypeError(f"no program: {program!r}")


_LEAVES = (
    ast.Value,
    ast.Fail,
    ast.Sleep,
    ast.Pause,
    ast.Never,
    ast.SelfCancel,
    ast.Send,
    ast.Receive,
)
_PARENTS = (ast.Race, ast.Both, ast.Outcomes, ast.Group, ast.SpawnJoin, ast.Cancel)

"""`check_combinator`: the laws that every parent of futures keeps, over generated children."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import rescind
from rescind._core.coroutine import CoroutineFuture
from rescind._core.errors import PolledAfterCompletion
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Completed
from rescind._core.poll import Future
from rescind.testing.hand import context
from rescind.testing.laws import strategies
from rescind.testing.laws.broken import broken
from rescind.testing.laws.interpret import Machine
from rescind.testing.laws.law import search
from rescind.testing.laws.outcomes import Witness
from rescind.testing.laws.program import Program
from rescind.testing.laws.stage import Setting, Stage, play

__all__ = ["check_combinator"]

_CHILDREN = ("tasks", "SelfCancel", "Masked", "Open")


def check_combinator(
    combine: Callable[..., Awaitable[Any]],
    *,
    children: int = 2,
    examples: int = 50,
    name: str | None = None,
) -> None:
    """Check that a combinator drives, cancels and drains its children as it has to.

    Args:
        combine: takes so many futures, and returns the future of a parent that owns them.
        children: how many, at least 1.
        examples: how many programs are tried for each law; a hypothesis profile of more than 100
            examples raises this in proportion.
        name: what to call it in messages.

    Raises:
        LawBroken: a law is broken; it says which, with which children, and what to do.
        UsageError: hypothesis is not installed.

    Example:
        >>> import rescind
        >>> from rescind.testing import laws
        >>> laws.check_combinator(rescind.race, examples=10)
    """
    strategies.hypothesis_or_error()
    import hypothesis.strategies as st

    subject = name or getattr(combine, "__qualname__", None) or repr(combine)
    several = st.lists(
        strategies.prog(size=4, without=_CHILDREN), min_size=children, max_size=children
    ).map(tuple)
    settings = strategies.settings(tasks=1)
    at = st.sampled_from((0.25, 0.75, 1.25))
    check = _Check(combine, subject)
    search(check.lazy, {"programs": several}, max(5, examples // 4))
    search(check.drains, {"programs": several, "on": settings}, examples)
    search(check.canceled, {"programs": several, "at": at}, examples)
    search(check.again, {"programs": several}, max(5, examples // 4))


class _Check:
    """One combinator, under each law."""

    def __init__(self, combine: Callable[..., Awaitable[Any]], subject: str) -> None:
        self.combine = combine
        self.subject = subject

    def lazy(self, programs: tuple[Program, ...]) -> None:
        """P4."""
        world = Machine()
        with Stage():
            futures = [CoroutineFuture(world.run(one)) for one in programs]
            as_future(self.combine(*futures)).drop()
            for one in futures:
                one.drop()
        if world.trace or world.open:
            raise broken(
                "P4",
                self.subject,
                f"created and dropped, it ran {world.trace!r} of its children",
                program=repr(programs),
            )

    def drains(self, programs: tuple[Program, ...], on: Setting) -> None:
        """P43, P8."""
        faults: list[str] = []
        watched: list[str] = []
        alive: list[list[Program]] = []

        futures: list[Witness] = []

        async def main(world: Machine) -> Any:
            futures.extend(
                Witness(CoroutineFuture(world.run(one)), faults, watched) for one in programs
            )
            try:
                return await self.combine(*futures)
            finally:
                alive.append(list(world.open.values()))

        run = play(main, on)
        left = list(watched)
        dropped = [repr(one.inner) for one in futures if one.dropped]
        for one in futures:
            one.drop()  # what it forgets is not to be told by the collector
        program = f"children {programs!r} in {on!r}"
        if faults:
            raise broken("P8", self.subject, f"its child {faults[0]}", program=program)
        if isinstance(getattr(run.outcome, "exception", None), PolledAfterCompletion):
            happened = f"it failed: {run.outcome!r}"
            raise broken("P8", self.subject, happened, program=program)
        if not run.hung and alive and alive[0]:
            happened = f"it ended as {run.ended!r} while children were at {alive[0]!r}"
            raise broken("P43", self.subject, happened, program=program)
        if not run.hung and dropped:
            happened = f"it dropped {dropped[0]}, whose cleanup could then not wait"
            raise broken("P43", self.subject, happened, program=program)
        if not run.hung and left:
            happened = f"it never ended its children {left!r}"
            raise broken("P43", self.subject, happened, program=program)

    def canceled(self, programs: tuple[Program, ...], at: float) -> None:
        """P45, P12."""

        futures: list[Any] = []

        async def main(world: Machine) -> Any:
            futures.extend(CoroutineFuture(world.run(one)) for one in programs)
            task = rescind.spawn(as_future(self.combine(*futures)))
            await rescind.sleep(at)
            if task.done():
                return None
            outcome = await task.cancel("outer")
            return outcome, list(world.open.values())

        run = play(main)
        for one in futures:
            one.drop()
        if run.hung or run.stuck or not isinstance(run.outcome, Completed):
            program = f"children {programs!r}, canceled at {at} s"
            if run.stuck and not _hangs(programs, at):
                happened = "canceled, it never ended, though its children would have"
                raise broken("P45", self.subject, happened, program=program)
            return
        if run.outcome.value is None:
            return
        outcome, alive = run.outcome.value
        program = f"children {programs!r}, canceled at {at} s"
        if alive:
            happened = f"canceled, it ended while children were at {alive!r}"
            raise broken("P12", self.subject, happened, program=program)
        if isinstance(outcome, Canceled) and outcome.reason.message != "outer":
            happened = f"canceled by 'outer', it ended for the reason {outcome.reason!r}"
            raise broken("P45", self.subject, happened, program=program)

    def again(self, programs: tuple[Program, ...]) -> None:
        """P8."""

        futures: list[Any] = []

        async def main(world: Machine) -> Any:
            futures.extend(CoroutineFuture(world.run(one)) for one in programs)
            future = as_future(self.combine(*futures))
            outcome = await rescind.catch_cancel(_Kept(future))
            try:
                future.poll(context())
            except Exception:
                return outcome
            raise AssertionError

        run = play(main)
        for one in futures:
            one.drop()
        if isinstance(getattr(run.outcome, "exception", None), AssertionError):
            happened = "polled after its end, it did not raise"
            raise broken("P8", self.subject, happened, program=repr(programs))


class _Kept(Future[Any]):
    """Passes on to a future that somebody else keeps."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def poll(self, cx: Any) -> Any:
        self.waker = cx.waker
        return self.inner.poll(cx)

    def poll_cancel(self, cx: Any, request: Any) -> Any:
        self.waker = cx.waker
        return self.inner.poll_cancel(cx, request)

    def drop(self) -> None:
        self.inner.drop()


def _hangs(programs: tuple[Program, ...], at: float) -> bool:
    """Would one of the children hang when it is canceled then?"""

    def canceled(program: Program) -> Callable[[Machine], Awaitable[Any]]:
        async def alone(world: Machine) -> Any:
            task = rescind.spawn(world.run(program))
            await rescind.sleep(at)
            return await task.cancel("outer")

        return alone

    return any(play(canceled(one)).stuck for one in programs)

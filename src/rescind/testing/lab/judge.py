"""What counts as a failure of a run, and what is only the consequence of an injection.

*What it is.* Pure: from a `Run` and the promises of the user to a `Failure`, or None.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, cast

from rescind._core.errors import TaskCanceled, TimedOut
from rescind._core.frames import from_library
from rescind._core.outcome import Completed, Error
from rescind.testing.lab.errors import Hang, Livelock
from rescind.testing.lab.injection import ROOT, Injection, Kind
from rescind.testing.lab.record import NOTHING, Failure, FailureKind, Run, cleaned
from rescind.testing.lab.task import sites_of

__all__ = ["LEAKS", "Invariant", "judge"]

Invariant = Callable[[Run[Any]], object]
"""Called with each run; broken if it returns False, or raises."""

LEAKS: Final = ("tasks", "timers", "coroutines")
"""What may not be left when main has completed."""


def judge(
    run: Run[Any],
    invariants: Sequence[Invariant] = (),
    allowed: tuple[type[BaseException], ...] = (),
    leaks: Collection[str] = LEAKS,
) -> Failure | None:
    """Return what is wrong with a run, or None.

    An exception that says no more than that what was injected has happened, `TaskCanceled` or, for
    a deadline, `TimedOut`, is none. What is left behind counts if main has completed: who is
    canceled, or fails, leaves its tasks to the runtime.

    Args:
        run: the run.
        invariants: what must hold after each run.
        allowed: exceptions that may come out of a run with injections.
        leaks: which of `LEAKS` may not be left.
    """
    error = run.error
    if isinstance(error, (Hang, Livelock)):
        kind = FailureKind.DEADLOCK if isinstance(error, Hang) else FailureKind.LIVELOCK
        return Failure(kind, " ".join(error.where), cleaned(str(error)), error)
    expected = _expected(run.struck, allowed)
    outcome = run.outcome
    if isinstance(outcome, Error) and not _only(outcome.exception, expected):
        return _raised(outcome.exception, ROOT, run)
    for path, unseen in run.unseen:
        if not _only(unseen, expected):
            return _raised(unseen, path, run)
    for invariant in invariants:
        failure = _broken(invariant, run)
        if failure is not None:
            return failure
    if run.leftovers is NOTHING or not isinstance(outcome, Completed):
        return None
    left = run.leftovers.only(leaks)
    if left:
        return Failure(FailureKind.LEFTOVERS, " ".join(left.kinds), str(left))
    return None


def _expected(
    struck: Sequence[Injection], allowed: tuple[type[BaseException], ...]
) -> tuple[type[BaseException], ...]:
    """Return what an exception may be that follows from the injections."""
    if not struck:
        return ()
    if any(one.kind is Kind.DEADLINE for one in struck):
        allowed = (*allowed, TimedOut)
    return (*allowed, TaskCanceled)


def _only(exc: BaseException, expected: tuple[type[BaseException], ...]) -> bool:
    """Is this, or all that is in this group, expected?"""
    if isinstance(exc, expected):
        return True
    if isinstance(exc, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return all(_only(one, expected) for one in group.exceptions)
    return False


def _raised(exc: BaseException, path: str, run: Run[Any]) -> Failure:
    name = run.names.get(path, path)
    first = _first(exc)
    place = next((s for s in reversed(sites_of(first)) if not from_library(s.file)), None)
    at = "" if place is None else f" at {place.function}"
    words = cleaned(f"{name} failed with {first!r}")
    if first is not exc:
        words += f", in {type(exc).__name__}"
    return Failure(FailureKind.ERROR, f"{type(first).__qualname__}{at}", words, exc)


def _first(exc: BaseException) -> BaseException:
    """Return the first exception in a group that is no group itself."""
    while isinstance(exc, BaseExceptionGroup):
        exc = cast("BaseExceptionGroup[BaseException]", exc).exceptions[0]
    return exc


def _broken(invariant: Invariant, run: Run[Any]) -> Failure | None:
    name = getattr(invariant, "__name__", None) or type(invariant).__name__
    try:
        held = invariant(run)
    except Exception as exc:
        words = cleaned(f"{name} raised {exc!r}")
        return Failure(FailureKind.INVARIANT, f"{name} {type(exc).__qualname__}", words, exc)
    if held is False:
        return Failure(FailureKind.INVARIANT, name, f"{name} does not hold")
    return None

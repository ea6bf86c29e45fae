"""What is a failure of a run, and what only follows from an injection."""

from typing import Any

import pytest

import rescind
from rescind.testing import FailureKind, Injection, Instant, Kind, Leftovers, Run, Spot
from rescind.testing.lab.judge import judge
from tests.testing.programs import run

_REASON = rescind.CancelReason(rescind.CancelKind.EXPLICIT, "injected")
_CANCELED = rescind.TaskCanceled(_REASON)
_TASK = Injection(Spot("root/1", "work+1", 1, Instant.PARKED))
_DEADLINE = Injection(Spot("root/1", "work+1", 1, Instant.PARKED), Kind.DEADLINE)


def ended(outcome: Any, *, struck: tuple[Injection, ...] = (), **more: Any) -> Run[Any]:
    """Return a run that ended so."""
    parts: dict[str, Any] = {
        "error": None,
        "time": 0.0,
        "steps": 1,
        "trace": (),
        "decisions": (),
        "passed": (),
        "missed": (),
        "leftovers": Leftovers(),
        "unseen": (),
        "names": {"root": "main", "root/1": "work"},
    }
    return Run(outcome, struck=struck, **{**parts, **more})


@pytest.mark.parametrize(
    ("exc", "struck", "fails"),
    [
        (LookupError(), (), True),
        (LookupError(), (_TASK,), True),
        (_CANCELED, (), True),
        (_CANCELED, (_TASK,), False),
        (rescind.TimedOut("late"), (_TASK,), True),
        (rescind.TimedOut("late"), (_DEADLINE,), False),
        (ExceptionGroup("two", [_CANCELED, _CANCELED]), (_TASK,), False),
        (ExceptionGroup("two", [_CANCELED, LookupError()]), (_TASK,), True),
    ],
)
def test_an_exception_is_a_failure_unless_it_follows(
    exc: Exception, struck: tuple[Injection, ...], fails: bool
) -> None:
    """What says that the injected has happened, alone or in groups, is expected; all else fails."""
    assert fails == (judge(ended(rescind.Error(exc), struck=struck)) is not None)
    unseen = ended(rescind.Completed(None), struck=struck, unseen=(("root/1", exc),))
    assert fails == (judge(unseen) is not None)


@pytest.mark.parametrize(
    ("outcome", "fails"),
    [
        (rescind.Completed(None), True),
        (rescind.Canceled(_REASON), False),
        (rescind.Error(_CANCELED), False),
    ],
)
def test_leftovers_count_if_main_completed(outcome: Any, fails: bool) -> None:
    """Who is canceled, or fails, leaves its tasks to the runtime."""
    left = ended(outcome, struck=(_TASK,), leftovers=Leftovers(tasks=("root/1 'work'",)))

    assert fails == (judge(left) is not None)


def test_failures_are_the_same_by_kind_and_sign() -> None:
    """Another exception, or one that was raised elsewhere, is another failure."""

    def raised(exc: Exception) -> Run[Any]:
        try:
            raise exc
        except Exception as caught:
            return ended(rescind.Error(caught))

    first, second = judge(raised(LookupError(1))), judge(raised(LookupError(2)))
    other = judge(raised(OSError()))

    assert first is not None
    assert first.same(second)
    assert not first.same(other)
    assert not first.same(None)
    assert FailureKind.ERROR is first.kind


def test_a_group_is_named_by_what_is_in_it() -> None:
    """The first exception is what a reader looks for."""
    failure = judge(ended(rescind.Error(ExceptionGroup("g", [LookupError("x"), OSError()]))))

    assert "exception: main failed with LookupError('x'), in ExceptionGroup" == str(failure)


def test_hangs_are_the_same_by_where_they_wait() -> None:
    """What waits for another task is only a victim: the functions at the end count."""

    def hang(*names: str) -> Run[Any]:
        async def first() -> None:
            await rescind.never()

        async def second() -> None:
            await rescind.never()

        async def main() -> None:
            async with rescind.task_group() as g:
                for name in names:
                    g.spawn(first() if name == "first" else second())

        return run(main)

    first, both = judge(hang("first")), judge(hang("first", "second"))

    assert first is not None
    assert FailureKind.DEADLOCK is first.kind
    assert first.sign.endswith("first")
    assert first.same(judge(hang("first", "first")))
    assert not first.same(both)


def test_livelocks_are_the_same_by_what_repeats() -> None:
    """The functions that go round are the sign."""

    async def spin() -> None:
        while True:
            await rescind.yield_now()

    async def main() -> None:
        await rescind.spawn(spin())

    failure = judge(run(main, max_steps=300))

    assert failure is not None
    assert (FailureKind.LIVELOCK, spin.__qualname__) == (failure.kind, failure.sign)

"""The kit catches what is broken, by the law that it breaks, and passes what is not."""

from collections.abc import Callable
from typing import Any

import pytest

from rescind import UsageError, race, sleep
from rescind.testing import laws
from rescind.testing.laws import strategies
from tests.laws import faulty


def boxed(kind: type[faulty.Takes]) -> dict[str, Any]:
    """Return the arguments of `check_future` for a future over a new box."""
    box = faulty.Box()
    return {
        "factory": lambda: (kind(box), box.put),
        "state": lambda: (box.value, len(box.waiting)),
        "reset": box.__init__,  # type: ignore[misc]
        "name": kind.__name__,
    }


def test_correct_future_passes() -> None:
    """What the broken ones are derived from keeps all laws."""
    laws.check_future(**boxed(faulty.Takes))


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (faulty.LosesItsWaker, "P70"),
        (faulty.KeepsTheFirstWaker, "P70"),
        (faulty.GivesTwice, "P8"),
        (faulty.SwallowsCancel, "P9"),
        (faulty.MakesUpAValue, "P9"),
        (faulty.LeaksOnDrop, "R3"),
        (faulty.DropsTwice, "R3"),
        (faulty.LosesTheValue, "P15"),
        (faulty.StartsAtOnce, "P4"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_broken_future_is_caught(kind: type[faulty.Takes], law: str) -> None:
    """It is caught by the law that it breaks, which is named, with what to do."""
    with pytest.raises(laws.LawBroken) as caught:
        laws.check_future(**boxed(kind))

    assert law == caught.value.law
    assert f"{kind.__name__} breaks {law}: " in str(caught.value)
    assert "what to do: " in str(caught.value)


@pytest.mark.parametrize(
    ("combine", "law"),
    [
        (faulty.Undrained, "P43"),
        (lambda *futs: faulty.Undrained(*futs, drop=True), "P43"),
        (faulty.PollsTheEnded, "P8"),
        (faulty.StartsChildren, "P4"),
    ],
    ids=["forgets-losers", "drops-losers", "polls-the-ended", "starts-children"],
)
def test_broken_combinator_is_caught(combine: Callable[..., Any], law: str) -> None:
    """It is caught by the law that it breaks, with the smallest children."""
    with pytest.raises(laws.LawBroken) as caught:
        laws.check_combinator(combine, name="mine", examples=200)

    assert law == caught.value.law
    assert f"mine breaks {law}: " in str(caught.value)


def test_program_that_breaks_a_law_is_shrunk() -> None:
    """The children that are shown are as small as they can be."""
    with pytest.raises(laws.LawBroken) as caught:
        laws.check_combinator(faulty.Undrained)

    program = str(caught.value).partition("children (")[2].partition(") in ")[0]
    assert program.count("(") <= 3, program


async def use(semaphore: Any) -> None:
    """Hold a permit for a second."""
    await semaphore.acquire()
    try:
        await sleep(1)
    finally:
        semaphore.release()


@pytest.mark.parametrize("options", [{}, {"leave": False}], ids=["keeps-permit", "stays-in-line"])
def test_broken_primitive_is_caught(options: dict[str, bool]) -> None:
    """A permit that a canceled waiter keeps, or is given when it has gone, is missed (P71)."""
    with pytest.raises(laws.LawBroken) as caught:
        laws.check_primitive(
            lambda: faulty.DropsPermits(**options), use, name="semaphore", examples=2000
        )

    assert "P71" == caught.value.law
    assert "semaphore breaks P71: " in str(caught.value)


def test_correct_primitive_passes() -> None:
    """With what it has to do in drop, the same semaphore keeps the laws."""
    make = lambda: faulty.DropsPermits(hand_over=True)  # noqa: E731
    laws.check_primitive(make, use, state=lambda one: one.free)


def test_primitive_that_hangs_without_cancellation_is_caught() -> None:
    """A use that waits for what nobody gives is told as one that hangs."""

    async def takes(semaphore: Any) -> None:
        await semaphore.acquire()

    with pytest.raises(laws.LawBroken, match="nothing could run any more"):
        laws.check_primitive(faulty.DropsPermits, takes)


def test_primitive_without_a_use_is_refused() -> None:
    """There has to be something to do with it."""
    with pytest.raises(UsageError, match="at least one async function"):
        laws.check_primitive(faulty.DropsPermits)


def test_without_hypothesis_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The laws can be imported; what needs hypothesis says so."""
    import sys

    monkeypatch.setitem(sys.modules, "hypothesis", None)

    with pytest.raises(UsageError, match=r"pip install 'rescind\[laws\]'"):
        strategies.prog()
    with pytest.raises(UsageError, match="hypothesis"):
        laws.check_combinator(race)
    laws.check_future(lambda: sleep(1))


def test_each_failure_has_its_advice() -> None:
    """Every law of the kit says what it wants, and how one comes to keep it."""
    from rescind.testing.laws.broken import ADVICE, broken

    for law in ADVICE:
        says, advice = ADVICE[law]
        assert f"mine breaks {law}: {says}." in str(broken(law, "mine", "it hung"))
        assert advice
        assert not says.endswith(".")


def test_same_shows_the_difference() -> None:
    """Two programs that differ are shown with both runs."""
    from rescind.testing.laws.program import Sleep, Value

    with pytest.raises(AssertionError, match="the two programs should do the same") as caught:
        laws.same(Value(1), Sleep(1))
    assert "value 1" in str(caught.value)
    assert "sleep 1" in str(caught.value)
